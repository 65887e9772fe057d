package heartbeat

import (
	"math"
	"math/rand/v2"
	"time"
)

// None is the deadline of a machine that waits for nothing but input.
const None time.Duration = math.MaxInt64

const (
	// maxPending bounds the beats whose reply is still awaited. One more and the oldest counts as unanswered.
	maxPending = 64
	// maxDoubles bounds what a client without a reconnect lock can pile up. A browser page would go on; the harness has
	// to outlive it, and sixteen connections where one was meant make the point.
	maxDoubles = 16
)

// Machine is one client. It is not safe for concurrent use. The zero Machine is not usable; see [New].
//
// Without Reconnect.Lock the machine does what the page without the lock does. A loss that fires both onerror and
// onclose (a reset, a FIN without close frame, a failed attempt) schedules two reconnects; the newest connection is the
// one that beats, and the older ones live on unseen until the peer closes them, when they schedule reconnects of their
// own.
type Machine struct {
	cfg *Config
	rng rand.PCG

	beatAt  time.Duration // next beat
	deadAt  time.Duration // the detector fires
	stateAt time.Duration // what the state waits for: opening deadline, close handshake, back-off

	heard    time.Duration   // last proof of life, or the open
	openedAt time.Duration   // valid while open
	prev     time.Duration   // last back-off delay, for decorrelated jitter
	pending  []time.Duration // due instants of the beats that await a reply, oldest first

	epoch    uint32 // newest connection
	attempts uint32 // failed attempts since the back-off was last reset
	missed   uint32 // beats in a row without proof of life

	state  State
	asleep bool
	step   uint8 // next opening step to finish
	cause  Cause // why it was lost last
	extra  *doubles
}

// doubles is what only a client without a reconnect lock has.
type doubles struct {
	dials []time.Duration // further reconnect timers
	conns []double        // connections that are not the newest
}

type double struct {
	epoch uint32
	open  bool
}

// New returns a machine in state Idle. The configuration is shared and must not change; rng is the client's own.
func New(cfg *Config, rng rand.PCG) Machine {
	return Machine{cfg: cfg, rng: rng, beatAt: None, deadAt: None, stateAt: None}
}

// State returns where the machine stands. A client that awaits the server's beat is never Suspect: it has no beat out.
func (m *Machine) State() State {
	if m.state == Open && m.missed > 0 {
		return Suspect
	}
	return m.state
}

// Epoch is the number of the newest connection or attempt; the first is 1.
func (m *Machine) Epoch() uint32 { return m.epoch }

// Deadline is when Step wants to be called with Deadline at the latest, or None.
func (m *Machine) Deadline() time.Duration {
	if m.asleep {
		return None
	}
	d := min(m.beatAt, m.deadAt, m.stateAt)
	if m.extra != nil {
		for _, t := range m.extra.dials {
			d = min(d, t)
		}
	}
	return d
}

// Step tells the machine what happened at now and appends what follows to out. The values of now must not decrease;
// one that does is taken as it is, and can only make a timer late.
func (m *Machine) Step(now time.Duration, in Input, out []Output) []Output {
	switch in.Kind {
	case Start:
		if m.state == Idle {
			out = m.dial(now, out)
		}
		return out
	case Stop:
		return m.stop(out)
	case Suspend:
		m.asleep = m.state != Stopped
		return out
	case Resume:
		m.asleep = false
		return m.tick(now, out)
	case Deadline:
		if m.asleep {
			return out
		}
		return m.tick(now, out)
	}
	if m.state == Stopped || m.state == Idle {
		return out
	}
	if in.Epoch != m.epoch {
		return m.stepDouble(now, in, out)
	}
	switch in.Kind {
	case Connected:
		if m.state == Connecting && m.step == 0 {
			m.step = 1
			out = m.opening(now, out)
		}
	case Failed:
		if m.state == Connecting {
			out = append(out, Output{Kind: AttemptFailed, Epoch: m.epoch, Cause: in.Cause})
			out = m.lost(now, in.Cause, 0, m.events(in.Cause), out)
		}
	case Received:
		out = m.received(now, in, out)
	case WriteFail:
		out = m.gone(now, WriteError, 0, true, out)
	case Closed:
		out = m.gone(now, in.Cause, in.Code, false, out)
	}
	return out
}

// tick runs every timer that is due, the detector before the rest and the beat last: a client whose patience ended
// does not beat once more.
func (m *Machine) tick(now time.Duration, out []Output) []Output {
	for m.state != Stopped {
		switch {
		case m.deadAt <= now:
			out = m.timeout(now, out)
		case m.stateAt <= now:
			out = m.stateTimer(now, out)
		case m.beatAt <= now:
			out = m.beat(now, out)
		default:
			return m.tickDoubles(now, out)
		}
	}
	return out
}

func (m *Machine) stateTimer(now time.Duration, out []Output) []Output {
	m.stateAt = None
	switch m.state {
	case Connecting:
		out = append(out,
			Output{Kind: AttemptFailed, Epoch: m.epoch, Cause: Timeout},
			Output{Kind: Abandon, Epoch: m.epoch})
		return m.lost(now, Timeout, 0, m.events(Timeout), out)
	case Closing:
		out = append(out, Output{Kind: Abandon, Epoch: m.epoch})
		return m.lost(now, m.cause, 0, 1, out)
	case Backoff:
		return m.dial(now, out)
	}
	return out
}

// dial opens the next connection. What the older one was doing goes on only without a lock.
func (m *Machine) dial(now time.Duration, out []Output) []Output {
	if m.extra != nil && (m.state == Connecting || m.state == Open) {
		m.extra.conns = append(m.extra.conns, double{m.epoch, m.state == Open})
		out = append(out, Output{Kind: Doubled, Epoch: m.epoch + 1})
	}
	m.disarm()
	out = m.forget(out)
	m.epoch++
	m.state = Connecting
	m.step = 0
	if t := m.cfg.Opening.Timeout; t > 0 {
		m.stateAt = now + t
	}
	return append(out, Output{Kind: Dial, Epoch: m.epoch})
}

// opening carries the exchange after the upgrade on from m.step (1-based) until it has to wait.
func (m *Machine) opening(now time.Duration, out []Output) []Output {
	steps := m.cfg.Opening.Steps
	for int(m.step) <= len(steps) {
		s := &steps[m.step-1]
		if s.Send != nil {
			out = append(out, Output{Kind: Send, Epoch: m.epoch, Frame: s.Send.Frame, Payload: s.Send.Payload})
		}
		if s.Await != nil {
			return out
		}
		m.step++
	}
	return m.open(now, out)
}

func (m *Machine) open(now time.Duration, out []Output) []Output {
	m.state = Open
	m.stateAt = None
	m.openedAt, m.heard = now, now
	if m.cfg.Reconnect.ResetAfter == 0 {
		m.resetBackoff()
	}
	out = append(out, Output{Kind: Opened, Epoch: m.epoch})
	b := &m.cfg.Beat
	switch b.By {
	case Client:
		first := now
		if !b.AtOpen {
			first += time.Duration(float64(b.Interval) * (1 - b.First*m.uniform()))
		}
		if m.beatAt = first; first <= now {
			out = m.beat(now, out)
		}
	case Server:
		m.awaitServer(now)
	}
	return out
}

func (m *Machine) resetBackoff() {
	m.attempts, m.prev = 0, 0
}

func (m *Machine) awaitServer(now time.Duration) {
	if c := m.cfg; c.Misses > 0 {
		m.deadAt = now + time.Duration(c.Misses)*c.Beat.Interval + c.Timeout
	}
}

// beat sends the heartbeat that was due at beatAt. The patience for its reply is counted from now, as a client's own
// setTimeout would, so that lateness of the harness never makes a detector early; the round trip is counted from when
// the beat was due, so that lateness is not omitted from it.
func (m *Machine) beat(now time.Duration, out []Output) []Output {
	b := &m.cfg.Beat
	due := m.beatAt
	out = append(out, Output{Kind: Send, Epoch: m.epoch, Frame: b.Frame, Payload: b.Payload, Beat: true, Due: due})
	if len(m.pending) == maxPending {
		m.pending = append(m.pending[:0], m.pending[1:]...)
		out = append(out, Output{Kind: Unanswered, Epoch: m.epoch, N: 1})
	}
	m.pending = append(m.pending, due)
	m.missed++

	m.beatAt = None
	switch b.After {
	case AfterEither:
		m.beatAt = now + m.interval()
	case AfterBeat:
		m.beatAt = due + m.interval()
		if m.beatAt <= now { // asleep or late: the ticks in between are gone, the phase stays
			missed := (now-due)/b.Interval + 1
			m.beatAt = due + missed*b.Interval
		}
	}
	if c := m.cfg; c.Misses > 0 && m.deadAt == None && int(m.missed) >= c.Misses {
		if m.deadAt = now + c.Timeout; c.Timeout <= 0 {
			return m.timeout(now, out)
		}
	}
	return out
}

func (m *Machine) interval() time.Duration {
	b := &m.cfg.Beat
	if b.Jitter == 0 {
		return b.Interval
	}
	return max(1, time.Duration(float64(b.Interval)*(1+b.Jitter*(2*m.uniform()-1))))
}

// received handles a frame on the newest connection.
func (m *Machine) received(now time.Duration, in Input, out []Output) []Output {
	c := m.cfg
	b := &c.Beat
	if m.state == Connecting {
		if m.step > 0 && in.Frame <= Binary {
			if s := &c.Opening.Steps[m.step-1]; s.Await.Match(in.Data) {
				m.step++
				return m.opening(now, out)
			}
		}
		return out
	}
	if m.state != Open {
		return out
	}
	if c.Notice != nil && in.Frame <= Binary && c.Notice.Match(in.Data) {
		out = append(out, Output{Kind: Dead, Epoch: m.epoch, Cause: Notice, LastHeard: now})
		return m.leave(now, Notice, out)
	}
	// A page never sees control frames, so they count only for a client whose own beat is one.
	if in.Frame > Binary && b.Frame != Ping {
		return out
	}
	match := m.isBeat(&in)
	proof := match || c.Liveness == Any
	if proof {
		m.heard = now
	}
	switch b.By {
	case Client:
		if match && len(m.pending) > 0 {
			due := m.pending[0]
			m.pending = append(m.pending[:0], m.pending[1:]...)
			out = append(out, Output{Kind: Replied, Epoch: m.epoch, Due: due, Dur: now - due})
		}
		if proof {
			m.cleared()
		}
		if b.After == AfterMessage || b.After == AfterEither || b.After == AfterReply && match {
			m.beatAt = now + m.interval()
		}
	case Server:
		if proof {
			m.awaitServer(now)
		}
		if match && b.Answer != nil {
			out = append(out, Output{Kind: Send, Epoch: m.epoch, Frame: b.Answer.Frame, Payload: b.Answer.Payload, Beat: true, Due: now})
		}
	}
	return out
}

// isBeat tells whether the frame is the server's half of the heartbeat.
func (m *Machine) isBeat(in *Input) bool {
	b := &m.cfg.Beat
	switch {
	case b.By == Nobody:
		return false
	case b.Frame != Ping:
		return in.Frame <= Binary && b.Match.Match(in.Data)
	case b.By == Client:
		return in.Frame == Pong
	}
	return in.Frame == Ping
}

// cleared ends a suspicion. Where only replies count, the beats that are still out keep their own deadline.
func (m *Machine) cleared() {
	m.missed, m.deadAt = 0, None
	c := m.cfg
	if c.Liveness != Reply {
		return
	}
	m.missed = uint32(len(m.pending))
	if c.Misses > 0 && len(m.pending) >= c.Misses {
		m.deadAt = m.pending[c.Misses-1] + c.Timeout
	}
}

// timeout is the detector firing.
func (m *Machine) timeout(now time.Duration, out []Output) []Output {
	out = append(out, Output{Kind: Dead, Epoch: m.epoch, Cause: Timeout, LastHeard: m.heard})
	return m.leave(now, Timeout, out)
}

// leave ends the newest connection from the client's side.
func (m *Machine) leave(now time.Duration, cause Cause, out []Output) []Output {
	m.disarm()
	out = m.forget(out)
	if c := &m.cfg.Close; c.Frame {
		out = append(out, Output{Kind: SendBye, Epoch: m.epoch, Code: c.Code})
		if c.Wait > 0 {
			m.leftOpen(now)
			m.state, m.cause = Closing, cause
			m.stateAt = now + c.Wait
			return out
		}
	}
	out = append(out, Output{Kind: Abandon, Epoch: m.epoch})
	return m.lost(now, cause, 0, 1, out)
}

// gone handles the end of the newest connection by the peer, the path or a failed write.
func (m *Machine) gone(now time.Duration, cause Cause, code uint16, abandon bool, out []Output) []Output {
	state := m.state
	if state != Connecting && state != Open && state != Closing {
		return out
	}
	if state == Open {
		out = append(out, Output{Kind: Dead, Epoch: m.epoch, Cause: cause, Code: code, LastHeard: m.heard})
	}
	if state == Connecting {
		out = append(out, Output{Kind: AttemptFailed, Epoch: m.epoch, Cause: cause})
	}
	if abandon {
		out = append(out, Output{Kind: Abandon, Epoch: m.epoch})
	}
	if state == Closing {
		return m.lost(now, m.cause, code, 1, out)
	}
	return m.lost(now, cause, code, m.events(cause), out)
}

// events is how many handlers run for a loss: a browser fires error and close for an abnormal end, close alone for a
// clean one. It matters only without a lock.
func (m *Machine) events(cause Cause) int {
	if cause == PeerClose {
		return 1
	}
	return 2
}

// leftOpen notes that the connection is no longer open, for the back-off.
func (m *Machine) leftOpen(now time.Duration) {
	if r := m.cfg.Reconnect.ResetAfter; m.state == Open && r > 0 && now-m.openedAt >= r {
		m.resetBackoff()
	}
}

// lost schedules what follows the loss of the newest connection.
func (m *Machine) lost(now time.Duration, cause Cause, code uint16, events int, out []Output) []Output {
	m.leftOpen(now)
	m.disarm()
	out = m.forget(out)
	m.cause = cause
	m.state = Backoff
	if final(&m.cfg.Reconnect, code) || m.cfg.Reconnect.MaxAttempts > 0 && int(m.attempts) >= m.cfg.Reconnect.MaxAttempts {
		m.state = Stopped
		out = m.dropDoubles(out)
		return append(out, Output{Kind: GaveUp, Epoch: m.epoch, Cause: cause, N: int(m.attempts)})
	}
	var delay time.Duration
	delay, out = m.backoff(out)
	if !m.cfg.Reconnect.Lock {
		out = m.double(now, events-1, out)
	}
	if delay <= 0 {
		return m.dial(now, out)
	}
	m.stateAt = now + delay
	return out
}

func (m *Machine) backoff(out []Output) (time.Duration, []Output) {
	delay := m.cfg.Reconnect.Next(int(m.attempts), m.prev, m.uniform)
	m.prev = delay
	m.attempts++
	return delay, append(out, Output{Kind: Waiting, Epoch: m.epoch, Dur: delay, N: int(m.attempts)})
}

// stop says goodbye and never comes back.
func (m *Machine) stop(out []Output) []Output {
	if m.state == Stopped {
		return out
	}
	if m.state == Open {
		out = append(out, Output{Kind: SendBye, Epoch: m.epoch, Code: 1000})
	}
	if m.state == Open || m.state == Connecting || m.state == Closing {
		out = append(out, Output{Kind: Abandon, Epoch: m.epoch})
	}
	out = m.dropDoubles(out)
	m.disarm()
	m.pending = m.pending[:0] // no reply is owed to a client that leaves
	m.state, m.asleep = Stopped, false
	return out
}

func (m *Machine) disarm() {
	m.beatAt, m.deadAt, m.stateAt = None, None, None
	m.missed = 0
}

func (m *Machine) forget(out []Output) []Output {
	if n := len(m.pending); n > 0 {
		out = append(out, Output{Kind: Unanswered, Epoch: m.epoch, N: n})
		m.pending = m.pending[:0]
	}
	return out
}

// uniform draws from [0, 1).
func (m *Machine) uniform() float64 { return float64(m.rng.Uint64()>>11) / (1 << 53) }
