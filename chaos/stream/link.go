package stream

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

// shaping is what delays and throttles have made of a client's path. It is kept once made, so that the jitter of a later
// fault continues the client's random sequence.
type shaping struct {
	rng *rand.Rand
	dir [2]link
}

// link is one direction of a path.
type link struct {
	delays []latency
	rates  []rate
	free   time.Duration // when the throttle has let everything through that it took
}

type latency struct {
	occ int
	chaos.Latency
}

type rate struct {
	occ   int
	bytes float64 // per second
}

func (l *link) shaped() bool { return len(l.delays)+len(l.rates) > 0 }

// latency draws one crossing's extra time, the sum over the delays.
func (s *shaping) latency(d int) (sum time.Duration) {
	for _, l := range s.dir[d].delays {
		sum += l.Draw(s.rng)
	}
	return sum
}

// narrowest is the rate that counts, 0 when there is no throttle.
func (l *link) narrowest() float64 {
	var least float64
	for i, r := range l.rates {
		if i == 0 || r.bytes < least {
			least = r.bytes
		}
	}
	return least
}

// carry puts data that enters direction d of the path now into q.
func (p *path) carry(q *queue, d int, now time.Duration, data []byte) {
	if !p.shaped(d) {
		q.push(0, data)
		return
	}
	l := &p.shape.dir[d]
	r := l.narrowest()
	if r == 0 {
		q.push(now+p.shape.latency(d), data)
		return
	}
	// Pieces of 20 ms of the throttled path, so that a large write trickles.
	size := int(min(max(r/50, 64), 16<<10))
	for len(data) > 0 {
		piece := data[:min(size, len(data))]
		data = data[len(piece):]
		l.free = max(l.free, now) + time.Duration(float64(len(piece))/r*float64(time.Second))
		q.push(l.free+p.shape.latency(d), piece)
	}
}

// crossing is when the end of the stream, entering direction d now, arrives; 0 (at once) on a path without shape.
func (p *path) crossing(d int, now time.Duration) time.Duration {
	if !p.shaped(d) {
		return 0
	}
	return now + p.shape.latency(d)
}

func (p *path) shaped(d int) bool { return p.shape != nil && p.shape.dir[d].shaped() }

// shaping makes the path's shape.
func (p *path) shaping(e *Engine) *shaping {
	if p.shape == nil {
		p.shape = &shaping{rng: rand.New(rand.NewPCG(e.seed, uint64(p.client)))}
	}
	return p.shape
}

// unshaped is called when a delay or throttle of direction d has gone. When it was the last one, nothing holds the
// bytes on the way any more.
func (p *path) unshaped(d int) {
	if p.shape == nil || p.shape.dir[d].shaped() {
		return
	}
	p.shape.dir[d] = link{}
	for c := p.conns; c != nil; c = c.next {
		if c.s == nil {
			continue
		}
		if d == up {
			c.s.out.hurry()
		} else {
			c.s.in.hurry()
			c.s.rerrDue = 0
		}
	}
}
