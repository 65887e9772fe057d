package capacity

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

type text struct {
	w *bufio.Writer
	r *Report
	o report.TextOptions
}

// WriteText writes the report for people. It is the same for the same Report.
func WriteText(w io.Writer, r *Report, o report.TextOptions) error {
	if o.Width == 0 {
		o.Width = 100
	}
	o.Width = max(o.Width, 80)
	t := &text{bufio.NewWriter(w), r, o}
	t.head()
	t.tried()
	t.knee()
	t.cost()
	t.storm()
	t.model()
	t.trust()
	t.foot()
	return t.w.Flush()
}

func (t *text) say(format string, a ...any) { fmt.Fprintf(t.w, format+"\n", a...) }

func (t *text) paint(style, s string) string {
	if !t.o.Color {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

const (
	bold   = "1"
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
	faint  = "2"
)

func (t *text) heading(s string) { t.say("\n%s", t.paint(bold, s)) }

// para prints s in lines, indented by n.
func (t *text) para(n int, s string) {
	for part := range strings.SplitSeq(s, "\n") {
		for _, l := range report.Wrap(report.Clean(part, 2000), t.o.Width-n) {
			t.say("%s%s", strings.Repeat(" ", n), l)
		}
	}
}

func (t *text) head() {
	r := t.r
	t.say("%s  %s", t.paint(bold, "capacity of "+report.Clean(r.Name, 60)), t.paint(faint, fmt.Sprintf("seed %d", r.Seed)))
	t.para(0, strings.Join(strings.Fields(r.Intent), " "))
	facts := []string{probes(len(r.Probes)), clients(r.Written) + " as written"}
	if r.Target != "" {
		facts = append(facts, report.Clean(r.Target, 60))
	}
	if !r.Started.IsZero() {
		facts = append(facts, r.Started.UTC().Format("2006-01-02 15:04:05Z"))
	}
	t.para(0, strings.Join(facts, ", "))
	t.say("")
	t.headline()
}

func probes(n int) string {
	if n == 1 {
		return "1 probe"
	}
	return fmt.Sprintf("%d probes", n)
}

func (t *text) headline() {
	word, style := "FOUND", green
	switch {
	case t.r.Status == Interrupted:
		word, style = "INTERRUPTED", yellow
	case t.r.Status == Stopped:
		word, style = "STOPPED", red
	case t.r.Status == Running:
		word, style = "NOT FINISHED", yellow
	case t.r.Holds == 0:
		word, style = "NONE", red
	case t.r.AtLeast:
		word, style = "AT LEAST", yellow
	}
	lines := report.Wrap(word+"  "+t.r.Headline, t.o.Width)
	lines[0] = t.paint(style, word) + strings.Repeat(" ", 2) + strings.TrimSpace(strings.TrimPrefix(lines[0], word))
	for _, l := range lines {
		t.say("%s", l)
	}
}

func (t *text) tried() {
	if len(t.r.Probes) == 0 {
		return
	}
	tb := &report.Table{}
	tb.Add("  clients", "", "detection", "recovery", "storm", "target", "memory", "files", "lag")
	tb.Add("", "", "p99", "p99", "peak", "cores", "", "", "p99")
	for i := range t.r.Probes {
		p := &t.r.Probes[i]
		row := []string{"  " + count(int64(p.Clients)), string(p.Verdict)}
		for _, name := range []string{"detection.p99", "recovery.p99", "storm.peak", "target.cpu", "target.rss", "target.fds", "harness.lag.p99"} {
			cell := "-"
			if m, ok := p.Figures[name]; ok && !(name == "storm.peak" && m.Value == 0) {
				cell = strings.TrimSuffix(value(m), " cores")
			}
			row = append(row, cell)
		}
		tb.Add(row...)
		for k, reason := range p.Reasons {
			if k == 3 && len(p.Reasons) > 4 {
				tb.Line(fmt.Sprintf("      and %d more", len(p.Reasons)-3))
				break
			}
			tb.Line("      " + report.Clean(reason, t.o.Width-6))
		}
		if p.Note != "" {
			tb.Line("      ! " + report.Clean(p.Note, t.o.Width-8))
		}
	}
	t.heading("What was tried, in this order")
	for i, l := range tb.Lines(t.o.Width) {
		switch {
		case i < 2:
			l = t.paint(faint, l)
		case strings.HasPrefix(l, "      "):
			l = t.paint(faint, l)
		}
		t.say("%s", l)
	}
}

func (t *text) knee() {
	k := t.r.Knee
	if k == nil {
		return
	}
	t.heading("The knee: what broke first")
	t.para(2, k.sentence())
	for _, s := range k.Strained {
		if s.Resource == SharedCPU && !k.Shared && !t.isNew(SharedCPU) {
			continue // it explains nothing
		}
		since := ""
		if s.Since > 0 {
			since = fmt.Sprintf(" (from %s on)", report.FormatDuration(s.Since))
		}
		old := ""
		if !t.isNew(s.Resource) {
			old = fmt.Sprintf(", as with %s already", clients(t.r.Holds))
		}
		t.para(2, fmt.Sprintf("%s: %s%s%s", s.Resource, s.Text, since, old))
	}
	if len(k.Strained) == 0 {
		if t.r.Cost.Seen {
			t.para(2, "no resource that flatline can see was used up: the limit is inside the target, or in what it waits for")
		} else {
			t.para(2, "the target's process is not visible from here: pid beside url shows what it uses")
		}
	}
}

func (t *text) isNew(what Resource) bool {
	for _, r := range t.r.Knee.New {
		if r == what {
			return true
		}
	}
	return false
}

func (t *text) cost() {
	c := &t.r.Cost
	rows := []struct {
		name string
		l    *Line
		unit scenario.Unit
	}{{"memory", c.RSS, scenario.Bytes}, {"open files", c.FDs, scenario.Ratio}, {"CPU", c.CPU, scenario.Cores}}
	tb := &report.Table{}
	tb.Add("  ", "a client", "with none", "R²", "probes", "clients")
	n := 0
	for _, row := range rows {
		if row.l == nil {
			continue
		}
		n++
		each := report.FormatValue(row.l.Each, row.unit)
		if row.unit == scenario.Cores {
			each = report.FormatSeconds(row.l.Each) + "/s" // a core is a second of CPU each second
		}
		tb.Add("  "+row.name, each, report.FormatValue(row.l.Base, row.unit), fmt.Sprintf("%.3f", row.l.R2), fmt.Sprint(row.l.Points),
			count(int64(row.l.From))+" to "+count(int64(row.l.To)))
	}
	switch {
	case n > 0:
		t.heading("What a client costs the target")
		for i, l := range tb.Lines(t.o.Width) {
			if i == 0 {
				l = t.paint(faint, l)
			}
			t.say("%s", l)
		}
		t.para(2, "least squares over the probes that passed; memory and files at the peak, CPU before the first fault")
	case c.Seen && t.r.Holds > 0:
		t.heading("What a client costs the target")
		t.para(2, "too few sizes passed for a line: three are needed")
	}
}

func (t *text) storm() {
	s := t.r.Storm
	if s == nil {
		return
	}
	t.heading("The largest storm that everybody came back from")
	t.para(2, fmt.Sprintf("%s of %s lost their connection to %s; %s attempts, %s in the worst second; 99 %% back after %s",
		clients(int(s.Affected)), count(int64(t.r.StormClients)), s.Fault, count(s.Attempts), count(s.Peak), back(s.Back99)))
	switch {
	case t.r.Saturated > 0:
		t.para(2, fmt.Sprintf("handshakes while attempts waited: %s, the middle of %d looks", perSecond(t.r.Rate), t.r.Saturated))
	case t.r.Rate > 0:
		t.para(2, fmt.Sprintf("handshakes: %s at most, and attempts never waited for long", perSecond(t.r.Rate)))
	}
}

func perSecond(v float64) string { return report.FormatValue(math.Round(v), scenario.PerSecond) }

func back(n report.Number) string {
	if math.IsInf(float64(n), 1) {
		return "never"
	}
	return report.FormatSeconds(float64(n))
}

func (t *text) trust() {
	var doubts []string
	r := t.r
	if r.Unclear > 0 {
		doubts = append(doubts, fmt.Sprintf("%s inconclusive and counted for nothing: their reasons stand in the table", were(r.Unclear)))
	}
	if len(r.Aside) > 0 {
		doubts = append(doubts, fmt.Sprintf("left out, since they belong to %s: %s", clients(r.Written), strings.Join(r.Aside, "; ")))
	}
	if len(r.Added) > 0 {
		doubts = append(doubts, "added to the scenario's expectations: "+strings.Join(r.Added, "; "))
	}
	if len(r.Flaps) > 0 {
		var n []string
		for _, f := range r.Flaps {
			n = append(n, count(int64(f)))
		}
		doubts = append(doubts, "held now and then: "+strings.Join(n, ", "))
	}
	if r.Status == Complete && !r.Sure {
		doubts = append(doubts, "one side of the edge was not confirmed")
	}
	if fix := r.fix(); fix != "" && r.Status == Complete {
		doubts = append(doubts, fix)
	}
	if len(doubts) == 0 {
		return
	}
	t.heading("How far to trust it")
	for _, d := range doubts {
		for i, part := range strings.Split(d, "\n") {
			for k, l := range report.Wrap(report.Clean(part, 2000), t.o.Width-4) {
				mark := " "
				if i == 0 && k == 0 {
					mark = t.paint(yellow, "!")
				}
				t.say("  %s %s", mark, l)
			}
		}
	}
}

func were(n int) string {
	if n == 1 {
		return "1 probe was"
	}
	return fmt.Sprintf("%d probes were", n)
}

func (t *text) foot() {
	t.say("")
	t.headline()
	if t.r.Reason != "" {
		t.para(2, t.r.Reason)
	}
	if t.r.Status == Complete {
		t.say("again: %s", report.Clean(t.r.Command, 400))
		return
	}
	t.say("continue: %s", report.Clean(t.r.Resume, 400))
}

// Elapsed is how long all probes took.
func (f *File) Elapsed() (d time.Duration) {
	for i := range f.Probes {
		d += f.Probes[i].Took
	}
	return d
}
