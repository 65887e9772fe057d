package heartbeat

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// draws are n delays before attempt k+1 of the policy, each from a client of its own.
func draws(r *Reconnect, k, n int) []time.Duration {
	u := rand.New(rand.NewPCG(uint64(k), 77)).Float64
	sample := make([]time.Duration, n)
	for i := range sample {
		sample[i] = r.Next(k, 0, u)
	}
	return sample
}

// TestJitterLaws: where each kind of jitter puts a delay that would be 1, 2, 4, 8, 16, 20, 20 ... s without.
func TestJitterLaws(t *testing.T) {
	const n = 20_000
	limit := 1.95 / math.Sqrt(n)
	for k := range 12 {
		d := min(sec<<k, 20*sec)
		r := Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Cap: 20 * sec, JitterRatio: 0.25}
		for _, tc := range []struct {
			name   string
			jitter Jitter
			lo, hi time.Duration
		}{
			{"full", Full, 0, d},
			{"equal", Equal, d / 2, d},
			{"ratio", Ratio, d * 3 / 4, d * 5 / 4},
		} {
			r.Jitter = tc.jitter
			sample := draws(&r, k, n)
			ks := distance(sample, tc.lo, tc.hi)
			if first, last := sample[0], sample[n-1]; ks > limit || first < tc.lo || last > tc.hi {
				t.Errorf("%s, attempt %d: within [%v, %v], distance %.4f; want uniform on [%v, %v)", tc.name, k+1, first, last, ks, tc.lo, tc.hi)
			}
		}
		r.Jitter = NoJitter
		if got := draws(&r, k, 1)[0]; got != d {
			t.Errorf("no jitter, attempt %d: %v, want %v", k+1, got, d)
		}
	}
}

// TestDecorrelated follows chains of delays: uniform on [base, 3 x previous), never over the cap.
func TestDecorrelated(t *testing.T) {
	r := Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Cap: 30 * sec, Jitter: Decorrelated}
	u := rand.New(rand.NewPCG(4, 4)).Float64
	var position []time.Duration // where in [base, 3 x previous) each delay below the cap fell, scaled to [0, 1 s)
	capped := 0
	for range 2000 {
		prev := time.Duration(0)
		for k := range 15 {
			d := r.Next(k, prev, u)
			top := 3 * max(prev, r.Delay)
			if d < r.Delay || d > r.Cap || d >= top {
				t.Fatalf("%v after %v, want within [1s, min(30s, %v))", d, prev, top)
			}
			if top <= r.Cap {
				position = append(position, time.Duration(float64(sec)*float64(d-r.Delay)/float64(top-r.Delay)))
			}
			if d == r.Cap {
				capped++
			}
			prev = d
		}
	}
	if ks := distance(position, 0, sec); ks > 1.95/math.Sqrt(float64(len(position))) {
		t.Errorf("distance to uniform on [base, 3 x previous): %.4f of %d", ks, len(position))
	}
	if len(position) < 5000 || capped < 1000 {
		t.Errorf("%d delays below the cap, %d at it", len(position), capped)
	}
}

// TestPublishedJitter holds full and equal jitter with the defaults 1 s doubling up to 30 s against figures computed
// apart from this code, from the formulas of Brooker's article: the mean, and the largest share of clients whose delay
// falls into one 100 ms bin, at attempts 1, 4 and 8, from 10^5 samples each.
func TestPublishedJitter(t *testing.T) {
	const n = 100_000
	for _, tc := range []struct {
		name    string
		jitter  Jitter
		attempt int
		mean    float64 // ms
		peak    float64 // share per 100 ms
	}{
		{"full", Full, 1, 500, 0.102},
		{"full", Full, 4, 3989, 0.014},
		{"full", Full, 8, 15006, 0.004},
		{"equal", Equal, 1, 751, 0.202},
		{"equal", Equal, 4, 5995, 0.026},
		{"equal", Equal, 8, 22492, 0.007},
	} {
		r := Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Cap: 30 * sec, Jitter: tc.jitter}
		width := float64(min(sec<<(tc.attempt-1), 30*sec)) / 1e6
		if tc.jitter == Equal {
			width /= 2
		}
		bins := map[time.Duration]float64{}
		sum := 0.0
		for _, d := range draws(&r, tc.attempt-1, n) {
			sum += float64(d) / 1e6
			bins[d/(100*time.Millisecond)]++
		}
		peak := 0.0
		for _, b := range bins {
			peak = max(peak, b/n)
		}
		// Both means are samples: a uniform value's standard deviation is width/sqrt(12); four of them of the difference.
		if tol := 4 * width / math.Sqrt(12) * math.Sqrt(2.0/n); math.Abs(sum/n-tc.mean) > tol+0.5 {
			t.Errorf("%s, attempt %d: mean %.1f ms, want %.0f +- %.1f", tc.name, tc.attempt, sum/n, tc.mean, tol)
		}
		// So are both peaks, which are rounded to 0.001.
		if tol := 4*math.Sqrt(2*tc.peak/n) + 0.0005; math.Abs(peak-tc.peak) > tol {
			t.Errorf("%s, attempt %d: peak share %.4f, want %.3f +- %.4f", tc.name, tc.attempt, peak, tc.peak, tol)
		}
	}
}

// TestStorm: n clients lose their connection at one instant. With a fixed delay all come back at one instant; with full
// jitter over 4 s a quarter of them each second.
func TestStorm(t *testing.T) {
	const n = 3000
	lose := func(jitter Jitter) []time.Duration {
		cfg := heartcheck()
		cfg.Reconnect.Jitter = jitter
		back := make([]time.Duration, n)
		for i := range back {
			m := New(cfg, *rand.NewPCG(42, uint64(i)))
			m.Step(0, Input{Kind: Start}, nil)
			m.Step(sec, Input{Kind: Connected, Epoch: 1}, nil)
			m.Step(2*sec, Input{Kind: Closed, Epoch: 1, Cause: Reset}, nil)
			back[i] = m.Deadline() - 2*sec
			if out := m.Step(m.Deadline(), Input{Kind: Deadline}, nil); len(out) != 1 || out[0].Kind != Dial {
				t.Fatalf("client %d: %v", i, out)
			}
		}
		return back
	}
	for i, d := range lose(NoJitter) {
		if d != 4*sec {
			t.Fatalf("client %d is back after %v, want 4s", i, d)
		}
	}
	back := lose(Full)
	var perSecond [4]int
	for _, d := range back {
		perSecond[d/sec]++
	}
	for s, k := range perSecond { // binomial: 750 +- 4 x sqrt(3000 x 1/4 x 3/4)
		if k < 655 || k > 845 {
			t.Errorf("%d of %d are back in second %d, want about 750", k, n, s)
		}
	}
	if ks := distance(back, 0, 4*sec); ks > 1.95/math.Sqrt(n) {
		t.Errorf("distance to uniform on [0, 4 s): %.4f", ks)
	}
}

// TestFixedKeepsSpread: clients that noticed over (5 - r, 8] s dial over the same window, 4 s later.
func TestFixedKeepsSpread(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	back := make([]time.Duration, 5000)
	for i := range back {
		m := New(heartcheck(), *rand.NewPCG(1, uint64(i)))
		open := time.Duration(rng.Int64N(int64(3 * sec))) // the path dies at 3 s, somewhere before the first beat
		m.Step(0, Input{Kind: Start}, nil)
		m.Step(open, Input{Kind: Connected, Epoch: 1}, nil)
		for dialed := false; !dialed; {
			now := m.Deadline()
			for _, o := range m.Step(now, Input{Kind: Deadline}, nil) {
				dialed = dialed || o.Kind == Dial
			}
			back[i] = now - 3*sec
		}
	}
	if ks := distance(back, (5+4)*sec, (8+4)*sec); ks > 1.95/math.Sqrt(float64(len(back))) {
		t.Errorf("distance to uniform on (9 s, 12 s]: %.4f", ks)
	}
}
