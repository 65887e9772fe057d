package chaos

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// bisect inverts a function that rises with u on (0,1).
func bisect(x float64, rising func(u float64) float64) float64 {
	lo, hi := 0.0, 1.0
	for range 25 {
		if mid := (lo + hi) / 2; rising(mid) < x {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

func normalCDF(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// cdfs are the textbook's, of a variable with mean 0 that jitter multiplies.
var cdfs = map[Distribution]func(x float64) float64{
	Uniform: func(x float64) float64 { return min(max((x+1)/2, 0), 1) },
	Normal:  normalCDF,
	Exponential: func(x float64) float64 {
		return 1 - math.Exp(-max(x+1, 0))
	},
	Pareto: func(x float64) float64 { // least value 1, shape 3: mean 3/2, variance 3/4
		return 1 - math.Pow(max(1.5+x*math.Sqrt(3)/2, 1), -3)
	},
	ParetoNormal: func(x float64) float64 {
		return bisect(x, func(u float64) float64 {
			pareto := (math.Pow(1-u, -1.0/3) - 1.5) / (math.Sqrt(3) / 2)
			z := 20*bisect(u, func(v float64) float64 { return normalCDF(20*v - 10) }) - 10
			return z/4 + pareto*3/4
		})
	},
}

// distance is the Kolmogorov-Smirnov distance between sorted draws and a distribution. Draws of 0 are an atom: only its
// upper end counts.
func distance(draws []time.Duration, l Latency, cdf func(float64) float64) float64 {
	n, d := float64(len(draws)), 0.0
	for i, x := range draws {
		f := cdf(float64(x-l.By) / float64(l.Jitter))
		if x > 0 {
			d = max(d, f-float64(i)/n)
		}
		if i+1 == len(draws) || draws[i+1] != x {
			d = max(d, float64(i+1)/n-f)
		}
	}
	return d
}

// At 2,000 draws a true null exceeds 1.95/√n = 0.044 once in a thousand seeds; this seed does not, and each distribution is
// farther than that from every other.
func TestLatencyFollowsItsDistribution(t *testing.T) {
	const n = 2000
	bound := 1.95 / math.Sqrt(n)
	for k, d := range Distributions {
		for _, l := range []Latency{{100 * time.Millisecond, 20 * time.Millisecond, d}, {100 * time.Millisecond, 100 * time.Millisecond, d}} {
			rng := rand.New(rand.NewPCG(1, uint64(k)))
			draws := make([]time.Duration, n)
			for i := range draws {
				if draws[i] = l.Draw(rng); draws[i] < 0 {
					t.Fatalf("%s: a latency of %s", d, draws[i])
				}
			}
			slices.Sort(draws)
			for _, other := range Distributions {
				got := distance(draws, l, cdfs[other])
				if (got < bound) != (other == d) {
					t.Errorf("%d draws of %v are %.3f from %s, bound %.3f", n, l, got, other, bound)
				}
			}
		}
	}
}

func TestLatencyMoments(t *testing.T) {
	const by, jitter, n = 100.0, 30.0, 1_000_000
	for _, tt := range []struct {
		d        Distribution
		sd       float64 // in units of jitter
		least    float64 // likewise, around by
		quantile float64 // of 99 %
	}{
		{"", 1 / math.Sqrt(3), -1, 0.98},
		{Uniform, 1 / math.Sqrt(3), -1, 0.98},
		{Normal, 1, -by / jitter, 2.326},
		{Exponential, 1, -1, 3.605},
		{Pareto, 1, -1 / math.Sqrt(3), 3.627},
		{ParetoNormal, 0.94, -by / jitter, 3.302},
	} {
		l := Latency{by * time.Millisecond, jitter * time.Millisecond, tt.d}
		var sum, squares float64
		least := math.Inf(1)
		for i := range n { // stratified, so that a heavy tail is counted as often as it should be
			x := (float64(l.Quantile((float64(i)+0.5)/n))/1e6 - by) / jitter
			sum, squares, least = sum+x, squares+x*x, min(least, x)
		}
		if mean := sum / n; math.Abs(mean) > 1e-3 {
			t.Errorf("%q: a mean %.4f jitters off by", tt.d, mean)
		}
		if sd := math.Sqrt(squares / n); math.Abs(sd-tt.sd) > 0.01 {
			t.Errorf("%q: a standard deviation of %.4f jitters, want %.4f", tt.d, sd, tt.sd)
		}
		if least < tt.least-1e-6 {
			t.Errorf("%q: %.4f jitters below by, want %.4f at most", tt.d, -least, -tt.least)
		}
		if q := (float64(l.Quantile(0.99))/1e6 - by) / jitter; math.Abs(q-tt.quantile) > 2e-3 {
			t.Errorf("%q: 99 %% below by + %.3f jitters, want %.3f", tt.d, q, tt.quantile)
		}
	}
}

func TestLatencyEdges(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	before := *rng
	if got := (Latency{By: time.Second, Distribution: Pareto}).Draw(rng); got != time.Second || *rng != before {
		t.Errorf("without jitter %s, want 1s and no number drawn", got)
	}
	for _, d := range Distributions {
		for _, by := range []time.Duration{0, 1, time.Second, math.MaxInt64 / 2} {
			for _, u := range []float64{0, math.SmallestNonzeroFloat64, 0.5, 1 - 0x1p-53} {
				if got := (Latency{by, max(by, 1), d}).Quantile(u); got < 0 || got > math.MaxInt64/2+1 {
					t.Errorf("%s by %d at %v: %d", d, by, u, got)
				}
			}
		}
	}
}
