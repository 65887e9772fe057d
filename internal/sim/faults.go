package sim

import (
	"math/rand/v2"
	"slices"

	"github.com/flatline-dev/flatline/chaos"
)

// begin puts an occurrence in force.
func (s *shard) begin(f *chaos.Fault, occ int) {
	switch {
	case f.Kind == chaos.Stall:
		s.server.stall(f, occ)
		return
	case f.Kind == chaos.Kill && f.Mode() == chaos.Process:
		s.server.kill(f)
		return
	case f.Kind == chaos.Drain:
		s.server.drain(f, occ)
		return
	}
	for n := range s.victims(occ) {
		i := int32(n - s.base)
		switch f.Kind {
		case chaos.Blackhole:
			s.hold(i, f.Direction)
		case chaos.Delay, chaos.Throttle, chaos.Drop, chaos.Corrupt, chaos.Reorder, chaos.Duplicate:
			p := s.pathOf(i)
			if c := &s.clients[i]; c.rng == (rand.PCG{}) {
				c.rng = s.stream(n)
			}
			if p.rng == nil {
				p.rng = rand.New(rand.NewPCG(s.plan.Seed, uint64(n)))
			}
			for d, other := range [2]chaos.Direction{chaos.Down, chaos.Up} {
				if f.Direction != other {
					p.dir[d].slowness = append(p.dir[d].slowness, f)
				}
			}
		case chaos.Refuse:
			s.pathOf(i).refused++
		case chaos.Kill:
			s.sever(i, f.Mode(), f.Code)
		case chaos.IdleCut:
			p := s.pathOf(i)
			c := cut{occ, f, s.now}
			p.cuts = append(p.cuts, c)
			s.each(i, func(k int32, x *conn) {
				if x.tcp && !x.left {
					s.awaitCut(k, c)
				}
			})
		case chaos.Suspend:
			if f.Mode() == chaos.Timers {
				s.throttle(i, f.Grid, true)
			} else {
				s.sleep(i)
			}
		}
	}
}

// end ends it.
func (s *shard) end(f *chaos.Fault, occ int) {
	if f.Kind == chaos.Stall {
		s.server.resume(occ)
		return
	}
	for n := range s.victims(occ) {
		i := int32(n - s.base)
		switch f.Kind {
		case chaos.Blackhole:
			s.heal(i, f.Direction)
		case chaos.Delay, chaos.Throttle, chaos.Drop, chaos.Corrupt, chaos.Reorder, chaos.Duplicate:
			p := s.pathOf(i)
			for d := range p.dir {
				if k := slices.Index(p.dir[d].slowness, f); k >= 0 {
					p.dir[d].slowness = slices.Delete(p.dir[d].slowness, k, k+1)
					if f.Kind == chaos.Delay || f.Kind == chaos.Throttle { // a retransmission waits for its timer
						s.hurry(i, d)
					}
				}
			}
		case chaos.Refuse:
			s.pathOf(i).refused--
		case chaos.IdleCut:
			p := s.pathOf(i)
			p.cuts = slices.DeleteFunc(p.cuts, func(c cut) bool { return c.occ == occ })
		case chaos.Suspend:
			if f.Mode() == chaos.Timers {
				s.throttle(i, f.Grid, false)
			} else {
				s.wake(i)
			}
		}
	}
}

// victims are the numbers of the occurrence's victims in this shard.
func (s *shard) victims(occ int) func(yield func(int) bool) {
	return s.plan.Victims(occ).Within(s.base, s.base+len(s.clients))
}
