package fleet

import (
	"sync"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// client is one machine and what the driver keeps for it.
type client struct {
	mu      sync.Mutex
	f       *Fleet
	machine heartbeat.Machine
	links   *link         // the newest first; more than one only while an old one closes, or without a reconnect lock
	awake   chan struct{} // closed when the device wakes; nil while it is awake
	device  heartbeat.Device
	freed   time.Duration // when a limit on the device's timers last fell: what it had put off is due from then on

	due  time.Duration // owned by timers: the tick that serves the deadline
	slot int32         // owned by timers

	id      int32
	state   heartbeat.State
	started bool
	stopped bool
}

// outputs is scratch space for one step.
type outputs struct {
	buf  [16]heartbeat.Output
	text []byte
}

// content is what a Send carries, valid until the next call.
func (s *outputs) content(o *heartbeat.Output) []byte {
	if o.Ref == 0 {
		return o.Payload
	}
	s.text = heartbeat.AppendRef(s.text[:0], o.Payload, o.Ref)
	return s.text
}

var scratch = sync.Pool{New: func() any { return new(outputs) }}

// fire runs the client's due timer at the tick that serves it. Its lag counts from the deadline itself: the resolution
// of the timers is part of how late the harness is.
func (c *client) fire(tick time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || c.awake != nil { // wake looks after what falls due in the sleep
		return
	}
	now := c.f.clock()
	if !c.started {
		c.f.sink.Lag(now, c.f.plan.Start(int(c.id)))
		c.started = true
		c.step(now, heartbeat.Input{Kind: heartbeat.Start})
		return
	}
	if due := max(c.deadline(), c.freed); due <= now { // otherwise an input has moved it meanwhile
		c.f.sink.Lag(now, due)
	}
	c.step(now, heartbeat.Input{Kind: heartbeat.Deadline, Tick: tick})
}

// step runs the machine, carries out and notes what it says, and arms its next deadline. The lock is held.
func (c *client) step(now time.Duration, in heartbeat.Input) {
	s := scratch.Get().(*outputs)
	out := c.machine.Step(now, in, s.buf[:0])
	for {
		var failed uint32
		for i := range out {
			o := &out[i]
			c.f.sink.Output(now, int(c.id), o)
			switch o.Kind {
			case heartbeat.Dial:
				c.links = c.f.dial(c, o.Epoch, o.N, c.links, now)
			case heartbeat.Send:
				if l := c.link(o.Epoch); l != nil && l.send(o.Frame, s.content(o)) != nil {
					failed = o.Epoch
				}
			case heartbeat.SendBye:
				if l := c.link(o.Epoch); l != nil {
					l.bye(o.Code)
				}
			case heartbeat.Abandon:
				c.drop(o.Epoch)
			}
		}
		if failed == 0 {
			break
		}
		out = c.machine.Step(now, heartbeat.Input{Kind: heartbeat.WriteFail, Epoch: failed}, s.buf[:0])
	}
	scratch.Put(s)
	if st := c.machine.State(); st != c.state {
		c.state = st
		c.f.sink.State(now, int(c.id), st)
	}
	c.arm()
}

// arm sets the timer.
func (c *client) arm() {
	if c.started { // until then it is set to the start
		c.f.timers.set(c, c.deadline())
	}
}

// deadline is when the device runs the machine's timer.
func (c *client) deadline() time.Duration { return c.device.Wakeup(c.machine.Deadline()) }

func (c *client) link(epoch uint32) *link {
	for l := c.links; l != nil; l = l.older {
		if l.epoch == epoch {
			return l
		}
	}
	return nil
}

// drop closes the connection or attempt and forgets it.
func (c *client) drop(epoch uint32) {
	for p := &c.links; *p != nil; p = &(*p).older {
		if l := *p; l.epoch == epoch {
			*p = l.older
			l.close()
			return
		}
	}
}

// sleep freezes the client: no timer fires and no frame is read until wake.
func (c *client) sleep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || !c.device.Sleep() {
		return
	}
	c.awake = make(chan struct{})
	c.step(c.f.clock(), heartbeat.Input{Kind: heartbeat.Suspend})
}

// wake lets overdue timers fire first and then the frames that waited, as a device does whose timer queue is at hand
// while its sockets still have to be read.
func (c *client) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || !c.device.Wake() {
		return
	}
	now := c.f.clock()
	c.step(now, heartbeat.Input{Kind: heartbeat.Resume})
	if !c.started && c.f.plan.Start(int(c.id)) <= now {
		c.started = true
		c.step(now, heartbeat.Input{Kind: heartbeat.Start})
	}
	close(c.awake)
	c.awake = nil
}

// throttle limits the client's timers to multiples of grid, or ends that.
func (c *client) throttle(grid time.Duration, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	if on {
		c.device.Throttle(grid)
	} else {
		c.device.Free(grid)
		c.freed = c.f.clock()
	}
	c.arm()
}

// lockAwake takes the client's lock, at once while the device is awake and otherwise when it wakes.
func (c *client) lockAwake() {
	c.mu.Lock()
	for c.awake != nil {
		wakes := c.awake
		c.mu.Unlock()
		<-wakes
		c.mu.Lock()
	}
}

// stop says goodbye for good. Nothing that happens afterwards is noted.
func (c *client) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	now := c.f.clock()
	c.step(now, heartbeat.Input{Kind: heartbeat.Stop})
	c.stopped = true
	for l := c.links; l != nil; l = l.older {
		l.close()
	}
	c.links = nil
	c.f.timers.set(c, heartbeat.None)
	if c.awake != nil {
		close(c.awake)
		c.awake = nil
	}
}
