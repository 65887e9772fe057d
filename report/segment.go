package report

import "time"

// segmenter keeps the segments of a run. Boundaries: the end of the ramp, each fault's begin and end, and, from each
// moment at which a recovery can begin, a grid that gets coarser with time. None of them depends on what clients do,
// so agents that run parts of the same plan cut at the same places and their segments add up.
type segmenter struct {
	list   []Segment
	groups int
	next   time.Duration   // the next boundary that is known
	marks  []time.Duration // further known boundaries, unordered
	origin time.Duration   // of the grid; never: none
	since  []int64         // per group: the healthy integral is current up to here, in µs: whole ones telescope exactly
	dirty  int             // segments from here on may have changed since the last snapshot
	frozen []Segment       // the last snapshot's copies of segments before dirty
}

func (s *segmenter) init(groups int, rampEnd time.Duration) {
	s.groups = groups
	s.origin = never
	s.since = make([]int64, groups)
	s.list = []Segment{{To: never, Groups: make([]SegmentGroup, groups)}}
	if rampEnd > 0 {
		s.marks = append(s.marks, rampEnd)
	}
	s.arm(0)
}

// at returns the segment that now is in; events may arrive a little late.
func (s *segmenter) at(now time.Duration) *Segment {
	i := len(s.list) - 1
	for i > 0 && now < s.list[i].From {
		i--
	}
	s.dirty = min(s.dirty, i)
	return &s.list[i]
}

// arm finds the next boundary after now.
func (s *segmenter) arm(now time.Duration) {
	s.next = forever
	kept := s.marks[:0]
	for _, m := range s.marks {
		if m > now {
			kept = append(kept, m)
			s.next = min(s.next, m)
		}
	}
	s.marks = kept
	if s.origin >= 0 {
		s.next = min(s.next, s.origin+gridAfter(now-s.origin))
	}
}

// gridAfter is the first point of the grid after d: seconds up to 10 s, then steps of 2 s to 30 s, 5 s to 1 min, 10 s
// to 5 min, and 1 min.
func gridAfter(d time.Duration) time.Duration {
	if d < 0 {
		return 0
	}
	step := time.Minute
	switch {
	case d < 10*time.Second:
		step = time.Second
	case d < 30*time.Second:
		step = 2 * time.Second
	case d < time.Minute:
		step = 5 * time.Second
	case d < 5*time.Minute:
		step = 10 * time.Second
	}
	return d.Truncate(step) + step
}

// cutAt ends the present segment at t unless it begins there.
func (s *segmenter) cutAt(t time.Duration, healthy func(group int) int64) {
	last := &s.list[len(s.list)-1]
	if t <= last.From {
		return
	}
	for g := range last.Groups {
		last.Groups[g].HealthyMicros += healthy(g) * (micros(t) - s.since[g])
		s.since[g] = micros(t)
	}
	last.To = t
	s.dirty = min(s.dirty, len(s.list)-1)
	s.list = append(s.list, Segment{From: t, To: never, Groups: make([]SegmentGroup, s.groups)})
}

// healthy changes the number n of a group's healthy clients by d at now. The integral over time is a sum of n x
// elapsed, which comes out the same when two clients' events arrive in the wrong order.
func (s *segmenter) healthy(now time.Duration, group uint16, n *int64, d int64) {
	last := len(s.list) - 1
	s.dirty = min(s.dirty, last)
	s.list[last].Groups[group].HealthyMicros += *n * (micros(now) - s.since[group])
	s.since[group] = micros(now)
	*n += d
}

// cut makes every boundary that is due at now.
func (r *Recorder) cut(now time.Duration) {
	for now >= r.segments.next {
		t := r.segments.next
		r.segments.cutAt(t, func(g int) int64 { return r.groups[g].healthy })
		r.segments.arm(t)
	}
}

// boundary cuts at t and, if recovery can begin there, starts the grid.
func (r *Recorder) boundary(t time.Duration, recovery bool) {
	r.segments.cutAt(t, func(g int) int64 { return r.groups[g].healthy })
	if recovery {
		r.segments.origin = t
	}
	r.segments.arm(t)
}

// snapshot returns copies of all segments with the last one ended at now; frozen ones are shared with the snapshots
// before.
func (s *segmenter) snapshot(now time.Duration, healthy func(group int) int64) []Segment {
	s.frozen = append(s.frozen[:0:0], s.frozen[:min(s.dirty, len(s.frozen))]...)
	for i := len(s.frozen); i < len(s.list); i++ {
		from := &s.list[i]
		c := Segment{From: from.From, To: from.To, Lag: from.Lag.Clone(), Groups: make([]SegmentGroup, s.groups)}
		for g := range c.Groups {
			c.Groups[g] = from.Groups[g]
			c.Groups[g].RTT = from.Groups[g].RTT.Clone()
			c.Groups[g].Connect = from.Groups[g].Connect.Clone()
			c.Groups[g].TCP = from.Groups[g].TCP.Clone()
			c.Groups[g].Mistakes = from.Groups[g].Mistakes.Clone()
		}
		s.frozen = append(s.frozen, c)
	}
	out := append([]Segment(nil), s.frozen...)
	last := &out[len(out)-1]
	last.Groups = append([]SegmentGroup(nil), last.Groups...)
	last.To = max(now, last.From)
	for g := range last.Groups {
		last.Groups[g].HealthyMicros += healthy(g) * (micros(last.To) - s.since[g])
	}
	s.dirty = len(s.list) - 1
	return out
}

func micros(d time.Duration) int64 { return int64(d / time.Microsecond) }
