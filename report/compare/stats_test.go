package compare

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/report"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9+1e-6*math.Abs(b) }

// choose in whole numbers.
func choose(n, k int) float64 {
	f, _ := new(big.Float).SetInt(new(big.Int).Binomial(int64(n), int64(k))).Float64()
	return f
}

// TestFisher: against the sum over all tables, for every table of up to 12 and 9.
func TestFisher(t *testing.T) {
	for _, n := range [][2]int{{1, 1}, {3, 5}, {12, 9}, {9, 9}} {
		for k1 := range n[0] + 1 {
			for k2 := range n[1] + 1 {
				lower, upper := 0.0, 0.0
				for i := max(0, k1+k2-n[1]); i <= min(n[0], k1+k2); i++ {
					p := choose(n[0], i) * choose(n[1], k1+k2-i) / choose(n[0]+n[1], k1+k2)
					if i <= k1 {
						lower += p
					}
					if i >= k1 {
						upper += p
					}
				}
				if got, want := fisher(k1, n[0], k2, n[1]), min(1, 2*min(lower, upper)); !near(got, want) {
					t.Errorf("fisher(%d of %d, %d of %d) = %g, want %g", k1, n[0], k2, n[1], got, want)
				}
			}
		}
	}
}

func TestCounts(t *testing.T) {
	for _, x := range []struct {
		a, b   float64
		m, n   int
		want   float64
		reason string
	}{
		{0, 0, 1, 1, 1, "nothing happened"},
		{0, 5, 1, 1, 2.0 / 32, "all five heads: 1/32, and both ways"},
		{5, 0, 1, 1, 2.0 / 32, "the other way round"},
		{3, 3, 1, 1, 1, "the same"},
		{0, 4, 3, 1, 2 * math.Pow(0.25, 4), "three runs against one: a quarter each"},
		{12, 4, 3, 1, 1, "as many a run"},
	} {
		if got := counts(x.a, x.b, x.m, x.n).p; !near(got, x.want) {
			t.Errorf("counts(%v, %v in %d, %d runs) = %v, want %v: %s", x.a, x.b, x.m, x.n, got, x.want, x.reason)
		}
	}
	// Where the exact distribution gives way to the normal one, both say the same.
	exact, approx := counts(24_600, 25_300, 1, 1).p, counts(24_700, 25_400, 1, 1).p
	if math.Abs(exact-approx) > 1e-4 {
		t.Errorf("p jumps from %v to %v at the end of the exact test", exact, approx)
	}
	if p := counts(1e7, 1.2e7, 1, 1).p; p != 0 && !(p > 0 && p < 1e-9) {
		t.Errorf("ten million and twelve million: p = %v", p)
	}
}

// TestBetweenRuns: textbook values. Means 10 and 13, variances 1, three a side: t = 3/sqrt(2/3) = 3.674 with 4 degrees of
// freedom, p = 0.0213, and the 95 % interval is 3 give or take 2.776 x 0.8165.
func TestBetweenRuns(t *testing.T) {
	f := betweenRuns([]float64{9, 10, 11}, []float64{12, 13, 14}, 0, 0, 0.05)
	if f.test != Student || math.Abs(f.p-0.02131) > 1e-4 || math.Abs(f.lo-(3-2.2667)) > 1e-3 || math.Abs(f.hi-(3+2.2667)) > 1e-3 {
		t.Errorf("3 against 3: %+v", f)
	}
	// One run against five: s = 1.5811, t = 4/(1.5811 sqrt(1+1/5)) = 2.309 with 4 degrees of freedom, p = 0.0821.
	f = betweenRuns([]float64{8, 9, 10, 11, 12}, []float64{14}, 0, 0, 0.05)
	if f.test != Student || math.Abs(f.p-0.0821) > 2e-4 {
		t.Errorf("5 against 1: %+v", f)
	}
	f = betweenRuns([]float64{9, 10, 11}, []float64{12, 13, 14, 13}, 0, 0, 0.05)
	if f.test != Welch || !(f.p > 0.005 && f.p < 0.05) {
		t.Errorf("3 against 4: %+v", f)
	}
	// Equal runs are only as precise as their figure: here to 1, which is no evidence of a difference of 1.
	if f = betweenRuns([]float64{5, 5, 5}, []float64{6, 6, 6}, 1, 1, 0.05); f.p < 0.2 {
		t.Errorf("with a floor of 1: %+v", f)
	}
	if f = betweenRuns([]float64{5}, []float64{6}, 1, 1, 0.05); f.test != Untested {
		t.Errorf("1 against 1: %+v", f)
	}
}

func uniform(rng *rand.Rand, n int, lo, hi float64) sample {
	h := &report.Hist{}
	for range n {
		h.Record(time.Duration((lo + rng.Float64()*(hi-lo)) * float64(time.Second)))
	}
	return sample{h: h, most: int64(n)}
}

// TestQuantiles: equal distributions are called different as often as alpha allows, at every percentile; shifted ones are
// caught; and n is the number of clients, however many values they gave.
func TestQuantiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, q := range []float64{0.5, 0.9, 0.99} {
		const trials = 400
		called, outside := 0, 0
		for range trials {
			f := quantiles(uniform(rng, 300, 5, 8), uniform(rng, 300, 5, 8), q, 0.05)
			if f.p < 0.05 {
				called++
			}
			if f.lo > 0 || f.hi < 0 {
				outside++
			}
		}
		// 5 % of 400 is 20, and 33 is three standard deviations more.
		if called > 33 || outside > 33 {
			t.Errorf("p%g: %d of %d pairs called different, %d intervals without 0", q*100, called, trials, outside)
		}
		f := quantiles(uniform(rng, 300, 5, 8), uniform(rng, 300, 5.5, 8.5), q, 0.05)
		if f.p > 0.05 || f.hi < 0.3 {
			t.Errorf("p%g shifted by 0.5 s: %+v", q*100, f)
		}
	}
	many := uniform(rng, 30_000, 5, 8)
	few := many
	few.most = 30
	other := uniform(rng, 30_000, 5.1, 8.1)
	otherFew := other
	otherFew.most = 30
	if p := quantiles(many, other, 0.5, 0.05).p; p > 1e-6 {
		t.Errorf("30,000 clients, 0.1 s apart: p = %v", p)
	}
	if p := quantiles(few, otherFew, 0.5, 0.05).p; p < 0.2 {
		t.Errorf("30 clients with 1,000 values each, 0.1 s apart: p = %v", p)
	}
	if f := quantiles(uniform(rng, 20, 5, 8), uniform(rng, 20, 9, 12), 0.99, 0.05); f.least < 0.05 {
		t.Errorf("the 99th percentile of 20 values can never be evidence, and least is %v", f.least)
	}
	// All of one value against all of another is the clearest difference there is.
	a, b := &report.Hist{}, &report.Hist{}
	a.RecordN(4*time.Second, 100)
	b.RecordN(5*time.Second, 100)
	for _, q := range []float64{0.5, 0.99} {
		if f := quantiles(sample{h: a, most: 100}, sample{h: b, most: 100}, q, 0.05); f.p > 1e-6 {
			t.Errorf("4 s against 5 s at %v: %+v", q, f)
		}
	}
	// Half never: the median of the one is 4 s, that of the other never came.
	if f := quantiles(sample{h: a, most: 1000}, sample{h: a, missing: 300, most: 1000}, 0.5, 0.05); f.p > 1e-6 {
		t.Errorf("with 300 that never came: %+v", f)
	}
}

// TestAdjust against the definition: the adjusted p is the least m p(j)/j over all j from its rank up.
func TestAdjust(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 200 {
		p := make([]float64, rng.IntN(20))
		for i := range p {
			p[i] = math.Round(rng.Float64()*20) / 20
		}
		sorted := slices.Sorted(slices.Values(p))
		for i, got := range adjust(p) {
			want := 1.0
			for j := range sorted {
				if sorted[j] >= p[i] {
					want = min(want, float64(len(p))*sorted[j]/float64(j+1))
				}
			}
			if !near(got, want) {
				t.Fatalf("adjust(%v)[%d] = %v, want %v", p, i, got, want)
			}
		}
	}
}

func TestHolm(t *testing.T) {
	var gates []Outcome
	for _, p := range []float64{0.04, 0.01, 0.03} {
		gates = append(gates, Outcome{Row: &Row{P: &p}})
	}
	gates = append(gates, Outcome{})
	holm(gates)
	for i, want := range []float64{0.06, 0.03, 0.06} { // 3 x 0.01, 2 x 0.03, and no less than that
		if got := *gates[i].Adjusted; !near(got, want) {
			t.Errorf("gate %d: %v, want %v", i, got, want)
		}
	}
	if gates[3].Adjusted != nil {
		t.Error("a gate without a test has a p value")
	}
}
