package stream

import (
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// refuse matters to dials only; see Engine.knock.
type refuse struct{}

func (refuse) begin(_ *Engine, p *path, _ *chaos.Fault, _ chaos.Occurrence, _ time.Duration) {
	p.refuse++
}

func (refuse) end(_ *Engine, p *path, _ *chaos.Fault, _ chaos.Occurrence, _ time.Duration) {
	if p.refuse > 0 {
		p.refuse--
	}
}
