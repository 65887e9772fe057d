package sim

import (
	"math/rand/v2"
	"time"
)

// Linux retransmits after srtt + max(4 rttvar, 200 ms) (TCP_RTO_MIN), which a steady path keeps at a round trip and 200 ms,
// then after twice as long each time up to 120 s (TCP_RTO_MAX).
const (
	rtoMin = 200 * time.Millisecond
	rtoMax = 120 * time.Second
)

// losses decides about one message after the other of one direction.
type losses struct {
	enter, stay float64 // probability of a loss after a message that arrived, and after one that was lost
}

// newLosses has the given rate; burst > 1 is the mean number of losses in a row (E. N. Gilbert, "Capacity of a burst-noise
// channel", Bell System Technical Journal 39, 1960): a loss is followed by another with probability 1 - 1/burst.
func newLosses(rate, burst float64) losses {
	if burst <= 1 || rate <= 0 || rate >= 1 {
		return losses{rate, rate}
	}
	stay := 1 - 1/burst
	return losses{min(rate*(1-stay)/(1-rate), 1), stay}
}

// lost draws one message's fate; bad is the state of the direction.
func (l *losses) lost(bad *bool, rng *rand.PCG) bool {
	p := l.enter
	if *bad {
		p = l.stay
	}
	*bad = p > 0 && uniform(rng) < p
	return *bad
}

// again is how much later a message arrives that is sent again until it is not lost. It gives up counting after 15
// retransmissions, as Linux does (tcp_retries2), and lets the message through, where TCP would give up the connection.
func (l *losses) again(bad *bool, rng *rand.PCG, rto time.Duration) (late time.Duration) {
	for k := 0; k < 15 && l.lost(bad, rng); k++ {
		late += rto
		rto = min(2*rto, rtoMax)
	}
	return late
}

// acknowledged is the client's acknowledgement of a message: a packet of its own, whose loss goes unnoticed, but which may
// begin a burst that meets the next message. The server's rides on its answer.
func (l *losses) acknowledged(bad *bool, rng *rand.PCG) {
	if l.stay != l.enter {
		l.lost(bad, rng)
	}
}

// network is what the model says of all paths.
type network struct {
	plain   bool // every crossing takes latency, and nothing is lost
	latency time.Duration
	spread  Dist
	rtt     *Dist
	loss    losses
	rto     time.Duration
}

func newNetwork(m *Model) network {
	n := network{latency: m.Latency, spread: m.Spread, rtt: m.RTT, loss: newLosses(m.Loss, m.Burst)}
	if m.RTT == nil && !m.Spread.random() {
		n.latency, n.spread = m.Latency+m.Spread.a, Dist{}
	}
	n.plain = m.RTT == nil && !n.spread.random() && m.Loss == 0
	n.rto = rtoMin + 2*m.Latency + 2*n.spread.a
	if m.RTT != nil {
		n.rto = rtoMin + m.RTT.a
	}
	return n
}

// stream is what a client draws its crossings from, apart from what its machine draws from.
func (w *world) stream(client int) rand.PCG {
	return *rand.NewPCG(w.plan.Seed^0x9e3779b97f4a7c15, uint64(client))
}

// crossing draws how long one crossing takes in direction d.
func (s *shard) crossing(x *conn, d int) time.Duration {
	if s.net.plain {
		return s.net.latency
	}
	c := &s.clients[x.client]
	if s.net.rtt == nil {
		return s.net.latency + s.net.spread.draw(&c.rng)
	}
	if d == up || x.half == 0 {
		x.half = s.net.rtt.draw(&c.rng) / 2
	}
	return x.half
}

// cross is when a frame that leaves one end of the connection now is at the other end; false: never.
func (s *shard) cross(x *conn, d int, w wire) (time.Duration, bool) {
	at := s.now + s.crossing(x, d)
	if s.net.plain {
		return at, true
	}
	c := &s.clients[x.client]
	if s.datagram && w <= wPong {
		return at, !s.net.loss.lost(&c.bad[d], &c.rng)
	}
	at = max(at+s.net.loss.again(&c.bad[d], &c.rng, s.net.rto), x.last[d]) // behind what was sent before it
	x.last[d] = at
	if d == down {
		s.net.loss.acknowledged(&c.bad[up], &c.rng)
	}
	return at, true
}
