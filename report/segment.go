package report

import "time"

// segmenter keeps the segments of a run. Boundaries: the end of the ramp, each fault's begin and end, and, from each
// moment at which a recovery can begin, a grid that gets coarser with time. None of them depends on what clients do,
// so agents that run parts of the same plan cut at the same places and their segments add up.
//
// What it keeps does not depend on the order in which different clients' events arrive, as long as no event comes
// before a fault's begin or end that it follows: a simulation tells a client's whole story up to there before the
// next one's.
type segmenter struct {
	list   []Segment
	flows  [][]segFlow // per segment and group
	groups int
	next   time.Duration   // the next boundary that is known
	marks  []time.Duration // further known boundaries, unordered
	origin time.Duration   // of the grid; never: none
	hint   int             // the segment of the last event
	dirty  int             // segments from here on may have changed since the last snapshot
	frozen []Segment       // the last snapshot's copies of segments before dirty
}

// segFlow is what a segment adds up for a group besides its counters.
type segFlow struct {
	// Changes d of the number of healthy clients, at times t in µs: sum of d and of d x t. With n clients at its begin the
	// integral over the segment is n (To - From) + sum of d (To - t), in whatever order the changes come.
	change, moment int64
	sent           int64         // beats
	rtt            time.Duration // rttN round trips of this length are not in the histogram yet
	rttN           int64
}

func (s *segmenter) init(groups int, rampEnd time.Duration) {
	s.groups = groups
	s.origin = never
	s.add(0)
	if rampEnd > 0 {
		s.marks = append(s.marks, rampEnd)
	}
	s.arm(0)
}

func (s *segmenter) add(from time.Duration) {
	s.list = append(s.list, Segment{From: from, To: never, Groups: make([]SegmentGroup, s.groups)})
	s.flows = append(s.flows, make([]segFlow, s.groups))
}

// index is the segment that now is in; events may come after later ones of other clients.
func (s *segmenter) index(now time.Duration) int {
	i := s.hint
	for i > 0 && now < s.list[i].From {
		i--
	}
	for i+1 < len(s.list) && now >= s.list[i+1].From {
		i++
	}
	s.hint = i
	s.dirty = min(s.dirty, i)
	return i
}

// at returns the segment that now is in.
func (s *segmenter) at(now time.Duration) *Segment { return &s.list[s.index(now)] }

// flow returns what the segment of now adds up for the group.
func (s *segmenter) flow(now time.Duration, group uint16) *segFlow {
	return &s.flows[s.index(now)][group]
}

// roundTrips adds n round trips of the same length. They wait for one of another length: many are equal where nothing
// but a model makes them.
func (s *segmenter) roundTrips(i int, group uint16, d time.Duration, n int64) {
	f := &s.flows[i][group]
	if f.rttN > 0 && f.rtt != d {
		s.settle(i, int(group))
	}
	f.rtt = d
	f.rttN += n
}

// settle moves what waits in a flow into its segment.
func (s *segmenter) settle(i, group int) {
	f, g := &s.flows[i][group], &s.list[i].Groups[group]
	if f.rttN > 0 {
		if g.RTT == nil {
			g.RTT = &Hist{}
		}
		g.RTT.RecordN(f.rtt, f.rttN)
		f.rttN = 0
	}
	g.Sent += f.sent
	f.sent = 0
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
func (s *segmenter) cutAt(t time.Duration) {
	last := &s.list[len(s.list)-1]
	if t <= last.From {
		return
	}
	last.To = t
	s.dirty = min(s.dirty, len(s.list)-1)
	s.add(t)
}

// healthy changes the number of a group's healthy clients by d at now.
func (s *segmenter) healthy(now time.Duration, group uint16, d int64) {
	f := s.flow(now, group)
	f.change += d
	f.moment += d * micros(now)
}

// cut makes every boundary that is due at now.
func (r *Recorder) cut(now time.Duration) {
	for now >= r.segments.next {
		t := r.segments.next
		r.segments.cutAt(t)
		r.segments.arm(t)
	}
}

// boundary cuts at t and, if recovery can begin there, starts the grid.
func (r *Recorder) boundary(t time.Duration, recovery bool) {
	r.segments.cutAt(t)
	if recovery {
		r.segments.origin = t
	}
	r.segments.arm(t)
}

// snapshot returns copies of all segments with the last one ended at now; frozen ones are shared with the snapshots
// before.
func (s *segmenter) snapshot(now time.Duration) []Segment {
	s.frozen = append(s.frozen[:0:0], s.frozen[:min(s.dirty, len(s.frozen))]...)
	level := make([]int64, s.groups)
	for i := range s.list {
		from := &s.list[i]
		to := from.To
		if to == never {
			to = max(now, from.From)
		}
		if i < len(s.frozen) {
			for g := range level {
				level[g] += s.flows[i][g].change
			}
			continue
		}
		c := Segment{From: from.From, To: to, Lag: from.Lag.Clone(), Groups: make([]SegmentGroup, s.groups)}
		for g := range c.Groups {
			s.settle(i, g)
			x, f := &c.Groups[g], &s.flows[i][g]
			*x = from.Groups[g]
			x.RTT, x.Connect, x.TCP, x.Mistakes = x.RTT.Clone(), x.Connect.Clone(), x.TCP.Clone(), x.Mistakes.Clone()
			x.Delivery = x.Delivery.clone()
			x.HealthyMicros = level[g]*(micros(to)-micros(from.From)) + f.change*micros(to) - f.moment
			level[g] += f.change
		}
		s.frozen = append(s.frozen, c)
	}
	s.dirty = len(s.list) - 1
	return append([]Segment(nil), s.frozen...)
}

func micros(d time.Duration) int64 { return int64(d / time.Microsecond) }
