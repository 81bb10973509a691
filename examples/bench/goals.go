package main

import (
	"fmt"
	"strings"
	"time"
)

// goal is what a line of the table has to reach.
type goal struct {
	scenarios string
	rtt       time.Duration
	what      string
	wanted    string
	// of gives what was reached; known is false where it wasn't measured.
	of func(t *table, m measured, mid middle) (got string, met, known bool)
}

const mebi = 1 << 20

// goals are those of the issue that asked for this table.
var goals = []goal{
	{"small realistic many plain plain-realistic", 0, "rate", "at least 0.7 of the limit's", against("limit", 0.7)},
	{"small realistic many", 0, "rate", "at least twice mbsync's", against("mbsync", 2)},
	{"small realistic", 20 * time.Millisecond, "rate", "at least 0.6 of the near one", ofNear(0.6)},
	{"small realistic", 100 * time.Millisecond, "rate", "at least 0.3 of the near one", ofNear(0.3)},
	{"rate", 0, "the least that an account got of its rate", "at least 0.95", func(_ *table, _ measured, mid middle) (string, bool, bool) {
		return fmt.Sprintf("%.3f", mid.least), mid.least >= 0.95, mid.least >= 0
	}},
	{"small plain", 0, "second pass", "less than 1 s", func(_ *table, _ measured, mid middle) (string, bool, bool) {
		return fmt.Sprintf("%.2f s", mid.second.Seconds()), mid.second < time.Second, mid.second > 0
	}},
	{"small many plain", 0, "round trips of an account's second pass, to either server", "at most folders + 5", fewTrips},
	{"small", 0, "CPU of bmsync a message", "at most 0.15 ms", func(_ *table, m measured, mid middle) (string, bool, bool) {
		ms := mid.cpu.Seconds() * 1000 / float64(m.Messages)
		return fmt.Sprintf("%.3f ms", ms), ms <= 0.15, true
	}},
	{"small plain", 0, "peak memory", "less than 120 MB", below(120)},
	{"rate fifty", 0, "peak memory", "less than 400 MB", below(400)},
	{"million", 0, "peak memory of any command", "at most 250 MB", below(251)},
}

func against(tool string, factor float64) func(*table, measured, middle) (string, bool, bool) {
	return func(_ *table, m measured, mid middle) (string, bool, bool) {
		other, ok := m.middle(tool)
		if !ok {
			return "", false, false
		}
		ratio := other.took.Seconds() / mid.took.Seconds()
		return fmt.Sprintf("%.2f", ratio), ratio >= factor, true
	}
}

// ofNear compares a far run with the near one of the same tool, on the same
// medium.
func ofNear(factor float64) func(*table, measured, middle) (string, bool, bool) {
	return func(t *table, m measured, mid middle) (string, bool, bool) {
		for _, other := range t.all {
			if near, ok := other.middle("bmsync"); ok && other.RTT == 0 && other.Scenario == m.Scenario && other.Medium == m.Medium {
				ratio := near.took.Seconds() / mid.took.Seconds()
				return fmt.Sprintf("%.2f", ratio), ratio >= factor, true
			}
		}
		return "", false, false
	}
}

func fewTrips(_ *table, m measured, mid middle) (string, bool, bool) {
	if mid.trips == nil || m.Accounts == 0 {
		return "", false, false
	}
	each := float64(mid.trips.most()) / float64(m.Accounts)
	return fmt.Sprintf("%.1f", each), each <= float64(m.Folders+5), true
}

func below(mb int64) func(*table, measured, middle) (string, bool, bool) {
	return func(_ *table, _ measured, mid middle) (string, bool, bool) {
		return fmt.Sprintf("%d MB", mid.peak/mebi), mid.peak/mebi < mb, true
	}
}

// goals says of each goal whether it is met by what was measured.
func (t *table) goals() {
	t.line("\n| what | on | round trip | | wanted | measured | |\n|---|---|---|---|---|---|---|")
	for _, g := range goals {
		for _, m := range t.all {
			mid, ok := m.middle("bmsync")
			if !ok || m.RTT != g.rtt || !strings.Contains(" "+g.scenarios+" ", " "+m.Scenario+" ") {
				continue
			}
			got, met, known := g.of(t, m, mid)
			if !known {
				continue
			}
			verdict := "**missed**"
			if met {
				verdict = "met"
			}
			t.line("| %s | %s | %s | %s | %s | %s | %s |", m.Text, m.Medium, roundTrip(m.RTT), g.what, g.wanted, got, verdict)
		}
	}
}
