package heartbeat

import "time"

// double schedules n further reconnects beside the one that is pending: the handlers of a page without a lock.
func (m *Machine) double(now time.Duration, n int, out []Output) []Output {
	for ; n > 0; n-- {
		if m.extra == nil {
			m.extra = &doubles{}
		}
		if len(m.extra.dials)+len(m.extra.conns) >= maxDoubles {
			return out
		}
		var delay time.Duration
		delay, out = m.backoff(out)
		m.extra.dials = append(m.extra.dials, now+delay)
	}
	return out
}

// dropDoubles ends what the client piled up.
func (m *Machine) dropDoubles(out []Output) []Output {
	if m.extra != nil {
		for _, d := range m.extra.conns {
			out = append(out, Output{Kind: Abandon, Epoch: d.epoch})
		}
		m.extra = nil
	}
	return out
}

// tickDoubles runs the further reconnect timers that are due.
func (m *Machine) tickDoubles(now time.Duration, out []Output) []Output {
	if m.extra == nil {
		return out
	}
	for i := 0; i < len(m.extra.dials); {
		if m.extra.dials[i] > now {
			i++
			continue
		}
		m.extra.dials = append(m.extra.dials[:i], m.extra.dials[i+1:]...)
		if m.state == Backoff { // the first timer still runs: it becomes one of the further ones
			m.extra.dials = append(m.extra.dials, m.stateAt)
		}
		if m.state == Closing {
			m.extra.conns = append(m.extra.conns, double{m.epoch, true})
		}
		out = m.dial(now, out)
	}
	return out
}

// stepDouble handles an input for a connection that is not the newest: stale, unless the client has no lock.
func (m *Machine) stepDouble(now time.Duration, in Input, out []Output) []Output {
	if m.extra == nil {
		return out
	}
	for i := range m.extra.conns {
		d := &m.extra.conns[i]
		if d.epoch != in.Epoch {
			continue
		}
		switch in.Kind {
		case Connected:
			d.open = true
		case Received:
			// All sockets share one heartCheck: a message on an old one proves life as well.
			if m.state == Open && d.open && m.cfg.Liveness == Any && in.Frame <= Binary {
				m.heard = now
				switch b := &m.cfg.Beat; b.By {
				case Client:
					m.cleared()
					if b.After == AfterMessage || b.After == AfterEither {
						m.beatAt = now + m.interval()
					}
				case Server:
					m.awaitServer(now)
				}
			}
		case Failed, Closed, WriteFail:
			if in.Kind == Failed || !d.open {
				out = append(out, Output{Kind: AttemptFailed, Epoch: d.epoch, Cause: in.Cause})
			}
			m.extra.conns = append(m.extra.conns[:i], m.extra.conns[i+1:]...)
			if !final(&m.cfg.Reconnect, in.Code) {
				out = m.double(now, m.events(in.Cause), out)
			}
		}
		return out
	}
	return out
}
