package compare

import (
	"fmt"
	"slices"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Format and Version identify the JSON form of a [Comparison], docs/compare.md.
const (
	Format  = "flatline.comparison"
	Version = 1
)

// Options of a comparison. The zero Options are a report without gates.
type Options struct {
	Alpha               float64 // chance to call a difference where there is none, in (0, 1); 0 is 0.05
	AllowDifferentPlans bool    // compare although the sides ran different plans, and say so
	Gates               []Gate
	FailOn              FailOn
}

// Comparison is everything that can be said of two sides.
type Comparison struct {
	Format      string       `json:"format"`
	Version     int          `json:"version"`
	Name        string       `json:"name"` // of the scenario
	Basis       Basis        `json:"basis"`
	Alpha       float64      `json:"alpha"`
	Old         Side         `json:"old"`
	New         Side         `json:"new"`
	Differences []Difference `json:"differences,omitempty"` // of the plans, when that was allowed
	Notes       []string     `json:"notes,omitempty"`       // what a reader should know before the figures
	Doubts      []string     `json:"doubts,omitempty"`      // why nothing can be decided
	Rows        []Row        `json:"rows"`
	Gates       []Outcome    `json:"gates,omitempty"`
	Verdict     Verdict      `json:"verdict"`
}

// Basis is what repeats: what the evidence is counted in.
type Basis string

const (
	Runs    Basis = "runs"    // several runs on a side: each is one observation
	Samples Basis = "samples" // one run a side: only the clients within them
)

// Test is how a p value came about.
type Test string

const (
	Untested     Test = ""
	Welch        Test = "welch"     // Welch's t-test
	Student      Test = "student"   // Student's t-test: one run against several
	Binomial     Test = "binomial"  // exact, of two counts
	WithBinomial Test = "+binomial" // behind another test: the greater p of both
	Fisher       Test = "fisher"    // exact, of the shares above a common quantile
)

// Call is what a row says.
type Call string

const (
	Equal   Call = "equal"   // every run of both sides says the same
	Same    Call = "same"    // no evidence of a difference, ~
	Better  Call = "better"  // evidence, in the better direction
	Worse   Call = "worse"   // evidence, in the worse direction
	Differs Call = "differs" // evidence, and the metric has no better direction
	Unknown Call = "unknown" // nothing to test with, ?
)

// Row compares one metric. Percentiles, maxima and means are of the merged histograms of all runs of a side, every other
// figure is the mean of its runs.
type Row struct {
	Metric       string        `json:"metric"`
	Unit         scenario.Unit `json:"unit"`
	report.Scope               // "" everywhere: the whole run
	Direction    Direction     `json:"better"` // lower, higher, or "" for neither
	Old          Point         `json:"old"`
	New          Point         `json:"new"`
	Delta        report.Number `json:"delta"`              // new - old
	Relative     report.Number `json:"relative"`           // delta / |old|; infinite from 0
	Interval     *[2]float64   `json:"interval,omitempty"` // confidence interval of the delta, see Alpha
	Test         Test          `json:"test"`
	P            *float64      `json:"p,omitempty"`        // of this row alone
	Adjusted     *float64      `json:"adjusted,omitempty"` // corrected for the number of rows
	Call         Call          `json:"call"`
	Note         string        `json:"note,omitempty"`

	least    float64 // the smallest p that so many samples could have given
	headline bool
}

// Point is one side of a row.
type Point struct {
	Value report.Number   `json:"value"`
	Runs  []report.Number `json:"runs"` // the figure of each run in which it exists
	N     int64           `json:"n"`    // samples behind the value, over all runs; 0 where that says nothing
}

// Compare compares two sides. The error is a [*DifferentPlans] or a [*NotReplicates], or says that a side is empty.
func Compare(old, new []Input, o Options) (*Comparison, error) {
	if o.Alpha == 0 {
		o.Alpha = 0.05
	}
	c := &Comparison{Format: Format, Version: Version, Alpha: o.Alpha, Basis: Runs, Rows: []Row{}}
	var err error
	if c.Old, err = side(old); err != nil {
		return nil, err
	}
	if c.New, err = side(new); err != nil {
		return nil, err
	}
	if err := c.plans(old[0], new[0], o.AllowDifferentPlans); err != nil {
		return nil, err
	}
	c.Name = new[0].Result.Plan.Name
	if len(old) == 1 && len(new) == 1 {
		c.Basis = Samples
		c.Notes = append(c.Notes, "one run a side: this shows differences between these two runs, not between versions; repeat with other seeds for that")
	}
	c.Notes = append(c.Notes, notes(&c.Old, &c.New)...)
	c.doubt(old, new)

	t := &table{c: c, old: old, new: new, samples: map[sampleKey][]sample{}}
	t.rows()
	c.call()
	c.judge(t, &o)
	return c, nil
}

// plans refuses different plans, or notes what differs.
func (c *Comparison) plans(a, b Input, allow bool) error {
	apart, noted, ok := differences(&a.Result.Plan, &b.Result.Plan)
	for _, d := range noted {
		if d.Field != "target.url" && d.Field != "chaos.engine" { // notes has what the runs made of them
			c.Notes = append(c.Notes, d.String())
		}
	}
	switch {
	case ok && len(apart) == 0:
	case !allow:
		return &DifferentPlans{Old: a.Path, New: b.Path, Differences: apart}
	case ok:
		c.Differences = apart
	default:
		c.Differences = []Difference{{Field: "hash", Old: text(a.Result.Plan.Hash), New: text(b.Result.Plan.Hash)}}
	}
	return nil
}

// doubt gathers the runs that cannot be trusted.
func (c *Comparison) doubt(sides ...[]Input) {
	for _, s := range sides {
		for _, x := range s {
			switch r := x.Result; {
			case r.Status != report.Complete:
				c.Doubts = append(c.Doubts, fmt.Sprintf("%s did not run to its end: %s", report.Clean(x.Path, 200), report.Clean(string(r.Status), 40)))
			case r.Verdict.State == report.Inconclusive:
				c.Doubts = append(c.Doubts, fmt.Sprintf("%s is inconclusive in itself", report.Clean(x.Path, 200)))
			}
		}
	}
}

// call corrects the p values for their number and says what each row says.
func (c *Comparison) call() {
	var p []float64
	var of []*Row
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.P != nil && counted(r) {
			p, of = append(p, *r.P), append(of, r)
		}
	}
	for i, q := range adjust(p) {
		r := of[i]
		r.Adjusted = &q
		if r.Call = Same; q >= c.Alpha {
			continue
		}
		switch up := r.New.Value > r.Old.Value || r.New.Value == r.Old.Value && r.rises(); {
		case r.Direction == Neutral:
			r.Call = Differs
		case up == (r.Direction == Lower):
			r.Call = Worse
		default:
			r.Call = Better
		}
	}
}

// rises tells the direction of a change that the merged figures do not show.
func (r *Row) rises() bool { return r.Interval != nil && r.Interval[0]+r.Interval[1] > 0 }

// counted tells whether the row takes part in "did anything change?". flatline's own lateness does not.
func counted(r *Row) bool { return r.Metric[:min(len(r.Metric), 8)] != "harness." }

// Changed are the rows with evidence of a difference.
func (c *Comparison) Changed() (out []*Row) {
	for i := range c.Rows {
		if r := &c.Rows[i]; r.changed() {
			out = append(out, r)
		}
	}
	return out
}

func (r *Row) changed() bool { return slices.Contains([]Call{Better, Worse, Differs}, r.Call) }
