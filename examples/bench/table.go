package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// measured is what every tool did in one scenario at one round-trip time.
type measured struct {
	Scenario, Text, Medium string
	Accounts, Messages     int
	Folders                int // of an account
	RTT                    time.Duration
	Results                map[string][]result // by tool
}

// keep adds to a file of results, a JSON value a line.
func keep(path string, m measured) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// tellAll makes the table of a file of results.
func tellAll(out io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var all []measured
	for d := json.NewDecoder(f); d.More(); {
		var m measured
		if err := d.Decode(&m); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, m)
	}
	return newTable(all).write(out)
}

// middle is a tool's medians in one scenario.
type middle struct {
	took, second, cpu time.Duration
	others            others
	peak              int64
	trips             *trips
	least             float64 // share of the rate
}

func (m measured) middle(tool string) (mid middle, ok bool) {
	rs := m.Results[tool]
	if len(rs) == 0 {
		return mid, false
	}
	var took, second, cpu, servers, simulator []time.Duration
	mid.least = -1
	for _, r := range rs {
		took, second, cpu = append(took, r.Took), append(second, r.Second), append(cpu, r.CPU)
		servers, simulator = append(servers, r.Others.Servers), append(simulator, r.Others.Simulator)
		mid.peak = max(mid.peak, r.Peak) // of memory the most is what counts
		if r.Trips != nil && (mid.trips == nil || r.Trips.most() > mid.trips.most()) {
			mid.trips = r.Trips
		}
		if len(r.Shares) > 0 {
			mid.least = slices.Min(r.Shares)
		}
	}
	mid.took, mid.second, mid.cpu = median(took), median(second), median(cpu)
	mid.others = others{median(servers), median(simulator)}
	return mid, true
}

func (t *trips) most() int64 { return max(t.Source, t.Target) }

// table tells medians, as Markdown.
type table struct {
	all []measured
	w   io.Writer
	err error
}

func newTable(all []measured) *table { return &table{all: all} }

func (t *table) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

var toolNames = []string{"limit", "bmsync", "mbsync"}

func (t *table) write(w io.Writer) error {
	t.w = w
	t.line("| what | on | round trip | tool | s | messages/s | of the limit | CPU ms/message | the servers' | the simulator's | peak MB | second pass s | round trips then |")
	t.line("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, m := range t.all {
		for _, tool := range toolNames {
			t.row(m, tool)
		}
	}
	t.steps()
	t.goals()
	return t.err
}

func (t *table) row(m measured, tool string) {
	mid, ok := m.middle(tool)
	if !ok {
		return
	}
	ratio, again, turns := "", "", ""
	if limit, ok := m.middle("limit"); ok {
		ratio = fmt.Sprintf("%.2f", limit.took.Seconds()/mid.took.Seconds())
	}
	if tool != "limit" {
		again = fmt.Sprintf("%.2f", mid.second.Seconds())
	}
	if mid.trips != nil {
		turns = fmt.Sprintf("%d, %d", mid.trips.Source, mid.trips.Target)
	}
	n := float64(m.Messages)
	t.line("| %s | %s | %s | %s | %.2f | %.0f | %s | %.3f | %.3f | %.3f | %d | %s | %s |", m.Text, m.Medium, roundTrip(m.RTT), tool, mid.took.Seconds(), n/mid.took.Seconds(),
		ratio, mid.cpu.Seconds()*1000/n, mid.others.Servers.Seconds()*1000/n, mid.others.Simulator.Seconds()*1000/n, mid.peak>>20, again, turns)
}

// steps are the commands of the scenario million.
func (t *table) steps() {
	for _, m := range t.all {
		for _, r := range m.Results["bmsync"] {
			if len(r.Steps) == 0 {
				continue
			}
			t.line("\n| %s, on %s | s | CPU s | peak MB |\n|---|---|---|---|", m.Text, m.Medium)
			for _, s := range r.Steps {
				t.line("| %s | %.1f | %.1f | %d |", s.Name, s.Took.Seconds(), s.CPU.Seconds(), s.Peak>>20)
			}
		}
	}
}

func roundTrip(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return strings.TrimSuffix(d.String(), "0s")
}
