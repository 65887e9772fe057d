package stream

import (
	"slices"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// throttle narrows the path; the narrowest of several counts.
type throttle struct{}

func (throttle) begin(e *Engine, p *path, f *chaos.Fault, o chaos.Occurrence, now time.Duration) {
	s := p.shaping(e)
	for d := range s.dir {
		if touches(f, d) {
			s.dir[d].rates = append(s.dir[d].rates, rate{o.Index, f.Rate})
		}
	}
	p.changed(now)
}

func (throttle) end(_ *Engine, p *path, f *chaos.Fault, o chaos.Occurrence, now time.Duration) {
	if p.shape == nil {
		return
	}
	for d := range p.shape.dir {
		if touches(f, d) {
			l := &p.shape.dir[d]
			l.rates = slices.DeleteFunc(l.rates, func(r rate) bool { return r.occ == o.Index })
			p.unshaped(d)
		}
	}
	p.changed(now)
}
