package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/flatline-dev/flatline/chaos"
)

// TextOptions say how a report is written.
type TextOptions struct {
	Width int  // columns; 0 is 100, less than 80 is 80
	Color bool // ANSI colours
	ASCII bool // pictures without block characters
}

// text writes one report.
type text struct {
	w *bufio.Writer
	r *Result
	s *Summary
	o TextOptions

	few bool // a percentile with too few samples was printed
}

// WriteText writes the report that answers at a glance: how long until they noticed, how hard they came back, what
// happened to the healthy, how far to trust it, and which expectations hold. It is the same for the same Result.
func WriteText(w io.Writer, r *Result, o TextOptions) error {
	if o.Width == 0 {
		o.Width = 100
	}
	o.Width = max(o.Width, 80)
	t := &text{w: bufio.NewWriter(w), r: r, s: Summarize(r), o: o}
	t.head()
	t.noticed()
	t.cameBack()
	t.even()
	t.goodbyes()
	t.arrived()
	t.healthy()
	t.trust()
	t.expectations()
	t.foot()
	return t.w.Flush()
}

const (
	bold   = "1"
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
	faint  = "2"
)

func (t *text) paint(style, s string) string {
	if !t.o.Color {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func (t *text) say(format string, a ...any) { fmt.Fprintf(t.w, format+"\n", a...) }

func (t *text) heading(s string) { t.say("\n%s", t.paint(bold, s)) }

// table prints a table under a title.
func (t *text) table(title string, tb *Table) {
	t.heading(title)
	for i, l := range tb.Lines(t.o.Width) {
		if i == 0 {
			l = t.paint(faint, l)
		}
		t.say("%s", l)
	}
}

// styleOf is the colour of the verdict.
func styleOf(word string) string {
	switch word {
	case "PASS":
		return green
	case "FAIL":
		return red
	}
	return yellow
}

func (t *text) headline() string {
	return t.paint(styleOf(t.s.Word), t.s.Word) + "  " + Clean(t.s.Held, 200)
}

func (t *text) head() {
	r := t.r
	t.say("%s  %s", t.paint(bold, Clean(r.Plan.Name, 60)), t.paint(faint, fmt.Sprintf("seed %d", r.Plan.Seed)))
	for _, l := range Wrap(Clean(t.s.Intent, 400), t.o.Width) {
		t.say("%s", l)
	}
	facts := []string{plural64(int64(r.Plan.Clients), "client"), t.s.Ran()}
	if r.Plan.Target != "" {
		facts = append(facts, Clean(r.Plan.Target, 60))
	}
	if r.Driver != "" {
		facts = append(facts, Clean(r.Driver, 12))
	}
	if !r.Started.IsZero() {
		facts = append(facts, r.Started.UTC().Format("2006-01-02 15:04:05Z"))
	}
	for _, l := range Wrap(strings.Join(facts, ", "), t.o.Width) {
		t.say("%s", l)
	}
	t.say("\n%s", t.headline())
}

// mark notes that a figure with "?" behind it was printed.
func (t *text) mark(f Figure) Figure {
	t.few = t.few || f.Few
	return f
}

// of is a figure as a cell of a table of latencies.
func (t *text) of(metric string, scope Scope) string { return t.mark(t.s.Figure(metric, scope)).Of() }

// shortName is how many characters of a name, its indent included, are worth more than another column.
const shortName = 20

func (t *text) noticed() {
	tb := &Table{}
	tb.Add("  fault", "at", "hit", "noticed", "by", "p50", "p99", "max", "bound", "missed")
	tb.Optional(shortName, 7, 1)
	severing := false
	for i := range t.s.Faults {
		f := &t.s.Faults[i]
		name := "  " + Clean(f.Name(), 24)
		switch {
		case f.Began < 0:
			tb.Add(name, "-", "-", "-", "-", "-", "-", "-", "-", "-")
			continue
		case !f.Severs:
			tb.Add(name, f.Began.String(), num(int64(f.Victims)), "-", "-", "-", "-", "-", "-", "-")
			for _, l := range Wrap(describe(f.Kind)+"; nobody ought to notice, a death under it is a false positive", t.o.Width-4) {
				tb.Line("    " + l)
			}
			continue
		}
		severing = true
		t.noticedRow(tb, name, f.Began.String(), f, &f.All)
		for k := range f.Groups {
			t.noticedRow(tb, "    in "+Clean(f.Groups[k].In, 20), "", f, &f.Groups[k])
		}
		if len(f.All.Causes) > 1 {
			for _, c := range f.All.Causes {
				by := f.Scope(&f.All)
				by.By = c
				tb.Add("    "+c, "", "", t.s.Figure("detection.count", by).Text, "", t.of("detection.p50", by), t.of("detection.p99", by),
					t.of("detection.max", by), "", "")
			}
		}
		if f.All.Fate != "" {
			for _, l := range Wrap(Clean(f.All.Fate, 300), t.o.Width-4) {
				tb.Line("    " + l)
			}
		}
	}
	if len(t.s.Faults) == 0 {
		t.heading("How long until they noticed")
		t.say("  no faults")
		return
	}
	t.table("How long until they noticed", tb)
	if severing {
		for _, l := range Wrap("bound: what the client's timers allow on a silent path; missed: it took longer, and nobody noticed", t.o.Width-2) {
			t.say("  %s", t.paint(faint, l))
		}
	}
}

func (t *text) noticedRow(tb *Table, name, at string, f *SummaryFault, p *FaultPart) {
	s := f.Scope(p)
	tb.Add(name, at, num(p.Hit), t.s.Figure("detection.count", s).Text, p.By(), t.of("detection.p50", s), t.of("detection.p99", s),
		t.of("detection.max", s), p.Bound, t.s.Figure("detection.undetected", s).Text)
}

// describe says what a degrading fault does.
func describe(k chaos.Kind) string {
	switch k {
	case chaos.Refuse:
		return "turns new connections away"
	case chaos.Delay, chaos.Throttle:
		return "slows healthy paths"
	}
	return "degrades healthy paths"
}
