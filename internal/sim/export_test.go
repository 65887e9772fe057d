package sim

import (
	"context"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Hold runs the plan to its end and returns what the run holds on to then.
func Hold(p *scenario.Plan, sink report.Sink) (run any, err error) {
	s, err := newSim(p, Options{Sink: sink, Model: Model{Latency: time.Millisecond}})
	if err != nil {
		return nil, err
	}
	return s, s.run(context.Background())
}

// Conns is how many connections a run has had at once at the most.
func Conns(run any) int { return int(run.(*sim).conns.n) }
