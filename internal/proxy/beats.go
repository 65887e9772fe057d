package proxy

import (
	"sync/atomic"
	"time"
)

const (
	// minBeat is the shortest interval of a heartbeat; what comes faster is traffic.
	minBeat = 20 * time.Millisecond
	// regularGaps is how many intervals in a row have to be alike before a message that comes again is called a beat: four
	// sightings, which a reply to a user's typing does not reach by chance.
	regularGaps = 3
	// tolerance is how far, as a share of the mean so far, an interval may lie from it. Browsers' timers and jittered beats
	// stay within; Poisson traffic has three alike in 2 % of all cases, and then not the next three.
	tolerance = 0.25
)

// watcher finds the messages of one direction of one connection that come again at regular intervals. Its methods are
// called from that direction's goroutine, but for last, which the other direction reads.
type watcher struct {
	dir        int
	candidates [4]candidate
	known      uint32
	epoch      atomic.Uint32 // counts resets
	last       atomic.Int64  // when the latest beat passed; 0: none
}

type candidate struct {
	key     uint64
	last    time.Duration
	mean    time.Duration
	seen    uint32
	regular uint32
	class   *beatClass // once it is regular
}

// beat is what see makes of a message.
type beat struct {
	class *beatClass
	gap   time.Duration // since the one before
}

// see takes a message and says whether it is a beat. find makes the class of one that has just become regular.
func (w *watcher) see(m *message, now time.Duration, find func(dir int, key uint64, m *message) *beatClass) (b beat, ok bool) {
	if e := w.epoch.Load(); e != w.known {
		w.known, w.candidates = e, [4]candidate{}
	}
	key := keyOf(m)
	var c *candidate
	oldest := &w.candidates[0]
	for i := range w.candidates {
		switch x := &w.candidates[i]; {
		case x.seen > 0 && x.key == key:
			c = x
		case x.last < oldest.last:
			oldest = x
		}
	}
	if c == nil {
		*oldest = candidate{key: key, last: now, seen: 1}
		return beat{}, false
	}
	gap := now - c.last
	c.last = now
	c.seen++
	switch off := gap - c.mean; {
	case gap < minBeat:
		c.regular = 0
		c.mean = gap
		return beat{}, false
	case c.mean > 0 && off.Abs() <= time.Duration(tolerance*float64(c.mean)):
		c.regular++
		c.mean += off / 4
	default:
		c.regular = 1
		if c.class != nil { // a silence in between does not make it another message
			w.last.Store(int64(now))
			c.mean = gap
			return beat{class: c.class}, true
		}
		c.mean = gap
	}
	if c.regular < regularGaps {
		if c.class != nil {
			w.last.Store(int64(now))
			return beat{class: c.class}, true
		}
		return beat{}, false
	}
	if c.class == nil {
		c.class = find(w.dir, key, m)
	}
	w.last.Store(int64(now))
	return beat{c.class, gap}, c.class != nil
}

// keyOf is what equal beats have in common: the opcode and the payload, in which runs of digits count as one sign, for a
// beat often carries a number or a time. Of a compressed message only the length is known. It is FNV-1a.
func keyOf(m *message) uint64 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	put := func(c byte) { h = (h ^ uint64(c)) * prime }
	put(m.op)
	if m.deflated {
		put(1)
		for n := m.size; n > 0; n >>= 8 {
			put(byte(n))
		}
		return h
	}
	digits := false
	for _, c := range m.head() {
		if is := c >= '0' && c <= '9'; is {
			if digits {
				continue
			}
			digits, c = true, '#'
		} else {
			digits = false
		}
		put(c)
	}
	if m.size > sampleSize {
		put(2)
	}
	return h
}
