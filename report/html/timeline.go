package html

import (
	"fmt"
	"math"
	"time"

	"github.com/flatline-dev/flatline/report"
)

// maxPoints is how many points a chart of the timeline has at most: more than its pixels. Longer runs are drawn in
// steps of several seconds, each with the extreme of its seconds, so that no peak is lost.
const maxPoints = 1200

// every is how many seconds one step of the timeline stands for.
func (b *builder) every() int {
	n := 0
	for _, r := range b.runs {
		n = max(n, len(r.Series.Attempts))
	}
	return max((n+maxPoints-1)/maxPoints, 1)
}

// lanes are the faults on the time axis.
func (b *builder) lanes() {
	var ends []float64 // of the last label in each row
	for i, r := range b.runs {
		for k := range r.Occurrences {
			o := &r.Occurrences[k]
			l := Lane{Name: clean(o.Name, 40), From: o.Began.Seconds(), Link: b.link(k), Run: i}
			switch {
			case o.Began < 0 && r.Status != report.Running:
				continue
			case o.Began < 0:
				l.Planned = true
				l.From = o.Planned.Seconds()
				l.To = l.From
				if o.Fault < len(r.Plan.Faults) {
					l.To += r.Plan.Faults[o.Fault].For.Seconds()
				}
				l.About = "planned"
			case o.Instant:
				l.To = math.Max(o.Recoverable.Seconds(), l.From)
			case o.Ended >= 0:
				l.To = o.Ended.Seconds()
			default:
				l.To = r.Elapsed.Seconds()
			}
			if !l.Planned {
				l.About = fmt.Sprintf("%s at %s, %s", clean(string(o.Kind), 20), report.FormatSetting(o.Began), count(int64(o.Victims), "client"))
				if !o.Instant {
					l.About += " for " + report.FormatSetting(time.Duration((l.To-l.From)*1e3)*time.Millisecond)
				}
			}
			if !b.single() {
				if b.sameLane(&l) {
					continue
				}
				l.About = "in " + b.page.Runs[i].Label + ": " + l.About
				l.Link = ""
			}
			width := math.Max(l.To-l.From, float64(len(l.Name)+2)*b.page.Span/130) // a label takes about 1/130 of the width a letter
			for l.Row = 0; l.Row < len(ends) && ends[l.Row] > l.From; l.Row++ {
			}
			if l.Row == len(ends) {
				ends = append(ends, 0)
			}
			ends[l.Row] = l.From + width
			b.page.Lanes = append(b.page.Lanes, l)
		}
	}
}

// sameLane reports whether an earlier run had the same fault at the same time, within a tenth of a second.
func (b *builder) sameLane(l *Lane) bool {
	for _, o := range b.page.Lanes {
		if o.Run != l.Run && o.Name == l.Name && math.Abs(o.From-l.From) < 0.1 && math.Abs(o.To-l.To) < 0.1 {
			return true
		}
	}
	return false
}

// timeline makes the charts on the shared time axis.
func (b *builder) timeline() {
	charts := []Chart{}
	if b.single() {
		charts = append(charts, b.clients(), b.attempts(), b.roundTrips())
	} else {
		charts = append(charts, b.overlay("clients", "Open clients", Number, "how many were open at the end of each second", openClients),
			b.overlay("attempts", "Reconnect attempts per second", Number, "all attempts but each client's first", func(r *report.Result, k int) ([]float64, []float64) {
				return steps(r.Series.Retries, k, maxOf)
			}),
			b.overlay("rtt", "Heartbeat round trip, p99", LogTime, "of the beats answered in each second; logarithmic", func(r *report.Result, k int) ([]float64, []float64) {
				return quantiles(r, k, 0.99)
			}))
	}
	charts = append(charts, b.nodeLoads()...)
	charts = append(charts, b.messageRates()...)
	charts = append(charts, b.target()...)
	if c, ok := b.lag(); ok {
		charts = append(charts, c)
	}
	for i := range charts {
		charts[i].XAxis, charts[i].XMax = Time, b.page.Span
		charts[i].Every = float64(b.every())
		if len(charts[i].X) == 0 && charts[i].Empty == "" {
			charts[i].Empty = "nothing was measured yet"
		}
	}
	b.page.Timeline = charts
}

// maxOf is the largest value of a stretch, 0 if it is empty.
func maxOf(v []int64) float64 {
	top := int64(0)
	for _, x := range v {
		top = max(top, x)
	}
	return float64(top)
}

// steps reduces a per-second column to stretches of k seconds; x is the start of each, and the last value stands
// twice, so that the step has an end.
func steps(v []int64, k int, of func([]int64) float64) (x, y []float64) {
	for i := 0; i < len(v); i += k {
		x = append(x, float64(i))
		y = append(y, of(v[i:min(i+k, len(v))]))
	}
	if n := len(y); n > 0 {
		x, y = append(x, float64(len(v))), append(y, y[n-1])
	}
	return x, y
}

// lowest picks from each stretch of k seconds the one with the fewest open clients: a moment that was, in which the
// states add up.
func lowest(r *report.Result, k int) (seconds []int) {
	open, suspect := r.Series.States["open"], r.Series.States["suspect"]
	at := func(c []int64, i int) int64 {
		if i < len(c) {
			return c[i]
		}
		return 0
	}
	for i := 0; i < len(r.Series.Attempts); i += k {
		best := i
		for j := i; j < min(i+k, len(r.Series.Attempts)); j++ {
			if at(open, j)+at(suspect, j) < at(open, best)+at(suspect, best) {
				best = j
			}
		}
		seconds = append(seconds, best)
	}
	return seconds
}

func openClients(r *report.Result, k int) (x, y []float64) {
	for _, i := range lowest(r, k) {
		n := int64(0)
		for _, s := range []string{"open", "suspect"} {
			if c := r.Series.States[s]; i < len(c) {
				n += c[i]
			}
		}
		x, y = append(x, float64(i+1)), append(y, float64(n))
	}
	return x, y
}

// clients is the stack of clients by state, with the server's zombies as a line over it.
func (b *builder) clients() Chart {
	r := b.r()
	c := Chart{ID: "clients", Title: "Clients by state", YAxis: Number, YMax: float64(r.Plan.Clients), Stack: true, Tall: true,
		Hint: "at the end of each second; zombies: connections that the client gave up and the server still held"}
	seconds := lowest(r, b.every())
	for _, i := range seconds {
		c.X = append(c.X, math.Min(float64(i+1), math.Max(r.Elapsed.Seconds(), float64(i))))
	}
	for _, s := range []struct {
		name, color string
		of          []string
	}{
		{"open", "c-open", []string{"open"}},
		{"suspect", "c-suspect", []string{"suspect"}},
		{"connecting", "c-connecting", []string{"connecting"}},
		{"back-off", "c-backoff", []string{"backoff", "closing"}},
	} {
		y := make(Numbers, len(seconds))
		for _, state := range s.of {
			for k, i := range seconds {
				if col := r.Series.States[state]; i < len(col) {
					y[k] += float64(col[i])
				}
			}
		}
		c.Series = append(c.Series, Series{Name: s.name, Color: s.color, Style: "area", Y: y})
	}
	var all report.Buckets
	for i := range r.Groups {
		all.Merge(r.Groups[i].Zombies)
	}
	if len(all) > 0 {
		level, levels := int64(0), all.Rebin(time.Second)
		for i, d := range levels {
			level += d
			levels[i] = level
		}
		y := make(Numbers, len(seconds))
		for k, i := range seconds {
			y[k] = float64(levels[min(i, len(levels)-1)])
		}
		c.Series = append(c.Series, Series{Name: "zombies", Color: "c-zombie", Style: "line", Over: true, Y: y})
	}
	low := b.figure(0, "clients.min_open", report.Scope{})
	end := b.figure(0, "clients.open", report.Scope{})
	c.About = fmt.Sprintf("Clients by state over %s: %s, %s open at the lowest and %s at the end.", report.FormatSetting(r.Elapsed),
		count(int64(r.Plan.Clients), "client"), low.Text, end.Text)
	return c
}

func (b *builder) attempts() Chart {
	r := b.r()
	c := Chart{ID: "attempts", Title: "Reconnect attempts per second", YAxis: Number, Hint: "all attempts but each client's first; failed: of any attempt"}
	var y []float64
	c.X, y = steps(r.Series.Retries, b.every(), maxOf)
	_, failed := steps(r.Series.Failed, b.every(), maxOf)
	if b.every() > 1 {
		c.Hint += fmt.Sprintf("; the worst second of each %d", b.every())
	}
	c.Series = []Series{{Name: "attempts", Color: "c-connecting", Style: "bars", Y: y}, {Name: "failed", Color: "c-backoff", Style: "bars", Y: failed}}
	c.About = fmt.Sprintf("Reconnect attempts per second: %s in the worst second.", b.total("storm.peak"))
	return c
}

// quantiles is a percentile of the round trips of each stretch of k seconds, within 6 %.
func quantiles(r *report.Result, k int, q float64) (x, y []float64) {
	for i := 0; i < len(r.Series.RTT); i += k {
		var h report.Coarse
		for j := i; j < min(i+k, len(r.Series.RTT)); j++ {
			h = h.Merge(r.Series.RTT[j])
		}
		v := none
		if len(h) > 0 {
			v = math.Max(h.Quantile(q).Seconds(), 1e-6)
		}
		x, y = append(x, float64(i)+float64(k)/2), append(y, v)
	}
	return x, y
}

func (b *builder) roundTrips() Chart {
	r := b.r()
	c := Chart{ID: "rtt", Title: "Heartbeat round trip", YAxis: LogTime, Hint: "of the beats answered in each second; logarithmic, percentiles within 6 %"}
	var p50, p99 []float64
	c.X, p50 = quantiles(r, b.every(), 0.5)
	_, p99 = quantiles(r, b.every(), 0.99)
	_, top := steps(r.Series.RTTMax, b.every(), maxOf)
	top = top[:len(p50)]
	for i := range top {
		if top[i] /= 1e6; top[i] == 0 {
			top[i] = none
		}
		p50[i], p99[i] = math.Min(p50[i], top[i]), math.Min(p99[i], top[i]) // a bucket's middle may lie above its largest value
	}
	c.Series = []Series{{Name: "max", Color: "c-quiet", Style: "line", Y: top}, {Name: "p99", Color: "c-suspect", Style: "line", Y: p99},
		{Name: "p50", Color: "c-connecting", Style: "line", Y: p50}}
	c.About = fmt.Sprintf("Heartbeat round trip per second as p50, p99 and maximum on a logarithmic axis: over the whole run p50 %s, p99 %s.",
		b.total("heartbeat.rtt.p50"), b.total("heartbeat.rtt.p99"))
	return c
}

// overlay draws one column of each run.
func (b *builder) overlay(id, title string, axis Axis, hint string, of func(r *report.Result, k int) (x, y []float64)) Chart {
	c := Chart{ID: id, Title: title, YAxis: axis, Hint: hint, Tall: id == "clients"}
	var cols [][2][]float64
	for _, r := range b.runs {
		x, y := of(r, b.every())
		cols = append(cols, [2][]float64{x, y})
	}
	c.X, c.Series = b.join(cols)
	for i := range c.Series {
		c.Series[i].Style = "line"
		if id == "attempts" || id == "cpu" || id == "lag" {
			c.Series[i].Style = "step"
		}
	}
	c.About = title + " of " + fmt.Sprint(len(b.runs)) + " runs over one another."
	return c
}

// join puts columns with different x on one.
func (b *builder) join(cols [][2][]float64) (Numbers, []Series) {
	lists := make([][]float64, len(cols))
	for i := range cols {
		lists[i] = cols[i][0]
	}
	xs := union(lists)
	var out []Series
	for i, c := range cols {
		y := make(Numbers, len(xs))
		k := 0
		for j, x := range xs {
			y[j] = none
			if k < len(c[0]) && c[0][k] == x {
				y[j] = c[1][k]
				k++
			}
		}
		run := b.page.Runs[i]
		out = append(out, Series{Name: run.Label + " " + run.Name, Color: fmt.Sprintf("c-run%d", i+1), Y: y})
	}
	return xs, out
}
