package heartbeat

import "time"

// watch begins to look for the peer's death as the connection opens.
func (m *Machine) watch(now time.Duration) {
	if m.checks() {
		// The tick runs since long before this connection.
		m.deadAt = after(now, max(1, scale(m.cfg.Check.draw(m.uniform), m.uniform())))
		return
	}
	if m.cfg.Silence > 0 || m.cfg.Beat.By != Client {
		m.alive(now)
	}
}

// checks tells whether the client looks for silence at ticks of its own.
func (m *Machine) checks() bool { return m.cfg.Silence > 0 && m.cfg.Check.To > 0 }

// nextCheck is called at a check that has found the peer alive.
func (m *Machine) nextCheck(now time.Duration) {
	every := max(1, m.cfg.Check.draw(m.uniform))
	if m.deadAt = after(m.deadAt, every); m.deadAt <= now { // asleep or late: the ticks in between are gone
		m.deadAt = after(now, every)
	}
}

// alive notes a proof of life. Where only replies count, the beats that are still out keep their own deadline.
func (m *Machine) alive(now time.Duration) {
	m.heard = now
	c := m.cfg
	if c.Beat.By == Client {
		m.missed = 0
		if c.Liveness == Reply {
			m.missed = uint32(len(m.pending))
		}
	}
	switch {
	case c.Beat.By == Nobody || m.checks():
	case c.Silence > 0:
		m.deadAt = after(now, c.Silence)
	case c.Misses <= 0:
	case c.Beat.By != Client:
		m.deadAt = after(now, after(times(m.every(), c.Misses), m.patience()))
	default:
		m.deadAt = None
		if c.Liveness == Reply && len(m.pending) >= c.Misses {
			m.deadAt = after(m.pending[c.Misses-1].at, m.patience())
		}
	}
}
