package heartbeat

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestAnsweredIsStepping compares Answered with the beats and replies one by one, for random tunings and moments.
func TestAnsweredIsStepping(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	many := 0
	for range 5000 {
		cfg := heartcheck()
		b := &cfg.Beat
		b.Interval = time.Duration(rng.Int64N(int64(4*sec))) + 1
		b.After = After(rng.IntN(4))
		b.AtOpen = rng.IntN(3) == 0
		b.First = []float64{0, 0.5, 1}[rng.IntN(3)]
		b.Frame = []Frame{Text, Binary, Ping}[rng.IntN(3)]
		b.Jitter = []float64{0, 0, 0, 0.2}[rng.IntN(4)]
		cfg.Liveness = Liveness(rng.IntN(2))
		cfg.Misses = rng.IntN(4)
		if b.Frame != Ping && rng.IntN(2) == 0 {
			b.Ref, b.Payload = true, []byte(RefWord)
			b.Match = Pattern{Kind: Exact, Ref: rng.IntN(2) == 0}
			if !b.Match.Ref {
				b.Match = Pattern{}
			}
		}
		cfg.Timeout = time.Duration(rng.Int64N(int64(3 * sec)))
		rtt := time.Duration(rng.Int64N(int64(time.Second))) >> rng.IntN(20)
		until := time.Duration(rng.Int64N(int64(60 * sec)))
		reply := Input{Kind: Received, Frame: b.Frame, Epoch: 1}
		if b.Frame == Ping {
			reply.Frame = Pong
		}
		seed := rng.Uint64()
		open := func() Machine {
			m := New(cfg, *rand.NewPCG(seed, 1))
			m.Step(0, Input{Kind: Start}, nil)
			out := m.Step(0, Input{Kind: Connected, Epoch: 1}, nil)
			if out[len(out)-1].Kind == Send { // at the open
				reply.Data = AppendRef(nil, b.Payload, 1)
				m.Step(rtt, reply, nil)
			}
			return m
		}
		fast, slow := open(), open()
		first, period, n := fast.Answered(rtt, until)
		if n == 0 {
			if d := cmp.Diff(slow, fast, exact...); d != "" {
				t.Fatalf("it did nothing, and yet:\n%s", d)
			}
			continue
		}
		if n > 1 {
			many++
		}
		for i := range n {
			due := first + time.Duration(i)*period
			if at := slow.Deadline(); at != due {
				t.Fatalf("%+v rtt %v: beat %d is due at %v, want %v", cfg, rtt, i, due, at)
			}
			out := slow.Step(due, Input{Kind: Deadline}, nil)
			if len(out) != 1 || out[0].Kind != Send || slow.State() != Suspect {
				t.Fatalf("beat %d: %+v, %v", i, out, slow.State())
			}
			if at := slow.Deadline(); at <= due+rtt {
				t.Fatalf("%+v rtt %v: something is due at %v, before the reply at %v", cfg, rtt, at, due+rtt)
			}
			reply.Data = AppendRef(nil, b.Payload, out[0].Ref)
			out = slow.Step(due+rtt, reply, nil)
			if len(out) != 1 || out[0].Kind != Replied || out[0].Dur != rtt || slow.State() != Open {
				t.Fatalf("reply %d: %+v, %v", i, out, slow.State())
			}
			if due+rtt >= until {
				t.Fatalf("reply %d comes at %v, not before %v", i, due+rtt, until)
			}
		}
		if d := cmp.Diff(slow, fast, exact...); d != "" {
			t.Fatalf("%+v rtt %v until %v: stepping (-), Answered (+):\n%s", cfg, rtt, until, d)
		}
		if next := slow.Deadline(); next+rtt < until {
			t.Fatalf("%d beats, and the next would be answered at %v, before %v", n, next+rtt, until)
		}
	}
	if many < 1000 {
		t.Errorf("only %d tunings with more than one beat", many)
	}
}

// exact compares machines field by field; an empty list of beats is no list.
var exact = []cmp.Option{cmp.AllowUnexported(Machine{}, sent{}), cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b *Config) bool { return a == b }), cmp.Comparer(func(a, b *extra) bool { return a == b }),
	cmp.Comparer(func(a, b rand.PCG) bool { return a == b })}
