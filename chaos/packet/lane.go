package packet

import (
	"math/rand/v2"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// The directions of a path, as indices.
const (
	up   = 0
	down = 1
)

const (
	// reorderHold is how much later than its turn a reordered packet arrives. Whatever is sent within that time overtakes it.
	reorderHold = 10 * time.Millisecond
	// A throttle's queue takes what the path carries in queueTime, though never less than queueLeast bytes; what does not
	// fit is lost, as at the tail of a router's queue.
	queueTime  = time.Second
	queueLeast = 32 << 10
)

// lane is one direction of a faulted path: the faults in force, in the order in which they began, and what they remember.
// It is kept once made, so that a later fault continues the path's random sequence. Its random numbers depend on the
// seed, the client, the direction and the packets that went before on this lane, and on nothing else.
type lane struct {
	rng      *rand.Rand
	drops    []dropRule
	corrupts []chance
	copies   []chance
	reorders []chance
	delays   []latency
	rates    []rate
	free     time.Duration // when the throttle will have let everything through that it took
	last     time.Duration // when the latest packet that keeps its place arrives
}

type dropRule struct {
	occ  int
	loss loss
}

// chance is a fault that hits each packet on its own.
type chance struct {
	occ int
	p   float64
}

type latency struct {
	occ int
	chaos.Latency
}

type rate struct {
	occ   int
	bytes float64 // per second
}

// newLane seeds a lane. The words of the seed differ for every client and direction.
func newLane(seed uint64, client int32, dir int) *lane {
	return &lane{rng: rand.New(rand.NewPCG(seed, uint64(client)<<1|uint64(dir)))}
}

// fate is what becomes of one packet.
type fate struct {
	lost bool
	full bool          // lost because a throttle's queue was full
	flip bool          // one bit is damaged: bit modulo the packet's length
	bit  uint64        //
	copy bool          // it arrives twice
	late bool          // it leaves its place in the order
	at   time.Duration // when it arrives, not before now
}

// fate decides about a packet of size bytes, IP header included, that enters the lane now.
func (l *lane) fate(now time.Duration, size int) fate {
	f := fate{at: now}
	for i := range l.drops {
		// Every chain moves on with every packet, also where another one has lost it already.
		if l.drops[i].loss.next(l.rng) {
			f.lost = true
		}
	}
	if f.lost {
		return f
	}
	for _, c := range l.corrupts {
		if l.rng.Float64() < c.p {
			f.flip, f.bit = true, l.rng.Uint64()
		}
	}
	f.copy = l.hit(l.copies)
	f.late = l.hit(l.reorders)
	if r := l.narrowest(); r > 0 {
		begin := max(l.free, now)
		if (begin-now).Seconds()*r+float64(size) > max(r*queueTime.Seconds(), queueLeast) {
			f.lost, f.full = true, true
			return f
		}
		l.free = begin + time.Duration(float64(size)/r*float64(time.Second))
		f.at = l.free
	}
	f.at += l.latency()
	f.at = max(f.at, l.last)
	if f.late {
		f.at += reorderHold
	} else {
		l.last = f.at
	}
	return f
}

func (l *lane) hit(cs []chance) bool {
	hit := false
	for _, c := range cs {
		if l.rng.Float64() < c.p {
			hit = true
		}
	}
	return hit
}

// latency draws one crossing's extra time, the sum over the delays.
func (l *lane) latency() (sum time.Duration) {
	for _, d := range l.delays {
		sum += d.Draw(l.rng)
	}
	return sum
}

// narrowest is the rate that counts, 0 when there is no throttle.
func (l *lane) narrowest() float64 {
	var least float64
	for i, r := range l.rates {
		if i == 0 || r.bytes < least {
			least = r.bytes
		}
	}
	return least
}

// slow reports whether packets take time to cross.
func (l *lane) slow() bool { return len(l.delays)+len(l.rates) > 0 }

// idle reports whether a packet would pass as if there were no lane.
func (l *lane) idle(now time.Duration) bool {
	return l.last <= now && !l.slow() && len(l.drops)+len(l.corrupts)+len(l.copies)+len(l.reorders) == 0
}

// begin puts the fault of occurrence occ in force.
func (l *lane) begin(f *chaos.Fault, occ int) {
	switch c := (chance{occ, f.Rate}); f.Kind {
	case chaos.Drop:
		l.drops = append(l.drops, dropRule{occ, newLoss(f.Rate, f.Burst, l.rng)})
	case chaos.Corrupt:
		l.corrupts = append(l.corrupts, c)
	case chaos.Duplicate:
		l.copies = append(l.copies, c)
	case chaos.Reorder:
		l.reorders = append(l.reorders, c)
	case chaos.Delay:
		l.delays = append(l.delays, latency{occ, f.Latency()})
	case chaos.Throttle:
		l.rates = append(l.rates, rate{occ, f.Rate})
	}
}

// end takes out whatever begin put in for occ. It is harmless when that was nothing.
func (l *lane) end(occ int) {
	was := l.slow()
	l.drops = without(l.drops, func(r dropRule) bool { return r.occ == occ })
	l.corrupts = without(l.corrupts, func(c chance) bool { return c.occ == occ })
	l.copies = without(l.copies, func(c chance) bool { return c.occ == occ })
	l.reorders = without(l.reorders, func(c chance) bool { return c.occ == occ })
	l.delays = without(l.delays, func(d latency) bool { return d.occ == occ })
	l.rates = without(l.rates, func(r rate) bool { return r.occ == occ })
	if was && !l.slow() {
		l.free, l.last = 0, 0 // the link engine hurries what is on the way
	}
}

// without keeps the order and frees the list when nothing is left.
func without[T any](list []T, gone func(T) bool) []T {
	var kept []T
	for _, x := range list {
		if !gone(x) {
			kept = append(kept, x)
		}
	}
	return kept
}
