package html

import (
	"slices"

	"github.com/flatline-dev/flatline/report"
)

// compare puts the figures of several runs side by side.
func (b *builder) compare() {
	t := &Table{Caption: "Side by side", Class: "compare", About: "what is the same everywhere stands back", Head: []Head{{"", ""}}}
	for _, r := range b.page.Runs {
		t.Head = append(t.Head, Head{Text: r.Label, About: r.Name + " " + r.File})
	}
	row := func(name, metric, during string, depth int) {
		x := Row{Name: name, Depth: depth, Same: true}
		any := false
		for i := range b.runs {
			f := b.figure(i, metric, report.Scope{During: during})
			any = any || f.Text != "-"
			x.Cells = append(x.Cells, f)
			x.Same = x.Same && f.Text == x.Cells[0].Text
		}
		if any {
			t.Rows = append(t.Rows, x)
		}
	}
	attributed := [][2]string{{"noticed", "detection.count"}, {"noticed after p50", "detection.p50"}, {"noticed after p99", "detection.p99"},
		{"noticed after max", "detection.max"}, {"never noticed", "detection.undetected"}, {"attempts", "storm.attempts"},
		{"attempts a second at most", "storm.peak"}, {"attempts each", "storm.amplification"}, {"attempts failed", "storm.failed"},
		{"50 % back", "recovery.p50"}, {"99 % back", "recovery.p99"}, {"100 % back", "recovery.max"}, {"lost", "recovery.lost"},
		{"down p50", "downtime.p50"}, {"down p99", "downtime.p99"}}
	t.Rows = append(t.Rows, Row{Name: "whole run"})
	for _, m := range attributed {
		row(m[0], m[1], "", 1)
	}
	for _, m := range [][2]string{{"false positives", "false_positives"}, {"heartbeat round trip p50", "heartbeat.rtt.p50"},
		{"heartbeat round trip p99", "heartbeat.rtt.p99"}, {"beats unanswered", "heartbeat.unanswered"}, {"connect p99", "connect.latency.p99"},
		{"connect failed", "connect.failed"}, {"open at the end", "clients.open"}, {"open at the lowest", "clients.min_open"},
		{"zombies at most", "zombies.peak"}, {"target: CPU", "target.cpu"}, {"target: memory", "target.rss"}, {"target: open files", "target.fds"},
		{"own timers late p99", "harness.lag.p99"}} {
		row(m[0], m[1], "", 1)
	}
	var faults []string
	for _, s := range b.sums {
		for i := range s.Faults {
			if n := s.Faults[i].Fault; s.Faults[i].Severs && !slices.Contains(faults, n) && len(faults) < maxFaults {
				faults = append(faults, n)
			}
		}
	}
	for _, f := range faults {
		at := len(t.Rows)
		for _, m := range attributed {
			row(m[0], m[1], f, 1)
		}
		if len(t.Rows) > at {
			t.Rows = slices.Insert(t.Rows, at, Row{Name: "during " + clean(f, 40)})
		}
	}
	b.page.Compare = t
}
