package proxy

import (
	"math"
	"time"
)

const (
	// fixedShare and fixedLeast are the spread of a fixed delay: what timers and scheduling make of it, as a share and at least.
	fixedShare = 0.1
	fixedLeast = 50 * time.Millisecond
	// timerSlack is what timers may differ by without telling two delays apart.
	timerSlack = 5 * time.Millisecond
)

// alike reports whether two delays can be one setting.
func alike(a, b time.Duration) bool {
	return (a - b).Abs() <= max(time.Duration(2*fixedShare*float64(max(a, b))), fixedLeast)
}

// growth finds the rule behind the delays; without one they stay a list. Without jitter the steps have to fit closely: a list
// that is nearly a rule (1, 2 and 5 s) is none.
func (in *Inference) growth() {
	first, slack := in.Delays[0].P5, 0.04
	center := func(i int) float64 { return float64(max(in.Delays[i].P5, 1)) }
	if in.Jitter != "none" {
		slack = 0.15
		center = func(i int) float64 { return float64(max(in.Delays[i].middle(), 1)) }
	}
	fits := func(i int, want float64) bool {
		return math.Abs(center(i)-want) <= max(slack*want, float64(timerSlack))
	}
	n := len(in.Delays)
	fixed := true
	for i := 1; i < n; i++ {
		fixed = fixed && fits(i, center(0))
	}
	switch {
	case fixed:
		in.Kind = "fixed"
	case n < 3 || first <= 2*timerSlack:
	case fits(1, 2*center(0)) && fits(2, 3*center(0)):
		in.Kind = "linear"
	default:
		f1, f2 := center(1)/center(0), center(2)/center(1)
		if f1 > 1.05 && math.Abs(f1-f2) <= slack*f1 {
			in.Kind, in.Factor = "exponential", factor(math.Sqrt(f1*f2))
		}
	}
}

// factor is f rounded to a quarter if that changes it by less than 2 %, else to a hundredth.
func factor(f float64) float64 {
	if r := math.Round(4*f) / 4; math.Abs(r-f) < 0.02*f {
		return r
	}
	return math.Round(100*f) / 100
}

// middle is the center of the delays. Of a uniform distribution the edges tell it three times as sharply as the median does:
// n samples err by width x 0.15/sqrt(n) against 0.5/sqrt(n). Where the two differ by more than twice the latter the
// distribution is skewed, and the median stands.
func (d Delay) middle() time.Duration {
	m := (d.P5 + d.P95) / 2
	if float64((m - d.P50).Abs()) > float64(d.P95-d.P5)/math.Sqrt(float64(max(d.N, 1))) {
		return d.P50
	}
	return m
}

// spread finds the jitter.
func (in *Inference) spread(first Delay) {
	if first.N < 8 || first.P95-first.P5 <= max(time.Duration(2*fixedShare*float64(first.P50)), fixedLeast) {
		return
	}
	switch { // uniform on [lo, hi]: the quantiles at 5 and 95 % lie that far inside
	case float64(first.P5) < 0.15*float64(first.P95):
		in.Jitter = "full"
	case math.Abs(float64(first.P5)/float64(first.P95)-0.538) < 0.06: // (0.5 + 0.025) / (0.5 + 0.475)
		in.Jitter = "equal"
	default:
		in.Jitter = "ratio"
		half := float64(first.P95-first.P5) / 0.9 / 2
		in.Ratio = math.Round(100*half/float64(first.middle())) / 100
	}
}
