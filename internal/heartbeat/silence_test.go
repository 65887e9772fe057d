package heartbeat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// randomSilence draws a client that counts silence, and the round trip of its path. Its healthy peer is never silent for
// long enough.
func randomSilence(rng *rand.Rand) (*Config, time.Duration) {
	length := func(from, to time.Duration) time.Duration { return from + time.Duration(rng.Int64N(int64(to-from))) }
	c := &Config{Beat: Beat{By: []Who{Client, Server, Both}[rng.IntN(3)], Frame: Frame(rng.IntN(3)), After: After(rng.IntN(4)),
		Interval: length(sec, 30*sec)}, Liveness: Liveness(rng.IntN(2))}
	r := length(1, c.Beat.Interval/2)
	c.Silence = c.Beat.Interval + r + length(1, 60*sec)
	switch rng.IntN(3) {
	case 1:
		d := length(sec, 20*sec)
		c.Check = Span{d, d}
	case 2:
		d := length(sec, 20*sec)
		c.Check = Span{d, 2 * d}
	}
	return c, r
}

// TestSilenceLaws holds clients that count silence to their closed forms: without checks the latency is uniform, with
// checks it is the sum of two uniform parts, whose bounds and mean are known and whose ends are nearly reached.
func TestSilenceLaws(t *testing.T) {
	const n = 2000
	rng := rand.New(rand.NewPCG(21, 21))
	kinds := map[string]int{}
	for range 200 {
		c, r := randomSilence(rng)
		i, s := c.Beat.Interval, c.Silence
		cycle := i
		if c.Beat.By == Client && c.Beat.After != AfterBeat {
			cycle = i + r
		}
		kinds[fmt.Sprint(c.Beat.By, cycle > i, c.Check.To > 0, c.Check.To > c.Check.From)]++
		name := fmt.Sprintf("by %d after %d: I %v, S %v, check %v, r %v", c.Beat.By, c.Beat.After, i, s, c.Check, r)
		lo, hi, ok := c.Bounds(r)
		if !ok || lo != s-cycle || hi != s+c.Check.To {
			t.Fatalf("%s: bounds (%v, %v] %v, want (%v, %v]", name, lo, hi, ok, s-cycle, s+c.Check.To)
		}
		sample := make([]time.Duration, n)
		sum := 0.0
		for k := range sample {
			death := 3*cycle + time.Duration((float64(k)+rng.Float64())*float64(cycle)/n)
			x := detect(t, c, rand.NewPCG(rng.Uint64(), uint64(k)), r/2, r-r/2, i, death)
			if x <= lo || x > hi {
				t.Fatalf("%s: noticed after %v, want within (%v, %v]", name, x, lo, hi)
			}
			sample[k] = x
			sum += float64(x)
		}
		if c.Check.To == 0 {
			if d := distance(sample, lo, hi); d > 4.0/n {
				t.Fatalf("%s: distance to uniform on (%v, %v]: %.4f", name, lo, hi, d)
			}
			continue
		}
		slices.Sort(sample)
		// The next tick comes after a share of the one under way: E[C^2] / 2E[C], for C uniform on its span.
		a, b := float64(c.Check.From), float64(c.Check.To)
		mean := float64(s) - float64(cycle)/2 + (a*a+a*b+b*b)/3/(a+b)
		deviation := math.Sqrt(float64(cycle)*float64(cycle)/12 + b*b/4)
		if off := math.Abs(sum/n - mean); off > 5*deviation/math.Sqrt(n) {
			t.Fatalf("%s: mean %v, want %v", name, time.Duration(sum/n), time.Duration(mean))
		}
		// Within x of an end lies a share x^2 / (2 x cycle x C): fourteen of the sample for this x.
		x := time.Duration(0.12 * math.Sqrt(float64(cycle)*b))
		if sample[0] > lo+x {
			t.Fatalf("%s: least %v, want near %v", name, sample[0], lo)
		}
		if most := sample[n-1]; c.Check.From == c.Check.To && most < hi-x {
			t.Fatalf("%s: most %v, want near %v", name, most, hi)
		}
	}
	if len(kinds) != 4*3 { // client with two cycles, server, both; each without checks, with fixed and with random ones
		t.Errorf("drew %d kinds: %v", len(kinds), kinds)
	}
}

// TestServerTells: what the server says in the opening exchange holds for that connection, and for no other.
func TestServerTells(t *testing.T) {
	c := &Config{Beat: Beat{By: Server, Interval: 25 * sec}, Timeout: 20 * sec, Misses: 1,
		Opening:   Opening{Steps: []Step{{Await: &Pattern{Kind: Regexp, Re: telling}}}},
		Reconnect: Reconnect{Kind: Fixed, Delay: sec, Lock: true}}
	m := New(c, *rand.NewPCG(1, 1))
	m.Step(0, Input{Kind: Start}, nil)
	say := func(now time.Duration, text string) {
		m.Step(now, Input{Kind: Connected, Epoch: m.Epoch()}, nil)
		m.Step(now, Input{Kind: Received, Epoch: m.Epoch(), Data: []byte(text)}, nil)
		if m.State() != Open {
			t.Fatalf("%v after %q", m.State(), text)
		}
	}
	want := func(d time.Duration) {
		t.Helper()
		if m.Deadline() != d {
			t.Fatalf("deadline %v, want %v", m.Deadline(), d)
		}
	}
	say(0, "hello 2500 7")
	want(9500 * time.Millisecond)
	m.Step(2*sec, Input{Kind: Closed, Epoch: 1, Cause: Reset}, nil)
	m.Step(3*sec, Input{Kind: Deadline}, nil)
	say(3*sec, "hello")
	want(48 * sec)
	m.Step(4*sec, Input{Kind: Closed, Epoch: 2, Cause: Reset}, nil)
	m.Step(5*sec, Input{Kind: Deadline}, nil)
	say(5*sec, "hello 25000 20")
	want(50 * sec)
	for _, absurd := range []string{"hello 0 0", "hello 99999999999999999999 1"} {
		m.Step(m.now(), Input{Kind: Closed, Epoch: m.Epoch(), Cause: Reset}, nil)
		m.Step(m.Deadline(), Input{Kind: Deadline}, nil)
		say(60*sec, absurd)
	}
	want(60*sec + 25*sec + sec)
}

// now is a moment at which everything has happened.
func (m *Machine) now() time.Duration { return m.openedAt }
