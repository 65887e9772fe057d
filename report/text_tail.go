package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

func plural64(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return num(n) + " " + word + "s"
}

// latencyRow prints a histogram metric of the whole run or of a window.
func (t *text) latencyRow(tb *Table, name, metric string, scope Scope, note string) {
	row := []string{name, t.s.Figure(metric+".count", scope).Text}
	for _, share := range []string{"p50", "p90", "p99", "p99.9", "max"} {
		row = append(row, t.of(metric+"."+share, scope))
	}
	tb.Add(row...)
	if note != "" {
		tb.Line("    " + note)
	}
}

// total is a figure of the whole run.
func (t *text) total(metric string) Figure { return t.s.Figure(metric, Scope{}) }

// healthy is about the clients that no fault touched, and what the run cost.
func (t *text) healthy() {
	tb := &Table{}
	tb.Add("  "+strings.Repeat(" ", 24), "n", "p50", "p90", "p99", "p99.9", "max")
	tb.Optional(shortName, 3, 5)
	note := ""
	if sent, unanswered := t.total("heartbeat.sent"), t.total("heartbeat.unanswered"); sent.Value > 0 || unanswered.Value > 0 {
		note = fmt.Sprintf("%s sent, %s unanswered", things(sent, "beat"), unanswered.Text)
	}
	t.latencyRow(tb, "  heartbeat round trip", "heartbeat.rtt", Scope{}, note)
	if base := (Scope{During: "baseline"}); len(t.s.Faults) > 0 && t.s.Figure("heartbeat.rtt.count", base).Value > 0 {
		t.latencyRow(tb, "    before the first fault", "heartbeat.rtt", base, "")
	}
	note = ""
	if f := t.total("connect.failed"); f.Value > 0 {
		note = things(f, "failed attempt") + ": " + t.s.ByCause("connect.failed", Scope{})
	}
	t.latencyRow(tb, "  connect", "connect.latency", Scope{}, note)
	if t.total("harness.lag.count").Value > 0 {
		t.latencyRow(tb, "  flatline's own timers late", "harness.lag", Scope{}, "")
	}
	t.table("The rest of the time", tb)

	line := "  false positives           0"
	if f := t.total("false_positives"); f.Value > 0 {
		line = fmt.Sprintf("  false positives           %s: %s", t.paint(red, f.Text), t.s.ByCause("false_positives", Scope{}))
	}
	t.say("%s", line)
	if s := t.s.Mistakes(); s != "" {
		for _, l := range Wrap(s, t.o.Width-4) {
			t.say("    %s", l)
		}
	}
	t.say("  clients                   %s", t.s.AtTheEnd())
	if peak := t.total("storm.peak"); peak.Value > 0 {
		t.say("  reconnects, all clients   %s at most in one second", num(int64(peak.Value)))
	}
	if s := t.s.TargetUse(); s != "" {
		const name = "  target                    "
		for i, l := range Wrap(s, t.o.Width-len(name)) {
			t.say("%s%s", [2]string{name, strings.Repeat(" ", len(name))}[min(i, 1)], l)
		}
		for _, l := range flow(t.s.TargetDrops(), t.o.Width-4) {
			t.say("    %s", Clean(l, 200))
		}
	}
}

func (t *text) trust() {
	t.heading("How far to trust it")
	for _, l := range flow(t.s.Trust.Facts, t.o.Width-2) {
		t.say("  %s", l)
	}
	for _, d := range t.s.Trust.Doubts {
		for i, l := range Wrap(Clean(d, 300), t.o.Width-4) {
			mark := t.paint(yellow, "!")
			if i > 0 {
				mark = " "
			}
			t.say("  %s %s", mark, l)
		}
	}
	if t.few {
		for i, l := range Wrap("n too small: a percentile with fewer samples than it needs is close to the largest of them", t.o.Width-4) {
			t.say("  %s %s", [2]string{"?", " "}[min(i, 1)], l)
		}
	}
}

func (t *text) expectations() {
	if len(t.s.Outcomes) == 0 {
		return
	}
	t.heading("Expectations")
	width := 0
	for _, o := range t.s.Outcomes {
		width = max(width, min(utf8.RuneCountInString(Clean(o.Text, 60)), 60))
	}
	for _, o := range t.s.Outcomes {
		mark, style := "ok  ", green
		switch o.State {
		case Fail:
			mark, style = "FAIL", red
		case Inconclusive, NotMeasured:
			mark, style = "?   ", yellow
		}
		s := Clean(o.Text, 60)
		t.say("  %s  %s%s  %s", t.paint(style, mark), s, strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0)), o.Figure.Text)
		if o.Note != "" {
			for _, l := range Wrap(Clean(o.Note, 300), t.o.Width-8) {
				t.say("        %s", l)
			}
		}
	}
}

func (t *text) foot() {
	t.say("\n%s", t.headline())
	for _, reason := range t.r.Verdict.Reasons {
		if t.r.Status == Complete {
			for _, l := range Wrap(Clean(reason, 300), t.o.Width-2) {
				t.say("  %s", l)
			}
		}
	}
	if t.r.Command != "" {
		t.say("again: %s", Clean(t.r.Command, 400))
	}
}
