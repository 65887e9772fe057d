package report

import (
	"time"

	"github.com/flatline-dev/flatline/scenario"
)

// usage answers what a process used: the target's, or flatline's own.
func (q *query) usage(metric string) (Measure, error) {
	series, whose := q.r.Target, "the target's process"
	if metric == "harness.cpu" || metric == "harness.rss" {
		series, whose = q.r.Harness, "flatline's own process"
	}
	if len(series) == 0 {
		return Measure{}, errNotMeasured(whose + " was not visible to flatline")
	}
	switch metric {
	case "target.cpu", "harness.cpu":
		return q.cores(series), nil
	case "target.rss", "harness.rss":
		return q.peak(series, metric, scenario.Bytes, func(u *TargetUse) (float64, bool) { return float64(u.RSS), true })
	case "target.fds":
		return q.peak(series, metric, scenario.Count, func(u *TargetUse) (float64, bool) { return number(u.FDs) })
	case "target.threads":
		return q.peak(series, metric, scenario.Count, func(u *TargetUse) (float64, bool) { return number(u.Threads) })
	case "target.accept_queue":
		return q.peak(series, metric, scenario.Count, func(u *TargetUse) (v float64, seen bool) {
			for i := range u.Listeners {
				v = max(v, float64(u.Listeners[i].Queue))
			}
			return v, len(u.Listeners) > 0
		})
	case "target.accept_overflows":
		return q.events(series, metric, func(u *TargetUse) (int64, bool) {
			if u.Netns == nil {
				return 0, false
			}
			return u.Netns.Overflows, true
		})
	case "target.syn_drops":
		return q.events(series, metric, func(u *TargetUse) (int64, bool) {
			if u.Netns == nil {
				return 0, false
			}
			return u.Netns.Drops, true
		})
	}
	return q.events(series, metric, (*TargetUse).dropped) // target.listener_drops
}

// dropped is what the kernel dropped at the target's own listening sockets.
func (u *TargetUse) dropped() (n int64, seen bool) {
	for i := range u.Listeners {
		n += u.Listeners[i].Drops
	}
	return n, len(u.Listeners) > 0
}

func number(n *int) (float64, bool) {
	if n == nil {
		return 0, false
	}
	return float64(*n), true
}

// noSample is for a window that is shorter than the time between two samples.
var noSample = Measure{Note: "no sample in the window"}

// cores is the mean number of CPU cores in use.
func (q *query) cores(series []TargetUse) Measure {
	var cpu, span time.Duration
	n := int64(0)
	for i := range series {
		if u := &series[i]; u.Span > 0 && q.w.has(u.At) {
			n++
			cpu += u.CPU
			span += u.Span
		}
	}
	if span == 0 {
		return noSample
	}
	m := exactly(float64(cpu)/float64(span), scenario.Cores)
	m.N = n
	return m
}

// peak is the highest value that a sample in the window has.
func (q *query) peak(series []TargetUse, metric string, unit scenario.Unit, of func(*TargetUse) (float64, bool)) (Measure, error) {
	best, n, visible := 0.0, int64(0), false
	for i := range series {
		v, ok := of(&series[i])
		visible = visible || ok
		if ok && q.w.has(series[i].At) {
			best = max(best, v)
			n++
		}
	}
	switch {
	case !visible:
		return Measure{}, invisible(metric)
	case n == 0:
		return noSample, nil
	}
	m := exactly(best, unit)
	m.N = n
	return m, nil
}

// events counts what happened between samples. A sample whose span reaches over an edge of the window may have counted
// on either side of it: Lo leaves all of these out, Hi has them all, Value those that ended inside.
func (q *query) events(series []TargetUse, metric string, of func(*TargetUse) (int64, bool)) (Measure, error) {
	var inside, ended, touching, n int64
	visible := false
	for i := range series {
		u := &series[i]
		v, ok := of(u)
		visible = visible || ok
		if !ok || !q.w.touches(u.At-u.Span, u.At) {
			continue
		}
		n++
		touching += v
		if q.w.has(u.At) {
			ended += v
			if q.w.has(u.At - u.Span) {
				inside += v
			}
		}
	}
	switch {
	case !visible:
		return Measure{}, invisible(metric)
	case n == 0:
		return noSample, nil
	}
	m := exactly(float64(ended), scenario.Count)
	m.Lo, m.Hi, m.N = Number(inside), Number(touching), n
	return m, nil
}

func invisible(metric string) error {
	return errNotMeasured(metric + " was not visible to flatline: it needs Linux, and a listening socket in flatline's own network namespace")
}

// has reports whether a moment is in the window.
func (w *window) has(at time.Duration) bool {
	for _, s := range w.spans {
		if at >= s.from && at < s.to {
			return true
		}
	}
	return false
}

// touches reports whether any of [from, to] is in the window.
func (w *window) touches(from, to time.Duration) bool {
	for _, s := range w.spans {
		if to >= s.from && from < s.to {
			return true
		}
	}
	return false
}
