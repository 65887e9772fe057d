package heartbeat

import "time"

// dial opens the next connection. The one before it is over, unless the client has no lock.
func (m *Machine) dial(now time.Duration, out []Output) []Output {
	m.supersede()
	out = m.forget(out)
	m.disarm()
	m.epoch++
	m.state = Connecting
	m.step = 0
	node := 0
	if m.extra != nil {
		m.extra.told = tuned{} // to another connection
		if h := m.extra.hint; h != nil {
			node, m.extra.hint = h.node, nil
		}
		if t := m.extra.traffic; t != nil {
			t.welcome = false
		}
	}
	if t := m.cfg.Opening.Timeout; t > 0 {
		m.stateAt = after(now, t)
	}
	if m.extra != nil && len(m.extra.conns) > 0 {
		out = append(out, Output{Kind: Doubled, Epoch: m.epoch})
	}
	return append(out, Output{Kind: Dial, Epoch: m.epoch, N: node})
}

// opening carries the exchange of the newest connection on until it has to wait.
func (m *Machine) opening(now time.Duration, out []Output) []Output {
	done, out := m.exchange(m.epoch, &m.step, out)
	if !done {
		return out
	}
	return m.open(now, out)
}

// exchange sends from *step on until it comes to a step that awaits something. It reports whether there was none.
func (m *Machine) exchange(epoch uint32, step *uint16, out []Output) (bool, []Output) {
	steps := m.cfg.Opening.Steps
	for ; int(*step) <= len(steps); *step++ {
		s := &steps[*step-1]
		if s.Send != nil {
			out = append(out, Output{Kind: Send, Epoch: epoch, Frame: s.Send.Frame, Payload: s.Send.Payload})
		}
		if s.Await != nil {
			return false, out
		}
	}
	return true, out
}

// awaited reports whether the frame is the one that the opening step waits for.
func (m *Machine) awaited(step uint16, in *Input) bool {
	return step > 0 && in.Frame <= Binary && m.cfg.Opening.Steps[step-1].Await.Match(in.Data)
}

func (m *Machine) open(now time.Duration, out []Output) []Output {
	m.state = Open
	m.stateAt = None
	m.openedAt, m.heard = now, now
	if m.cfg.Reconnect.ResetAfter <= 0 {
		m.resetBackoff()
	}
	out = append(out, Output{Kind: Opened, Epoch: m.epoch})
	out = m.trafficOpened(now, out)
	b := &m.cfg.Beat
	switch b.By {
	case Client, Both:
		m.beatAt = now
		if !b.AtOpen {
			m.beatAt = after(now, scale(m.every(), 1-b.First*m.uniform()))
		}
	}
	if b.By != Nobody {
		m.watch(now)
	}
	if m.beatAt <= now {
		out = m.beat(now, now, out)
	}
	return out
}
