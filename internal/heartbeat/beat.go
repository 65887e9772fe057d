package heartbeat

import "time"

// beat sends the heartbeat that was due at due. The patience for its reply is counted from now, as a client's own
// setTimeout would, so that lateness of the harness never makes a detector early; the round trip is counted from when
// the beat was due, so that lateness is not omitted from it. A device that slept could not have sent the beat before it
// woke: there the beat is due as it wakes.
func (m *Machine) beat(now, due time.Duration, out []Output) []Output {
	b := &m.cfg.Beat
	out = append(out, Output{Kind: Send, Epoch: m.epoch, Frame: b.Frame, Payload: b.Payload, Beat: true, Due: due})
	if len(m.pending) == maxPending {
		m.pending = append(m.pending[:0], m.pending[1:]...)
		out = append(out, Output{Kind: Unanswered, Epoch: m.epoch, N: 1})
	}
	m.pending = append(m.pending, sent{due: due, at: now})
	m.missed++

	tick := m.beatAt
	m.beatAt = None
	switch b.After {
	case AfterEither:
		m.beatAt = after(now, m.interval())
	case AfterBeat:
		m.beatAt = after(tick, m.interval())
		if m.beatAt <= now { // asleep or late: the ticks in between are gone, the phase stays
			i := max(b.Interval, 1)
			m.beatAt = after(now-(now-tick)%i, i)
		}
	}
	if c := m.cfg; c.Misses > 0 && m.deadAt == None && int64(m.missed) >= int64(c.Misses) {
		m.deadAt = after(now, max(c.Timeout, 0))
		if m.deadAt <= now { // it closes as it sends the beat
			out = append(out, Output{Kind: Dead, Epoch: m.epoch, Cause: Timeout, LastHeard: m.heard})
			return m.leave(now, Timeout, out)
		}
	}
	return out
}

// interval draws the time to the next beat; it is never 0.
func (m *Machine) interval() time.Duration {
	b := &m.cfg.Beat
	if b.Jitter == 0 {
		return max(b.Interval, 1)
	}
	return max(1, scale(b.Interval, 1+b.Jitter*(2*m.uniform()-1)))
}

func (m *Machine) awaitServer(now time.Duration) {
	if c := m.cfg; c.Misses > 0 {
		m.deadAt = after(now, after(times(c.Beat.Interval, c.Misses), max(c.Timeout, 0)))
	}
}

// received handles a frame on the newest connection.
func (m *Machine) received(now time.Duration, in Input, out []Output) []Output {
	c := m.cfg
	b := &c.Beat
	if m.state == Connecting && m.awaited(m.step, &in) {
		m.step++
		return m.opening(now, out)
	}
	if m.state != Open || in.Frame > Pong {
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
	if match && b.By == Client && len(m.pending) > 0 { // replies come in the order of the beats
		due := m.pending[0].due
		m.pending = append(m.pending[:0], m.pending[1:]...)
		out = append(out, Output{Kind: Replied, Epoch: m.epoch, Due: due, Dur: max(now-due, 0)})
	}
	if proof {
		m.alive(now)
	}
	switch {
	case b.By == Client && (b.After == AfterMessage || b.After == AfterEither || b.After == AfterReply && match):
		m.beatAt = after(now, m.interval())
	case b.By == Server && match && b.Answer != nil:
		out = append(out, Output{Kind: Send, Epoch: m.epoch, Frame: b.Answer.Frame, Payload: b.Answer.Payload, Beat: true, Due: now})
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

// alive notes a proof of life. Where only replies count, the beats that are still out keep their own deadline.
func (m *Machine) alive(now time.Duration) {
	m.heard = now
	c := m.cfg
	switch c.Beat.By {
	case Server:
		m.awaitServer(now)
	case Client:
		m.missed, m.deadAt = 0, None
		if c.Liveness == Reply {
			m.missed = uint32(len(m.pending))
			if c.Misses > 0 && len(m.pending) >= c.Misses {
				m.deadAt = after(m.pending[c.Misses-1].at, max(c.Timeout, 0))
			}
		}
	}
}

// forget gives up the beats that await a reply.
func (m *Machine) forget(out []Output) []Output {
	if n := len(m.pending); n > 0 {
		out = append(out, Output{Kind: Unanswered, Epoch: m.epoch, N: n})
		m.pending = m.pending[:0]
	}
	return out
}
