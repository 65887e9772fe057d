//go:build !race

// One goroutine that computes: the race detector would find nothing and take minutes.

package sim_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/sim"
)

// nfds is the failure detector NFD-S of W. Chen, S. Toueg and M. K. Aguilera, "On the Quality of Service of Failure
// Detectors", IEEE Transactions on Computers 51(5), 2002, section 3: heartbeat m_i leaves at sigma_i = i eta; at the
// freshness point tau_i = sigma_i + delta the monitor begins to suspect unless it has received some m_j with j >= i, and
// trusts again as soon as one arrives.
//
// No client of the catalogue works like that, and [heartbeat.Machine] does not: it counts its patience from the last
// arrival, and a mistake costs it the connection. A monitor whose mistakes cost nothing and whose clock knows the sender's
// schedule is no client of a WebSocket, so the machine has no words for it. What the theorem can hold to account here is
// the path: losses and delays of the model's datagrams.
type nfds struct {
	lost       float64 // p_L
	mean       float64 // E(D), of an exponential delay, in s
	eta, delta float64 // in s
}

// theory returns E(T_MR) and E(T_M), in seconds, by Theorem 5 with the quantities of Proposition 3:
//
//	k = ceil(delta/eta), p_j(x) = p_L + (1-p_L) Pr(D > delta + x - j eta)
//	q_0 = (1-p_L) Pr(D < delta + eta), u(x) = product of p_j(x) for j = 0..k, p_s = q_0 u(0)
//	E(T_MR) = eta/p_s, E(T_M) = integral of u over [0, eta] / p_s
func (d nfds) theory() (recurrence, duration float64) {
	above := func(x float64) float64 { return math.Exp(-max(x, 0) / d.mean) }
	u := func(x float64) float64 {
		product := 1.0
		for j := range int(math.Ceil(d.delta/d.eta)) + 1 {
			product *= d.lost + (1-d.lost)*above(d.delta+x-float64(j)*d.eta)
		}
		return product
	}
	const steps = 20_000
	var integral float64
	for i := range steps { // the midpoint rule
		integral += u((float64(i)+0.5)/steps*d.eta) * d.eta / steps
	}
	ps := (1 - d.lost) * (1 - above(d.delta+d.eta)) * u(0)
	return d.eta / ps, integral / ps
}

// measured runs the detector on n heartbeats and returns the means over its mistakes.
func (d nfds) measured(t *testing.T, n int) (recurrence, duration float64, mistakes int) {
	eta, delta := time.Duration(d.eta*1e9), time.Duration(d.delta*1e9)
	m := sim.Model{Spread: sim.Exponential(time.Duration(d.mean * 1e9)), Loss: d.lost, Datagram: true}
	arrive, err := sim.Arrivals(m, 11, eta, n)
	if err != nil {
		t.Fatal(err)
	}
	// From the last heartbeat down: fresh is when the first of m_i, m_i+1, ... arrives.
	const never = time.Duration(math.MaxInt64)
	fresh := never
	var suspected time.Duration
	for i := n - 1; i > 0; i-- {
		if arrive[i] >= 0 {
			fresh = min(fresh, arrive[i])
		}
		tau := time.Duration(i)*eta + delta
		if fresh <= tau {
			continue
		}
		suspected += min(fresh, tau+eta) - tau
		before := fresh
		if arrive[i-1] >= 0 {
			before = min(before, arrive[i-1])
		}
		if before < tau { // it trusted until now: an S-transition
			mistakes++
		}
	}
	return d.eta * float64(n) / float64(mistakes), suspected.Seconds() / float64(mistakes), mistakes
}

func TestChenTouegAguilera(t *testing.T) {
	for _, lost := range []float64{0.05, 0.2, 0.4} {
		for _, shift := range []float64{0.3, 1, 1.7} {
			for _, eta := range []float64{0.1, 1} {
				for _, mean := range []float64{0.1, 0.3} {
					d := nfds{lost: lost, mean: mean * eta, eta: eta, delta: shift * eta}
					recurrence, duration := d.theory()
					n := min(int(20_000*recurrence/eta), 2_000_000) // enough for 20,000 mistakes: 1/sqrt is 0.7 %
					gotR, gotM, mistakes := d.measured(t, n)
					name := fmt.Sprintf("p_L %v, delta %v eta, eta %v s, E(D) %v eta (%d mistakes): ", lost, shift, eta, mean, mistakes)
					near(t, name+"E(T_MR)", gotR, recurrence, 0.02)
					near(t, name+"E(T_M)", gotM, duration, 0.02)
				}
			}
		}
	}
}
