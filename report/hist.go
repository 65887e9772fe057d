package report

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range and precision of every histogram: 1 µs to 1 h with 3 significant digits.
const (
	histLowest  = 1
	histHighest = int64(time.Hour / time.Microsecond)
	histDigits  = 3
)

// Hist is a histogram of latencies: 1 µs to 1 h, 3 significant digits, values outside clamped to the nearer end. It
// is kept sparse, and in JSON it is the standard HdrHistogram V2 compressed form in base64, in microseconds, which any
// HdrHistogram tool reads. A nil Hist and the zero Hist are empty.
type Hist struct {
	p   *hdrhistogram.PackedHistogram
	enc atomic.Pointer[string] // the encoded form while nothing was recorded since
}

// Record adds one latency.
func (h *Hist) Record(d time.Duration) { h.RecordN(d, 1) }

// RecordN adds the same latency n times.
func (h *Hist) RecordN(d time.Duration, n int64) {
	if n <= 0 {
		return
	}
	if h.p == nil {
		h.p = hdrhistogram.NewPacked(histLowest, histHighest, histDigits)
	}
	h.p.RecordValues(min(max(int64(d/time.Microsecond), 0), histHighest), n) // in range: no error is possible
	if h.enc.Load() != nil {
		h.enc.Store(nil)
	}
}

// N is the number of values.
func (h *Hist) N() int64 {
	if h == nil || h.p == nil {
		return 0
	}
	return h.p.TotalCount()
}

// Rank returns the k-th smallest value, k from 1: the upper end of its bucket, never above the largest bucket. It is 0
// if there are fewer than k values.
func (h *Hist) Rank(k int64) time.Duration {
	if k < 1 || k > h.N() {
		return 0
	}
	var seen, at int64
	h.p.ForEachBucket(func(v, n int64) bool {
		seen += n
		at = v
		return seen < k
	})
	return time.Duration(at+bucketWidth(at)-1) * time.Microsecond
}

// Buckets calls yield for each bucket that holds values, in ascending order, with its upper end and how many, until it
// returns false.
func (h *Hist) Buckets(yield func(upTo time.Duration, n int64) bool) {
	if h.N() == 0 {
		return
	}
	h.p.ForEachBucket(func(v, n int64) bool {
		return yield(time.Duration(v+bucketWidth(v)-1)*time.Microsecond, n)
	})
}

// bucketWidth is the width of the bucket that begins at v: with 3 digits there are 2048 buckets of width 1, then 1024
// for each further power of two.
func bucketWidth(v int64) int64 {
	return 1 << max(bits.Len64(uint64(v))-11, 0)
}

// Quantile returns the value of rank ceil(q N), q in [0, 1]; 0 if there are no values.
func (h *Hist) Quantile(q float64) time.Duration {
	return h.Rank(rank(q, h.N()))
}

// rank is the position from 1 of quantile q among n values. The subtraction keeps 0.99 x 100 at rank 99 although the
// product is above 99 in binary.
func rank(q float64, n int64) int64 {
	return min(max(int64(math.Ceil(q*float64(n)-1e-9)), 1), n)
}

// Max is the largest value, to the histogram's precision.
func (h *Hist) Max() time.Duration { return h.Rank(h.N()) }

// Min is the smallest value, to the histogram's precision.
func (h *Hist) Min() time.Duration { return h.Rank(1) }

// Mean is the arithmetic mean; 0 if there are no values.
func (h *Hist) Mean() time.Duration {
	if h.N() == 0 {
		return 0
	}
	return time.Duration(h.p.Mean() * float64(time.Microsecond))
}

// AddTo counts the values into coarser buckets: counts[i] grows by those above bounds[i-1] and up to bounds[i], its last
// one, of index len(bounds), by those beyond. The bounds ascend. A value counts as the upper end of its own bucket, as in
// Quantile. The sum of the values is returned in seconds.
func (h *Hist) AddTo(bounds []time.Duration, counts []uint64) (sum float64) {
	if h.N() == 0 {
		return 0
	}
	i := 0
	h.p.ForEachBucket(func(v, n int64) bool {
		top := time.Duration(v+bucketWidth(v)-1) * time.Microsecond
		for i < len(bounds) && bounds[i] < top {
			i++
		}
		counts[i] += uint64(n)
		sum += float64(n) * top.Seconds()
		return true
	})
	return sum
}

// Merge adds the values of o.
func (h *Hist) Merge(o *Hist) {
	if o.N() == 0 {
		return
	}
	h.enc.Store(nil)
	if h.p == nil {
		h.p = o.p.Clone()
		return
	}
	h.p.Merge(o.p)
}

// Clone returns an independent copy; nil if there are no values.
func (h *Hist) Clone() *Hist {
	if h.N() == 0 {
		return nil
	}
	c := &Hist{p: h.p.Clone()}
	c.enc.Store(h.enc.Load())
	return c
}

// Equal reports whether both hold the same values.
func (h *Hist) Equal(o *Hist) bool {
	if h.N() != o.N() {
		return false
	}
	if h.N() == 0 {
		return true
	}
	type bucket struct{ v, n int64 }
	var a []bucket
	h.p.ForEachBucket(func(v, n int64) bool { a = append(a, bucket{v, n}); return true })
	i, same := 0, true
	o.p.ForEachBucket(func(v, n int64) bool {
		same = i < len(a) && a[i] == bucket{v, n}
		i++
		return same
	})
	return same && i == len(a)
}

// MarshalJSON writes the standard encoding as a string; "" if there are no values.
func (h *Hist) MarshalJSON() ([]byte, error) {
	if h.N() == 0 {
		return []byte(`""`), nil
	}
	s := h.enc.Load()
	if s == nil {
		b, err := h.p.Encode()
		if err != nil {
			return nil, fmt.Errorf("encode histogram: %w", err)
		}
		e := string(b)
		s = &e
		h.enc.Store(s)
	}
	return json.Marshal(*s)
}

// UnmarshalJSON reads what MarshalJSON wrote and refuses another range or precision.
func (h *Hist) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	h.p = nil
	h.enc.Store(nil)
	if s == "" {
		return nil
	}
	p, err := hdrhistogram.DecodePacked([]byte(s))
	if err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	if p.LowestTrackableValue() != histLowest || p.HighestTrackableValue() != histHighest || p.SignificantFigures() != histDigits {
		return fmt.Errorf("histogram: range %d..%d µs with %d digits is not %d..%d with %d", p.LowestTrackableValue(),
			p.HighestTrackableValue(), p.SignificantFigures(), histLowest, histHighest, histDigits)
	}
	if n := p.TotalCount(); n < 0 || n > 1<<48 {
		return fmt.Errorf("histogram: %d values are too many", n)
	}
	h.p = p
	return nil
}
