package heartbeat

import "time"

// maxDoubles bounds what a client without a reconnect lock can pile up beside its newest connection. A browser page
// would go on; the harness has to outlive it, and sixteen connections where one was meant make the point.
const maxDoubles = 16

// extra is what few clients have, so that the others need not carry it.
type extra struct {
	// Only a client without a reconnect lock has these.
	dials []time.Duration // further reconnect timers
	conns []older         // connections that are not the newest

	told tuned
	hint *hint // of the goodbye that the client follows; nil: none

	traffic *traffic // of a client that publishes or receives messages
}

// older is a connection that a further reconnect has superseded.
type older struct {
	until time.Duration // deadline of its opening or of its close handshake
	epoch uint32
	step  uint16
	state State // Connecting, Open or Closing
}

func (x *extra) deadline() time.Duration {
	d := None
	for _, t := range x.dials {
		d = min(d, t)
	}
	for i := range x.conns {
		d = min(d, x.conns[i].until)
	}
	return d
}

// double schedules n further reconnects beside the one that is pending: the handlers of a page without a lock.
func (m *Machine) double(now time.Duration, n int, out []Output) []Output {
	if m.extra == nil && n > 0 {
		m.extra = &extra{}
	}
	for ; n > 0 && len(m.extra.dials)+len(m.extra.conns) < maxDoubles && !m.exhausted(); n-- {
		var delay time.Duration
		delay, out = m.backoff(nil, out)
		m.extra.dials = append(m.extra.dials, after(now, delay))
	}
	return out
}

// supersede puts the newest connection, if there is one, among the older ones.
func (m *Machine) supersede() {
	switch m.state {
	case Connecting, Open, Closing:
		m.extra.conns = append(m.extra.conns, older{until: m.stateAt, epoch: m.epoch, step: m.step, state: m.state})
	}
}

// dropDoubles ends what the client piled up.
func (m *Machine) dropDoubles(out []Output) []Output {
	if m.extra != nil {
		for _, c := range m.extra.conns {
			out = append(out, Output{Kind: Abandon, Epoch: c.epoch})
		}
		m.extra.dials, m.extra.conns = nil, nil
	}
	return out
}

// tickOlder runs one timer that is due: the deadline of an older connection, or a further reconnect.
func (m *Machine) tickOlder(now time.Duration, out []Output) []Output {
	x := m.extra
	for i := range x.conns {
		if x.conns[i].until <= now {
			return m.lostOlder(now, i, Timeout, 0, true, out)
		}
	}
	for i, t := range x.dials {
		if t <= now {
			x.dials = append(x.dials[:i], x.dials[i+1:]...)
			if m.state == Backoff { // the first timer still runs: it becomes one of the further ones
				x.dials = append(x.dials, m.stateAt)
			}
			return m.dial(now, out)
		}
	}
	return out
}

// stepOlder handles an input for a connection that is not the newest: stale, unless the client has no lock.
func (m *Machine) stepOlder(now time.Duration, in Input, out []Output) []Output {
	if m.extra == nil {
		return out
	}
	for i := range m.extra.conns {
		c := &m.extra.conns[i]
		if c.epoch != in.Epoch {
			continue
		}
		switch in.Kind {
		case Connected:
			if c.state == Connecting && c.step == 0 {
				c.step = 1
				return m.openOlder(c, out)
			}
		case Received:
			if c.state == Connecting && m.awaited(c.step, &in) {
				c.step++
				return m.openOlder(c, out)
			}
			if c.state == Open {
				_, out = m.trafficReceived(now, &in, false, out)
				m.overheard(now, &in)
			}
		case Failed:
			if c.state == Connecting {
				return m.lostOlder(now, i, in.Cause, 0, false, out)
			}
		case Closed:
			return m.lostOlder(now, i, in.Cause, in.Code, false, out)
		case WriteFail:
			return m.lostOlder(now, i, WriteError, 0, true, out)
		}
		return out
	}
	return out
}

// openOlder carries on the opening exchange of an older connection.
func (m *Machine) openOlder(c *older, out []Output) []Output {
	done, out := m.exchange(c.epoch, &c.step, out)
	if done {
		c.state, c.until = Open, None
		if m.cfg.Reconnect.ResetAfter <= 0 {
			m.resetBackoff()
		}
		out = append(out, Output{Kind: Opened, Epoch: c.epoch})
	}
	return out
}

// overheard handles a message on an older connection: all sockets of the page share one heartCheck.
func (m *Machine) overheard(now time.Duration, in *Input) {
	if m.state != Open || m.cfg.Liveness != Any || in.Frame > Binary {
		return
	}
	m.alive(now)
	if b := &m.cfg.Beat; b.By == Client && (b.After == AfterMessage || b.After == AfterEither) {
		m.beatAt = after(now, m.interval())
	}
}

// lostOlder handles the end of the older connection i.
func (m *Machine) lostOlder(now time.Duration, i int, cause Cause, code uint16, abandon bool, out []Output) []Output {
	c := m.extra.conns[i]
	m.extra.conns = append(m.extra.conns[:i], m.extra.conns[i+1:]...)
	n := events(cause)
	switch c.state {
	case Connecting:
		out = append(out, Output{Kind: AttemptFailed, Epoch: c.epoch, Cause: cause})
	case Closing:
		n = 1
	}
	if abandon {
		out = append(out, Output{Kind: Abandon, Epoch: c.epoch})
	}
	if m.final(code) {
		return out
	}
	return m.double(now, n, out)
}
