package chaos

import (
	"math"
	"math/rand/v2"
	"time"
)

// Distribution names how a delay's jitter spreads around its By.
type Distribution string

// The distributions, in the words of tc-netem(8), which has all but exponential. "" is Uniform.
//
// A latency is By + Jitter x q(U), or 0 where that is negative, with U uniform on [0,1) and q the quantile function of a
// distribution with mean 0:
//
//	uniform       2U - 1                         Jitter is half the width: U[By - Jitter, By + Jitter)
//	normal        z(U), the standard normal's    Jitter is the standard deviation
//	exponential   -ln(1-U) - 1                   Jitter is the standard deviation; never below By - Jitter
//	pareto        ((1-U)^(-1/3) - 3/2) / √(3/4)  Jitter is the standard deviation; never below By - 0.577 Jitter
//	paretonormal  z(U)/4 + 3/4 of pareto's       a standard deviation of 0.94 Jitter
//
// pareto has the shape 3, the least whole one with a variance, and a tail without end: one latency in a million is above
// By + 113 Jitter. paretonormal mixes the two quantiles as netem does. exponential is what a queue with random arrivals
// adds (M/M/1). Only normal and paretonormal can be cut off at 0: with Jitter at By, the most that a fault may have, in
// 16 % and 1 % of all draws, which raises the mean by 0.083 and 0.001 Jitter.
//
// Differences to netem: its pareto table is scaled to a standard deviation of 1.15 Jitter and ends 4 Jitter above By; and it
// lets jitter reorder packets, where every engine here keeps them in order (see [Fault.Latency]).
const (
	Uniform      Distribution = "uniform"
	Normal       Distribution = "normal"
	Exponential  Distribution = "exponential"
	Pareto       Distribution = "pareto"
	ParetoNormal Distribution = "paretonormal"
)

// Distributions are all of them, in the order of the documentation.
var Distributions = []Distribution{Uniform, Normal, Exponential, Pareto, ParetoNormal}

// Latency is what a delay adds to one crossing of the path in one direction.
type Latency struct {
	By, Jitter   time.Duration
	Distribution Distribution
}

// Latency returns what the fault, a delay, adds to each crossing. The engines draw it for every packet (chunk of bytes,
// frame) on its own, and then keep each direction of a path in order: what drew a short latency waits for what was sent
// before it, so that a heavy tail also delays what follows, as in a queue. Only the reorder fault reorders.
func (f *Fault) Latency() Latency { return Latency{f.By, f.Jitter, f.Distribution} }

// Draw draws one latency, never negative. It takes one number from rng, or none without jitter.
func (l Latency) Draw(rng *rand.Rand) time.Duration {
	if l.Jitter <= 0 {
		return max(l.By, 0)
	}
	return l.Quantile(rng.Float64())
}

// Quantile is the latency that the share u, in [0,1), of all draws stays below.
func (l Latency) Quantile(u float64) time.Duration {
	if l.Jitter <= 0 {
		return max(l.By, 0)
	}
	spread := float64(l.Jitter) * l.Distribution.quantile(u)
	// Half of what a Duration holds, so that the sum of a few latencies and a clock does not overflow: 146 years.
	const most = math.MaxInt64 / 2
	if spread > most-float64(l.By) {
		return most
	}
	if spread < -float64(l.By) { // also -Inf, where u is 0
		return 0
	}
	return max(l.By+time.Duration(spread), 0)
}

func (d Distribution) quantile(u float64) float64 {
	switch d {
	case Normal:
		return normalQuantile(u)
	case Exponential:
		return -math.Log1p(-u) - 1
	case Pareto:
		return paretoQuantile(u)
	case ParetoNormal:
		return normalQuantile(u)/4 + paretoQuantile(u)*3/4
	}
	return 2*u - 1
}

func normalQuantile(u float64) float64 { return math.Sqrt2 * math.Erfinv(2*u-1) }

// paretoQuantile is that of the Pareto distribution with the least value 1 and shape 3, whose mean is 3/2 and whose
// variance 3/4, moved and scaled to 0 and 1.
func paretoQuantile(u float64) float64 {
	return (1/math.Cbrt(1-u) - 1.5) / math.Sqrt(0.75)
}
