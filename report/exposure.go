package report

import (
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// exposure is one connection that was open when a severing fault hit it: what became of it. 56 bytes.
type exposure struct {
	t0       time.Duration
	deadAt   time.Duration // detected; never: not
	backAt   time.Duration // back for good, as far as known; never: not
	closedAt time.Duration // the connection ended without this being its reason, or the run did; never: not
	client   int32
	occ      int32
	epoch    uint32
	next     int32 // of the same client
	attempts uint32
	cause    heartbeat.Cause
	state    exposureState
	stopped  bool // closedAt is the client's stop at the end of the run
}

type exposureState uint8

const (
	active exposureState = iota // the connection is under the fault
	relief                      // the fault is over
	alive                       // the fault is over and a beat was answered since
	void                        // it turned out that the connection had ended before t0
)

// slab holds exposures in chunks, so that growing never moves them.
type slab struct {
	chunks [][]exposure
	n      int32
}

const slabChunk = 1 << 12

func (s *slab) add(e exposure) int32 {
	i := s.n
	if int(i/slabChunk) == len(s.chunks) {
		s.chunks = append(s.chunks, make([]exposure, slabChunk))
	}
	s.chunks[i/slabChunk][i%slabChunk] = e
	s.n++
	return i
}

// get returns exposure i; nil for -1.
func (s *slab) get(i int32) *exposure {
	if i < 0 {
		return nil
	}
	return &s.chunks[i/slabChunk][i%slabChunk]
}

// occState is the recorder's memory of one occurrence.
type occState struct {
	fault   *chaos.Fault
	severs  bool
	victims *chaos.Set // drawn when it begins
	began   time.Duration
	inForce time.Duration
	ended   time.Duration
	failed  string
	ranges  [][2]int32 // of its exposures in the slab
	cells   []*occCell // per group; nil until touched
}

type occCell struct {
	absent    int64
	later     Causes
	attempts  Buckets
	failed    Causes
	handshake *Hist
	reap      *Hist
	letGo     int64
	pending   int64
	zombies   Buckets
}

func (o *occState) cell(group uint16) *occCell {
	if o.cells[group] == nil {
		o.cells[group] = &occCell{}
	}
	return o.cells[group]
}

// effectSlack is how long after a fault that ends connections is in force its RST, FIN or close frame may still be on
// its way, or in the queue of a busy machine, without being taken for somebody else's.
const effectSlack = 5 * time.Second

// lasts is the end of the occurrence's truth: the path was faulted in [began, lasts]. It is forever while the fault
// is in force.
func (o *occState) lasts() time.Duration {
	switch {
	case o.ended >= 0:
		return o.ended
	case o.fault.Kind == chaos.Kill && o.fault.How == chaos.Process:
		return o.began + o.fault.Restart
	case o.fault.Instant():
		return o.began
	}
	return forever
}

// reaches is how far the effect of a fault that ends connections reaches beyond its truth.
func (o *occState) reaches() time.Duration {
	if o.fault.Kind != chaos.Kill && o.fault.Kind != chaos.Drain {
		return o.lasts()
	}
	return max(o.lasts(), o.inForce) + o.fault.Grace + effectSlack
}

// recoverable is when recovery from it became possible; never: not yet. A connection that an idle-cut ended can be
// replaced at once.
func (o *occState) recoverable(t0 time.Duration) time.Duration {
	switch l := o.lasts(); {
	case o.fault.Kind == chaos.IdleCut:
		return t0
	case l == forever:
		return never
	default:
		return l
	}
}

// produces reports whether a fault can make a client notice in this way while it is in force.
func produces(f *chaos.Fault, c heartbeat.Cause) bool {
	switch c {
	case heartbeat.WriteError:
		return f.Kind != chaos.Drain
	case heartbeat.Timeout:
		switch f.Kind {
		case chaos.Blackhole, chaos.Stall, chaos.Suspend:
			return true
		case chaos.IdleCut:
			return f.How == chaos.Silent || f.How == ""
		}
	case heartbeat.Reset, heartbeat.EOF:
		switch f.Kind {
		case chaos.Kill, chaos.Drain, chaos.Suspend:
			return true
		case chaos.IdleCut:
			return f.How == chaos.RST || f.How == chaos.FIN
		}
	case heartbeat.PeerClose:
		switch f.Kind {
		case chaos.Kill:
			return f.How == chaos.Close
		case chaos.Drain, chaos.Suspend:
			return true
		}
	case heartbeat.Notice:
		return f.Kind == chaos.Drain
	}
	return false
}

// expose notes that the client's open connection is hit at t0.
func (r *Recorder) expose(t0 time.Duration, id int, occ int32) {
	c := r.client(id)
	i := r.exposed.add(exposure{t0: t0, deadAt: never, backAt: never, closedAt: never, client: int32(id), occ: occ,
		epoch: c.epoch, next: c.head})
	c.head = i
	o := &r.occs[occ]
	if n := len(o.ranges); n > 0 && o.ranges[n-1][1] == i {
		o.ranges[n-1][1]++
	} else {
		o.ranges = append(o.ranges, [2]int32{i, i + 1})
	}
	if c.sick == 0 {
		r.segments.healthy(t0, c.group, -1)
	}
	c.sick++
}

// relieve notes that the fault of an exposure is over for its connection, if that still is the client's.
func (r *Recorder) relieve(now time.Duration, e *exposure, to exposureState) {
	c := r.client(int(e.client))
	if e.state == active && e.deadAt < 0 && e.closedAt < 0 && c.flags&isOpen != 0 && c.epoch == e.epoch && c.sick > 0 {
		if c.sick--; c.sick == 0 {
			r.segments.healthy(now, c.group, +1)
		}
	}
	e.state = to
}

// provedAlive handles the reply to a beat that was due at due: a connection that answers after the fault's reach was
// not ended by it.
func (r *Recorder) provedAlive(now time.Duration, c *client, due time.Duration) {
	for i := c.head; i >= 0; {
		e := r.exposed.get(i)
		o := &r.occs[e.occ]
		if e.epoch == c.epoch && e.closedAt < 0 && (e.state == active || e.state == relief) && o.reaches() < due &&
			o.fault.Kind != chaos.IdleCut {
			r.relieve(now, e, alive)
		}
		i = e.next
	}
}

// attribute finds what explains the death that o declares: the exposure that it detects (or -1) and the occurrence
// that excuses it (or -1), with the t0 of the path. It closes the connection's exposures.
//
// Candidates are the severing occurrences that hit the client and whose truth overlaps the silence [LastHeard, now];
// for a fault that ends connections also those whose effect can have been under way. The one whose kind can produce
// the cause wins, then the earliest.
func (r *Recorder) attribute(now time.Duration, id int, c *client, o *heartbeat.Output) (hit, occ int32, t0 time.Duration) {
	hit, occ, t0 = -1, -1, never
	bestFits := false
	better := func(fits bool, t time.Duration) bool {
		return occ < 0 || fits && !bestFits || fits == bestFits && t < t0
	}
	for i := c.head; i >= 0; {
		e := r.exposed.get(i)
		if e.epoch == o.Epoch && e.closedAt < 0 {
			s := &r.occs[e.occ]
			fits := produces(s.fault, o.Cause)
			overlap := o.LastHeard <= s.lasts() || fits && o.LastHeard <= s.reaches()
			switch {
			case now < e.t0:
				e.state, e.closedAt = void, now
			case e.state != alive && overlap && better(fits, e.t0):
				hit, occ, t0, bestFits = i, e.occ, e.t0, fits
			}
		}
		i = e.next
	}
	for k := range r.occs {
		s := &r.occs[k]
		if !s.severs || s.began < 0 || s.began > now || s.lasts() < o.LastHeard || s.fault.Kind == chaos.IdleCut ||
			s.failed != "" || !s.victims.Has(id) || !s.on(c.node) || r.exposedTo(c, int32(k), o.Epoch) {
			continue
		}
		if fits := produces(s.fault, o.Cause); better(fits, s.began) {
			hit, occ, t0, bestFits = -1, int32(k), s.began, fits
		}
	}
	// The connection is gone: what did not win is censored now.
	prev := &c.head
	for i := c.head; i >= 0; {
		e := r.exposed.get(i)
		next := e.next
		if e.epoch == o.Epoch {
			if i == hit {
				e.deadAt, e.cause = now, o.Cause
			} else if e.closedAt < 0 {
				e.closedAt = now
			}
			*prev = next
		} else {
			prev = &e.next
		}
		i = next
	}
	return hit, occ, t0
}

func (r *Recorder) exposedTo(c *client, occ int32, epoch uint32) bool {
	for i := c.head; i >= 0; {
		e := r.exposed.get(i)
		if e.occ == occ && e.epoch == epoch {
			return true
		}
		i = e.next
	}
	return false
}
