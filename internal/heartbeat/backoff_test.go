package heartbeat

import (
	"math"
	"math/rand/v2"
	"slices"
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

// TestFurtherLaws: the families and jitters that real clients have beside those of the textbooks.
func TestFurtherLaws(t *testing.T) {
	const n, ms = 20_000, time.Millisecond
	limit := 1.95 / math.Sqrt(n)
	for _, tc := range []struct {
		name   string
		r      Reconnect
		k      int
		lo, hi time.Duration
	}{
		{"linear", Reconnect{Kind: Linear, Delay: 5 * sec}, 3, 20 * sec, 20 * sec},
		{"spread", Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Jitter: Spread, Spread: []Band{{1, 1.15}}}, 2, 4 * sec, 4600 * ms},
		{"plus", Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Cap: 2 * sec, Plus: Span{300 * ms, 3 * sec}}, 5, 2300 * ms, 5 * sec},
		{"plus under both caps", Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Cap: 4 * sec, CapOn: CapBoth, Plus: Span{500 * ms, 500 * ms}}, 1, 2500 * ms, 2500 * ms},
		{"both caps", Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Cap: 4 * sec, CapOn: CapBoth, Plus: Span{500 * ms, 500 * ms}}, 2, 4 * sec, 4 * sec},
		{"first", Reconnect{Kind: Fixed, Delay: sec, First: &Span{0, 5 * sec}}, 0, 0, 5 * sec},
		{"the policy counts from the second", Reconnect{Kind: Exponential, Delay: 3 * sec, Factor: 2, First: &Span{0, 5 * sec}}, 2, 6 * sec, 6 * sec},
		{"jitter under the cap", Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Cap: 5 * sec, CapOn: CapJittered, Jitter: Ratio, JitterRatio: 0.5}, 1, sec, 3 * sec},
		{"jitter over the cap", Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Cap: 5 * sec, CapOn: CapJittered, Jitter: Ratio, JitterRatio: 0.5}, 5, 5 * sec, 5 * sec},
		{"once", Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Jitter: Once, Spread: []Band{{1, 5}}}, 1, 2 * sec, 10 * sec},
	} {
		sample := draws(&tc.r, tc.k, n)
		slices.Sort(sample)
		if tc.lo == tc.hi {
			if sample[0] != tc.lo || sample[n-1] != tc.lo {
				t.Errorf("%s: within [%v, %v], want %v", tc.name, sample[0], sample[n-1], tc.lo)
			}
		} else if d := distance(sample, tc.lo, tc.hi); d > limit {
			t.Errorf("%s: within [%v, %v], distance %.4f; want uniform on [%v, %v)", tc.name, sample[0], sample[n-1], d, tc.lo, tc.hi)
		}
		if most := tc.r.Longest(tc.k); most < sample[n-1] || most > tc.hi {
			t.Errorf("%s: longest %v, want at least %v and at most %v", tc.name, most, sample[n-1], tc.hi)
		}
	}
}

// TestBacko2: with r = 0.05 the sign is minus, with 0.15 plus: floor(10 r) even or odd.
func TestBacko2(t *testing.T) {
	r := Reconnect{Kind: Exponential, Delay: sec, Factor: 2, Jitter: Backo2, JitterRatio: 0.5}
	for u, want := range map[float64]time.Duration{0.0625: 968750 * time.Microsecond, 0.125: 1062500 * time.Microsecond, 0.25: 875 * time.Millisecond} {
		if d := r.Next(0, 0, func() float64 { return u }); d != want {
			t.Errorf("r = %v: %v, want %v", u, d, want)
		}
	}
}

// TestOnceIsForLife: a client keeps its own factor through resets of the back-off, and others have others.
func TestOnceIsForLife(t *testing.T) {
	c := heartcheck()
	c.Reconnect = Reconnect{Kind: Fixed, Delay: sec, Jitter: Once, Spread: []Band{{1, 5}}, Lock: true}
	seen := map[time.Duration]bool{}
	for client := range uint64(100) {
		m := New(c, *rand.NewPCG(3, client))
		m.Step(0, Input{Kind: Start}, nil)
		var own time.Duration
		for now := time.Duration(0); m.Epoch() < 6; now = m.Deadline() {
			m.Step(now, Input{Kind: Deadline}, nil)
			m.Step(now, Input{Kind: Connected, Epoch: m.Epoch()}, nil)
			m.Step(now, Input{Kind: Closed, Epoch: m.Epoch(), Cause: Reset}, nil)
			switch d := m.Deadline() - now; {
			case own == 0:
				own = d
			case d != own:
				t.Fatalf("client %d waits %v and then %v", client, own, d)
			}
		}
		seen[own] = true
	}
	if len(seen) < 99 {
		t.Errorf("100 clients share %d delays", len(seen))
	}
}

// TestScatter against what can be known: none, full over a second, and the chain of decorrelated jitter.
func TestScatter(t *testing.T) {
	bin := 100 * time.Millisecond
	fixed := Reconnect{Kind: Fixed, Delay: 4 * sec, MaxAttempts: 3}
	if s, ok := fixed.Scatter(3, 1000, bin, 1); !ok || s.Mean != 4*sec || s.Peak != 1 {
		t.Errorf("fixed: %+v, %v", s, ok)
	}
	if s, ok := fixed.Scatter(4, 1000, bin, 1); ok {
		t.Errorf("an attempt that is never made: %+v", s)
	}
	full := Reconnect{Kind: Fixed, Delay: sec, Jitter: Full}
	if s, _ := full.Scatter(1, 100_000, bin, 1); (s.Mean-sec/2).Abs() > 5*time.Millisecond || math.Abs(s.Peak-0.1) > 0.005 {
		t.Errorf("full: %+v, want 500 ms and 0.1", s)
	}
	chain := Reconnect{Kind: Fixed, Delay: sec, Cap: 1000 * sec, Jitter: Decorrelated}
	// The mean is m' = (1 + 3m)/2 from m = 1: 2, 3.5, 5.75.
	if s, _ := chain.Scatter(3, 100_000, bin, 1); (s.Mean - 5750*time.Millisecond).Abs() > 50*time.Millisecond {
		t.Errorf("decorrelated: %v, want 5.75 s", s.Mean)
	}
}
