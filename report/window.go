package report

import (
	"fmt"
	"slices"
	"time"
)

// span is a stretch of time [from, to).
type span struct{ from, to time.Duration }

// window is what "during" selects: stretches of time for what is measured over time, occurrences for what is
// attributed to a fault.
type window struct {
	name  string
	spans []span
	occs  []*Occurrence
	lag   *Hist   // flatline's own lateness in it, once asked for
	after *window // this and its aftermath, once asked for
	// timed: what is usually attributed (storms) is taken from the time instead, since no severing fault is selected.
	timed bool
}

// window resolves the name of a window.
func (r *Result) window(name string) (window, error) {
	w := window{name: name}
	switch name {
	case "":
		w.spans = []span{{0, forever}}
		for i := range r.Occurrences {
			w.occs = append(w.occs, &r.Occurrences[i])
		}
		return w, nil
	case "baseline":
		w.timed = true
		if to := r.firstFault(); to > r.Plan.RampEnd {
			w.spans = []span{{r.Plan.RampEnd, to}}
		}
		return w, nil
	case "recovery":
		w.timed = true
		for i := range r.Occurrences {
			o := &r.Occurrences[i]
			if s, ok := r.recoverySpan(o); ok {
				w.spans = append(w.spans, s)
			}
			w.occs = append(w.occs, o)
		}
		return w, nil
	}
	known, severs := false, false
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Name != name && !r.isFault(o.Fault, name) {
			continue
		}
		known = true
		severs = severs || o.Severs
		if o.Began < 0 {
			continue
		}
		w.occs = append(w.occs, o)
		w.spans = append(w.spans, r.faultSpan(o))
	}
	if !known {
		return w, fmt.Errorf("no window or fault is named %q", name)
	}
	w.timed = !severs
	return w, nil
}

// empty says why the window has no time in it, or "".
func (w *window) empty() string {
	switch {
	case len(w.spans) > 0:
		return ""
	case w.name == "baseline":
		return "there is no baseline: a fault began while clients still connected"
	case w.name == "recovery":
		return "nobody had to recover"
	}
	return "the fault did not begin"
}

func (r *Result) isFault(i int, name string) bool {
	return i >= 0 && i < len(r.Plan.Faults) && (r.Plan.Faults[i].Name == name || name == fmt.Sprintf("fault%d", i+1))
}

// firstFault is when the first fault of any kind began; the run's end if there was none.
func (r *Result) firstFault() time.Duration {
	at := r.Elapsed
	for i := range r.Occurrences {
		if b := r.Occurrences[i].Began; b >= 0 {
			at = min(at, b)
		}
	}
	return at
}

// faultSpan is the time of an occurrence: while it was in force; for an instant one until everybody was back or the
// next fault began.
func (r *Result) faultSpan(o *Occurrence) span {
	s := span{o.Began, r.Elapsed}
	switch {
	case o.Instant:
		if back, all := o.allBack(); all {
			s.to = back + 1 // the last return is inside
		}
		s.to = max(s.to, o.Recoverable, o.Began+1)
		for i := range r.Occurrences {
			if b := r.Occurrences[i].Began; b > o.Began {
				s.to = min(s.to, b)
			}
		}
	case o.Ended >= 0:
		s.to = o.Ended
	}
	return s
}

// recoverySpan is the time from which recovery was possible until all the lost were back or the next severing fault
// began. ok is false if nobody had to recover.
func (r *Result) recoverySpan(o *Occurrence) (s span, ok bool) {
	back, all := o.allBack()
	if !o.Severs || o.Recoverable < 0 || back < 0 && all {
		return s, false
	}
	s = span{o.Recoverable, r.Elapsed}
	if all {
		s.to = back + 1
	}
	for i := range r.Occurrences {
		if n := &r.Occurrences[i]; n.Severs && n.Began > o.Recoverable {
			s.to = min(s.to, n.Began)
		}
	}
	return s, s.to > s.from
}

// allBack returns when the last of those who noticed was back (-1: nobody had to come back), and whether all were.
func (o *Occurrence) allBack() (last time.Duration, all bool) {
	last, all = never, true
	for i := range o.Groups {
		last = max(last, o.Groups[i].LastBack)
		all = all && o.Groups[i].Lost == 0
	}
	return last, all
}

// segments calls f for each segment that begins in the window.
func (r *Result) segments(w *window, f func(*Segment)) {
	for i := range r.Segments {
		s := &r.Segments[i]
		for _, sp := range w.spans {
			if s.From >= sp.from && s.From < sp.to {
				f(s)
				break
			}
		}
	}
}

// Lag is the harness's own lateness in a window, "" for the whole run.
func (r *Result) lagDuring(w *window) *Hist {
	if w.lag == nil {
		w.lag = &Hist{}
		r.segments(w, func(s *Segment) { w.lag.Merge(s.Lag) })
	}
	return w.lag
}

// aftermath widens the window to the time in which its faults' detections and recoveries were measured.
func (r *Result) aftermath(w *window) *window {
	if w.name == "" || len(w.occs) == 0 {
		return w
	}
	if w.after != nil {
		return w.after
	}
	out := &window{name: w.name, spans: slices.Clone(w.spans)}
	for _, o := range w.occs {
		s := r.faultSpan(o)
		if back, all := o.allBack(); !all {
			s.to = r.Elapsed
		} else {
			s.to = max(s.to, back)
		}
		out.spans = append(out.spans, s)
	}
	w.after = out
	return out
}
