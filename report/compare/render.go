package compare

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// section is a table of rows of one scope.
type section struct {
	title string
	rows  []*Row
	rest  []*Row // no evidence of a difference, or one that a row of the same histogram shows already
}

// sections are the rows as a reader wants them: of the whole run the headline figures and whatever changed; of a fault or a
// group what changed there. Of a histogram that moved its median and p99 tell; another percentile stands where it is the only
// one to.
func (c *Comparison) sections(all bool) (out []section) {
	type place struct {
		family string
		scope  report.Scope
	}
	told := map[place]bool{}
	for _, r := range c.Changed() {
		if headline[r.Metric] {
			told[place{family(r.Metric), r.Scope}] = true
		}
	}
	for i := range c.Rows {
		r := &c.Rows[i]
		title := r.title()
		if len(out) == 0 || out[len(out)-1].title != title {
			out = append(out, section{title: title})
		}
		s := &out[len(out)-1]
		at := place{family(r.Metric), r.Scope}
		tells := r.changed() && (headline[r.Metric] || !told[at])
		if tells {
			told[at] = at.family != "" // the first one to
		}
		nothing := r.Old.Value == 0 && r.New.Value == 0
		if all || tells || r.headline && !nothing {
			s.rows = append(s.rows, r)
		} else {
			s.rest = append(s.rest, r)
		}
	}
	return out
}

// family is the histogram of a percentile, "" of a single figure.
func family(metric string) string {
	m, _ := scenario.LookupMetric(metric)
	return m.Histogram
}

// left says what is not shown.
func left(rows []*Row) string {
	moved := 0
	for _, r := range rows {
		if r.changed() {
			moved++
		}
	}
	s := fmt.Sprintf("%d figures without evidence of a difference, or of nothing that happened", len(rows)-moved)
	if moved > 0 {
		s += fmt.Sprintf("; %d that moved with one above", moved)
	}
	return s
}

func (r *Row) title() string {
	switch {
	case r.During == "baseline":
		return "Before the first fault"
	case r.During != "":
		return "During " + report.Clean(r.During, 40)
	case r.In != "":
		return "Group " + report.Clean(r.In, 40)
	}
	return "The whole run"
}

// word is what a reader sees of a call.
func (k Call) word() string {
	switch k {
	case Equal:
		return "="
	case Same:
		return "~"
	case Unknown:
		return "?"
	}
	return string(k)
}

// cells are the columns of a row behind its name.
func (r *Row) cells() []string {
	delta := r.delta()
	if delta == "" && r.Delta != 0 {
		delta = "-"
	}
	interval, p := "", ""
	if r.Interval != nil && r.Call != Equal {
		interval = signed(r.Unit, r.Interval[0]) + " to " + signed(r.Unit, r.Interval[1])
	}
	if r.Adjusted != nil {
		p = shortP(*r.Adjusted)
	}
	return []string{r.old(), r.new(), delta, interval, p, r.observations(), r.Call.word()}
}

// observations is n on either side: runs, or samples of one run each.
func (r *Row) observations() string {
	a, b := int64(len(r.Old.Runs)), int64(len(r.New.Runs))
	if a == 1 && b == 1 && r.Old.N+r.New.N > 0 {
		a, b = r.Old.N, r.New.N
	}
	return fmt.Sprintf("%d+%d", a, b)
}

// columns are the names of the cells.
func (c *Comparison) columns() []string {
	return []string{"old", "new", "delta", fmt.Sprintf("%g %% interval", 100*(1-c.Alpha)), "p", "n", ""}
}

// tested counts the rows that took part in the correction.
func (c *Comparison) tested() (n int) {
	for i := range c.Rows {
		if c.Rows[i].Adjusted != nil {
			n++
		}
	}
	return n
}

// legend says how to read the table.
func (c *Comparison) legend() []string {
	out := []string{fmt.Sprintf("p is corrected for the %d figures that were tested (Benjamini and Hochberg)", c.tested()),
		"~ no evidence of a difference", "= equal in every run"}
	for i := range c.Rows {
		if c.Rows[i].Call == Unknown {
			return append(out, "? nothing to test with")
		}
	}
	return out
}

// headline is the verdict in a word, and what it rests on.
func (c *Comparison) headline() (word, why string) {
	count := map[Call]int{}
	for _, r := range c.Changed() {
		count[r.Call]++
	}
	var parts []string
	for _, k := range []Call{Worse, Better, Differs} {
		if n := count[k]; n > 0 {
			w := string(k)
			if k == Differs {
				w = "neither"
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, w))
		}
	}
	why = fmt.Sprintf("none of %d figures differs", c.tested())
	if n := len(c.Changed()); n > 0 {
		verb := "differ"
		if n == 1 {
			verb = "differs"
		}
		why = fmt.Sprintf("%d of %d figures %s: %s", n, c.tested(), verb, strings.Join(parts, ", "))
	}
	if c.Basis == Samples {
		why += ", between these two runs"
	}
	if !c.Verdict.Asked {
		word = "SAME"
		if len(c.Changed()) > 0 {
			word = "DIFFERENT"
		}
		return word, why
	}
	word = map[report.Judgement]string{report.Pass: "PASS", report.Fail: "FAIL"}[c.Verdict.State]
	if word == "" {
		word = "INCONCLUSIVE"
	}
	if n := len(c.Gates); n > 0 {
		held := 0
		for _, g := range c.Gates {
			if g.State == report.Pass {
				held++
			}
		}
		noun := "gates hold"
		if n == 1 {
			noun = "gate holds"
		}
		why = fmt.Sprintf("%d of %d %s; %s", held, n, noun, why)
	}
	return word, why
}

// further are the reasons that neither a gate nor a doubt has given.
func (c *Comparison) further() (out []string) {
	for _, s := range c.Verdict.Reasons {
		ofGate := slices.ContainsFunc(c.Gates, func(g Outcome) bool { return s == g.Gate+": "+g.Reason })
		if !ofGate && !slices.Contains(c.Doubts, s) {
			out = append(out, s)
		}
	}
	return out
}

// who says what a side was made of.
func (s *Side) who() string {
	var paths []string
	seeds := make([]string, 0, len(s.Runs))
	for _, r := range s.Runs {
		paths = append(paths, report.Clean(r.Path, 60))
		seeds = append(seeds, fmt.Sprint(r.Seed))
	}
	if n := len(paths); n > 3 {
		paths = []string{paths[0], "...", paths[n-1]}
	}
	if n := len(seeds); n > 8 {
		seeds = append(seeds[:7], "...", seeds[n-1])
	}
	noun := "seed "
	if len(seeds) > 1 {
		noun = "seeds "
	}
	return fmt.Sprintf("%s; %s%s", strings.Join(paths, " "), noun, strings.Join(seeds, " "))
}

func (c *Comparison) counted() string {
	noun := "run"
	if len(c.Old.Runs) > 1 {
		noun = "runs"
	}
	return fmt.Sprintf("%d old %s against %d new", len(c.Old.Runs), noun, len(c.New.Runs))
}

// planNote is what stands above everything where different plans were compared.
const planNote = "THE PLANS DIFFER: a difference below may come from what was run, not from what was tested"
