package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// Directions of a path, seen from the client.
const (
	up   = 0
	down = 1
)

// path is what faults do to one client's path at the moment.
type path struct {
	dir     [2]direction
	refused int
	cuts    []cut
	rng     *rand.Rand // spreads a delay with jitter
}

type direction struct {
	holds    int            // blackholes in force
	slowness []*chaos.Fault // whatever makes messages late or loses them
	bad      bool           // the last message was lost
	free     time.Duration  // when the throttle has let everything through that it took
}

// cut is an idle-cut in force.
type cut struct {
	occ   int
	fault *chaos.Fault
	began time.Duration
}

// touches reports whether the path does anything to what passes.
func (p *path) touches() bool {
	return p != nil && (p.blackholed() || len(p.dir[up].slowness) > 0 || len(p.dir[down].slowness) > 0 || len(p.cuts) > 0)
}

func (p *path) blackholed() bool {
	return p != nil && (p.dir[up].holds > 0 || p.dir[down].holds > 0)
}

func (p *path) holds(d int) bool { return p != nil && p.dir[d].holds > 0 }

func (s *shard) pathOf(client int32) *path {
	c := &s.clients[client]
	if c.path == nil {
		c.path = &path{}
	}
	return c.path
}

// sendUp is the client writing: the frame passes the slow part of the path, then the blackhole, then the network.
func (s *shard) sendUp(i int32, f frame) {
	s.conns.at(i).active = s.now
	s.enter(i, up, f)
}

// arrived is a frame at the client's host.
func (s *shard) arrived(i int32, f frame) {
	if x := s.conns.at(i); x.left {
		if x.zombie && f.wire >= wFIN { // whoever watches the abandoned socket sees that the server let go
			s.endZombie(i, x.cut || s.clients[x.client].path.holds(up))
		}
		return
	}
	s.conns.at(i).active = s.now
	s.enter(i, down, f)
}

// enter puts a frame into direction d of the path, behind those that are on their way.
func (s *shard) enter(i int32, d int, f frame) {
	x := s.conns.at(i)
	if x.cut || x.over {
		return
	}
	p := s.clients[x.client].path
	if s.datagram && f.wire <= wPong && p.holds(d) {
		return
	}
	slow := p != nil && len(p.dir[d].slowness) > 0
	if !slow && !p.holds(d) && (x.lanes == nil || len(x.lanes[d].queue) == 0) {
		s.exit(i, d, f)
		return
	}
	due := s.now
	if slow && s.datagram && f.wire <= wPong {
		fate := s.fate(x.client, p, d)
		if fate.lost {
			return
		}
		if fate.twice {
			s.pass(i, d, f, p.due(s.now, d, s.size(f, d)))
		}
		if fate.late {
			s.push(s.now+reordered, event{kind: evLate, conn: i, frame: frame{payload: f.payload, ref: f.ref, code: uint16(d), wire: f.wire}})
			return
		}
		due = p.due(s.now, d, s.size(f, d))
	} else if slow {
		due = p.due(s.now, d, s.size(f, d)) + s.repeats(x.client, p, d)
	}
	s.pass(i, d, f, due)
}

// pass lets a frame leave the slow part of the path when it is due, behind those before it.
func (s *shard) pass(i int32, d int, f frame, due time.Duration) {
	x := s.conns.at(i)
	l := x.lane(d)
	if n := len(l.queue); n > 0 {
		due = max(due, l.queue[n-1].due)
	}
	l.queue = append(l.queue, slowFrame{f, due})
	if due > s.now {
		s.push(due, event{kind: evLane, conn: i, frame: frame{payload: uint32(d)}})
	} else {
		s.flush(i, d)
	}
}

// flush lets out what is due, unless a blackhole holds it.
func (s *shard) flush(i int32, d int) {
	for {
		x := s.conns.at(i)
		if x.lanes == nil || s.clients[x.client].path.holds(d) {
			return
		}
		l := &x.lanes[d]
		if len(l.queue) == 0 || l.queue[0].due > s.now {
			return
		}
		f := l.queue[0].frame
		l.queue = l.queue[1:]
		s.exit(i, d, f)
	}
}

// exit is a frame that has passed direction d of the path.
func (s *shard) exit(i int32, d int, f frame) {
	x := s.conns.at(i)
	if x.cut || x.over {
		return
	}
	if d == down {
		s.deliver(&event{kind: evDown, conn: i, frame: f})
		return
	}
	if at, ok := s.cross(x, up, f.wire); ok {
		s.push(at, event{kind: evUp, conn: i, frame: f})
	}
	if f.wire == wFIN {
		if x.zombie {
			s.endZombie(i, false)
		}
		s.unlink(i)
	}
}

// latency draws one crossing's extra time, the sum over the delays.
func (p *path) latency(d int) (sum time.Duration) {
	for _, f := range p.dir[d].slowness {
		if f.Kind == chaos.Delay {
			sum += f.Latency().Draw(p.rng)
		}
	}
	return sum
}

// due is when size bytes that enter direction d now have passed. All connections of a client share the narrowest
// throttle; a FIN has no bytes to wait for.
func (p *path) due(now time.Duration, d, size int) time.Duration {
	var rate float64
	for _, f := range p.dir[d].slowness {
		if f.Kind == chaos.Throttle && (rate == 0 || f.Rate < rate) {
			rate = f.Rate
		}
	}
	if rate > 0 && size > 0 {
		free := &p.dir[d].free
		*free = max(*free, now) + time.Duration(float64(size)/rate*float64(time.Second))
		now = *free
	}
	return now + p.latency(d)
}

// hurry is called when a slowness of direction d has gone. When it was the last one, nothing slows what is on its way.
func (s *shard) hurry(client int32, d int) {
	p := s.pathOf(client)
	if slices.ContainsFunc(p.dir[d].slowness, func(f *chaos.Fault) bool { return f.Kind == chaos.Delay || f.Kind == chaos.Throttle }) {
		return
	}
	p.dir[d].free = 0
	s.each(client, func(i int32, x *conn) {
		if x.lanes == nil {
			return
		}
		for k := range x.lanes[d].queue {
			x.lanes[d].queue[k].due = s.now
		}
		s.flush(i, d)
	})
}

// Bytes of the HTTP exchange, as gorilla/websocket writes it for a short host name and path.
const (
	requestBytes  = 200
	responseBytes = 130
)

// size is how many bytes the frame has on the wire (RFC 6455, section 5.2); client frames carry a mask.
func (s *shard) size(f frame, d int) int {
	switch f.wire {
	case wUpgrade:
		return requestBytes
	case wAccept, wReject:
		return responseBytes
	case wFIN, wRST:
		return 0
	}
	n := len(s.content(f))
	if f.wire == wClose && f.code != 0 {
		n = 2
	}
	header := 2
	switch {
	case n > 0xffff:
		header += 8
	case n > 125:
		header += 2
	}
	if d == up {
		header += 4
	}
	return header + n
}

// hold begins a blackhole for the client.
func (s *shard) hold(client int32, dir chaos.Direction) {
	p := s.pathOf(client)
	for d, other := range [2]chaos.Direction{chaos.Down, chaos.Up} {
		if dir != other {
			p.dir[d].holds++
		}
	}
	if p.dir[up].holds != 1 {
		return
	}
	s.each(client, func(i int32, x *conn) {
		if x.left && !x.zombie { // its goodbye was on its way
			s.beginZombie(i)
		}
	})
}

// heal ends one. What was held goes on its way, in order.
func (s *shard) heal(client int32, dir chaos.Direction) {
	p := s.pathOf(client)
	for d, other := range [2]chaos.Direction{chaos.Down, chaos.Up} {
		if dir == other {
			continue
		}
		if p.dir[d].holds--; p.dir[d].holds == 0 {
			s.each(client, func(i int32, _ *conn) { s.flush(i, d) })
		}
	}
}
