package heartbeat

import "time"

// leave ends the newest connection from the client's side.
func (m *Machine) leave(now time.Duration, cause Cause, out []Output) []Output {
	out = m.forget(out)
	m.leftOpen(now)
	m.disarm()
	if c := &m.cfg.Close; c.Frame {
		out = append(out, Output{Kind: SendBye, Epoch: m.epoch, Code: c.Code})
		if c.Wait > 0 {
			m.state, m.cause = Closing, cause
			m.stateAt = after(now, c.Wait)
			return out
		}
	}
	out = append(out, Output{Kind: Abandon, Epoch: m.epoch})
	return m.lost(now, cause, 0, 1, out)
}

// gone handles the end of the newest connection by the peer, the path, a failed write, or the deadline of its state.
func (m *Machine) gone(now time.Duration, cause Cause, code uint16, abandon bool, out []Output) []Output {
	n := events(cause)
	switch m.state {
	case Connecting:
		out = append(out, Output{Kind: AttemptFailed, Epoch: m.epoch, Cause: cause})
	case Open:
		out = append(out, Output{Kind: Dead, Epoch: m.epoch, Cause: cause, Code: code, LastHeard: m.heard})
		out = m.forget(out)
		m.leftOpen(now)
	case Closing:
		n, cause = 1, m.cause
	default:
		return out
	}
	if abandon {
		out = append(out, Output{Kind: Abandon, Epoch: m.epoch})
	}
	return m.lost(now, cause, code, n, out)
}

// events is how many handlers run for a loss: a browser fires error and close for an abnormal end, close alone for a
// clean one. It matters only without a lock.
func events(cause Cause) int {
	if cause == PeerClose {
		return 1
	}
	return 2
}

// lost schedules what follows the loss of the newest connection.
func (m *Machine) lost(now time.Duration, cause Cause, code uint16, events int, out []Output) []Output {
	m.disarm()
	m.cause = cause
	rule := m.cfg.Reconnect.AfterLoss
	switch {
	case m.state == Connecting:
		rule = nil
	case cause == Notice && m.extra != nil && m.extra.hint != nil && m.extra.hint.retry != None:
		rule = &Span{m.extra.hint.retry, m.extra.hint.retry}
	case cause == Timeout && m.cfg.Reconnect.AfterTimeout != nil:
		rule = m.cfg.Reconnect.AfterTimeout
	}
	if m.final(code) || m.exhausted() {
		m.state = Stopped
		out = m.dropDoubles(out)
		return append(out, Output{Kind: GaveUp, Epoch: m.epoch, Cause: cause, N: int(m.attempts)})
	}
	m.state = Backoff
	var delay time.Duration
	delay, out = m.backoff(rule, out)
	if !m.cfg.Reconnect.Lock {
		out = m.double(now, events-1, out)
	}
	if delay <= 0 {
		return m.dial(now, out)
	}
	m.stateAt = after(now, delay)
	return out
}

// final reports whether the policy never reconnects after a close with this code (0: none).
func (m *Machine) final(code uint16) bool {
	r := &m.cfg.Reconnect
	if r.Kind == Never {
		return true
	}
	for _, c := range r.StopCodes {
		if code != 0 && c.From <= code && code <= c.To {
			return true
		}
	}
	return false
}

func (m *Machine) exhausted() bool {
	n := m.cfg.Reconnect.MaxAttempts
	return n > 0 && int64(m.attempts) >= int64(n)
}

// backoff draws the delay before the next attempt, from rule if there is one.
func (m *Machine) backoff(rule *Span, out []Output) (time.Duration, []Output) {
	r := &m.cfg.Reconnect
	if r.Jitter == Once && m.prev == 0 {
		m.prev = r.Own(m.uniform)
	}
	var delay time.Duration
	if rule != nil {
		delay = rule.draw(m.uniform)
		m.ruled = m.attempts == 0
	} else {
		n := int(m.attempts)
		if m.ruled {
			n--
		}
		delay = r.Next(n, m.prev, m.uniform)
		if r.Jitter != Once {
			m.prev = delay
		}
	}
	m.attempts++
	return delay, append(out, Output{Kind: Waiting, Epoch: m.epoch, Dur: delay, N: int(m.attempts)})
}

// leftOpen lets the back-off start over if the connection that is no longer open has earned it.
func (m *Machine) leftOpen(now time.Duration) {
	if r := m.cfg.Reconnect.ResetAfter; r > 0 && now-m.openedAt >= r {
		m.resetBackoff()
	}
}

func (m *Machine) resetBackoff() {
	m.attempts, m.ruled = 0, false
	if m.cfg.Reconnect.Jitter != Once { // which is for life
		m.prev = 0
	}
}

// stop says goodbye and never comes back.
func (m *Machine) stop(out []Output) []Output {
	switch m.state {
	case Stopped:
		return out
	case Open:
		out = append(out, Output{Kind: SendBye, Epoch: m.epoch, Code: 1000}, Output{Kind: Abandon, Epoch: m.epoch})
	case Connecting, Closing:
		out = append(out, Output{Kind: Abandon, Epoch: m.epoch})
	}
	out = m.dropDoubles(out)
	m.disarm()
	m.pending = nil // no reply is owed to a client that leaves
	m.state, m.asleep = Stopped, false
	return out
}
