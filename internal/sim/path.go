package sim

import (
	"math/rand/v2"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
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
	holds    int // blackholes in force
	slowness []*chaos.Fault
	free     time.Duration // when the throttle has let everything through that it took
}

// cut is an idle-cut in force.
type cut struct {
	occ   int
	fault *chaos.Fault
	began time.Duration
}

func (p *path) blackholed() bool {
	return p != nil && (p.dir[up].holds > 0 || p.dir[down].holds > 0)
}

func (p *path) holds(d int) bool { return p != nil && p.dir[d].holds > 0 }

func (s *sim) pathOf(client int32) *path {
	c := &s.clients[client]
	if c.path == nil {
		c.path = &path{}
	}
	return c.path
}

// synAt is when the kernel sends its SYNs, after connect(): an initial timeout of 1 s (RFC 6298) that doubles, six
// retries (tcp_syn_retries of Linux). The last entry is when it gives up.
var synAt = [...]time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 31 * time.Second,
	63 * time.Second, 127 * time.Second}

// dial begins attempt epoch.
func (s *sim) dial(client int32, epoch uint32) {
	i := s.link(client, epoch)
	s.sink.Attempt(s.now, int(client), epoch)
	s.syn(i)
}

func (s *sim) fail(i int32, after time.Duration, cause heartbeat.Cause) {
	s.push(s.now+after, event{kind: evFail, conn: i, frame: frame{code: uint16(cause)}})
}

// syn sends the next SYN, or gives the attempt up. A slow path makes it later by one crossing in each direction.
func (s *sim) syn(i int32) {
	x := s.conns.at(i)
	if x.left {
		return
	}
	p := s.clients[x.client].path
	switch {
	case s.now-x.dialed >= synAt[len(synAt)-1]:
		s.fail(i, 0, heartbeat.Timeout)
	case p.blackholed():
		s.retry(i)
	case p != nil && p.refused > 0:
		s.fail(i, 0, heartbeat.Refused)
	case p == nil:
		s.synDue(i)
	default:
		if extra := p.latency(up) + p.latency(down); extra > 0 {
			s.push(s.now+extra, event{kind: evSYNDue, conn: i})
		} else {
			s.synDue(i)
		}
	}
}

// retry schedules the kernel's next SYN.
func (s *sim) retry(i int32) {
	x := s.conns.at(i)
	for _, after := range synAt {
		if x.dialed+after > s.now {
			s.push(x.dialed+after, event{kind: evSYN, conn: i})
			return
		}
	}
}

// synDue is a SYN that has passed the slow part of the path.
func (s *sim) synDue(i int32) {
	x := s.conns.at(i)
	switch {
	case x.left:
	case s.clients[x.client].path.blackholed():
		s.retry(i)
	default:
		s.push(s.now+s.latency, event{kind: evArrived, conn: i})
	}
}

// connected is the SYN-ACK at the client's kernel: the upgrade request leaves.
func (s *sim) connected(i int32) {
	x := s.conns.at(i)
	if x.left { // the kernel answers with a RST
		x.server = sClosed
		return
	}
	x.tcp = true
	x.active = s.now
	s.sink.TCPConnected(s.now, int(x.client), x.epoch, s.now-x.dialed)
	if p := s.clients[x.client].path; p != nil {
		for _, c := range p.cuts {
			s.awaitCut(i, c)
		}
	}
	s.sendUp(i, frame{wire: wUpgrade})
}

// sendUp is the client writing: the frame passes the slow part of the path, then the blackhole, then the network.
func (s *sim) sendUp(i int32, f frame) {
	s.conns.at(i).active = s.now
	s.enter(i, up, f)
}

// arrived is a frame at the client's host.
func (s *sim) arrived(i int32, f frame) {
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
func (s *sim) enter(i int32, d int, f frame) {
	x := s.conns.at(i)
	if x.cut || x.over {
		return
	}
	p := s.clients[x.client].path
	slow := p != nil && len(p.dir[d].slowness) > 0
	if !slow && !p.holds(d) && (x.lanes == nil || len(x.lanes[d].queue) == 0) {
		s.exit(i, d, f)
		return
	}
	due := s.now
	if slow {
		due = p.due(s.now, d, s.size(f, d))
	}
	l := x.lane(d)
	if n := len(l.queue); n > 0 {
		due = max(due, l.queue[n-1].due)
	}
	l.queue = append(l.queue, slowFrame{f, due})
	if due > s.now {
		s.push(due, event{kind: evLane, conn: i, frame: frame{payload: uint32(d)}})
	}
}

// flush lets out what is due, unless a blackhole holds it.
func (s *sim) flush(i int32, d int) {
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
func (s *sim) exit(i int32, d int, f frame) {
	x := s.conns.at(i)
	if x.cut || x.over {
		return
	}
	if d == down {
		s.deliver(&event{kind: evDown, conn: i, frame: f})
		return
	}
	s.push(s.now+s.latency, event{kind: evUp, conn: i, frame: f})
	if f.wire == wFIN {
		if x.zombie {
			s.endZombie(i, false)
		}
		s.unlink(i)
	}
}

// latency draws one crossing's extra time: the sum over the delays of By + Jitter x U[-1,1).
func (p *path) latency(d int) (sum time.Duration) {
	for _, f := range p.dir[d].slowness {
		if f.Kind == chaos.Delay {
			sum += f.By
			if f.Jitter > 0 {
				sum += time.Duration(float64(f.Jitter) * (2*p.rng.Float64() - 1))
			}
		}
	}
	return max(sum, 0)
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
func (s *sim) hurry(client int32, d int) {
	p := s.pathOf(client)
	if len(p.dir[d].slowness) > 0 {
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
func (s *sim) size(f frame, d int) int {
	switch f.wire {
	case wUpgrade:
		return requestBytes
	case wAccept, wReject:
		return responseBytes
	case wFIN, wRST:
		return 0
	}
	n := len(s.payloads.all[f.payload])
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

// closeSocket is the client closing its end. The connection stays in the client's list until its FIN has left the path.
func (s *sim) closeSocket(i int32) {
	x := s.conns.at(i)
	if x.left {
		return
	}
	x.left = true
	if !x.tcp || x.over || x.server == sClosed {
		s.unlink(i)
		return
	}
	if !s.ended && (x.cut || s.clients[x.client].path.holds(up)) {
		s.beginZombie(i)
	}
	s.sendUp(i, frame{wire: wFIN})
}

func (s *sim) beginZombie(i int32) {
	x := s.conns.at(i)
	x.zombie = true
	s.sink.ZombieBegan(s.now, int(x.client))
}

func (s *sim) endZombie(i int32, reaped bool) {
	x := s.conns.at(i)
	x.zombie = false
	s.sink.ZombieEnded(s.now, int(x.client), reaped)
	s.unlink(i)
}

// hold begins a blackhole for the client.
func (s *sim) hold(client int32, dir chaos.Direction) {
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
func (s *sim) heal(client int32, dir chaos.Direction) {
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

// sever ends the client's established connections at both ends, whatever holds their path: with a reset, a FIN or, at
// the client, a close frame. What a connection has lost already (a zombie, a silent cut) stays as it is.
func (s *sim) sever(client int32, how chaos.How, code int) {
	s.each(client, func(i int32, x *conn) {
		if x.tcp && !x.left && !x.cut {
			s.severOne(i, how, code)
		}
	})
}

func (s *sim) severOne(i int32, how chaos.How, code int) {
	x := s.conns.at(i)
	first, last := frame{wire: wRST}, frame{wire: wRST}
	if how != chaos.RST { // what has arrived is still read
		first, last = frame{wire: wFIN}, frame{wire: wFIN}
		if how == chaos.Close {
			first = frame{wire: wClose, code: uint16(code)}
		}
		if x.lanes != nil {
			for _, f := range x.lanes[down].queue {
				s.deliver(&event{kind: evDown, conn: i, frame: f.frame})
			}
		}
		if x.left {
			return
		}
	}
	x.over = true
	s.push(s.now+s.latency, event{kind: evUp, conn: i, frame: last})
	s.deliver(&event{kind: evDown, conn: i, frame: first})
}

// awaitCut watches a connection for the quiet that lets the middlebox forget it.
func (s *sim) awaitCut(i int32, c cut) {
	x := s.conns.at(i)
	s.push(max(x.active, c.began)+c.fault.After, event{kind: evCut, conn: i, frame: frame{payload: uint32(c.occ)}})
}

func (s *sim) maybeCut(i int32, occ int) {
	x := s.conns.at(i)
	p := s.clients[x.client].path
	if x.left || x.cut || x.over || p == nil {
		return
	}
	for _, c := range p.cuts {
		if c.occ != occ {
			continue
		}
		if max(x.active, c.began)+c.fault.After > s.now {
			s.awaitCut(i, c)
			return
		}
		s.sink.PathCut(s.now, int(x.client), occ)
		if how := c.fault.Mode(); how == chaos.Silent {
			x.cut = true
		} else {
			s.severOne(i, how, 0)
		}
		return
	}
}
