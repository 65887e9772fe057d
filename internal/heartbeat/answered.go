package heartbeat

import "time"

// Answered takes the machine through its next beats as if each were sent as it was due and answered rtt later by the
// reply that Beat.Match recognises: n beats, the first due at first and then one every period, which are all those whose
// reply comes before until. The machine is then exactly as Step would have left it, without a call for each of them; a
// driver in virtual time uses it where nothing can disturb a connection until then. Before each reply the machine is
// Suspect, after it Open.
//
// It is n == 0, and nothing happens, where that is not certain: the machine is not open or has a beat out, beats are not
// the client's or have jitter, a reply takes as long as the client's patience or interval, or there is no beat before
// until.
func (m *Machine) Answered(rtt, until time.Duration) (first, period time.Duration, n int) {
	b := &m.cfg.Beat
	if m.state != Open || m.missed > 0 || len(m.pending) > 0 || m.extra != nil || m.asleep || m.deadAt != None ||
		m.stateAt != None || b.By != Client || b.Jitter != 0 || rtt < 0 {
		return 0, 0, 0
	}
	interval := max(b.Interval, 1)
	first, period = m.beatAt, interval
	if b.After != AfterBeat {
		period = after(rtt, interval)
	}
	if first >= until || until-first <= rtt || rtt >= interval || m.cfg.Misses == 1 && rtt >= m.cfg.Timeout {
		return 0, 0, 0
	}
	n = int((until-first-rtt-1)/period) + 1
	last := first + time.Duration(n-1)*period
	m.heard = last + rtt
	m.beatAt = after(last, period)
	if b.Ref {
		m.refs += uint32(n)
	}
	return first, period, n
}
