package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// FailOn says which evidence fails a comparison beside its gates.
type FailOn string

const (
	Never   FailOn = ""        // none
	Regress FailOn = "regress" // any figure that became worse
	Change  FailOn = "change"  // any figure that differs
)

// Outcome is a gate with what came of it.
type Outcome struct {
	Gate     string           `json:"gate"` // as written
	State    report.Judgement `json:"state"`
	Reason   string           `json:"reason"`
	Adjusted *float64         `json:"adjusted,omitempty"` // p, corrected for the number of gates
	Row      *Row             `json:"row,omitempty"`

	gate Gate
}

// Verdict is the judgement of a comparison.
type Verdict struct {
	State   report.Judgement `json:"state"` // pass, fail or inconclusive; pass where nothing was asked
	Exit    int              `json:"exit"`  // 0 pass, 1 fail, 4 inconclusive
	Asked   bool             `json:"asked"` // there were gates or something to fail on
	Reasons []string         `json:"reasons,omitempty"`
}

// judge asks the gates and sums up.
func (c *Comparison) judge(t *table, o *Options) {
	v := &c.Verdict
	v.State, v.Asked = report.Pass, len(o.Gates) > 0 || o.FailOn != Never
	for _, g := range o.Gates {
		c.Gates = append(c.Gates, t.ask(g))
	}
	holm(c.Gates)
	for i := range c.Gates {
		c.Gates[i].decide(c.Alpha)
	}
	if !v.Asked {
		return
	}
	settle := func(state report.Judgement, exit int, reason string) {
		if v.State != report.Fail {
			v.State, v.Exit = state, exit
		}
		v.Reasons = append(v.Reasons, reason)
	}
	for _, g := range c.Gates {
		switch g.State {
		case report.Fail:
			settle(report.Fail, 1, g.Gate+": "+g.Reason)
		case report.Inconclusive:
			settle(report.Inconclusive, 4, g.Gate+": "+g.Reason)
		}
	}
	c.failOn(o.FailOn, settle)
	if len(c.Doubts) > 0 { // figures of a broken run fail nothing and pass nothing
		v.State, v.Exit = report.Inconclusive, 4
		v.Reasons = slices.Concat(c.Doubts, v.Reasons)
	}
}

func (c *Comparison) failOn(what FailOn, settle func(report.Judgement, int, string)) {
	if what == Never {
		return
	}
	tested := 0
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.P != nil || r.Call == Equal {
			tested++
		}
		if r.Call == Worse || what == Change && (r.Call == Better || r.Call == Differs) {
			settle(report.Fail, 1, fmt.Sprintf("%s is %s: %s", r.name(), r.Call, r.evidence(c.Alpha)))
		}
	}
	if tested == 0 {
		settle(report.Inconclusive, 4, "no figure could be tested")
	}
}

// ask looks up the row of a gate.
func (t *table) ask(g Gate) Outcome {
	o := Outcome{Gate: g.String(), gate: g}
	m, _ := scenario.LookupMetric(g.Metric)
	for _, s := range []struct {
		what string
		in   []Input
	}{{"old", t.old}, {"new", t.new}} {
		for _, x := range s.in {
			measure, err := x.Result.Value(expect(m, g.Scope))
			if err == nil && measure.Exists {
				continue
			}
			why := measure.Note
			if err != nil {
				why = err.Error()
			}
			o.State, o.Reason = report.Inconclusive, fmt.Sprintf("%s: %s", report.Clean(x.Path, 200), report.Clean(why, 200))
			return o
		}
	}
	if r, ok := t.row(m, g.Scope); ok {
		o.Row = &r
		for i := range t.c.Rows { // with the call that correction for all rows made
			if x := &t.c.Rows[i]; x.Metric == r.Metric && x.Scope == r.Scope {
				*o.Row = *x
			}
		}
	}
	return o
}

// holm corrects the p values of the gates for their number, after S. Holm, "A Simple Sequentially Rejective Multiple Test
// Procedure", Scandinavian Journal of Statistics 6(2), 1979: with nothing changed, any gate fails with probability alpha
// at most, however many there are and however they depend on each other.
func holm(gates []Outcome) {
	var tested []*Outcome
	for i := range gates {
		if g := &gates[i]; g.Row != nil && g.Row.P != nil && g.gate.P != 1 {
			tested = append(tested, g)
		}
	}
	slices.SortStableFunc(tested, func(a, b *Outcome) int {
		switch {
		case *a.Row.P < *b.Row.P:
			return -1
		case *a.Row.P > *b.Row.P:
			return 1
		}
		return 0
	})
	floor := 0.0
	for k, g := range tested {
		floor = min(1, max(floor, *g.Row.P*float64(len(tested)-k)))
		p := floor
		g.Adjusted = &p
	}
}

// decide judges one gate.
func (o *Outcome) decide(alpha float64) {
	if o.Row == nil {
		if o.State == "" {
			o.State, o.Reason = report.Inconclusive, "there is nothing to compare"
		}
		return
	}
	r, g := o.Row, &o.gate
	by := float64(r.Delta)
	if g.Relative {
		by = float64(r.Relative)
	}
	beyond := by > g.Change
	if g.Op == "<" {
		beyond = by < g.Change
	}
	if g.P > 0 {
		alpha = g.P
	}
	figures := r.figures()
	switch {
	case !beyond:
		o.State, o.Reason = report.Pass, figures
	case alpha >= 1:
		o.State, o.Reason = report.Fail, figures+"; the figure alone decides"
	case r.Call == Equal: // equal runs, and merged figures that are not: rounding
		o.State, o.Reason = report.Pass, figures
	case r.P == nil:
		o.State, o.Reason = report.Inconclusive, figures+", and nothing to tell it from chance with: "+r.Note
	case *o.Adjusted < alpha:
		o.State, o.Reason = report.Fail, figures+", "+o.probability()
	case r.least >= alpha:
		o.State, o.Reason = report.Inconclusive, fmt.Sprintf("%s, and so few samples could never reach p < %s: at best %s", figures, shortP(alpha), shortP(r.least))
	default:
		o.State, o.Reason = report.Pass, figures+", but no evidence that it is more than chance: "+o.probability()
	}
}

func (o *Outcome) probability() string {
	s := pIs(*o.Row.P)
	if shortP(*o.Adjusted) != shortP(*o.Row.P) {
		s += ", " + shortP(*o.Adjusted) + " among all gates"
	}
	return s + " (" + o.Row.size() + ")"
}

// name is the metric with its scope, as a gate is written.
func (r *Row) name() string {
	s := r.Metric
	for _, mod := range [][2]string{{"by", r.By}, {"in", r.In}, {"during", r.During}} {
		if mod[1] != "" {
			s += " " + mod[0] + " " + report.Clean(mod[1], 40)
		}
	}
	return s
}

// figures are the two values and what is between them.
func (r *Row) figures() string {
	s := r.old() + " is now " + r.new()
	if d := r.delta(); d != "" {
		s += " (" + d + ")"
	}
	return s
}

func (r *Row) evidence(alpha float64) string {
	s := r.figures()
	if r.P != nil {
		s += ", " + pIs(*r.P)
	}
	if r.Adjusted != nil {
		s += fmt.Sprintf(", %s among all figures", shortP(*r.Adjusted))
	}
	return s + " (" + r.size() + ")"
}

// size is how much evidence there was: runs, or values within one.
func (r *Row) size() string {
	if a, b := len(r.Old.Runs), len(r.New.Runs); a > 1 || b > 1 {
		return fmt.Sprintf("%d and %d runs", a, b)
	}
	if r.Old.N > 0 || r.New.N > 0 {
		return fmt.Sprintf("%d and %d samples of one run each", r.Old.N, r.New.N)
	}
	return "one run each"
}

func (r *Row) old() string { return report.FormatMetric(r.Metric, float64(r.Old.Value), r.Unit) }
func (r *Row) new() string { return report.FormatMetric(r.Metric, float64(r.New.Value), r.Unit) }

// delta is the change as a share; where there is none (from 0, to never), as a difference or not at all.
func (r *Row) delta() string {
	d, rel := float64(r.Delta), float64(r.Relative)
	switch {
	case d == 0:
		return ""
	case math.IsInf(d, 0) || math.IsNaN(d):
		return ""
	case math.IsInf(rel, 0):
		return signed(r.Unit, d)
	}
	return percent(rel)
}

func percent(v float64) string {
	digits := 1
	if math.Abs(v) >= 1 || v == 0 {
		digits = 0
	}
	s := strconv.FormatFloat(math.Abs(v)*100, 'f', digits, 64)
	if v < 0 {
		return "-" + s + "%"
	}
	return "+" + s + "%"
}

func signed(u scenario.Unit, d float64) string {
	if d < 0 {
		return "-" + report.FormatValue(-d, u)
	}
	return "+" + report.FormatValue(d, u)
}

// pIs is "p = 0.012" or "p < 0.0001".
func pIs(p float64) string {
	if s, less := strings.CutPrefix(shortP(p), "<"); less {
		return "p < " + s
	}
	return "p = " + shortP(p)
}

// shortP writes a p value with what it is good for: two digits.
func shortP(p float64) string {
	switch {
	case p < 0.0001:
		return "<0.0001"
	case p < 0.001:
		return strconv.FormatFloat(p, 'f', 4, 64)
	case p < 0.0995:
		return strconv.FormatFloat(p, 'f', 3, 64)
	}
	return strconv.FormatFloat(p, 'f', 2, 64)
}
