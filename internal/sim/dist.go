package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/report"
)

// Dist is the distribution of a time that something takes. Each draw takes one number from a generator. The zero Dist is
// always 0.
type Dist struct {
	kind  distKind
	a     time.Duration // constant, mean or median
	b     time.Duration // standard deviation
	sigma float64
	table []step // empirical: cumulative
	what  string // empirical: what it was recorded of
}

type distKind uint8

const (
	constant distKind = iota
	normal
	lognormal
	exponential
	empirical
)

// step says that a share p of all values is at most d.
type step struct {
	p float64
	d time.Duration
}

// Constant is always d >= 0.
func Constant(d time.Duration) Dist { return Dist{a: d} }

// Normal is a normal distribution cut off at 0, which lifts the mean where the mean is less than some deviations.
func Normal(mean, deviation time.Duration) Dist { return Dist{kind: normal, a: mean, b: deviation} }

// LogNormal has the given median; its logarithm has the standard deviation sigma. The mean is median x exp(sigma²/2).
func LogNormal(median time.Duration, sigma float64) Dist {
	return Dist{kind: lognormal, a: median, sigma: sigma}
}

// Exponential has the given mean.
func Exponential(mean time.Duration) Dist { return Dist{kind: exponential, a: mean} }

// Empirical has the distribution that h recorded, to its 3 digits; an empty h is an error. what names the recording.
func Empirical(h *report.Hist, what string) (Dist, error) {
	n := h.N()
	if n == 0 {
		return Dist{}, fmt.Errorf("%s holds no round trips", report.Clean(what, 80))
	}
	d := Dist{kind: empirical, what: what, a: h.Mean()}
	seen := int64(0)
	for v, k := range h.Buckets {
		seen += k
		d.table = append(d.table, step{float64(seen) / float64(n), v})
	}
	return d, nil
}

// Quantile is the value that the share u, in [0, 1), of all draws stays below. It is never negative.
func (d *Dist) Quantile(u float64) time.Duration {
	switch d.kind {
	case normal:
		return limited(float64(d.a) + float64(d.b)*z(u))
	case lognormal:
		return limited(float64(d.a) * math.Exp(d.sigma*z(u)))
	case exponential:
		return limited(-float64(d.a) * math.Log1p(-u))
	case empirical:
		i := sort.Search(len(d.table)-1, func(i int) bool { return d.table[i].p > u })
		return d.table[i].d
	}
	return d.a
}

// z is the quantile function of the standard normal distribution.
func z(u float64) float64 { return math.Sqrt2 * math.Erfinv(2*u-1) }

// limited is x ns within [0, a day]: heavier tails than that say nothing about a connection.
func limited(x float64) time.Duration {
	return time.Duration(min(max(x, 0), float64(24*time.Hour)))
}

// random reports whether two draws can differ.
func (d *Dist) random() bool { return d.kind != constant }

// draw takes no number from a distribution that is constant.
func (d *Dist) draw(rng *rand.PCG) time.Duration {
	if d.kind == constant {
		return d.a
	}
	return d.Quantile(uniform(rng))
}

func uniform(rng *rand.PCG) float64 { return float64(rng.Uint64()>>11) / (1 << 53) }

func (d *Dist) check() error {
	switch {
	case d.a < 0 || d.b < 0 || d.a > 24*time.Hour || d.b > 24*time.Hour:
		return fmt.Errorf("%s is not within 0 and 24h", d)
	case d.kind == lognormal && !(d.sigma >= 0 && d.sigma <= 10):
		return fmt.Errorf("%s: sigma is not within 0 and 10", d)
	}
	return nil
}

// String is the form that [ParseDist] reads, but for an empirical one.
func (d *Dist) String() string {
	a, b := chaos.FormatDuration(d.a), chaos.FormatDuration(d.b)
	switch d.kind {
	case normal:
		return "normal(" + a + "," + b + ")"
	case lognormal:
		return "lognormal(" + a + "," + strconv.FormatFloat(d.sigma, 'g', -1, 64) + ")"
	case exponential:
		return "exponential(" + a + ")"
	case empirical:
		return "as in " + d.what
	}
	return a
}

// ParseDist reads 20ms, normal(20ms,5ms), lognormal(20ms,0.5) or exponential(20ms).
func ParseDist(s string) (Dist, error) {
	name, rest, ok := strings.Cut(strings.ReplaceAll(s, " ", ""), "(")
	var args []string
	if ok {
		if !strings.HasSuffix(rest, ")") {
			return Dist{}, fmt.Errorf("no closing parenthesis in %q", s)
		}
		args = strings.Split(strings.TrimSuffix(rest, ")"), ",")
	} else {
		name, args = "constant", []string{name}
	}
	want := map[string]int{"constant": 1, "normal": 2, "lognormal": 2, "exponential": 1}[name]
	if want == 0 {
		return Dist{}, fmt.Errorf("no distribution %q", name)
	}
	if len(args) != want {
		return Dist{}, fmt.Errorf("%s takes %d numbers, not %d", name, want, len(args))
	}
	a, err := time.ParseDuration(args[0])
	if err != nil {
		return Dist{}, fmt.Errorf("%q is not a duration", args[0])
	}
	d := Dist{a: a}
	switch name {
	case "normal":
		d.kind = normal
		if d.b, err = time.ParseDuration(args[1]); err != nil {
			return Dist{}, fmt.Errorf("%q is not a duration", args[1])
		}
	case "lognormal":
		d.kind = lognormal
		if d.sigma, err = strconv.ParseFloat(args[1], 64); err != nil {
			return Dist{}, fmt.Errorf("%q is not a number", args[1])
		}
	case "exponential":
		d.kind = exponential
	}
	return d, d.check()
}
