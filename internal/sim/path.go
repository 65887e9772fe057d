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
// retries (tcp_syn_retries of Linux). The seventh entry is when it gives up.
var synAt = [...]time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 31 * time.Second,
	63 * time.Second, 127 * time.Second}

// dial begins attempt epoch.
func (s *sim) dial(client int32, epoch uint32) {
	i := s.link(client, epoch)
	s.sink.Attempt(s.now, int(client), epoch)
	if p := s.clients[client].path; p != nil && p.refused > 0 {
		s.fail(i, 0, heartbeat.Refused)
		return
	}
	s.syn(i)
}

func (s *sim) fail(i int32, after time.Duration, cause heartbeat.Cause) {
	s.push(s.now+after, event{kind: evFail, conn: i, frame: frame{code: uint16(cause)}})
}

// syn sends the next SYN, or gives the attempt up.
func (s *sim) syn(i int32) {
	x := s.conns.at(i)
	if x.left {
		return
	}
	x.syns++
	if int(x.syns) == len(synAt) {
		s.fail(i, 0, heartbeat.Timeout)
		return
	}
	if s.clients[x.client].path.blackholed() {
		s.push(x.dialed+synAt[x.syns], event{kind: evSYN, conn: i})
		return
	}
	s.push(s.now+s.latency, event{kind: evArrived, conn: i})
}

// connected is the SYN-ACK at the client's kernel: the upgrade request leaves.
func (s *sim) connected(i int32) {
	x := s.conns.at(i)
	if x.left { // the kernel answers with a RST
		x.server = sClosed
		return
	}
	if s.clients[x.client].path.blackholed() { // it was lost; the kernel sends its next SYN
		s.push(max(s.now, x.dialed+synAt[x.syns]), event{kind: evSYN, conn: i})
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
	x := s.conns.at(i)
	x.active = s.now
	p := s.clients[x.client].path
	if due, slow := s.slow(x, p, up, f); slow {
		s.push(due, event{kind: evUpDue, conn: i, frame: f})
		return
	}
	s.upDue(i, f)
}

func (s *sim) upDue(i int32, f frame) {
	x := s.conns.at(i)
	if x.cut || x.over {
		return
	}
	if s.clients[x.client].path.holds(up) {
		l := x.lane(up)
		l.held = append(l.held, f)
		return
	}
	s.push(s.now+s.latency, event{kind: evUp, conn: i, frame: f})
}

// arrived is a frame at the client's host.
func (s *sim) arrived(i int32, f frame) {
	x := s.conns.at(i)
	if x.left {
		if x.zombie && f.wire >= wFIN { // whoever watches the abandoned socket sees that the server let go
			s.endZombie(i, true)
		}
		return
	}
	if x.cut || x.over {
		return
	}
	p := s.clients[x.client].path
	if due, slow := s.slow(x, p, down, f); slow {
		s.push(due, event{kind: evDownDue, conn: i, frame: f})
		return
	}
	s.downDue(i, f)
}

func (s *sim) downDue(i int32, f frame) {
	x := s.conns.at(i)
	if x.cut || x.over || x.left {
		return
	}
	if s.clients[x.client].path.holds(down) {
		l := x.lane(down)
		l.held = append(l.held, f)
		return
	}
	x.active = s.now
	s.deliver(&event{kind: evDown, conn: i, frame: f})
}

// slow returns when the frame leaves the slow part of its way, and whether there is one. A frame never overtakes the
// one before it.
func (s *sim) slow(x *conn, p *path, d int, f frame) (due time.Duration, slow bool) {
	if p != nil && len(p.dir[d].slowness) > 0 {
		slow = true
	} else if x.lanes == nil || x.lanes[d].due <= s.now {
		return 0, false
	}
	l := x.lane(d)
	due = s.now
	if slow {
		for _, t := range p.dir[d].slowness {
			switch t.Kind {
			case chaos.Throttle:
				due = max(due, l.free) + time.Duration(float64(s.size(f, d))/t.Rate*float64(time.Second))
				l.free = due
			case chaos.Delay:
				due += t.By
				if t.Jitter > 0 {
					due += time.Duration((2*p.rng.Float64() - 1) * float64(t.Jitter))
				}
			}
		}
	}
	l.due = max(l.due, due)
	return l.due, true
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

// closeSocket is the client closing its end.
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
		x.zombie = true
		s.sink.ZombieBegan(s.now, int(x.client))
	}
	s.sendUp(i, frame{wire: wFIN})
	if !x.zombie {
		s.unlink(i)
	}
}

func (s *sim) endZombie(i int32, reaped bool) {
	x := s.conns.at(i)
	x.zombie = false
	s.sink.ZombieEnded(s.now, int(x.client), reaped)
	s.unlink(i)
}

// hold begins a blackhole for the client.
func (s *sim) hold(client int32, d chaos.Direction) {
	p := s.pathOf(client)
	if d != chaos.Down {
		p.dir[up].holds++
	}
	if d != chaos.Up {
		p.dir[down].holds++
	}
}

// heal ends one. What was held goes on its way, in order.
func (s *sim) heal(client int32, d chaos.Direction) {
	p := s.pathOf(client)
	if d != chaos.Down {
		if p.dir[up].holds--; p.dir[up].holds == 0 {
			s.each(client, func(i int32, x *conn) { s.release(i, x, up) })
		}
	}
	if d != chaos.Up {
		if p.dir[down].holds--; p.dir[down].holds == 0 {
			s.each(client, func(i int32, x *conn) { s.release(i, x, down) })
		}
	}
}

func (s *sim) release(i int32, x *conn, d int) {
	if x.lanes == nil {
		return
	}
	held := x.lanes[d].held
	x.lanes[d].held = nil
	for _, f := range held {
		if d == down {
			s.downDue(i, f)
			continue
		}
		s.push(s.now+s.latency, event{kind: evUp, conn: i, frame: f})
		if f.wire == wFIN && x.zombie {
			s.endZombie(i, false)
		}
	}
}

// sever ends the client's established connections from the path: both ends learn of it, with a reset, a FIN or, at the
// client, a close frame.
func (s *sim) sever(client int32, how chaos.How, code int) {
	s.each(client, func(i int32, x *conn) {
		if x.tcp && !x.left {
			s.severOne(i, how, code)
		}
	})
}

func (s *sim) severOne(i int32, how chaos.How, code int) {
	x := s.conns.at(i)
	f := frame{wire: wRST}
	switch how {
	case chaos.FIN:
		f.wire = wFIN
	case chaos.Close:
		f = frame{wire: wClose, code: uint16(code)}
		if !x.open {
			f.wire = wFIN
		}
	}
	last := f.wire
	if how == chaos.Close {
		last = wFIN
	}
	x.over = true
	s.push(s.now+s.latency, event{kind: evUp, conn: i, frame: frame{wire: last}})
	s.deliver(&event{kind: evDown, conn: i, frame: f})
}

// awaitCut watches a connection for the quiet that lets the middlebox forget it.
func (s *sim) awaitCut(i int32, c cut) {
	x := s.conns.at(i)
	s.push(max(x.active, c.began)+c.fault.After, event{kind: evCut, conn: i, frame: frame{payload: uint32(c.occ)}})
}

func (s *sim) maybeCut(i int32, occ int) {
	x := s.conns.at(i)
	p := s.clients[x.client].path
	if x.left || x.cut || p == nil {
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
		if c.fault.How == chaos.Silent || c.fault.How == "" {
			x.cut = true
		} else {
			s.severOne(i, c.fault.How, 0)
		}
		return
	}
}
