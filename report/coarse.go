package report

import (
	"math/bits"
	"time"
)

// Coarse is a small histogram for one second of a series: pairs of bucket and count, ascending. Buckets are eighths of
// powers of two of a microsecond, so a value read from it is at most 6 % off.
type Coarse [][2]int64

const coarseBuckets = 8 * 30

func coarseIndex(d time.Duration) int {
	us := uint64(max(d/time.Microsecond, 0))
	if us < 16 {
		return int(us)
	}
	e := bits.Len64(us) - 4 // us >> e is in 8..15
	return min(8*e+int(us>>e), coarseBuckets-1)
}

func coarseValue(i int64) time.Duration {
	if i < 0 || i >= coarseBuckets {
		return 0
	}
	if i < 16 {
		return time.Duration(i) * time.Microsecond
	}
	e := (i - 8) / 8
	low := (i - 8*e) << e
	return time.Duration(low+(int64(1)<<e)/2) * time.Microsecond
}

// Quantile returns the value at rank ceil(q N), within 6 %; 0 if there are no values.
func (c Coarse) Quantile(q float64) time.Duration {
	var n, seen int64
	for _, b := range c {
		n += b[1]
	}
	k := rank(q, n)
	for _, b := range c {
		if seen += b[1]; seen >= k {
			return coarseValue(b[0])
		}
	}
	return 0
}

func (c Coarse) merge(o Coarse) Coarse {
	var out Coarse
	for len(c) > 0 || len(o) > 0 {
		switch {
		case len(o) == 0 || len(c) > 0 && c[0][0] < o[0][0]:
			out, c = append(out, c[0]), c[1:]
		case len(c) == 0 || o[0][0] < c[0][0]:
			out, o = append(out, o[0]), o[1:]
		default:
			out = append(out, [2]int64{c[0][0], c[0][1] + o[0][1]})
			c, o = c[1:], o[1:]
		}
	}
	return out
}

// coarseCounts is the form that the recorder fills.
type coarseCounts [coarseBuckets]uint32

func (c *coarseCounts) pairs() Coarse {
	out := Coarse{}
	if c != nil {
		for i, n := range c {
			if n > 0 {
				out = append(out, [2]int64{int64(i), int64(n)})
			}
		}
	}
	return out
}
