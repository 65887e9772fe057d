package heartbeat

import "time"

// beat sends the heartbeat that was due at due. The patience for its reply is counted from now, as a client's own
// setTimeout would, so that lateness of the harness never makes a detector early; the round trip is counted from when
// the beat was due, so that lateness is not omitted from it. A device that slept could not have sent the beat before it
// woke: there the beat is due as it wakes.
func (m *Machine) beat(now, due time.Duration, out []Output) []Output {
	b := &m.cfg.Beat
	var ref uint32
	if b.Ref {
		m.refs++
		ref = m.refs
	}
	out = append(out, Output{Kind: Send, Epoch: m.epoch, Frame: b.Frame, Payload: b.Payload, Ref: ref, Beat: true, Due: due})
	if b.By == Client { // where both beat, no beat has a reply
		if len(m.pending) == maxPending {
			m.pending = append(m.pending[:0], m.pending[1:]...)
			out = append(out, Output{Kind: Unanswered, Epoch: m.epoch, N: 1})
		}
		m.pending = append(m.pending, sent{due: due, at: now})
		m.missed++
	}

	tick := m.beatAt
	m.beatAt = None
	switch b.After {
	case AfterEither:
		m.beatAt = after(now, m.interval())
	case AfterBeat:
		m.beatAt = after(tick, m.interval())
		if m.beatAt <= now { // asleep or late: the ticks in between are gone, the phase stays
			i := max(m.every(), 1)
			m.beatAt = after(now-(now-tick)%i, i)
		}
	}
	if c := m.cfg; c.Misses > 0 && c.Silence <= 0 && m.deadAt == None && int64(m.missed) >= int64(c.Misses) {
		m.deadAt = after(now, m.patience())
		if m.deadAt <= now { // it closes as it sends the beat
			out = append(out, Output{Kind: Dead, Epoch: m.epoch, Cause: Timeout, LastHeard: m.heard})
			return m.leave(now, Timeout, out)
		}
	}
	return out
}

// interval draws the time to the next beat; it is never 0.
func (m *Machine) interval() time.Duration {
	i, jitter := m.every(), m.cfg.Beat.Jitter
	if jitter == 0 {
		return max(i, 1)
	}
	return max(1, scale(i, 1+jitter*(2*m.uniform()-1)))
}

// received handles a frame on the newest connection.
func (m *Machine) received(now time.Duration, in Input, out []Output) []Output {
	c := m.cfg
	b := &c.Beat
	if m.state == Connecting && m.awaited(m.step, &in) {
		m.listen(c.Opening.Steps[m.step-1].Await, in.Data)
		m.step++
		return m.opening(now, out)
	}
	if m.state != Open || in.Frame > Pong {
		return out
	}
	if c.Notice != nil && in.Frame <= Binary && c.Notice.Match(in.Data) {
		m.heed(c.Notice, in.Data)
		out = append(out, Output{Kind: Dead, Epoch: m.epoch, Cause: Notice, LastHeard: now})
		return m.leave(now, Notice, out)
	}
	// A page never sees control frames, so they count only for a client whose own beat is one.
	if in.Frame > Binary && b.Frame != Ping {
		return out
	}
	spoken := false // a message of the traffic is no beat and has no reply
	spoken, out = m.trafficReceived(now, &in, true, out)
	match := !spoken && m.isBeat(&in)
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
	case b.By == Client && (b.After == AfterMessage || b.After == AfterEither || b.After == AfterReply && match),
		b.By == Both && (b.After == AfterMessage || b.After == AfterEither):
		m.beatAt = after(now, m.interval())
	}
	if b.By != Client && match && b.Answer != nil {
		out = append(out, Output{Kind: Send, Epoch: m.epoch, Frame: b.Answer.Frame, Payload: b.Answer.Payload, Beat: true, Due: now})
	}
	if r := c.reply(&in); r != nil && !spoken {
		out = append(out, Output{Kind: Send, Epoch: m.epoch, Frame: r.With.Frame, Payload: r.With.Payload, Due: now})
	}
	return out
}

// reply finds what the client says to the frame; nil: nothing.
func (c *Config) reply(in *Input) *ReplyRule {
	if in.Frame > Binary { // control frames answer themselves
		return nil
	}
	for i := range c.Replies {
		if r := &c.Replies[i]; r.To.Match(in.Data) {
			return r
		}
	}
	return nil
}

// isBeat tells whether the frame is the server's half of the heartbeat.
func (m *Machine) isBeat(in *Input) bool {
	b := &m.cfg.Beat
	switch {
	case b.By == Nobody:
		return false
	case b.Frame != Ping:
		ref, ok := uint32(0), false
		if in.Frame <= Binary {
			ref, ok = b.Match.MatchRef(in.Data)
		}
		// Replies come in the order of the beats, so only the oldest that is out can be meant.
		return ok && (!b.Match.Ref || len(m.pending) > 0 && ref == m.refs-uint32(len(m.pending))+1)
	case b.By == Client:
		return in.Frame == Pong
	}
	return in.Frame == Ping
}

// forget gives up the beats that await a reply.
func (m *Machine) forget(out []Output) []Output {
	if n := len(m.pending); n > 0 {
		out = append(out, Output{Kind: Unanswered, Epoch: m.epoch, N: n})
		m.pending = m.pending[:0]
	}
	return out
}
