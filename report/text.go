package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/scenario"
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
	t := &text{w: bufio.NewWriter(w), r: r, o: o}
	t.head()
	t.noticed()
	t.cameBack()
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
func (t *text) table(title string, tb *table) {
	t.heading(title)
	for i, l := range tb.lines(t.o.Width) {
		if i == 0 {
			l = t.paint(faint, l)
		}
		t.say("%s", l)
	}
}

func judged(j Judgement) (word, style string) {
	switch j {
	case Pass:
		return "PASS", green
	case Fail:
		return "FAIL", red
	}
	return "INCONCLUSIVE", yellow
}

func (t *text) headline() string {
	r := t.r
	word, style := judged(r.Verdict.State)
	switch r.Status {
	case Interrupted:
		word, style = "INTERRUPTED", yellow
	case TargetLost:
		word, style = "TARGET LOST", red
	}
	held := 0
	for _, o := range r.Outcomes {
		if o.State == Pass {
			held++
		}
	}
	why := "nothing was expected"
	if n := len(r.Outcomes); n > 0 {
		why = fmt.Sprintf("%d of %s hold", held, plural(n, "expectation"))
		if held == 1 || n == 1 {
			why += "s"
		}
	}
	if r.Status != Complete {
		why = Clean(strings.Join(r.Verdict.Reasons, "; "), 200)
	}
	return t.paint(style, word) + "  " + why
}

func (t *text) head() {
	r := t.r
	t.say("%s  %s", t.paint(bold, Clean(r.Plan.Name, 60)), t.paint(faint, fmt.Sprintf("seed %d", r.Plan.Seed)))
	for _, l := range wrap(Clean(strings.Join(strings.Fields(r.Plan.Intent), " "), 400), t.o.Width) {
		t.say("%s", l)
	}
	ran := shortDuration(r.Elapsed)
	if r.Elapsed < r.Plan.Duration-100*time.Millisecond {
		ran += " of " + shortDuration(r.Plan.Duration)
	}
	facts := []string{plural64(int64(r.Plan.Clients), "client"), ran}
	if r.Plan.Target != "" {
		facts = append(facts, Clean(r.Plan.Target, 60))
	}
	if r.Driver != "" {
		facts = append(facts, Clean(r.Driver, 12))
	}
	if !r.Started.IsZero() {
		facts = append(facts, r.Started.UTC().Format("2006-01-02 15:04:05Z"))
	}
	for _, l := range wrap(strings.Join(facts, ", "), t.o.Width) {
		t.say("%s", l)
	}
	t.say("\n%s", t.headline())
}

// silent reports whether the closed form of heartbeat.Config.Bounds applies: the path just goes quiet.
func silent(o *Occurrence) bool {
	return o.Kind == chaos.Blackhole || o.Kind == chaos.Stall || o.Kind == chaos.IdleCut && (o.How == chaos.Silent || o.How == "")
}

func bound(g *GroupInfo) string {
	if !g.Detects {
		return "never"
	}
	return span2(g.BoundLo, g.BoundHi)
}

// span2 writes a range with one unit: 5-8 s.
func span2(lo, hi time.Duration) string {
	if hi < time.Second {
		return digits(lo.Seconds()*1e3, 3) + "-" + digits(hi.Seconds()*1e3, 3) + " ms"
	}
	short := func(d time.Duration) string {
		s := digits(d.Seconds(), 3)
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		return s
	}
	return short(lo) + "-" + short(hi) + " s"
}

// quantile is a latency with "?" behind it where there are too few samples for the percentile.
func (t *text) quantile(h *Hist, q float64) string {
	if h.N() == 0 {
		return "-"
	}
	s := FormatDuration(h.Quantile(q))
	if h.N() < enough(q) {
		s += "?"
		t.few = true
	}
	return s
}

func maxText(h *Hist) string {
	if h.N() == 0 {
		return "-"
	}
	return FormatDuration(h.Max())
}

// sumGroup adds up what an occurrence did to all groups.
func (o *Occurrence) sum() OccGroup {
	s := OccGroup{LastBack: never}
	for i := range o.Groups {
		s.merge(&o.Groups[i])
	}
	return s
}

func (t *text) noticed() {
	tb := &table{}
	tb.add("  fault", "at", "hit", "noticed", "by", "p50", "p99", "max", "bound", "missed")
	severing := false
	for i := range t.r.Occurrences {
		o := &t.r.Occurrences[i]
		name := "  " + Clean(o.Name, 24)
		switch {
		case o.Began < 0:
			tb.add(name, "-", "-", "-", "-", "-", "-", "-", "-", "-")
			continue
		case !o.Severs:
			tb.add(name, shortDuration(o.Began), num(int64(o.Victims)), "-", "-", "-", "-", "-", "-", "-")
			tb.line("    " + describe(o.Kind) + "; nobody ought to notice, a death under it is a false positive")
			continue
		}
		severing = true
		all := o.sum()
		t.noticedRow(tb, name, shortDuration(o.Began), o, &all, o.Groups)
		if len(o.Groups) > 1 {
			for k := range o.Groups {
				g := &o.Groups[k]
				t.noticedRow(tb, "    in "+Clean(t.r.Plan.Groups[g.Group].Name, 20), "", o, g, o.Groups[k:k+1])
			}
		}
		if len(all.causes()) > 1 {
			for _, c := range all.causes() {
				h := all.Detected[c]
				tb.add("    "+c.String(), "", "", num(h.N()), "", t.quantile(h, 0.5), t.quantile(h, 0.99), maxText(h), "", "")
			}
		}
		if note := fate(o, &all); note != "" {
			tb.line("    " + note)
		}
	}
	if len(t.r.Occurrences) == 0 {
		t.heading("How long until they noticed")
		t.say("  no faults")
		return
	}
	t.table("How long until they noticed", tb)
	if severing {
		t.say("  %s", t.paint(faint, "bound: what the client's timers allow on a silent path; missed: it took longer, and nobody noticed"))
	}
}

func (t *text) noticedRow(tb *table, name, at string, o *Occurrence, g *OccGroup, groups []OccGroup) {
	h := g.Detected.Merged("")
	within := "-"
	if silent(o) {
		same := true
		for i := range groups {
			same = same && bound(&t.r.Plan.Groups[groups[i].Group]) == bound(&t.r.Plan.Groups[groups[0].Group])
		}
		if same && len(groups) > 0 {
			within = bound(&t.r.Plan.Groups[groups[0].Group])
		}
	}
	by := "-"
	switch c := g.causes(); {
	case len(c) == 1:
		by = c[0].String()
	case len(c) > 1:
		by = "several"
	}
	tb.add(name, at, num(g.Affected), num(h.N()), by, t.quantile(h, 0.5), t.quantile(h, 0.99), maxText(h), within, num(g.Undetected))
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

// fate says what else became of the affected.
func fate(o *Occurrence, g *OccGroup) string {
	var parts []string
	add := func(n int64, text string) {
		if n > 0 {
			parts = append(parts, num(n)+" "+text)
		}
	}
	add(g.Healed, "healed before they could notice")
	add(g.Unresolved, "unresolved: the run or the connection ended first")
	add(g.Absent, "not open when it began")
	add(g.Later.Total(""), "deaths of connections opened under it")
	if o.Failed != "" {
		parts = append(parts, "FAILED: "+Clean(o.Failed, 120))
	}
	return strings.Join(parts, ", ")
}

func (t *text) value(metric string) (Measure, bool) {
	m, err := t.r.Value(scenario.Expect{Metric: metric})
	return m, err == nil && m.Exists
}
