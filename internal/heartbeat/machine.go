package heartbeat

import (
	"math/rand/v2"
	"time"
)

// maxPending bounds the beats whose reply is still awaited. One more and the oldest counts as unanswered.
const maxPending = 64

// Machine is one client. It is not safe for concurrent use. The zero Machine is not usable; see [New].
//
// Without Reconnect.Lock the machine does what the page without the lock does. A loss that fires both onerror and
// onclose (a reset, a FIN without close frame, a failed attempt) schedules two reconnects; the newest connection is the
// one that beats, and the older ones live on unseen until the peer closes them, when they schedule reconnects of their
// own. An older connection that ends is not Dead: the client stands where its newest connection stands.
type Machine struct {
	cfg *Config
	rng rand.PCG

	beatAt  time.Duration // next beat
	deadAt  time.Duration // the detector fires
	stateAt time.Duration // what the state waits for: opening deadline, close handshake, back-off

	heard    time.Duration // last proof of life, or the open
	openedAt time.Duration // valid while open
	prev     time.Duration // what the back-off remembers, see Reconnect.Next
	pending  []sent        // the beats that await a reply, oldest first
	extra    *extra

	epoch    uint32 // newest connection
	attempts uint32 // reconnects scheduled since the back-off last started over
	missed   uint32 // beats in a row without proof of life
	refs     uint32 // beats that carried their number, over all connections
	step     uint16 // opening step that waits, from 1; 0 before the upgrade
	state    State
	cause    Cause // why it was lost last
	asleep   bool
	ruled    bool // the first of the attempts was ruled by an After..., and does not count for Reconnect.Next
}

// sent is a beat that is out.
type sent struct{ due, at time.Duration }

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

// Deadline is when Step wants to be called with Deadline at the latest, or None. After a step with Deadline (or Resume)
// at now it is later than now; after any other step it may be now or earlier, when something is overdue already.
func (m *Machine) Deadline() time.Duration {
	if m.asleep {
		return None
	}
	d := min(m.beatAt, m.deadAt, m.stateAt)
	if m.extra != nil {
		d = min(d, m.extra.deadline(), m.trafficAt())
	}
	return d
}

// Step tells the machine what happened at now and appends what follows to out. The values of now must not decrease;
// one that does is taken as it is, and can only make a timer late. A negative now is taken as 0.
//
// A sleeping device reads nothing, so between Suspend and Resume the driver keeps back what happens on the socket and
// delivers it after Resume. The machine handles what comes nonetheless.
func (m *Machine) Step(now time.Duration, in Input, out []Output) []Output {
	now = min(max(now, 0), None-1)
	switch in.Kind {
	case Start:
		if m.state == Idle {
			out = m.dial(now, out)
			if m.carries() != nil {
				out = m.publishDue(now, out) // what came due before waits from here on
			}
		}
		return out
	case Stop:
		return m.stop(out)
	case Suspend:
		m.asleep = true
		return out
	case Resume:
		m.asleep = false
		return m.tick(now, now, out)
	case Deadline:
		if m.asleep {
			return out
		}
		return m.tick(now, min(in.Tick, now), out)
	}
	if m.state == Stopped || m.state == Idle {
		return out
	}
	if in.Epoch != m.epoch {
		return m.stepOlder(now, in, out)
	}
	switch in.Kind {
	case Connected:
		if m.state == Connecting && m.step == 0 {
			m.step = 1
			out = m.opening(now, out)
		}
	case Failed:
		if m.state == Connecting {
			out = m.gone(now, in.Cause, 0, false, out)
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
// does not beat once more. No beat counts as due before floor.
func (m *Machine) tick(now, floor time.Duration, out []Output) []Output {
	for m.state != Stopped {
		switch {
		case m.deadAt <= now && m.checks() && now-m.heard < m.cfg.Silence:
			m.nextCheck(now)
		case m.deadAt <= now:
			out = append(out, Output{Kind: Dead, Epoch: m.epoch, Cause: Timeout, LastHeard: m.heard})
			out = m.leave(now, Timeout, out)
		case m.stateAt <= now:
			out = m.stateTimer(now, out)
		case m.beatAt <= now:
			out = m.beat(now, max(m.beatAt, floor), out)
		case m.trafficAt() <= now:
			out = m.publishDue(now, out)
		case m.extra != nil && m.extra.deadline() <= now:
			out = m.tickOlder(now, out)
		default:
			return out
		}
	}
	return out
}

func (m *Machine) stateTimer(now time.Duration, out []Output) []Output {
	if m.state == Backoff {
		return m.dial(now, out)
	}
	return m.gone(now, Timeout, 0, true, out)
}

func (m *Machine) disarm() {
	m.beatAt, m.deadAt, m.stateAt = None, None, None
	m.missed = 0
}

// uniform draws from [0, 1).
func (m *Machine) uniform() float64 { return float64(m.rng.Uint64()>>11) / (1 << 53) }
