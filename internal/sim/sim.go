package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Model is the world that the clients live in. The zero Model is a network and a server that take no time at all.
type Model struct {
	// Latency is the one-way latency of every path, >= 0: a TCP connection takes two of them, the upgrade two more, a
	// beat and its reply two.
	Latency time.Duration
}

// Options of a simulation. Sink is required; it is called from one goroutine.
type Options struct {
	Sink  report.Sink
	Model Model
}

// Run carries out the plan in virtual time, as fast as the machine can, and returns when the plan's duration is over.
// It returns an error if the plan holds a fault that the model does not know, and ctx's error if ctx ends before; what
// the sink has received by then is a complete record up to that moment.
func Run(ctx context.Context, plan *scenario.Plan, o Options) error {
	s, err := newSim(plan, o)
	if err != nil {
		return err
	}
	return s.run(ctx)
}

// sim is one run.
type sim struct {
	plan    *scenario.Plan
	sink    report.Sink
	latency time.Duration

	now    time.Duration
	seq    uint64
	events heap
	ended  bool // only the goodbyes are left

	clients  []client
	conns    conns
	server   server
	moments  []chaos.Moment
	payloads payloads

	scratch []heartbeat.Output
}

func newSim(plan *scenario.Plan, o Options) (*sim, error) {
	if o.Model.Latency < 0 {
		return nil, fmt.Errorf("model: latency %v is negative", o.Model.Latency)
	}
	for i := range plan.Faults {
		switch f := &plan.Faults[i]; f.Kind {
		case chaos.Drop, chaos.Duplicate, chaos.Reorder, chaos.Corrupt:
			return nil, fmt.Errorf("fault %s: the model has frames, not packets; it cannot simulate %s", f.Name, f.Kind)
		}
	}
	s := &sim{plan: plan, sink: o.Sink, latency: o.Model.Latency}
	s.payloads.init()
	s.server.init(s)
	s.moments = chaos.Moments(plan.Schedule, plan.Faults, plan.Duration)
	s.events = make(heap, 0, 2*plan.Clients+len(s.moments))
	// At one instant faults come before clients, and ends before begins.
	for i := range s.moments {
		s.push(s.moments[i].At, event{kind: evMoment, client: int32(i), conn: -1})
	}
	s.clients = make([]client, plan.Clients)
	for i := range s.clients {
		c := &s.clients[i]
		c.machine = heartbeat.New(&plan.GroupOf(i).Config, plan.Rand(i))
		c.conns, c.timer = -1, heartbeat.None
		s.push(plan.Start(i), event{kind: evStart, client: int32(i), conn: -1})
	}
	return s, nil
}

// push schedules e at the given time.
func (s *sim) push(at time.Duration, e event) {
	s.seq++
	e.at, e.seq = at, s.seq
	if e.conn >= 0 {
		s.conns.at(e.conn).refs++
	}
	s.events.push(e)
}

// run handles every event before the end of the run, and then stops the clients.
func (s *sim) run(ctx context.Context) error {
	var err error
	for n := 0; len(s.events) > 0; n++ {
		if n%4096 == 0 {
			if err = ctx.Err(); err != nil {
				break
			}
		}
		if s.events[0].at >= s.plan.Duration {
			break
		}
		e := s.events.pop()
		s.now = e.at
		s.handle(&e)
		if e.conn >= 0 {
			s.conns.at(e.conn).refs--
			s.conns.tidy(e.conn)
		}
	}
	if err == nil {
		s.now = s.plan.Duration
	}
	s.ended = true
	s.sink.Ended(s.now)
	for i := range s.clients {
		s.stop(int32(i))
	}
	return err
}

func (s *sim) handle(e *event) {
	switch e.kind {
	case evStart:
		s.start(e.client)
	case evTimer:
		s.timer(e.client, e.at)
	case evMoment:
		s.moment(e.client)
	case evSYN:
		s.syn(e.conn)
	case evSYNDue:
		s.synDue(e.conn)
	case evArrived:
		s.server.syn(e.conn)
	case evTCP:
		s.connected(e.conn)
	case evLane:
		s.flush(e.conn, int(e.payload))
	case evDown:
		s.arrived(e.conn, e.frame)
	case evFail:
		s.deliver(e)
	case evCut:
		s.maybeCut(e.conn, int(e.payload))
	default:
		s.server.handle(e)
	}
}

// payloads numbers what frames carry: there are few distinct ones, and an event holds no pointer.
type payloads struct {
	all    [][]byte
	number map[string]uint32
}

func (p *payloads) init() {
	p.number = map[string]uint32{"": 0}
	p.all = [][]byte{nil}
}

func (p *payloads) intern(b []byte) uint32 {
	if n, ok := p.number[string(b)]; ok {
		return n
	}
	n := uint32(len(p.all))
	p.all = append(p.all, append([]byte(nil), b...))
	p.number[string(b)] = n
	return n
}
