package report

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
)

func randomBuckets(r *rand.Rand, n int) Buckets {
	var b Buckets
	for range n {
		b.Add(time.Duration(r.Int64N(int64(5*time.Second))), int32(r.IntN(5)))
	}
	return b
}

// The sliding window against a dumb one that adds up every window from its start.
func TestPeakAgainstDumb(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		b := randomBuckets(r, r.IntN(200))
		w := 1 + r.IntN(150)
		var want int64
		for i := range b {
			var sum int64
			for j := i; j < min(i+w, len(b)); j++ {
				sum += int64(b[j])
			}
			want = max(want, sum)
		}
		if got := b.Peak(time.Duration(w) * Tick); got != want {
			t.Fatalf("window of %d ticks over %v: %d, want %d", w, b, got, want)
		}
	}
}

// Against exact moments: what happens within one second is never more than the peak, and the peak is never more than
// what happens within a second and one tick.
func TestPeakAgainstMoments(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var at []time.Duration
		var b Buckets
		for range 1 + r.IntN(300) {
			d := time.Duration(r.Int64N(int64(4 * time.Second)))
			at = append(at, d)
			b.Add(d, 1)
		}
		slices.Sort(at)
		within := func(w time.Duration) (best int64) {
			for i := range at {
				n := int64(0)
				for _, x := range at[i:] {
					if x-at[i] < w {
						n++
					}
				}
				best = max(best, n)
			}
			return best
		}
		got := b.Peak(time.Second)
		if lo, hi := within(time.Second-Tick), within(time.Second+Tick); got < lo || got > hi {
			t.Fatalf("peak %d is not in [%d, %d]", got, lo, hi)
		}
	}
}

func TestBucketsFile(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		b := randomBuckets(r, r.IntN(50))
		for i := range b {
			if r.IntN(3) == 0 {
				b[i] = -b[i]
			}
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var back Buckets
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(b.Clone(), back); d != "" {
			t.Fatal(d)
		}
	}
	for _, bad := range []string{`"%"`, `"AAAA"`, `7`, `"eJwDAAAAAAE="`} {
		var b Buckets
		if err := json.Unmarshal([]byte(bad), &b); err == nil && bad != `"eJwDAAAAAAE="` {
			t.Errorf("%s was accepted", bad)
		}
	}
}

func TestLevels(t *testing.T) {
	var b Buckets
	b.Add(0, 5)
	b.Add(sec(1), -3)
	b.Add(sec(2), 4)
	for _, c := range []struct {
		from, to    float64
		lo, hi, end int64
	}{{0, 3, 0, 6, 6}, {0.5, 1.5, 2, 5, 2}, {0.5, 0.9, 5, 5, 5}, {1.5, 9, 2, 6, 6}, {5, 9, 6, 6, 6}} {
		lo, hi, end := b.Levels(sec(c.from), sec(c.to))
		if lo != c.lo || hi != c.hi || end != c.end {
			t.Errorf("[%v, %v): %d %d %d, want %d %d %d", c.from, c.to, lo, hi, end, c.lo, c.hi, c.end)
		}
	}
}

// Quantiles against sorting, and the file form against the library's own reader.
func TestHist(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 50 {
		h := &Hist{}
		var all []time.Duration
		for range 1 + r.IntN(2000) {
			d := time.Duration(r.ExpFloat64() * float64(50*time.Millisecond)).Truncate(time.Microsecond)
			all = append(all, d)
			h.Record(d)
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
			want := all[rank(q, int64(len(all)))-1]
			if got := h.Quantile(q); got < want || got > want+want/900+time.Microsecond {
				t.Fatalf("q %v of %d: %v, want %v", q, len(all), got, want)
			}
		}
		text, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		std, err := hdrhistogram.Decode(text[1 : len(text)-1])
		if err != nil {
			t.Fatal(err)
		}
		if got, want := std.Max(), h.Max().Microseconds(); got != want || std.TotalCount() != h.N() {
			t.Fatalf("another reader sees max %d of %d, want %d of %d", got, std.TotalCount(), want, h.N())
		}
		var back Hist
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if !back.Equal(h) {
			t.Fatal("the file form lost values")
		}
		back.Record(time.Hour)
		if back.Equal(h) {
			t.Fatal("Equal sees no difference")
		}
	}
	other := hdrhistogram.New(1, 1000, 2)
	other.RecordValue(5)
	b, err := other.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	var h Hist
	if err := json.Unmarshal([]byte(`"`+string(b)+`"`), &h); err == nil {
		t.Error("a histogram of another range was accepted")
	}
}

func TestCoarse(t *testing.T) {
	for d := time.Microsecond; d < 10*time.Minute; d = d*107/100 + time.Microsecond {
		got := coarseValue(int64(coarseIndex(d)))
		if off := (got - d).Abs(); off > d*7/100+time.Microsecond {
			t.Fatalf("%v reads as %v", d, got)
		}
	}
}
