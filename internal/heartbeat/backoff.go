package heartbeat

import (
	"math"
	"time"
)

// Next returns the delay before the attempt that follows n failed ones (n = 0 for the first), drawing from u, which
// returns uniform numbers in [0, 1). prev is the previous delay, 0 at the start; only decorrelated jitter uses it.
// The cap is applied before the jitter, so that clients at the cap stay spread.
func (r *Reconnect) Next(n int, prev time.Duration, u func() float64) time.Duration {
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
	}
	limit := float64(None / 4) // leaves room for the jitter
	if r.Cap > 0 {
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
	}
	return scale(time.Nanosecond, d)
}
