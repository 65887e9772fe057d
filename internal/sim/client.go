package sim

import (
	"math/rand/v2"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// client is one machine and what the driver keeps for it.
type client struct {
	machine heartbeat.Machine
	timer   time.Duration // what its evTimer is there for; heartbeat.None: there is none
	path    *path         // nil until a fault touches it
	device  *device       // nil until a suspend touches it
	events  int32         // its list in the queues; -1: empty
	conns   int32         // the newest first; -1: none
	group   uint16
	bad     [2]bool  // the last message of each direction was lost
	rng     rand.PCG // for what the model draws
	waits   uint16   // handshakes of it that wait at the desk
	state   heartbeat.State
	started bool
}

// device is what a suspend does to a client.
type device struct {
	heartbeat.Device
	queue []event // what came in while it slept, in order
}

// touches reports whether the device does anything to what it runs.
func (d *device) touches() bool { return d != nil && (d.Asleep() || d.Wakeup(1) != 1) }

func (c *client) asleep() bool { return c.device != nil && c.device.Asleep() }

func (s *shard) start(id int32) {
	if c := &s.clients[id]; !c.started && !c.asleep() {
		c.started = true
		s.step(id, heartbeat.Input{Kind: heartbeat.Start})
	}
}

// step runs the machine, carries out and notes what it says, and arms its next deadline.
func (s *shard) step(id int32, in heartbeat.Input) {
	c := &s.clients[id]
	for {
		out := c.machine.Step(s.now, in, s.scratch[:0])
		s.scratch = out[:0]
		failed := uint32(0)
		for i := range out {
			if !s.output(id, &out[i]) {
				failed = out[i].Epoch
			}
		}
		if failed == 0 {
			break
		}
		in = heartbeat.Input{Kind: heartbeat.WriteFail, Epoch: failed}
	}
	if st := c.machine.State(); st != c.state {
		c.state = st
		s.sink.State(s.now, s.number(id), st)
	}
	s.arm(id)
}

// output notes what the machine says and carries it out. It is false if a write failed.
func (s *shard) output(id int32, o *heartbeat.Output) bool {
	s.sink.Output(s.now, s.number(id), o)
	if s.ended { // nothing that leaves now arrives
		return true
	}
	switch o.Kind {
	case heartbeat.Dial:
		s.dial(id, o.Epoch)
		return true
	case heartbeat.Send, heartbeat.SendBye, heartbeat.Abandon:
	default:
		return true
	}
	i := s.find(id, o.Epoch)
	if i < 0 {
		return true
	}
	switch o.Kind {
	case heartbeat.Send:
		if s.conns.at(i).over { // a device that slept through the kill finds out by writing
			return false
		}
		s.sendUp(i, frame{wire: wire(o.Frame), payload: s.payloads.intern(o.Payload), ref: o.Ref})
	case heartbeat.SendBye:
		s.sendUp(i, frame{wire: wClose, code: o.Code})
	case heartbeat.Abandon:
		s.closeSocket(i)
	}
	return true
}

// deadline is when the device runs the machine's timer.
func (c *client) deadline() time.Duration {
	at := c.machine.Deadline()
	if c.device != nil {
		at = c.device.Wakeup(at)
	}
	return at
}

// arm keeps the client's timer at the machine's deadline.
func (s *shard) arm(id int32) {
	c := &s.clients[id]
	at := c.deadline()
	if at == c.timer {
		return
	}
	if c.timer < heartbeat.None {
		s.events.drop(&c.events)
	}
	if c.timer = at; at < heartbeat.None {
		s.pushClient(id, event{at: max(at, s.now), kind: evTimer, conn: -1})
	}
}

func (s *shard) timer(id int32) {
	c := &s.clients[id]
	c.timer = heartbeat.None
	if tick := c.deadline(); tick <= s.now {
		s.step(id, heartbeat.Input{Kind: heartbeat.Deadline, Tick: tick})
		return
	}
	s.arm(id)
}

// sleep freezes the client: no timer fires and nothing that arrives is seen until wake.
func (s *shard) sleep(id int32) {
	if s.deviceOf(id).Sleep() {
		s.step(id, heartbeat.Input{Kind: heartbeat.Suspend})
	}
}

// wake lets overdue timers fire first and then what waited.
func (s *shard) wake(id int32) {
	c := &s.clients[id]
	if !s.deviceOf(id).Wake() {
		return
	}
	s.step(id, heartbeat.Input{Kind: heartbeat.Resume})
	if s.plan.Start(s.number(id)) <= s.now {
		s.start(id)
	}
	queue := c.device.queue
	c.device.queue = nil
	for i := range queue {
		e := &queue[i]
		s.deliver(e)
		s.conns.at(e.conn).refs--
		s.conns.tidy(e.conn)
	}
}

// throttle limits the client's timers to multiples of grid, or ends that.
func (s *shard) throttle(id int32, grid time.Duration, on bool) {
	if d := s.deviceOf(id); on {
		d.Throttle(grid)
	} else {
		d.Free(grid)
	}
	s.arm(id)
}

func (s *shard) deviceOf(id int32) *device {
	c := &s.clients[id]
	if c.device == nil {
		c.device = &device{}
	}
	return c.device
}

// stop says goodbye for good, at the end of the run.
func (s *shard) stop(id int32) {
	s.step(id, heartbeat.Input{Kind: heartbeat.Stop})
}

// deliver hands the client's program what its kernel has for it: a failed attempt or a frame. A device that sleeps
// sees it when it wakes.
func (s *shard) deliver(e *event) {
	x := s.conns.at(e.conn)
	c := &s.clients[x.client]
	if x.left {
		return
	}
	if c.asleep() {
		x.refs++
		c.device.queue = append(c.device.queue, *e)
		return
	}
	if e.kind == evFail {
		s.closeSocket(e.conn)
		s.step(x.client, heartbeat.Input{Kind: heartbeat.Failed, Epoch: x.epoch, Cause: heartbeat.Cause(e.code)})
		return
	}
	s.receive(e.conn, e.frame)
}

// receive is the client's WebSocket library reading one unit.
func (s *shard) receive(i int32, f frame) {
	x := s.conns.at(i)
	id, epoch := x.client, x.epoch
	switch f.wire {
	case wAccept:
		x.open = true
		s.step(id, heartbeat.Input{Kind: heartbeat.Connected, Epoch: epoch})
	case wReject:
		s.lose(i, heartbeat.Rejected, 0)
	case wFIN:
		s.lose(i, heartbeat.EOF, 0)
	case wRST:
		s.lose(i, heartbeat.Reset, 0)
	case wClose:
		s.sendUp(i, f) // RFC 6455, section 5.5.1: the answer to a close frame is a close frame
		s.lose(i, heartbeat.PeerClose, f.code)
	default:
		s.step(id, heartbeat.Input{Kind: heartbeat.Received, Epoch: epoch, Frame: heartbeat.Frame(f.wire), Data: s.content(f)})
		if f.wire == wPing && !x.left {
			s.sendUp(i, frame{wire: wPong, payload: f.payload})
		}
	}
}

// lose ends a connection or an attempt from outside of the machine.
func (s *shard) lose(i int32, cause heartbeat.Cause, code uint16) {
	x := s.conns.at(i)
	in := heartbeat.Input{Kind: heartbeat.Closed, Epoch: x.epoch, Cause: cause, Code: code}
	if !x.open {
		in.Kind, in.Code = heartbeat.Failed, 0
		if cause == heartbeat.PeerClose { // a close frame is no answer to a HTTP request
			in.Cause = heartbeat.Protocol
		}
	}
	id := x.client
	s.closeSocket(i)
	s.step(id, in)
}
