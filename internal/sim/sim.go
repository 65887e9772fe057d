package sim

import (
	"context"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Options of a simulation. Sink is required; it is called from one goroutine. For one client it is told what happens in
// order; between two clients there is an order only at the begin and the end of a fault and of the run: everything
// before it was told before. A Sink that is a [report.BeatSink] is told of quiet stretches in one call.
type Options struct {
	Sink  report.Sink
	Model Model
}

// Run carries out the plan in virtual time, as fast as one core can, and returns when the plan's duration is over.
// It returns an error if the plan holds a fault that the model does not know, and ctx's error if ctx ends before; what
// the sink has received by then is a complete record up to that moment.
func Run(ctx context.Context, plan *scenario.Plan, o Options) error {
	w, err := newWorld(plan, &o.Model)
	if err != nil {
		return err
	}
	return w.whole(o.Sink).play(ctx)
}

// whole is a run of one shard for all clients.
func (w *world) whole(sink report.Sink) *run {
	s := &shard{}
	s.init(w, newDesk(w), sink, 0, w.plan.Clients)
	return &run{world: w, desk: s.server.desk, shards: []*shard{s}, workers: 1}
}

// world is what all shards of a run share, read-only.
type world struct {
	plan     *scenario.Plan
	model    Server
	net      network
	datagram bool
	moments  []chaos.Moment
	coupled  bool   // clients meet at the server: what one does decides what happens to another
	balances bool   // they meet as they connect
	works    bool   // they meet at every message
	quiet    []bool // per group: undisturbed beats are answered for certain, a constant time later
	strict   bool   // tests: every event in the order of time over all clients, one by one
}

func newWorld(plan *scenario.Plan, m *Model) (*world, error) {
	if err := m.check(plan); err != nil {
		return nil, err
	}
	v := m.Server
	if n := plan.Target.Nodes(); n > 1 && v.Nodes <= 1 { // the scenario's, unless the model has its own
		v.Nodes, v.Balancer = n, Balancer(plan.Target.Balancer.Policy)
	}
	w := &world{plan: plan, model: v, net: newNetwork(m), datagram: m.Datagram, quiet: make([]bool, len(plan.Groups))}
	w.moments = chaos.Moments(plan.Schedule, plan.Faults, plan.Duration)
	w.works = v.Message.random() || v.Message.a > 0 || v.Handshake.random() || v.Handshake.a > 0
	w.balances = v.Backlog > 0 || v.Nodes > 1 && v.Balancer != Sticky
	w.coupled = w.works || w.balances
	if t := plan.Target.Serve; t != nil {
		w.coupled = w.coupled || t.Handshakes > 0 || t.MaxClients > 0
	}
	for i := range w.quiet {
		w.quiet[i] = w.answers(i)
	}
	return w, nil
}
