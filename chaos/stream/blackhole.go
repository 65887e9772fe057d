package stream

import (
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// blackhole counts, so that overlapping ones heal with the last.
type blackhole struct{}

func (blackhole) begin(_ *Engine, p *path, f *chaos.Fault, _ chaos.Occurrence, now time.Duration) {
	if f.Direction != chaos.Down {
		p.ups++
	}
	if f.Direction != chaos.Up {
		p.downs++
	}
	p.changed(now)
}

func (blackhole) end(_ *Engine, p *path, f *chaos.Fault, _ chaos.Occurrence, now time.Duration) {
	if f.Direction != chaos.Down && p.ups > 0 {
		p.ups--
	}
	if f.Direction != chaos.Up && p.downs > 0 {
		p.downs--
	}
	p.changed(now)
}
