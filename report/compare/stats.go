package compare

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/aclements/go-moremath/stats"

	"github.com/flatline-dev/flatline/report"
)

// finding is what a test says of two sides.
type finding struct {
	test   Test
	p      float64
	lo, hi float64 // confidence interval of new - old; NaN: none
	least  float64 // the smallest p that samples of this size could have given
}

var untested = finding{test: Untested, p: math.NaN(), lo: math.NaN(), hi: math.NaN()}

// moments is a sample as the t-tests want it.
type moments struct{ n, mean, variance float64 }

func (m moments) Weight() float64   { return m.n }
func (m moments) Mean() float64     { return m.mean }
func (m moments) Variance() float64 { return m.variance }

// momentsOf sums up the runs of a side. A variance below the floor is raised to it: three runs that agree to the last digit
// are not infinitely precise.
func momentsOf(runs []float64, floor float64) moments {
	m := moments{n: float64(len(runs)), mean: stats.Mean(runs)}
	if len(runs) > 1 {
		m.variance = max(stats.Variance(runs), floor)
	}
	return m
}

// betweenRuns tests whether the runs of two sides have the same mean. With as many runs on either side it is Student's
// t-test: there, Welch's has the same statistic and only takes degrees of freedom away, from 4 down to 2 with three runs a
// side. It is Student's as well where one side is a single run, to which it lends the scatter of the others; and Welch's
// between. It needs two runs on one side at least. The floors are the least variances that are believed.
func betweenRuns(old, new []float64, oldFloor, newFloor, alpha float64) finding {
	a, b := momentsOf(old, oldFloor), momentsOf(new, newFloor)
	f := finding{test: Student}
	var res *stats.TTestResult
	var err error
	if a.n == b.n || a.n == 1 || b.n == 1 {
		res, err = stats.TwoSampleTTest(a, b, stats.LocationDiffers)
	} else {
		f.test = Welch
		res, err = stats.TwoSampleWelchTTest(a, b, stats.LocationDiffers)
	}
	if err != nil {
		return untested
	}
	f.p = res.P
	f.interval(a, b, res, alpha)
	return f
}

// interval is the confidence interval that belongs to a t-test: the difference of the means, give or take its standard
// error, |difference|/|T|, times the quantile of t with the test's degrees of freedom.
func (f *finding) interval(a, b moments, res *stats.TTestResult, alpha float64) {
	se := math.Sqrt(a.variance/a.n + b.variance/b.n)
	if f.test == Student {
		se = math.Sqrt(((a.n-1)*a.variance + (b.n-1)*b.variance) / res.DoF * (1/a.n + 1/b.n))
	}
	half := se * stats.InvCDF(stats.TDist{V: res.DoF})(1-alpha/2)
	f.lo, f.hi = b.mean-a.mean-half, b.mean-a.mean+half
}

// exactBinomial up to which number of events; beyond it the normal approximation differs by less than anybody can see.
const exactBinomial = 50_000

// counts tests whether two numbers of events, seen in runs1 and runs2 runs of one length, come from one rate: given their
// sum, the first is binomial.
func counts(n1, n2 float64, runs1, runs2 int) finding {
	f := finding{test: Binomial, p: 1, lo: math.NaN(), hi: math.NaN()}
	n := stats.BinomialDist{N: int(n1 + n2), P: float64(runs1) / float64(runs1+runs2)}
	if n.N == 0 {
		return f
	}
	below := n.CDF // P(X <= k)
	if n.N > exactBinomial {
		normal := n.NormalApprox()
		below = func(k float64) float64 { return normal.CDF(k + 0.5) }
	}
	f.p = min(1, 2*min(below(n1), 1-below(n1-1)))
	return f
}

// sample is one histogram with what never came.
type sample struct {
	h       *report.Hist
	missing int64
	most    int64 // no more values count as independent
}

func (s sample) n() int64         { return s.h.N() + s.missing }
func (s sample) effective() int64 { return min(s.n(), s.most) }

// steadiest is the least standard deviation between runs that is believed of a figure of this sample: half of what its
// own values give it as a standard error were they independent. A draw that is spread evenly (victims of a ramp) does scatter
// less than an independent one, but runs that agree far better than that do so since the figure jumps between few values
// and has not jumped yet.
func (s sample) steadiest(share string) float64 {
	n := int(s.effective())
	if n < 2 || s.h.N() == 0 {
		return 0
	}
	if share == "mean" {
		m := s.moments()
		return math.Sqrt(m.variance/m.n) / 2
	}
	q, ok := quantileOf[share]
	if !ok || q > 1-0.5/float64(n) { // the largest value is the quantile that half a value lies above
		q = 1 - 0.5/float64(n)
	}
	const oneSigma = 0.6827
	ci := stats.QuantileCI(n, q, oneSigma)
	lo, hi := s.at(max(ci.LoOrder, 1), n), s.at(min(ci.HiOrder, n), n)
	if math.IsInf(hi, 0) {
		return 0
	}
	return (hi - lo) / 2 / 2
}

// at is the k-th of n values that count, in seconds.
func (s sample) at(k, n int) float64 {
	rank := int64(math.Ceil(float64(k) * float64(s.n()) / float64(n)))
	if rank > s.h.N() {
		return math.Inf(1)
	}
	return s.h.Rank(rank).Seconds()
}

// above counts the values above v, and those of v or above.
func (s sample) above(v time.Duration) (above, from int64) {
	below, upTo := int64(0), int64(0)
	s.h.Each(func(d time.Duration, seen int64) {
		if d < v {
			below = seen
		}
		if d <= v {
			upTo = seen
		}
	})
	return s.n() - upTo, s.n() - below
}

// scale turns a count among all values into one among those that count as independent.
func (s sample) scale(n int64) int {
	return int(math.Round(float64(n) * float64(s.effective()) / float64(s.n())))
}

// quantiles tests whether two samples have the same quantile q. It is Mood's median test for any quantile: cut both at the
// quantile of all values together, and compare the shares above by Fisher's exact test. Values that equal the cut may
// belong to either side of it; both ways are tried, and the p value is doubled for it.
func quantiles(a, b sample, q, alpha float64) finding {
	if a.n() == 0 || b.n() == 0 {
		return untested
	}
	all := &report.Hist{}
	all.Merge(a.h)
	all.Merge(b.h)
	k := min(max(int64(math.Ceil(q*float64(a.n()+b.n())-1e-9)), 1), a.n()+b.n())
	v := all.Rank(k)
	if k > all.N() {
		v = time.Duration(math.MaxInt64) // beyond all: only what never came is above
	}
	a1, a2 := a.above(v)
	b1, b2 := b.above(v)
	na, nb := int(a.effective()), int(b.effective())
	p := fisher(a.scale(a1), na, b.scale(b1), nb)
	if a2 != a1 || b2 != b1 {
		p = min(1, 2*min(p, fisher(a.scale(a2), na, b.scale(b2), nb)))
	}
	f := finding{test: Fisher, p: p, least: 1}
	for _, k := range []int{a.scale(a1) + b.scale(b1), a.scale(a2) + b.scale(b2)} {
		f.least = min(f.least, fisher(max(k-nb, 0), na, min(k, nb), nb), fisher(min(k, na), na, max(k-na, 0), nb))
	}
	f.lo, f.hi = quantileInterval(a, b, q, alpha)
	return f
}

// fisher is the two-sided p value of k1 among n1 against k2 among n2: twice the smaller tail.
func fisher(k1, n1, k2, n2 int) float64 {
	one := stats.HypergeometicDist{N: n1 + n2, K: k1 + k2, Draws: n1}
	two := stats.HypergeometicDist{N: n1 + n2, K: k1 + k2, Draws: n2}
	// The upper tail of the one is the lower tail of the other.
	return min(1, max(0, 2*min(one.CDF(float64(k1)), two.CDF(float64(k2)))))
}

// quantileInterval is a conservative confidence interval of the difference of two quantiles: each has its own by order
// statistics, at a level that leaves both right at once with probability 1 - alpha (Bonferroni).
func quantileInterval(a, b sample, q, alpha float64) (lo, hi float64) {
	one := func(s sample) (lo, hi float64) {
		n := int(s.effective())
		ci := stats.QuantileCI(n, q, 1-alpha/2)
		if ci.LoOrder < 1 || ci.HiOrder > n {
			return math.NaN(), math.NaN()
		}
		return s.at(ci.LoOrder, n), s.at(ci.HiOrder, n)
	}
	aLo, aHi := one(a)
	bLo, bHi := one(b)
	return bLo - aHi, bHi - aLo
}

// means tests whether two samples have the same mean: Welch's t-test, which for the many values of a histogram rests on the
// central limit theorem and on no form of the distribution.
func means(a, b sample, alpha float64) finding {
	if a.effective() < 2 || b.effective() < 2 || a.missing+b.missing > 0 {
		return untested
	}
	x, y := a.moments(), b.moments()
	res, err := stats.TwoSampleWelchTTest(x, y, stats.LocationDiffers)
	if err != nil {
		return untested
	}
	f := finding{test: Welch, p: res.P}
	f.interval(x, y, res, alpha)
	return f
}

func (s sample) moments() moments {
	mean := s.h.Mean().Seconds()
	sum, before := 0.0, int64(0)
	s.h.Each(func(d time.Duration, seen int64) {
		sum += float64(seen-before) * (d.Seconds() - mean) * (d.Seconds() - mean)
		before = seen
	})
	r := resolutionOf(mean)
	return moments{n: float64(s.effective()), mean: mean, variance: max(sum/float64(max(s.h.N()-1, 1)), r*r/12)}
}

// resolutionOf a latency in seconds: a histogram's buckets are 1 µs wide, later a thousandth of the value.
func resolutionOf(v float64) float64 { return max(1e-6, math.Abs(v)/1024) }

// adjust corrects p values for their number, after Y. Benjamini and Y. Hochberg, "Controlling the False Discovery Rate",
// Journal of the Royal Statistical Society B 57(1), 1995: the k-th smallest of m becomes the least p m / k from there up.
// If nothing at all changed, calling what is then below alpha calls something with probability alpha at most.
func adjust(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	out := make([]float64, len(p))
	least := 1.0
	for k := len(order); k > 0; k-- {
		least = min(least, p[order[k-1]]*float64(len(p))/float64(k))
		out[order[k-1]] = least
	}
	return out
}
