package html

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/flatline-dev/flatline/report"
)

// Input is one Result and where it came from.
type Input struct {
	Name   string // the file's name, to tell several Results apart; may be empty
	Result *report.Result
}

// MaxRuns is how many Results one page shows: there are as many colours that everybody can tell apart.
const MaxRuns = 6

// builder makes the page of the Results.
type builder struct {
	runs []*report.Result
	sums []*report.Summary // of the runs
	page *Page
}

// r is the only Result, or the first.
func (b *builder) r() *report.Result { return b.runs[0] }

func (b *builder) single() bool { return len(b.runs) == 1 }

// NewPage works out what a page of the Results shows: everything about one, or several (at most [MaxRuns]) over one
// another.
func NewPage(in ...Input) (*Page, error) {
	switch {
	case len(in) == 0:
		return nil, errors.New("there is no result to show")
	case len(in) > MaxRuns:
		return nil, fmt.Errorf("%d results are more than one page can tell apart: at most %d", len(in), MaxRuns)
	}
	b := &builder{page: &Page{Lanes: []Lane{}}} // the page iterates over it, also where there are no faults
	for i, x := range in {
		if x.Result == nil {
			return nil, errors.New("there is no result to show")
		}
		b.runs = append(b.runs, x.Result)
		b.sums = append(b.sums, report.Summarize(x.Result))
		run := newRun(i, x.Result, b.sums[i])
		if len(in) > 1 {
			run.Label = string(rune('A' + i))
			run.File = clean(x.Name, 80)
		}
		b.page.Runs = append(b.page.Runs, run)
	}
	p := b.page
	p.Title = p.Runs[0].Name
	for _, r := range b.runs {
		p.Span = math.Max(p.Span, r.Elapsed.Seconds())
		p.Now = math.Max(p.Now, r.Elapsed.Seconds())
		if r.Status == report.Running {
			p.Live = true
			p.Span = math.Max(p.Span, r.Plan.Duration.Seconds())
		}
	}
	p.Span = math.Max(p.Span, 1)
	b.faults()
	b.lanes()
	b.timeline()
	if b.single() {
		b.keys()
		b.noticed()
		b.back()
		b.nodes()
		b.messages()
		b.rest()
		b.counts()
	} else {
		p.Title = "comparison of " + strings.Join(names(p.Runs), ", ")
		b.compare()
	}
	return p, nil
}

func names(runs []Run) (out []string) {
	for i, r := range runs {
		if i == 0 || r.Name != runs[0].Name {
			out = append(out, r.Name)
		}
	}
	return out
}

// newRun is what the head and the foot of the page say about a Result.
func newRun(i int, r *report.Result, s *report.Summary) Run {
	run := Run{Name: clean(s.Name, 60), Intent: clean(s.Intent, 600), Seed: fmt.Sprint(s.Seed), Hash: clean(s.Plan, 20),
		Command: clean(s.Command, 400), Word: s.Word, Why: clean(s.Held, 300), Tone: tone(s.Verdict.State)}
	if run.Name == "" {
		run.Name = "flatline"
	}
	run.Facts = []string{count(int64(s.Clients), "client"), s.Ran()}
	engine := s.Engine
	if engine != "" {
		engine += " engine"
	}
	for _, x := range []string{s.Target, s.Driver, engine, s.Tool} {
		if x != "" {
			run.Facts = append(run.Facts, clean(x, 80))
		}
	}
	if s.Host.CPUs > 0 {
		run.Facts = append(run.Facts, clean(fmt.Sprintf("%s/%s, %s", s.Host.OS, s.Host.Arch, count(int64(s.Host.CPUs), "core")), 60))
	}
	if !s.Started.IsZero() {
		run.Facts = append(run.Facts, s.Started.UTC().Format("2006-01-02 15:04:05Z"))
	}
	switch s.Status {
	case report.Running:
		run.Word, run.Tone, run.Why = "RUNNING", "running", "the figures are those so far"
	case report.TargetLost:
		run.Tone = "bad"
	case report.Interrupted:
		run.Tone = "unsure"
	case report.Complete:
		run.Reasons = cleaned(s.Verdict.Reasons)
	}
	for _, o := range s.Outcomes {
		e := Expectation{Text: clean(o.Text, 120), Mark: "ok", Tone: tone(o.State), Note: clean(o.Note, 300), Value: newFigure(i, o.Figure)}
		switch o.State {
		case report.Fail:
			e.Mark = "FAIL"
		case report.Inconclusive, report.NotMeasured:
			e.Mark = "?"
		}
		run.Expected = append(run.Expected, e)
	}
	run.Trust, run.Doubts = cleaned(s.Trust.Facts), cleaned(s.Trust.Doubts)
	run.Source = lines(r.Plan.Source)
	var resolved bytes.Buffer
	if json.Indent(&resolved, r.Plan.Resolved, "", "  ") == nil {
		run.Resolved = lines(resolved.String())
	}
	return run
}

func cleaned(texts []string) (out []string) {
	for _, s := range texts {
		out = append(out, clean(s, 300))
	}
	return out
}

func tone(j report.Judgement) string {
	switch j {
	case report.Pass:
		return "good"
	case report.Fail:
		return "bad"
	}
	return "unsure"
}

// lines cleans a text of several lines line by line.
func lines(s string) string {
	var b strings.Builder
	for l := range strings.Lines(strings.ReplaceAll(s, "\t", "    ")) {
		b.WriteString(clean(strings.TrimRight(l, "\r\n"), 400))
		b.WriteByte('\n')
	}
	return b.String()
}

func count(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return report.FormatCount(n) + " " + word + "s"
}

// newFigure is a figure of run i as it stands on the page.
func newFigure(i int, f report.Figure) Figure {
	return Figure{Text: f.Text, Metric: f.Metric, During: clean(f.During, 64), In: clean(f.In, 64), By: clean(f.By, 20), N: f.N, Note: clean(f.Note, 200), Run: i}
}

// figure looks up a figure of run i.
func (b *builder) figure(i int, metric string, scope report.Scope) Figure {
	return newFigure(i, b.sums[i].Figure(metric, scope))
}

// latency looks up a latency, which has a "?" behind it where there are too few samples, and is "-" without any.
func (b *builder) latency(metric string, scope report.Scope) Figure {
	f := b.sums[0].Figure(metric, scope)
	out := newFigure(0, f)
	out.Text = f.Of()
	return out
}

// total is the text of a figure of the whole first run.
func (b *builder) total(metric string) string { return b.sums[0].Figure(metric, report.Scope{}).Text }

func plain(s string) Figure { return Figure{Text: s} }
