package report

import (
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// BeatSink is a Sink that takes many beats of one client in one call.
type BeatSink interface {
	Sink
	// Beats: the client's machine, which was open before, sent n > 0 beats, from due on one every period, and each had its
	// reply after rtt < period. It stands for n times: beat sent, suspect, replied, open. No other event of the client and
	// no begin or end of a fault lies between the first beat and the last reply.
	Beats(client int, due, period, rtt time.Duration, n int)
}

var _ BeatSink = (*Recorder)(nil)

// Beats implements BeatSink.
func (r *Recorder) Beats(id int, due, period, rtt time.Duration, n int) {
	last := due + time.Duration(n-1)*period + rtt
	if !r.take(last) {
		return
	}
	defer r.mu.Unlock()
	c := r.client(id)
	s := &r.segments
	r.second(last) // so that the seconds stay where they are
	bucket := coarseIndex(rtt)
	at := s.index(due)
	for ; n > 0; n, due = n-1, due+period {
		for at+1 < len(s.list) && due >= s.list[at+1].From {
			at++
		}
		back, in := due+rtt, at
		for in+1 < len(s.list) && back >= s.list[in+1].From {
			in++
		}
		s.flows[at][c.group].sent++
		s.roundTrips(in, c.group, rtt, 1)
		sent, replied := r.second(due), r.second(back)
		r.coarse(replied)[bucket]++
		replied.rttMax = max(replied.rttMax, rtt)
		if sent != replied {
			sent.states[heartbeat.Open]--
			sent.states[heartbeat.Suspect]++
			replied.states[heartbeat.Suspect]--
			replied.states[heartbeat.Open]++
		}
		if c.head >= 0 {
			r.provedAlive(back, c, due)
		}
	}
	s.hint = at
}
