package heartbeat

import (
	"math"
	"time"
)

// None is the deadline of a machine that waits for nothing but input.
const None time.Duration = math.MaxInt64

// after is t + d, or None where that is beyond the range of a Duration. t and d are not negative.
func after(t, d time.Duration) time.Duration {
	if d > None-t {
		return None
	}
	return t + d
}

// scale is d x f, held within [0, None].
func scale(d time.Duration, f float64) time.Duration {
	if f == 1 {
		return max(d, 0)
	}
	switch p := float64(d) * f; {
	case p >= float64(None):
		return None
	case p > 0:
		return time.Duration(p)
	}
	return 0 // NaN comes here as well
}

// times is d x n, held within [0, None].
func times(d time.Duration, n int) time.Duration {
	switch {
	case d <= 0 || n <= 0:
		return 0
	case d > None/time.Duration(n):
		return None
	}
	return d * time.Duration(n)
}
