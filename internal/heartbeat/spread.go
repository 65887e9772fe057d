package heartbeat

import (
	"math/rand/v2"
	"time"
)

// Scatter says how the delays of many clients before the same attempt lie: by how much that attempt spreads them.
type Scatter struct {
	Mean time.Duration
	// Peak is the largest share of the clients whose delays fall into one bin of the given width, in (0, 1]: 1 is no
	// spreading at all.
	Peak float64
}

// Scatter draws the delay before attempt n (1 for the first) for as many clients as samples says, each with its own
// history, and sorts them into bins. ok is false if the policy gives up before that attempt. The draws follow from seed.
func (r *Reconnect) Scatter(n, samples int, bin time.Duration, seed uint64) (s Scatter, ok bool) {
	if r.Kind == Never || n < 1 || samples < 1 || bin <= 0 || r.MaxAttempts > 0 && n > r.MaxAttempts {
		return Scatter{}, false
	}
	bins := map[time.Duration]int{}
	sum, most := 0.0, 0
	for k := range samples {
		u := rand.New(rand.NewPCG(seed, uint64(k))).Float64
		var prev, d time.Duration
		switch r.Jitter {
		case Once:
			prev = r.Own(u)
			d = r.Next(n-1, prev, u)
		case Decorrelated:
			for i := range n {
				prev = r.Next(i, prev, u)
			}
			d = prev
		default:
			d = r.Next(n-1, 0, u)
		}
		sum += float64(d)
		bins[d/bin]++
		most = max(most, bins[d/bin])
	}
	return Scatter{scale(time.Nanosecond, sum/float64(samples)), float64(most) / float64(samples)}, true
}
