package heartbeat

import (
	"math"
	"testing"
	"time"
)

// TestClock: sums and products that leave the range of a Duration end at None, never in the past.
func TestClock(t *testing.T) {
	for _, tc := range []struct {
		name      string
		got, want time.Duration
	}{
		{"0 + 0", after(0, 0), 0},
		{"1 s + 2 s", after(sec, 2*sec), 3 * sec},
		{"None + 0", after(None, 0), None},
		{"None - 1 + 1", after(None-1, 1), None},
		{"None - 1 + 2", after(None-1, 2), None},
		{"1 + None", after(1, None), None},
		{"0 x 5", times(0, 5), 0},
		{"5 x 0", times(5, 0), 0},
		{"-5 x 5", times(-5, 5), 0},
		{"3 s x 3", times(3*sec, 3), 9 * sec},
		{"None/2 x 2", times(None/2, 2), None - 1},
		{"(None/2 + 1) x 2", times(None/2+1, 2), None},
		{"None x max", times(None, math.MaxInt), None},
		{"None scaled by 1", scale(None, 1), None},
		{"None - 1 scaled by 1", scale(None-1, 1), None - 1}, // exact, although no float64 holds it
		{"None scaled by 1.9", scale(None, 1.9), None},
		{"None scaled by 0.5", scale(None, 0.5), 1 << 62},
		{"3 s scaled by 1.5", scale(3*sec, 1.5), 4500 * time.Millisecond},
		{"3 s scaled by 0", scale(3*sec, 0), 0},
		{"3 s scaled by -1", scale(3*sec, -1), 0},
		{"3 s scaled by infinity", scale(3*sec, math.Inf(1)), None},
		{"3 s scaled by no number", scale(3*sec, math.NaN()), 0},
		{"-3 s scaled by 1", scale(-3*sec, 1), 0},
	} {
		if tc.got != tc.want {
			t.Errorf("%s = %v, want %v", tc.name, tc.got, tc.want)
		}
	}
}

// TestNextNeverNegative: whatever the policy says, a delay is a time that can be added to any other of a run.
func TestNextNeverNegative(t *testing.T) {
	for _, delay := range []time.Duration{math.MinInt64, -1, 0, 1, sec, None / 2, None} {
		for _, factor := range []float64{math.NaN(), math.Inf(-1), -1, 0, 1, 2, 1e300, math.Inf(1)} {
			for jitter := range Ratio + 1 {
				for kind := range Exponential + 1 {
					r := Reconnect{Kind: kind, Delay: delay, Delays: []time.Duration{delay}, Factor: factor, Jitter: jitter, JitterRatio: 1}
					for _, n := range []int{0, 1, 64, math.MaxInt32} {
						for _, u := range []float64{0, 0.5, 1 - 1.0/(1<<53)} {
							d := r.Next(n, delay, func() float64 { return u })
							if d < 0 || d > None/2+1 {
								t.Fatalf("%+v: attempt %d after %v", r, n, d)
							}
						}
					}
				}
			}
		}
	}
}
