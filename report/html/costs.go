package html

import (
	"fmt"
	"math"
	"slices"

	"github.com/flatline-dev/flatline/report"
)

// use is something that the target used, sample by sample.
type use struct {
	id, title, hint string
	axis            Axis
	metric          string // of the whole run, for the sentence
	of              func(u *report.TargetUse) float64
}

var uses = []use{
	{"cpu", "Target: CPU", "cores in use since the sample before", Cores, "target.cpu", func(u *report.TargetUse) float64 {
		if u.Span <= 0 {
			return none
		}
		return float64(u.CPU) / float64(u.Span)
	}},
	{"rss", "Target: memory", "resident", Bytes, "target.rss", func(u *report.TargetUse) float64 { return float64(u.RSS) }},
	{"fds", "Target: open files", "", Number, "target.fds", func(u *report.TargetUse) float64 { return number(u.FDs) }},
	{"threads", "Target: threads", "", Number, "target.threads", func(u *report.TargetUse) float64 { return number(u.Threads) }},
	{"queue", "Target: accept queue", "connections that the kernel completed and the target had not accepted; the fullest of its sockets", Number, "target.accept_queue", queue},
	{"drops", "Target: dropped connections", "at its listening sockets, since the sample before", Number, "target.listener_drops", drops},
}

// column is a use over time, thinned to steps of k samples with the largest value of each.
func (s *use) column(r *report.Result, k int) (x, y []float64) {
	for i := 0; i < len(r.Target); i += k {
		v := none
		for j := i; j < min(i+k, len(r.Target)); j++ {
			if w := s.of(&r.Target[j]); !math.IsNaN(w) && !(v >= w) {
				v = w
			}
		}
		x, y = append(x, r.Target[min(i+k, len(r.Target))-1].At.Seconds()), append(y, v)
	}
	return x, y
}

// target makes a chart of everything that was seen of the target's process, in any of the runs.
func (b *builder) target() (out []Chart) {
	k := 1
	for _, r := range b.runs {
		k = max(k, (len(r.Target)+maxPoints-1)/maxPoints)
	}
	for i := range uses {
		s := &uses[i]
		if !slices.ContainsFunc(b.runs, func(r *report.Result) bool {
			_, y := s.column(r, 1)
			return slices.ContainsFunc(y, func(v float64) bool { return v > 0 })
		}) {
			continue
		}
		if !b.single() {
			out = append(out, b.overlay(s.id, s.title, s.axis, s.hint, func(r *report.Result, _ int) ([]float64, []float64) { return s.column(r, k) }))
			continue
		}
		c := Chart{ID: s.id, Title: s.title, YAxis: s.axis, Hint: s.hint}
		var y []float64
		c.X, y = s.column(b.r(), k)
		c.Series = []Series{{Name: s.id, Color: "c-connecting", Style: "line", Y: y}}
		c.About = fmt.Sprintf("%s over time: %s.", s.title, b.total(s.metric))
		out = append(out, c)
	}
	return out
}

// lag is how late flatline's own timers ran: a reader sees when not to believe the rest.
func (b *builder) lag() (Chart, bool) {
	if !slices.ContainsFunc(b.runs, func(r *report.Result) bool { return slices.Max(append(r.Series.LagMax, 0)) > 0 }) {
		return Chart{}, false
	}
	of := func(r *report.Result, k int) (x, y []float64) {
		x, y = steps(r.Series.LagMax, k, maxOf)
		for i := range y {
			y[i] /= 1e6
		}
		return x, y
	}
	const title, hint = "flatline's own timers late", "the latest timer of each second: where this is large, do not believe the rest"
	if !b.single() {
		return b.overlay("lag", title, Latency, hint, of), true
	}
	c := Chart{ID: "lag", Title: title, YAxis: Latency, Hint: hint}
	var y []float64
	c.X, y = of(b.r(), b.every())
	c.Series = []Series{{Name: "lag", Color: "c-quiet", Style: "bars", Y: y}}
	c.About = fmt.Sprintf("How late flatline's own timers ran: p99 %s, %s at most.", b.total("harness.lag.p99"),
		b.total("harness.lag.max"))
	return c, true
}

func number(n *int) float64 {
	if n == nil {
		return none
	}
	return float64(*n)
}

func queue(u *report.TargetUse) float64 {
	v := none
	for _, l := range u.Listeners {
		if q := float64(l.Queue); !(v >= q) {
			v = q
		}
	}
	return v
}

func drops(u *report.TargetUse) float64 {
	if len(u.Listeners) == 0 {
		return none
	}
	n := int64(0)
	for _, l := range u.Listeners {
		n += l.Drops
	}
	return float64(n)
}
