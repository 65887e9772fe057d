package sim

import (
	"context"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Hold runs the plan to its end and returns what the run holds on to then.
func Hold(p *scenario.Plan, sink report.Sink) (held any, err error) {
	w, err := newWorld(p, &Model{Latency: time.Millisecond})
	if err != nil {
		return nil, err
	}
	r := w.whole(sink)
	return r.shards[0], r.play(context.Background())
}

// Conns is how many connections a run has had at once at the most.
func Conns(held any) int { return int(held.(*shard).conns.n) }

// RunStrictly is Run with every event in the order of (time, client), one by one.
func RunStrictly(p *scenario.Plan, sink report.Sink, m Model) error {
	w, err := newWorld(p, &m)
	if err != nil {
		return err
	}
	w.strict = true
	return w.whole(sink).play(context.Background())
}

// SimulateInShards is Simulate with shards of the given size.
func SimulateInShards(p *scenario.Plan, o Many, size int) (*report.Result, error) {
	return simulate(context.Background(), p, o, size)
}

// Arrivals is when datagrams that leave one every interval from 0 on arrive, n of them; a negative time: never.
func Arrivals(m Model, seed uint64, interval time.Duration, n int) ([]time.Duration, error) {
	p := &scenario.Plan{Seed: seed, Clients: 1, Groups: []scenario.Group{{Count: 1}}}
	w, err := newWorld(p, &m)
	if err != nil {
		return nil, err
	}
	s := w.whole(nil).shards[0]
	x := s.conns.at(s.link(0, 1))
	at := make([]time.Duration, n)
	for i := range at {
		s.now = time.Duration(i) * interval
		t, ok := s.cross(x, down, wText)
		if at[i] = t; !ok {
			at[i] = -1
		}
	}
	return at, nil
}
