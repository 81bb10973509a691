package main

import (
	"fmt"
	"io"
	"time"
)

// table tells medians, as Markdown.
type table struct {
	w      io.Writer
	medium string
	begun  bool
}

func newTable(w io.Writer, medium string) *table { return &table{w: w, medium: medium} }

var toolNames = []string{"limit", "bmsync", "mbsync"}

func (t *table) add(s scenario, rtt time.Duration, results map[string][]result) {
	if !t.begun {
		t.begun = true
		fmt.Fprintln(t.w)
		fmt.Fprintln(t.w, "| what | target on | round trip | tool | s | messages/s | of the limit | CPU ms/message | peak MB | second pass s |")
		fmt.Fprintln(t.w, "|---|---|---|---|---|---|---|---|---|---|")
	}
	var limit time.Duration
	for _, tool := range toolNames {
		rs := results[tool]
		if len(rs) == 0 {
			continue
		}
		var took, cpu, second []time.Duration
		var peak []int64
		for _, r := range rs {
			took, cpu, second, peak = append(took, r.Took), append(cpu, r.CPU), append(second, r.Second), append(peak, r.Peak)
		}
		m := median(took)
		if tool == "limit" {
			limit = m
		}
		ratio, again := "", ""
		if limit > 0 {
			ratio = fmt.Sprintf("%.2f", limit.Seconds()/m.Seconds())
		}
		if tool != "limit" {
			again = fmt.Sprintf("%.2f", median(second).Seconds())
		}
		n := float64(s.total())
		fmt.Fprintf(t.w, "| %s | %s | %s | %s | %.2f | %.0f | %s | %.3f | %d | %s |\n", s.Text, t.medium, roundTrip(rtt), tool, m.Seconds(), n/m.Seconds(),
			ratio, median(cpu).Seconds()*1000/n, median(peak)>>20, again)
	}
}

func roundTrip(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return d.String()
}
