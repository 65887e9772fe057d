package report

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Tick is the width of one bucket of [Buckets].
const Tick = 10 * time.Millisecond

// maxBuckets is 24 h of ticks; what happens later is counted in the last one.
const maxBuckets = int(24 * time.Hour / Tick)

// Buckets counts events per tick (10 ms) since an origin, or the changes of a level where counts are signed. In JSON it
// is base64 of zlib of zig-zag varints, in which a zero is followed by the number of further zeros.
type Buckets []int32

// Add counts n in the tick of t, a time since the origin; earlier times count in the first tick.
func (b *Buckets) Add(t time.Duration, n int32) {
	i := min(max(int(t/Tick), 0), maxBuckets-1)
	if i >= len(*b) {
		if i < cap(*b) {
			*b = (*b)[:i+1]
		} else {
			g := make(Buckets, i+1, min(max(2*cap(*b), i+64), maxBuckets))
			copy(g, *b)
			*b = g
		}
	}
	(*b)[i] += n
}

// Merge adds the counts of o.
func (b *Buckets) Merge(o Buckets) {
	if len(o) > len(*b) {
		*b = append(*b, make(Buckets, len(o)-len(*b))...)
	}
	for i, n := range o {
		(*b)[i] += n
	}
}

// Clone returns a copy without trailing zeros; nil if nothing is left.
func (b Buckets) Clone() Buckets {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	if n == 0 {
		return nil
	}
	return append(make(Buckets, 0, n), b[:n]...)
}

// Sum adds up all counts.
func (b Buckets) Sum() int64 { return b.SumBetween(0, time.Duration(len(b))*Tick) }

// SumBetween adds up the ticks that begin in [from, to).
func (b Buckets) SumBetween(from, to time.Duration) (n int64) {
	for _, v := range b.between(from, to) {
		n += int64(v)
	}
	return n
}

func (b Buckets) between(from, to time.Duration) Buckets {
	lo := min(max(ticksUp(from), 0), len(b))
	hi := min(max(ticksUp(to), lo), len(b))
	return b[lo:hi]
}

// Peak is the largest sum over any window of the given width that starts on a tick: a sliding window, exact but for
// the tick that it is rounded to.
func (b Buckets) Peak(width time.Duration) int64 {
	w := max(ticksUp(width), 1)
	var sum, peak int64
	for i, v := range b {
		sum += int64(v)
		if i >= w {
			sum -= int64(b[i-w])
		}
		peak = max(peak, sum)
	}
	return peak
}

// Levels treats the counts as changes of a level that starts at 0 and returns the lowest and highest level at the end
// of any tick within [from, to), and the level at its end. The level at from belongs to the range.
func (b Buckets) Levels(from, to time.Duration) (lo, hi, end int64) {
	first, last := max(int(from/Tick), 0), ticksUp(to)
	i := 0
	for ; i < first && i < len(b); i++ {
		end += int64(b[i])
	}
	lo, hi = end, end
	for ; i < last && i < len(b); i++ {
		end += int64(b[i])
		lo, hi = min(lo, end), max(hi, end)
	}
	return lo, hi, end
}

// Rebin returns sums over steps of the given width from the origin.
func (b Buckets) Rebin(width time.Duration) []int64 {
	w := max(int(width/Tick), 1)
	out := make([]int64, (len(b)+w-1)/w)
	for i, v := range b {
		out[i/w] += int64(v)
	}
	return out
}

// MarshalJSON implements json.Marshaler.
func (b Buckets) MarshalJSON() ([]byte, error) {
	b = b.Clone()
	if len(b) == 0 {
		return []byte(`""`), nil
	}
	var raw []byte
	for i := 0; i < len(b); {
		if b[i] != 0 {
			raw = binary.AppendVarint(raw, int64(b[i]))
			i++
			continue
		}
		z := i
		for b[i] == 0 {
			i++
		}
		raw = binary.AppendVarint(raw, 0)
		raw = binary.AppendUvarint(raw, uint64(i-z-1))
	}
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(raw) // a bytes.Buffer takes everything
	w.Close()
	return json.Marshal(base64.StdEncoding.EncodeToString(out.Bytes()))
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *Buckets) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	*b = nil
	if s == "" {
		return nil
	}
	z, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return fmt.Errorf("buckets: %w", err)
	}
	zr, err := zlib.NewReader(bytes.NewReader(z))
	if err != nil {
		return fmt.Errorf("buckets: %w", err)
	}
	const limit = 5 * int64(maxBuckets)
	raw, err := io.ReadAll(io.LimitReader(zr, limit+1))
	if err != nil {
		return fmt.Errorf("buckets: %w", err)
	}
	var out Buckets
	for len(raw) > 0 {
		v, n := binary.Varint(raw)
		if n <= 0 || v > 1<<31-1 || v < -1<<31 {
			return errors.New("buckets: malformed number")
		}
		raw = raw[n:]
		run := uint64(1)
		if v == 0 {
			more, n := binary.Uvarint(raw)
			if n <= 0 || more > uint64(maxBuckets) {
				return errors.New("buckets: malformed run of zeros")
			}
			raw, run = raw[n:], more+1
		}
		if uint64(len(out))+run > uint64(maxBuckets) {
			return errors.New("buckets: more than 24 h of ticks")
		}
		if v != 0 {
			out = append(out, int32(v))
		} else {
			out = append(out, make(Buckets, run)...)
		}
	}
	*b = out
	return nil
}

// ticksUp is the number of ticks that t covers, begun ones included. It does not overflow for the largest t.
func ticksUp(t time.Duration) int {
	n := int(t / Tick)
	if t%Tick > 0 {
		n++
	}
	return n
}
