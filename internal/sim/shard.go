package sim

import (
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
)

// shard is a part of the clients with their paths and the server's side of their connections. What it does depends on
// nothing outside of it but the faults, which are the same for all, and the desk.
type shard struct {
	*world
	sink   report.Sink
	bulk   report.BeatSink // the sink, if it is one
	routes report.NodeSink // the sink, if it is one and there are several nodes
	base   int             // number of its first client
	index  int32           // among the shards of the run

	now    time.Duration
	ended  bool // only the goodbyes are left
	events queues
	later  []event // of the server: restarts and the ends of graces, in no order

	clients  []client
	conns    conns
	server   server
	payloads payloads

	scratch []heartbeat.Output
	text    []byte // scratch of content
}

// init makes it ready for the n clients from first on. A shard that has served its time begins anew in the same memory.
func (s *shard) init(w *world, d *desk, sink report.Sink, first, n int) {
	s.now, s.ended, s.later, s.server = 0, false, nil, server{}
	s.world, s.sink, s.base = w, sink, first
	s.bulk, _ = sink.(report.BeatSink)
	if w.model.Nodes > 1 {
		s.routes, _ = sink.(report.NodeSink)
	}
	if w.strict {
		s.bulk = nil
	}
	s.events.free = -1
	if s.events.nodes = s.events.nodes[:0]; cap(s.events.nodes) == 0 {
		s.events.nodes = make([]entry, 0, 2*n)
	}
	s.conns.reset()
	s.payloads.init()
	s.server.init(s, d)
	if cap(s.clients) < n {
		s.clients = make([]client, n)
	}
	s.clients = s.clients[:n]
	for i := range s.clients {
		c := &s.clients[i]
		*c = client{}
		g := w.plan.GroupIndex(first + i)
		c.group = uint16(g)
		if !w.net.plain || w.works {
			c.rng = w.stream(first + i)
		}
		c.machine = heartbeat.New(&w.plan.Groups[g].Config, w.plan.Rand(first+i))
		if t := w.plan.Groups[g].Traffic; t != nil {
			c.machine.Carry(t, first+i, w.plan.TrafficRand(first+i))
		}
		c.conns, c.events, c.timer = -1, -1, heartbeat.None
		s.pushClient(int32(i), event{at: w.plan.Start(first + i), kind: evStart, conn: -1})
	}
}

// number is a client's number in the plan.
func (s *shard) number(id int32) int { return s.base + int(id) }

// push schedules an event of a connection.
func (s *shard) push(at time.Duration, e event) {
	x := s.conns.at(e.conn)
	x.refs++
	e.at = at
	s.events.push(&s.clients[x.client].events, e)
}

// pushClient schedules an event of a client itself.
func (s *shard) pushClient(id int32, e event) { s.events.push(&s.clients[id].events, e) }

// pushServer schedules an event of the server.
func (s *shard) pushServer(at time.Duration, e event) {
	e.at, e.conn = at, -1
	s.later = append(s.later, e)
}

// advance carries out the client's events before until. If it comes to one that touches what all clients share, it stops
// there and returns when that is; otherwise it returns heartbeat.None.
func (s *shard) advance(id int32, until time.Duration) time.Duration {
	c := &s.clients[id]
	for c.events >= 0 {
		n := &s.events.nodes[c.events]
		switch {
		case n.at >= until:
			return heartbeat.None
		case s.strict || s.coupled && (c.waits > 0 || s.server.meets(&n.event)):
			return n.at
		case n.kind == evTimer && s.skip(id, n, until):
		default:
			s.step1(id)
		}
	}
	return heartbeat.None
}

// step1 carries out the client's next event.
func (s *shard) step1(id int32) {
	e := s.events.pop(&s.clients[id].events)
	s.now = e.at
	s.handle(id, &e)
	if e.conn >= 0 {
		s.conns.at(e.conn).refs--
		s.conns.tidy(e.conn)
	}
}

func (s *shard) handle(id int32, e *event) {
	switch e.kind {
	case evStart:
		s.start(id)
	case evTimer:
		s.timer(id)
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
	case evLate:
		if !s.clients[id].path.holds(int(e.code)) { // a datagram that meets a blackhole is lost
			s.exit(e.conn, int(e.code), frame{payload: e.payload, ref: e.ref, wire: e.wire})
		}
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

// content is what the frame carries, valid until the next call.
func (s *shard) content(f frame) []byte {
	if f.ref == 0 {
		return s.payloads.all[f.payload]
	}
	s.text = heartbeat.AppendRef(s.text[:0], s.payloads.all[f.payload], f.ref)
	return s.text
}

func (p *payloads) init() {
	if p.number != nil {
		return // the same plan, the same texts
	}
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
