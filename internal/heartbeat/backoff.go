package heartbeat

import (
	"math"
	"time"
)

// Next returns the delay before the attempt that follows n failed ones (n = 0 for the first), drawing from u, which
// returns uniform numbers in [0, 1). prev is what the policy remembers of the client, 0 at the start: the previous delay
// for decorrelated jitter, the client's own factor of Delay for jitter that is drawn once (see [Reconnect.Own]).
// AfterLoss and AfterTimeout are not for Next to know, nor are the attempts that they rule.
func (r *Reconnect) Next(n int, prev time.Duration, u func() float64) time.Duration {
	if r.First != nil {
		if n == 0 {
			return r.First.draw(u)
		}
		n--
	}
	var d float64
	switch r.Kind {
	case Fixed:
		d = float64(r.Delay)
	case List:
		if len(r.Delays) == 0 {
			return 0
		}
		d = float64(r.Delays[min(n, len(r.Delays)-1)])
	case Exponential:
		d = float64(r.Delay) * math.Pow(max(r.Factor, 1), float64(n))
	case Linear:
		d = float64(r.Delay) * (float64(n) + 1)
	}
	limit := float64(None / 4) // leaves room for the jitter
	if r.Cap > 0 && r.CapOn != CapJittered {
		limit = min(limit, float64(r.Cap))
	}
	d = min(d, limit)
	switch r.Jitter {
	case Full:
		d *= u()
	case Equal:
		d = d/2 + d/2*u()
	case Decorrelated:
		base := float64(r.Delay)
		if r.Kind == List {
			base = float64(r.Delays[0])
		}
		d = min(limit, base+(3*max(float64(prev), base)-base)*u())
	case Ratio:
		d *= 1 + r.JitterRatio*(2*u()-1)
	case Spread:
		for _, b := range r.Spread {
			d *= b.draw(u)
		}
	case Once:
		if prev == 0 {
			prev = r.Own(u)
		}
		d *= float64(prev) / float64(time.Second)
	case Backo2: // contrib/backo2.js: one random number says both how far and to which side
		x := u()
		if deviation := x * r.JitterRatio * d; int(x*10)&1 == 0 {
			d -= deviation
		} else {
			d += deviation
		}
	}
	if r.Plus.To > 0 {
		d += float64(r.Plus.draw(u))
	}
	if r.Cap > 0 && r.CapOn != CapDelay {
		d = min(d, float64(r.Cap))
	}
	return min(scale(time.Nanosecond, d), None/2)
}

// Own draws the factor that a client with jitter once keeps for life, as a Duration in which a second is 1.
func (r *Reconnect) Own(u func() float64) time.Duration {
	f := 1.0
	if len(r.Spread) > 0 {
		f = r.Spread[0].draw(u)
	}
	return max(1, scale(time.Second, f))
}

// Longest is the longest delay that Next can return after n failed attempts.
func (r *Reconnect) Longest(n int) time.Duration {
	most := *r
	switch r.Jitter {
	case Full, Equal: // the supremum
		most.Jitter = NoJitter
	case Decorrelated:
		most.Jitter, most.Kind, most.Factor = NoJitter, Exponential, 3
		most.Delay = times(r.Delay, 3)
		if r.Kind == List && len(r.Delays) > 0 {
			most.Delay = times(r.Delays[0], 3)
		}
	case Backo2:
		most.Jitter = Ratio
	}
	if r.Cap == 0 && r.Jitter == Decorrelated {
		return None
	}
	return most.Next(n, 0, func() float64 { return 1 })
}

func (s Span) draw(u func() float64) time.Duration {
	from := min(max(s.From, 0), None/4)
	if s.To <= from {
		return from
	}
	return from + scale(min(s.To, None/4)-from, u())
}

func (b Band) draw(u func() float64) float64 {
	if b.To <= b.From {
		return b.From
	}
	return b.From + (b.To-b.From)*u()
}
