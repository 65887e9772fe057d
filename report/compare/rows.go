package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// table makes the rows of a comparison.
type table struct {
	c        *Comparison
	old, new []Input
	samples  map[sampleKey][]sample
}

type sampleKey struct {
	new    bool
	family string
	scope  report.Scope
}

// rows lists every metric that both sides have: over the whole run, before the first fault, in each fault's window and for
// each group. What only repeats the row of the whole run, since there is one fault or one group, is left out.
func (t *table) rows() {
	seen := map[string][]*Row{}
	for _, s := range t.scopes() {
		for _, m := range scenario.Metrics {
			if s.In != "" && !m.In || s.During != "" && !m.During {
				continue
			}
			r, ok := t.row(m, s)
			if !ok || slices.ContainsFunc(seen[m.Name], func(x *Row) bool { return sameFigures(x, &r) }) {
				continue
			}
			r.headline = headline[m.Name] && s == report.Scope{}
			t.c.Rows = append(t.c.Rows, r)
			seen[m.Name] = append(seen[m.Name], &r)
		}
	}
}

func sameFigures(a, b *Row) bool {
	return slices.Equal(a.Old.Runs, b.Old.Runs) && slices.Equal(a.New.Runs, b.New.Runs) && a.Old.N == b.Old.N && a.New.N == b.New.N
}

func (t *table) scopes() []report.Scope {
	a, b := &t.old[0].Result.Plan, &t.new[0].Result.Plan
	out := []report.Scope{{}, {During: "baseline"}}
	faults := func(p *report.PlanInfo) (names []string) {
		for i := range p.Faults {
			if n := p.Faults[i].Name; n != "" {
				names = append(names, n)
			} else {
				names = append(names, fmt.Sprintf("fault%d", i+1))
			}
		}
		return names
	}
	groups := func(p *report.PlanInfo) (names []string) {
		for i := range p.Groups {
			names = append(names, p.Groups[i].Name)
		}
		return names
	}
	for _, n := range faults(a) {
		if s := (report.Scope{During: n}); slices.Contains(faults(b), n) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, n := range groups(a) {
		if s := (report.Scope{In: n}); n != "" && slices.Contains(groups(b), n) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// row compares one metric in one scope; ok is false if a side has nothing to measure in any of its runs.
func (t *table) row(m scenario.Metric, s report.Scope) (r Row, ok bool) {
	r = Row{Metric: m.Name, Unit: m.Unit, Scope: s, Direction: DirectionOf(m), Call: Unknown}
	var a, b []float64
	if r.Old, a, ok = t.point(m, s, false); !ok {
		return r, false
	}
	if r.New, b, ok = t.point(m, s, true); !ok {
		return r, false
	}
	r.Delta, r.Relative = change(float64(r.Old.Value), float64(r.New.Value))
	for _, x := range []struct {
		have []float64
		side []Input
	}{{a, t.old}, {b, t.new}} {
		if len(x.have) < len(x.side) {
			r.Note = fmt.Sprintf("there was something to measure in %d of %d runs only", len(x.have), len(x.side))
		}
	}
	t.test(&r, m, a, b)
	return r, true
}

// change is b - a, absolute and as a share of |a|.
func change(a, b float64) (delta, relative report.Number) {
	switch d := b - a; {
	case a == b:
		return 0, 0
	case math.IsInf(a, 0):
		return report.Number(d), report.Number(math.Copysign(math.Inf(1), d))
	default:
		return report.Number(d), report.Number(d / math.Abs(a))
	}
}

// point is the figure of a side and those of its runs, in which "never" is what the run could wait for at least.
func (t *table) point(m scenario.Metric, s report.Scope, isNew bool) (p Point, tested []float64, ok bool) {
	side := t.old
	if isNew {
		side = t.new
	}
	hists := t.hists(m, s, isNew)
	var sum float64
	for i, x := range side {
		var v report.Measure
		var err error
		if hists != nil {
			v, err = report.Statistic(hists[i].h, m.Share(), hists[i].missing)
			p.N += hists[i].h.N()
		} else if m.Histogram == "" {
			v, err = x.Result.Value(expect(m, s))
			p.N += v.N
		}
		if err != nil || !v.Exists {
			continue
		}
		p.Runs = append(p.Runs, v.Value)
		sum += float64(v.Value)
		at := float64(v.Value)
		if math.IsInf(at, 1) {
			at = x.Result.Elapsed.Seconds()
		}
		tested = append(tested, at)
	}
	if len(p.Runs) == 0 {
		return p, nil, false
	}
	p.Value = report.Number(sum / float64(len(p.Runs)))
	if hists != nil && m.Share() != "count" {
		all := &report.Hist{}
		missing := int64(0)
		for _, h := range hists {
			all.Merge(h.h)
			missing += h.missing
		}
		if v, err := report.Statistic(all, m.Share(), missing); err == nil && v.Exists {
			p.Value = v.Value
		}
	}
	return p, tested, true
}

func expect(m scenario.Metric, s report.Scope) scenario.Expect {
	return scenario.Expect{Metric: m.Name, By: s.By, In: s.In, During: s.During}
}

// hists are the histograms behind a metric, one a run; nil if it has none, or if a run cannot say.
func (t *table) hists(m scenario.Metric, s report.Scope, isNew bool) []sample {
	if m.Histogram == "" {
		return nil
	}
	key := sampleKey{isNew, m.Histogram, s}
	if out, ok := t.samples[key]; ok {
		return out
	}
	side := t.old
	if isNew {
		side = t.new
	}
	var out []sample
	for _, x := range side {
		h, missing, err := x.Result.Latencies(expect(m, s))
		if err != nil {
			out = nil
			break
		}
		out = append(out, sample{h, missing, clients(x.Result, s)})
	}
	t.samples[key] = out
	return out
}

// clients in the scope: no more than that many values of a run are independent.
func clients(r *report.Result, s report.Scope) int64 {
	for i := range r.Plan.Groups {
		if g := &r.Plan.Groups[i]; s.In != "" && g.Name == s.In {
			return int64(max(g.Count, 1))
		}
	}
	return int64(max(r.Plan.Clients, 1))
}

// test fills in what the evidence says.
func (t *table) test(r *Row, m scenario.Metric, a, b []float64) {
	f := untested
	switch {
	case r.equal() && t.sameSamples(m, r.Scope):
		r.Call = Equal
		return
	case t.c.Basis == Samples:
		f = t.within(r, m)
	case r.Direction == Higher && (slices.Contains(r.Old.Runs, report.Number(math.Inf(1))) || slices.Contains(r.New.Runs, report.Number(math.Inf(1)))):
		r.Note = "it never happened in some of the runs"
	case len(a)+len(b) < 3:
		r.Note = "too few runs have it"
	default:
		f = betweenRuns(a, b, t.floor(r, m, false), t.floor(r, m, true), t.c.Alpha)
		if isEvents(m) && f.test != Untested {
			if e := counts(sum(a), sum(b), len(a), len(b)); e.p > f.p {
				f.p, f.test = e.p, f.test+WithBinomial
			}
		}
	}
	if f.test == Untested {
		if r.Note == "" {
			r.Note = "one run a side has no scatter to hold it against"
		}
		return
	}
	r.Test, r.P, r.least, r.Call = f.test, &f.p, f.least, Same
	if !math.IsNaN(f.lo+f.hi) && !math.IsInf(f.lo, 0) && !math.IsInf(f.hi, 0) {
		r.Interval = &[2]float64{f.lo, f.hi}
	}
}

// floor is the least variance between runs that is believed of a figure: that of its rounding, resolution²/12, and for a
// histogram's figure what its values allow.
func (t *table) floor(r *Row, m scenario.Metric, isNew bool) float64 {
	d := resolution(m, float64(max(r.Old.Value, r.New.Value)))
	least := d * d / 12
	if hists := t.hists(m, r.Scope, isNew); len(hists) > 0 && m.Share() != "count" {
		within := 0.0
		for _, h := range hists {
			sd := h.steadiest(m.Share())
			within += sd * sd / float64(len(hists))
		}
		least = max(least, within)
	}
	return least
}

// equal: all runs of both sides have one value.
func (r *Row) equal() bool {
	for _, v := range append(slices.Clone(r.Old.Runs), r.New.Runs...) {
		if v != r.Old.Runs[0] {
			return false
		}
	}
	return true
}

// sameSamples: with one run a side equal figures may come from unequal values; then the test has the word.
func (t *table) sameSamples(m scenario.Metric, s report.Scope) bool {
	if t.c.Basis == Runs || m.Histogram == "" || shared[m.Histogram] {
		return true
	}
	a, b := t.hists(m, s, false), t.hists(m, s, true)
	return a[0].missing == b[0].missing && a[0].h.Equal(b[0].h) || m.Share() == "count" || m.Share() == "max"
}

// within tests with the values of one run a side.
func (t *table) within(r *Row, m scenario.Metric) finding {
	switch share := m.Share(); {
	case isEvents(m):
		a, b := float64(r.Old.Value), float64(r.New.Value)
		// A client makes one event that counts: the second attempt of one client is no further evidence.
		scale := min(1, float64(clients(t.old[0].Result, r.Scope))/max(a, b, 1))
		return counts(math.Round(a*scale), math.Round(b*scale), 1, 1)
	case m.Histogram == "" || share == "max":
		return untested
	case shared[m.Histogram]:
		r.Note = "in one run all clients share one server and one storm: their values are a single observation"
		return untested
	default:
		a, b := t.hists(m, r.Scope, false)[0], t.hists(m, r.Scope, true)[0]
		if share == "mean" {
			return means(a, b, t.c.Alpha)
		}
		return quantiles(a, b, quantileOf[share], t.c.Alpha)
	}
}

// shared are the latencies that clients do not have for themselves. When one handshake waits in a queue they all do, so the
// values of one run say next to nothing about the next run's. When a client notices a silence is its own affair.
var shared = map[string]bool{"heartbeat.rtt": true, "connect.latency": true, "connect.tcp": true, "storm.handshake": true, "delivery.latency": true, "harness.lag": true}

var quantileOf = map[string]float64{"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}

// resolution of a metric's figure near v.
func resolution(m scenario.Metric, v float64) float64 {
	switch {
	case m.Unit == scenario.Seconds:
		if math.IsInf(v, 0) {
			v = 0
		}
		return resolutionOf(v)
	case m.Unit == scenario.Count, m.Unit == scenario.PerSecond:
		return 1
	case m.Unit == scenario.Bytes:
		return 4096 // a page
	}
	return max(1e-6, math.Abs(v)/1000)
}

func sum(v []float64) (s float64) {
	for _, x := range v {
		s += x
	}
	return s
}
