package stream

import (
	"slices"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// delay adds latency to every chunk of bytes; several add up.
type delay struct{}

func (delay) begin(e *Engine, p *path, f *chaos.Fault, o chaos.Occurrence, now time.Duration) {
	s := p.shaping(e)
	for d := range s.dir {
		if touches(f, d) {
			s.dir[d].delays = append(s.dir[d].delays, latency{o.Index, f.Latency()})
		}
	}
	p.changed(now)
}

func (delay) end(_ *Engine, p *path, f *chaos.Fault, o chaos.Occurrence, now time.Duration) {
	if p.shape == nil {
		return
	}
	for d := range p.shape.dir {
		if touches(f, d) {
			l := &p.shape.dir[d]
			l.delays = slices.DeleteFunc(l.delays, func(l latency) bool { return l.occ == o.Index })
			p.unshaped(d)
		}
	}
	p.changed(now)
}

// touches reports whether the fault's direction includes d.
func touches(f *chaos.Fault, d int) bool {
	switch f.Direction {
	case chaos.Up:
		return d == up
	case chaos.Down:
		return d == down
	}
	return true
}
