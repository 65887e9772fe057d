package sim

import (
	"slices"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// reordered is how much later than its turn a reordered packet arrives, as in chaos/packet.
const reordered = 10 * time.Millisecond

// fate is what the faults of a direction do to one datagram.
type fate struct{ lost, twice, late bool }

func (s *shard) fate(client int32, p *path, d int) (out fate) {
	c := &s.clients[client]
	for _, f := range p.dir[d].slowness {
		switch f.Kind {
		case chaos.Drop, chaos.Corrupt: // what arrives damaged does not arrive
			l := newLosses(f.Rate, f.Burst)
			out.lost = l.lost(&p.dir[d].bad, &c.rng) || out.lost
		case chaos.Duplicate:
			out.twice = uniform(&c.rng) < f.Rate || out.twice
		case chaos.Reorder:
			out.late = uniform(&c.rng) < f.Rate || out.late
		}
	}
	return out
}

// repeats is how much later a message arrives over TCP: what was lost or damaged is sent again, what was overtaken holds
// up what overtook it, and what came twice is read once.
func (s *shard) repeats(client int32, p *path, d int) (late time.Duration) {
	c := &s.clients[client]
	for _, f := range p.dir[d].slowness {
		switch f.Kind {
		case chaos.Drop, chaos.Corrupt:
			l := newLosses(f.Rate, f.Burst)
			late += l.again(&p.dir[d].bad, &c.rng, s.net.rto)
			if d == down && slices.Contains(p.dir[up].slowness, f) {
				l.acknowledged(&p.dir[up].bad, &c.rng)
			}
		case chaos.Reorder:
			if uniform(&c.rng) < f.Rate {
				late += reordered
			}
		}
	}
	return late
}

// losesSYN draws whether a SYN or its answer is lost or damaged on the faulted path.
func (s *shard) losesSYN(client int32, p *path) bool {
	c := &s.clients[client]
	for d := range p.dir {
		for _, f := range p.dir[d].slowness {
			if f.Kind == chaos.Drop || f.Kind == chaos.Corrupt {
				if l := newLosses(f.Rate, f.Burst); l.lost(&p.dir[d].bad, &c.rng) {
					return true
				}
			}
		}
	}
	return false
}
