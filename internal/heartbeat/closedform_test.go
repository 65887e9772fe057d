package heartbeat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const never = time.Duration(-1)

// detect lets a client live with a healthy peer, a packet taking up to reach it and down to come back, until the path
// dies at death; then it waits for the client to notice, and says how long that took. What is in flight as the path
// dies is lost; what arrives at that very instant has arrived. A server beats for the first time beat0 after the open.
func detect(t testing.TB, cfg *Config, rng *rand.PCG, up, down, beat0, death time.Duration) time.Duration {
	m := New(cfg, *rng)
	m.Step(0, Input{Kind: Start}, nil)
	var inbox []time.Duration // arrivals of replies, in order
	var out []Output
	in := Input{Kind: Connected, Epoch: 1}
	reply := Input{Kind: Received, Frame: cfg.Beat.Frame, Epoch: 1}
	if reply.Frame == Ping && cfg.Beat.By == Client {
		reply.Frame = Pong
	}
	if cfg.Beat.By != Client {
		inbox = append(inbox, beat0+down)
	}
	for now := time.Duration(0); ; {
		out = m.Step(now, in, out[:0])
		for _, o := range out {
			switch {
			case o.Kind == Send && o.Beat && cfg.Beat.By == Client && now+up+down <= death:
				inbox = append(inbox, now+up+down)
			case o.Kind == Dead:
				if now < death {
					t.Fatalf("declared dead at %v, a healthy peer %v before its death", now, death-now)
				}
				return now - death
			}
		}
		switch d := m.Deadline(); {
		case len(inbox) > 0 && inbox[0] <= min(death, d):
			now, in = inbox[0], reply
			inbox = inbox[1:]
			if cfg.Beat.By != Client {
				inbox = append(inbox, now+cfg.Beat.Interval)
			}
		case d < None:
			now, in = d, Input{Kind: Deadline}
		default:
			return never
		}
	}
}

// distance is the Kolmogorov-Smirnov distance of the sample, which it sorts, to the uniform distribution on (lo, hi].
func distance(sample []time.Duration, lo, hi time.Duration) float64 {
	slices.Sort(sample)
	n, d := float64(len(sample)), 0.0
	for i, x := range sample {
		f := min(max(float64(x-lo)/float64(hi-lo), 0), 1)
		d = max(d, f-float64(i)/n, float64(i+1)/n-f)
	}
	return d
}

// TestDetectionOfKnownClients kills the path of known tunings at random moments of their cycle.
func TestDetectionOfKnownClients(t *testing.T) {
	const ms = time.Millisecond
	r := 40 * ms
	counted := heartcheck()
	counted.Beat.After, counted.Misses, counted.Timeout = AfterEither, 3, 0
	published := heartcheck()
	published.Misses, published.Timeout = 3, 0
	engineIO := &Config{Beat: Beat{By: Server, Interval: 25 * sec}, Timeout: 20 * sec, Misses: 1}
	ticking := heartcheck()
	ticking.Beat.After = AfterBeat
	for _, tc := range []struct {
		name          string
		cfg           *Config
		cycle, lo, hi time.Duration
	}{
		{"heartcheck", heartcheck(), 3*sec + r, 5*sec - r, 8 * sec},
		{"counted", counted, 3*sec + r, 6*sec - r, 9 * sec},
		{"as published", published, 3*sec + r, 0, 0},
		{"fixed tick", ticking, 3 * sec, 5*sec - r, 8*sec - r},
		{"server beats", engineIO, 25 * sec, 20 * sec, 45 * sec},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(5, 5))
			sample := make([]time.Duration, 20_000)
			undetected := 0
			for i := range sample {
				death := 2*tc.cycle + time.Duration(rng.Int64N(int64(tc.cycle)))
				sample[i] = detect(t, tc.cfg, rand.NewPCG(1, uint64(i)), r/2, r/2, tc.cfg.Beat.Interval, death)
				if sample[i] == never {
					undetected++
				}
			}
			if tc.hi == 0 {
				if undetected != len(sample) {
					t.Fatalf("noticed %d of %d, want none", len(sample)-undetected, len(sample))
				}
				return
			}
			// 1.95 / sqrt(n) is exceeded by one honest sample in a thousand.
			if d, limit := distance(sample, tc.lo, tc.hi), 1.95/math.Sqrt(float64(len(sample))); d > limit {
				t.Errorf("distance to uniform on (%v, %v]: %.4f, want below %.4f", tc.lo, tc.hi, d, limit)
			}
			if first, last := sample[0], sample[len(sample)-1]; undetected > 0 || first <= tc.lo || last > tc.hi {
				t.Errorf("within [%v, %v], %d undetected; want all in (%v, %v]", first, last, undetected, tc.lo, tc.hi)
			}
			// The median of n uniform values has a standard deviation of half the width over sqrt(n).
			mid, width := (tc.lo+tc.hi)/2, float64(tc.hi-tc.lo)
			if p50 := sample[len(sample)/2]; math.Abs(float64(p50-mid)) > 4*width/2/math.Sqrt(float64(len(sample))) {
				t.Errorf("p50 %v, want %v", p50, mid)
			}
		})
	}
}

// tuning is a random client with the law that its detection latency must follow.
type tuning struct {
	cfg       *Config
	r         time.Duration
	cycle     time.Duration // the client's behaviour repeats with this period
	lo, hi    time.Duration // the latency is uniform on (lo, hi]
	undefined bool          // never detected
}

func (tu *tuning) String() string {
	b := tu.cfg.Beat
	return fmt.Sprintf("by %d after %d frame %d alive %d: I %v, T %v, m %d, r %v", b.By, b.After, b.Frame, tu.cfg.Liveness, b.Interval,
		tu.cfg.Timeout, tu.cfg.Misses, tu.r)
}

func choose2[T any](rng *rand.Rand, a, b T) T {
	if rng.IntN(2) == 0 {
		return a
	}
	return b
}

// randomTuning draws a tuning whose healthy client never makes a mistake: r < (m-1)I + T.
func randomTuning(rng *rand.Rand) *tuning {
	length := func(from, to time.Duration) time.Duration { return from + time.Duration(rng.Int64N(int64(to-from))) }
	c := &Config{Misses: 1 + rng.IntN(4), Liveness: Liveness(rng.IntN(2))}
	c.Beat = Beat{By: Client, Frame: Frame(rng.IntN(3)), After: After(rng.IntN(4)), Interval: length(sec, 60*sec), AtOpen: rng.IntN(2) == 0}
	if rng.IntN(4) == 0 {
		c.Beat.By = choose2(rng, Server, Both)
	}
	i, m := c.Beat.Interval, time.Duration(c.Misses)
	tu := &tuning{cfg: c}
	tu.r = length(1, i) // but for a fixed tick, whose replies may take longer than the interval
	if c.Beat.By == Client && c.Beat.After == AfterBeat && rng.IntN(2) == 0 {
		tu.r = length(i+1, 3*i)
	}
	c.Timeout = length(max(tu.r-(m-1)*i, 0)+time.Millisecond, 2*tu.r+2*i)
	t := c.Timeout
	switch {
	case c.Beat.By != Client:
		tu.cycle, tu.lo, tu.hi = i, (m-1)*i+t, m*i+t
	case c.Beat.After == AfterBeat:
		r := tu.r
		if c.Liveness == Any { // a reply clears whatever is out, so only the phase of the last one matters
			r %= i
		}
		tu.cycle, tu.lo, tu.hi = i, (m-1)*i+t-r, m*i+t-r
	case c.Beat.After == AfterEither:
		tu.cycle, tu.lo, tu.hi = i+tu.r, (m-1)*i+t-tu.r, m*i+t
	default:
		tu.cycle, tu.lo, tu.hi = i+tu.r, t-tu.r, i+t
		tu.undefined = m > 1
	}
	return tu
}

// TestDetectionLaws holds random tunings to their closed forms. The path dies once in each of n equal parts of the
// cycle, which leaves hardly any sampling error: the latency is piecewise linear in the moment of death, with at most
// two pieces, so the sample is within a few n-ths of the law.
func TestDetectionLaws(t *testing.T) {
	const n = 1000
	rng := rand.New(rand.NewPCG(11, 11))
	kinds := map[string]int{}
	for range 300 {
		tu := randomTuning(rng)
		c := tu.cfg
		kind := fmt.Sprintf("after %d, never %v, several out %v", c.Beat.After, tu.undefined, tu.r > c.Beat.Interval)
		if c.Beat.By != Client {
			kind = fmt.Sprintf("by %d", c.Beat.By)
		}
		kinds[kind]++
		lo, hi, ok := c.Bounds(tu.r)
		if c.Beat.By == Client && ok == tu.undefined {
			t.Fatalf("%v: bounds say detected: %v", tu, ok)
		}
		warm := 2*tu.cycle + 4*(c.Beat.Interval+tu.r)
		sample := make([]time.Duration, n)
		for k := range sample {
			death := warm + time.Duration((float64(k)+rng.Float64())*float64(tu.cycle)/n)
			sample[k] = detect(t, c, rand.NewPCG(1, uint64(k)), tu.r/2, tu.r-tu.r/2, c.Beat.Interval, death)
			switch x := sample[k]; {
			case tu.undefined && x != never:
				t.Fatalf("%v: noticed after %v, want never", tu, x)
			case !tu.undefined && (x <= lo || x > hi):
				t.Fatalf("%v: noticed after %v, want within (%v, %v]", tu, x, lo, hi)
			}
		}
		if tu.undefined {
			continue
		}
		if d := distance(sample, tu.lo, tu.hi); d > 4.0/n {
			t.Fatalf("%v: distance to uniform on (%v, %v]: %.4f", tu, tu.lo, tu.hi, d)
		}
		if p50, mid := sample[n/2], (tu.lo+tu.hi)/2; (p50 - mid).Abs() > 4*(tu.hi-tu.lo)/n {
			t.Fatalf("%v: p50 %v, want %v", tu, p50, mid)
		}
	}
	// Four kinds of after, two of them also never, one also with several beats out, the server and both.
	if len(kinds) != 4+2+1+2 {
		t.Errorf("drew %v, want every kind", kinds)
	}
}

// TestBoundsWithJitter draws every beat's interval anew: no law, but the bounds hold, and are nearly reached.
func TestBoundsWithJitter(t *testing.T) {
	c := &Config{Beat: Beat{By: Client, After: AfterBeat, Interval: 10 * sec, Jitter: 0.3}, Timeout: 4 * sec, Misses: 2}
	r := sec
	lo, hi, _ := c.Bounds(r) // (10 x 0.7 + 4 - 1, 20 x 1.3 + 4]
	if lo != 10*sec || hi != 30*sec {
		t.Fatalf("bounds (%v, %v], want (10s, 30s]", lo, hi)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	least, most := None, time.Duration(0)
	for k := range 20_000 {
		x := detect(t, c, rand.NewPCG(9, uint64(k)), r/2, r/2, 0, 60*sec+time.Duration(rng.Int64N(int64(60*sec))))
		least, most = min(least, x), max(most, x)
	}
	if least <= lo || most > hi || least > lo+sec || most < hi-2*sec {
		t.Errorf("noticed within [%v, %v], want nearly all of (%v, %v]", least, most, lo, hi)
	}
}

// TestFirstSpreads: one outage hits clients that opened at the same moment. With first=1 their phases, and so their
// detections, are uniform; without, all notice at once.
func TestFirstSpreads(t *testing.T) {
	c := &Config{Beat: Beat{By: Client, After: AfterBeat, Interval: 40 * sec, First: 1}, Liveness: Reply, Timeout: 40 * sec, Misses: 1}
	sample := make([]time.Duration, 20_000)
	for k := range sample {
		sample[k] = detect(t, c, rand.NewPCG(7, uint64(k)), sec/2, sec/2, 0, 300*sec)
	}
	if d := distance(sample, 39*sec, 79*sec); d > 1.95/math.Sqrt(float64(len(sample))) {
		t.Errorf("distance to uniform on (39 s, 79 s]: %.4f", d)
	}
	c.Beat.First = 0
	for k := range 100 {
		// Beats at 40, 80 ... 280, answered; 320 + 40 - 300.
		if x := detect(t, c, rand.NewPCG(7, uint64(k)), sec/2, sec/2, 0, 300*sec); x != 60*sec {
			t.Fatalf("noticed after %v, want 60s", x)
		}
	}
}
