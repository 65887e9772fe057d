package packet

import "math/rand/v2"

// loss decides which packets of one direction of one path are lost.
//
// Without a burst length each packet is lost on its own with probability rate. With one it is the Gilbert-Elliott chain
// in the form of Gilbert (Bell System Technical Journal 39, 1960): a good state in which every packet arrives and a bad
// one in which every packet is lost, with probability p of going from good to bad before a packet and r of going back.
// The lengths of bursts are geometric with mean 1/r and the share of bad packets is p/(p+r) (Hasslinger and Hohlfeld, The
// Gilbert-Elliott Model for Packet Loss in Real Time Services on the Internet, MMB 2008), so
//
//	r = 1/burst
//	p = rate / (burst × (1 - rate))
//
// The chain starts in its stationary distribution, so the first packet is lost with probability rate as well. It moves
// with packets, not with time: a retransmission that follows 200 ms later can fall into the same burst.
type loss struct {
	rate  float64
	enter float64 // p
	leave float64 // r; 0: independent loss
	bad   bool
}

// newLoss draws the chain's first state.
func newLoss(rate, burst float64, rng *rand.Rand) loss {
	l := loss{rate: rate}
	if burst > 0 && rate < 1 {
		l.leave = 1 / burst
		l.enter = rate / (burst * (1 - rate))
		l.bad = rng.Float64() < rate
	}
	return l
}

// next tells whether the next packet is lost.
func (l *loss) next(rng *rand.Rand) bool {
	if l.leave == 0 {
		return rng.Float64() < l.rate
	}
	lost := l.bad
	if u := rng.Float64(); l.bad {
		l.bad = u >= l.leave
	} else {
		l.bad = u < l.enter
	}
	return lost
}

// densest is the largest rate that loss in bursts of the mean length can have: beyond it p would exceed 1, for at least
// one packet arrives between two bursts.
func densest(burst float64) float64 { return burst / (burst + 1) }
