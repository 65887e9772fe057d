package report

import (
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// Attempt implements Sink.
func (r *Recorder) Attempt(now time.Duration, id int, epoch uint32) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	c := r.client(id)
	s := r.second(now)
	s.attempts++
	r.cell(now, c.group).Attempts++
	if c.flags&wasDialled != 0 {
		s.retries++
		r.groups[c.group].Attempts.Add(now, 1)
	}
	c.flags |= wasDialled
	c.attemptAt, c.dialled = now, epoch
	if e := r.exposed.get(c.loss); e != nil && e.backAt < 0 {
		e.attempts++
		o := &r.occs[e.occ]
		o.cell(c.group).attempts.Add(now-o.began, 1)
	}
}

// TCPConnected implements Sink.
func (r *Recorder) TCPConnected(now time.Duration, id int, _ uint32, took time.Duration) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	g := r.cell(now, r.client(id).group)
	if g.TCP == nil {
		g.TCP = &Hist{}
	}
	g.TCP.Record(took)
}

// Output implements Sink.
func (r *Recorder) Output(now time.Duration, id int, o *heartbeat.Output) {
	switch o.Kind {
	case heartbeat.Send:
		if !o.Beat {
			return
		}
	case heartbeat.Opened, heartbeat.Dead, heartbeat.AttemptFailed, heartbeat.Replied, heartbeat.Unanswered,
		heartbeat.GaveUp, heartbeat.Doubled, heartbeat.Published, heartbeat.Acked, heartbeat.Delivered, heartbeat.Dropped:
	default:
		return
	}
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	c := r.client(id)
	switch o.Kind {
	case heartbeat.Send:
		r.segments.flow(now, c.group).sent++
	case heartbeat.Replied:
		r.replied(now, c, o)
	case heartbeat.Unanswered:
		r.cell(now, c.group).Unanswered += int64(o.N)
	case heartbeat.Opened:
		r.opened(now, id, c, o.Epoch)
	case heartbeat.Dead:
		r.dead(now, id, c, o)
	case heartbeat.AttemptFailed:
		r.second(now).failed++
		r.cell(now, c.group).ConnectFailed[o.Cause]++
		if e := r.exposed.get(c.loss); e != nil && e.backAt < 0 {
			r.occs[e.occ].cell(c.group).failed[o.Cause]++
		}
	case heartbeat.GaveUp:
		r.cell(now, c.group).GaveUp[o.Cause]++
	case heartbeat.Doubled:
		r.groups[c.group].Doubled++
	case heartbeat.Published, heartbeat.Acked, heartbeat.Delivered, heartbeat.Dropped:
		r.message(now, id, c, o)
	}
}

func (r *Recorder) replied(now time.Duration, c *client, o *heartbeat.Output) {
	r.segments.roundTrips(r.segments.index(now), c.group, o.Dur, 1)
	s := r.second(now)
	r.coarse(s)[coarseIndex(o.Dur)]++
	s.rttMax = max(s.rttMax, o.Dur)
	if c.head >= 0 {
		r.provedAlive(now, c, o.Due)
	}
}

// coarse is the second's histogram of round trips.
func (r *Recorder) coarse(s *second) *coarseCounts {
	if s.rtt == nil {
		if len(r.pool) == 0 {
			r.pool = make([]coarseCounts, 16)
		}
		s.rtt, r.pool = &r.pool[0], r.pool[1:]
	}
	return s.rtt
}

func (r *Recorder) opened(now time.Duration, id int, c *client, epoch uint32) {
	r.second(now).opens++
	g := &r.groups[c.group]
	took := never
	if c.dialled == epoch && c.attemptAt >= 0 {
		took = now - c.attemptAt
		s := r.cell(now, c.group)
		if s.Connect == nil {
			s.Connect = &Hist{}
		}
		s.Connect.Record(took)
	}
	if c.mistakeAt >= 0 {
		s := r.cell(c.mistakeAt, c.group)
		if s.Mistakes == nil {
			s.Mistakes = &Hist{}
		}
		s.Mistakes.Record(now - c.mistakeAt)
		c.mistakeAt = never
	}
	if e := r.exposed.get(c.loss); e != nil && e.backAt < 0 {
		e.backAt = now
		if took >= 0 {
			cell := r.occs[e.occ].cell(c.group)
			if cell.handshake == nil {
				cell.handshake = &Hist{}
			}
			cell.handshake.Record(took)
		}
	}
	if c.flags&isOpen == 0 {
		g.Open.Add(now, 1)
	}
	r.settledOn(now, c, c.flags&isOpen != 0)
	if c.flags&isOpen == 0 || c.sick > 0 {
		r.segments.healthy(now, c.group, +1)
	}
	c.flags |= isOpen | wasOpen
	c.epoch, c.openedAt, c.sick = epoch, now, 0
}

// dead handles "declared dead".
func (r *Recorder) dead(now time.Duration, id int, c *client, o *heartbeat.Output) {
	r.second(now).deaths++
	g := &r.groups[c.group]
	newest := c.flags&isOpen != 0 && o.Epoch == c.epoch
	if newest {
		g.Open.Add(now, -1)
		if c.sick == 0 {
			r.segments.healthy(now, c.group, -1)
		}
		c.flags &^= isOpen
		c.sick = 0
		if len(r.nodes) > 0 {
			r.nodes[c.node].Open.Add(now, -1)
			r.nodes[c.node].Deaths++
		}
	}
	hit, occ, t0 := r.attribute(now, id, c, o)
	c.lastOcc, c.lastT0 = occ, t0
	if occ >= 0 && c.hits < 2 {
		if c.hits++; c.hits == 1 {
			r.hits.Once++
		} else {
			r.hits.Twice++
		}
	}
	r.explainZombie(now, c)
	switch {
	case hit >= 0: // a detection
		r.live.detections++
		c.loss = hit
	case occ >= 0: // excused by a fault that was in force before this connection opened
		r.occs[occ].cell(c.group).later[o.Cause]++
		if e := r.exposed.get(c.loss); e != nil && int(e.occ) == int(occ) {
			e.backAt = never
		} else {
			c.loss = -1
		}
	default: // a mistake
		r.live.falsePositives++
		s := r.cell(now, c.group)
		s.FalsePositives[o.Cause]++
		if o.Cause == heartbeat.Timeout && r.lagWithin(o.LastHeard, now) >= g.suspect {
			s.Suspect++
		}
		if newest {
			c.mistakeAt = now
		}
		// A connection that did not outlive the client's own detector never really came back.
		if e := r.exposed.get(c.loss); e != nil && e.backAt >= 0 && now-c.openedAt <= g.settle {
			e.backAt = never
		} else if e != nil && e.backAt >= 0 {
			c.loss = -1
		}
	}
}

// State implements Sink.
func (r *Recorder) State(now time.Duration, id int, s heartbeat.State) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	c := r.client(id)
	was := heartbeat.State(c.state)
	if was == s || s >= heartbeat.NumStates {
		return
	}
	c.state = uint8(s)
	r.states[was]--
	r.states[s]++
	sec := r.second(now)
	sec.states[was]--
	sec.states[s]++
	if s == heartbeat.Stopped {
		// The end of the run is not a death: the level of open clients stays, the exposures are censored.
		if c.flags&isOpen != 0 && c.sick == 0 {
			r.segments.healthy(now, c.group, -1)
		}
		c.flags &^= isOpen
		for i := c.head; i >= 0; i = r.exposed.get(i).next {
			if e := r.exposed.get(i); e.closedAt < 0 {
				e.closedAt, e.stopped = now, true
			}
		}
		c.head = -1
	}
}
