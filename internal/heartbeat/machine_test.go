package heartbeat

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

const sec = time.Second

func heartcheck() *Config {
	return &Config{
		Beat:     Beat{By: Client, Payload: []byte("123456789"), Interval: 3 * sec, After: AfterMessage},
		Liveness: Any, Timeout: 5 * sec, Misses: 1,
		Close:     Close{Frame: true},
		Reconnect: Reconnect{Kind: Fixed, Delay: 4 * sec, Lock: true},
	}
}

// narrated is a machine whose story a test tells.
type narrated struct {
	t *testing.T
	m Machine
}

func narrate(t *testing.T, cfg *Config) *narrated {
	return &narrated{t, New(cfg, *rand.NewPCG(1, 1))}
}

var tick = Input{Kind: Deadline}

// want makes one step and checks the kinds of its outputs and the deadline that follows. It returns the outputs.
func (n *narrated) want(now time.Duration, in Input, deadline time.Duration, kinds ...OutputKind) []Output {
	n.t.Helper()
	out := n.m.Step(now, in, nil)
	var got []OutputKind
	for _, o := range out {
		got = append(got, o.Kind)
	}
	if !slices.Equal(got, kinds) {
		n.t.Fatalf("at %v: got %v, want %v", now, got, kinds)
	}
	if d := n.m.Deadline(); d != deadline {
		n.t.Fatalf("at %v: deadline %v, want %v", now, d, deadline)
	}
	return out
}

// TestCycle walks a heartcheck client through one healthy cycle and one silence: beat 3 s after the last message, dead
// 5 s after the beat, back 4 s after that.
func TestCycle(t *testing.T) {
	n := narrate(t, heartcheck())
	n.want(0, Input{Kind: Start}, None, Dial)
	n.want(1*sec, Input{Kind: Connected, Epoch: 1}, 4*sec, Opened)
	n.want(2*sec, tick, 4*sec)                                                // early: harmless
	n.want(4*sec, tick, 9*sec, Send)                                          // 1 + 3; patience until 4 + 5
	n.want(5*sec, Input{Kind: Received, Epoch: 1}, 8*sec, Replied)            // 5 + 3
	n.want(8*sec, tick, 13*sec, Send)                                         // silence begins
	n.want(13*sec, tick, 17*sec, Dead, Unanswered, SendBye, Abandon, Waiting) // 8 + 5; back-off until 13 + 4
	n.want(14*sec, Input{Kind: Received, Epoch: 1}, 17*sec)                   // stale
	n.want(17*sec, tick, None, Dial)
	n.want(18*sec, Input{Kind: Failed, Epoch: 2, Cause: Refused}, 22*sec, AttemptFailed, Waiting)
	n.want(19*sec, Input{Kind: Stop}, None)
}

// TestOutputs spells out every field of the outputs of one beat, one reply and one death.
func TestOutputs(t *testing.T) {
	cfg := heartcheck()
	cfg.Close.Code = 4000
	n := narrate(t, cfg)
	n.want(0, Input{Kind: Start}, None, Dial)
	n.want(0, Input{Kind: Connected, Epoch: 1}, 3*sec, Opened)
	var got []Output
	got = append(got, n.want(4*sec, tick, 9*sec, Send)...) // 1 s late: due at 3, patience 4 + 5
	got = append(got, n.want(5*sec, Input{Kind: Received, Epoch: 1}, 8*sec, Replied)...)
	got = append(got, n.want(6*sec, Input{Kind: Closed, Epoch: 1, Cause: PeerClose, Code: 1001}, 10*sec, Dead, Waiting)...)
	want := []Output{
		{Kind: Send, Epoch: 1, Frame: Text, Payload: []byte("123456789"), Beat: true, Due: 3 * sec},
		{Kind: Replied, Epoch: 1, Due: 3 * sec, Dur: 2 * sec}, // 5 - 3: the lateness is not omitted
		{Kind: Dead, Epoch: 1, Cause: PeerClose, Code: 1001, LastHeard: 5 * sec},
		{Kind: Waiting, Epoch: 1, Dur: 4 * sec, N: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// TestTimeBackwards: a clock that steps back makes timers late, never early, and no round trip negative.
func TestTimeBackwards(t *testing.T) {
	n := narrate(t, heartcheck())
	n.want(10*sec, Input{Kind: Start}, None, Dial)
	n.want(10*sec, Input{Kind: Connected, Epoch: 1}, 13*sec, Opened)
	n.want(2*sec, tick, 13*sec)
	n.want(13*sec, tick, 18*sec, Send)
	out := n.want(11*sec, Input{Kind: Received, Epoch: 1}, 14*sec, Replied) // 11 + 3
	if out[0].Dur != 0 || out[0].Due != 13*sec {
		t.Errorf("round trip %v from %v, want 0 from 13s", out[0].Dur, out[0].Due)
	}
	n.want(-5*sec, tick, 14*sec)
	n.want(math.MinInt64, Input{Kind: Closed, Epoch: 1, Cause: Reset}, 4*sec, Dead, Waiting) // taken as 0
}

// TestTimeZero: zero is an instant like any other, and so are zero delays; each attempt waits for its own input.
func TestTimeZero(t *testing.T) {
	cfg := heartcheck()
	cfg.Reconnect.Delay, cfg.Close = 0, Close{}
	cfg.Beat.AtOpen, cfg.Timeout = true, 0
	n := narrate(t, cfg)
	n.want(0, tick, None)
	n.want(0, Input{Kind: Start}, None, Dial)
	for epoch := range uint32(3) {
		// It beats as it opens, has no patience, and dials again: all at 0 s.
		n.want(0, Input{Kind: Connected, Epoch: epoch + 1}, None, Opened, Send, Dead, Unanswered, Abandon, Waiting, Dial)
		n.want(0, tick, None)
	}
	n.want(0, Input{Kind: Failed, Epoch: 4}, None, AttemptFailed, Waiting, Dial)
}

// TestEndOfTime: at the end of a Duration's range nothing overflows into the past; what would fall beyond is never.
func TestEndOfTime(t *testing.T) {
	cfg := heartcheck()
	cfg.Opening.Timeout = math.MaxInt64
	n := narrate(t, cfg)
	n.want(0, Input{Kind: Start}, None, Dial)
	n.want(math.MaxInt64-4*sec, Input{Kind: Connected, Epoch: 1}, math.MaxInt64-1*sec, Opened)
	n.want(math.MaxInt64-1*sec, tick, None, Send) // dead 4 s after the end of time
	n.want(math.MaxInt64, tick, None)             // None is no deadline, not even now
	n.want(math.MaxInt64, Input{Kind: Closed, Epoch: 1, Cause: EOF}, None, Dead, Unanswered, Waiting)
	n.want(math.MaxInt64, tick, None)
}

// TestHugeIntervals: an interval near the end of the range, with every rule that multiplies it.
func TestHugeIntervals(t *testing.T) {
	for _, interval := range []time.Duration{None, None - 1, None / 2, None/2 + 1, 1 << 53} {
		cfg := &Config{
			Beat:   Beat{By: Client, Interval: interval, After: AfterBeat, AtOpen: true, First: 1, Jitter: 0.9},
			Misses: 3, Timeout: interval,
			Reconnect: Reconnect{Kind: Exponential, Delay: interval, Factor: 10, Jitter: Ratio, JitterRatio: 1, Lock: true},
		}
		m := New(cfg, *rand.NewPCG(1, 1))
		m.Step(0, Input{Kind: Start}, nil)
		m.Step(sec, Input{Kind: Connected, Epoch: 1}, nil)
		for now, n := sec, 0; m.Deadline() != None && n < 100; n++ {
			if m.Deadline() <= now {
				t.Fatalf("interval %v: deadline %v at %v", interval, m.Deadline(), now)
			}
			now = m.Deadline()
			m.Step(now, tick, nil)
		}
		cfg.Beat = Beat{By: Server, Interval: interval}
		m = New(cfg, *rand.NewPCG(1, 1))
		m.Step(0, Input{Kind: Start}, nil)
		m.Step(sec, Input{Kind: Connected, Epoch: 1}, nil)
		if d := m.Deadline(); interval > None/4 && d != None || d < 3*(interval/3) {
			t.Errorf("interval %v: the server's beat is awaited until %v", interval, d)
		}
		if lo, hi, ok := cfg.Bounds(sec); !ok || lo < 0 || hi < lo {
			t.Errorf("interval %v: bounds (%v, %v], %v", interval, lo, hi, ok)
		}
	}
}

// TestTickPhase: a fixed tick that fires late, or not at all for a while, returns to its phase.
func TestTickPhase(t *testing.T) {
	cfg := &Config{Beat: Beat{By: Client, Interval: 3 * sec, After: AfterBeat}}
	n := narrate(t, cfg)
	n.want(0, Input{Kind: Start}, None, Dial)
	n.want(1*sec, Input{Kind: Connected, Epoch: 1}, 4*sec, Opened)
	n.want(4*sec+1, tick, 7*sec, Send)
	n.want(10*sec-1, tick, 10*sec, Send)   // late by almost an interval
	n.want(13*sec, tick, 16*sec, Send)     // late by an interval: the tick of 13 s is the same moment, and gone
	n.want(1000*sec, tick, 1003*sec, Send) // 1000 = 1 + 3 x 333
	n.want(10_000*sec, tick, 10_003*sec, Send)
	n.want(10_005*sec, tick, 10_006*sec, Send)
}

// TestLatePatience: patience runs from the moment a beat left, also for the beat that a reply leaves as the oldest.
func TestLatePatience(t *testing.T) {
	cfg := &Config{Beat: Beat{By: Client, Frame: Ping, Interval: 3 * sec, After: AfterBeat}, Liveness: Reply, Timeout: 5 * sec,
		Misses: 1, Reconnect: Reconnect{Kind: Fixed, Delay: sec, Lock: true}}
	pong := Input{Kind: Received, Frame: Pong, Epoch: 1}
	n := narrate(t, cfg)
	n.want(0, Input{Kind: Start}, None, Dial)
	n.want(0, Input{Kind: Connected, Epoch: 1}, 3*sec, Opened)
	n.want(5*sec, tick, 6*sec, Send)    // due 3, dead at 10
	n.want(8*sec, tick, 9*sec, Send)    // due 6
	n.want(9*sec, pong, 9*sec, Replied) // the beat that left at 8 has until 13, not until 6 + 5
	n.want(9*sec, tick, 12*sec, Send)
	n.want(12*sec, tick, 13*sec, Send)
	n.want(13*sec, tick, 14*sec, Dead, Unanswered, Abandon, Waiting)
}

// TestBounds: the sums of the doc comment.
func TestBounds(t *testing.T) {
	beat := func(by Who, after After, misses int, jitter float64) *Config {
		return &Config{Beat: Beat{By: by, After: after, Interval: 10 * sec, Jitter: jitter}, Timeout: 4 * sec, Misses: misses}
	}
	for _, tc := range []struct {
		cfg    *Config
		rtt    time.Duration
		lo, hi time.Duration
		ok     bool
	}{
		{beat(Client, AfterMessage, 1, 0), sec, 3 * sec, 14 * sec, true},
		{beat(Client, AfterMessage, 1, 0), 9 * sec, 0, 14 * sec, true},
		{beat(Client, AfterMessage, 2, 0), sec, 0, 0, false},
		{beat(Client, AfterReply, 2, 0), sec, 0, 0, false},
		{beat(Client, AfterEither, 3, 0), sec, 23 * sec, 34 * sec, true},
		{beat(Client, AfterBeat, 3, 0.5), sec, 13 * sec, 49 * sec, true}, // 2 x 10 x 0.5 + 4 - 1, 3 x 10 x 1.5 + 4
		{beat(Server, 0, 2, 0.5), sec, 14 * sec, 24 * sec, true},         // the server's jitter is not the client's to know
		{beat(Client, AfterBeat, 0, 0), sec, 0, 0, false},
		{beat(Nobody, AfterBeat, 1, 0), sec, 0, 0, false},
	} {
		if lo, hi, ok := tc.cfg.Bounds(tc.rtt); lo != tc.lo || hi != tc.hi || ok != tc.ok {
			t.Errorf("%+v: (%v, %v] %v, want (%v, %v] %v", tc.cfg.Beat, lo, hi, ok, tc.lo, tc.hi, tc.ok)
		}
	}
}

// TestCauses: what prints parses.
func TestCauses(t *testing.T) {
	for c := range NumCauses {
		if got, ok := ParseCause(c.String()); !ok || got != c {
			t.Errorf("%v parses as %v, %v", c, got, ok)
		}
	}
	if c, ok := ParseCause("nonsense"); ok {
		t.Errorf("nonsense parses as %v", c)
	}
}

// TestSize: ten million clients with a beat out each stay within 1.5 GB. A machine is two cache lines; the first beat
// that awaits a reply costs 16 bytes more, and a client without a lock pays for its further connections only once it
// has some.
func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Machine{}); n > 128 {
		t.Errorf("a Machine takes %d bytes, want at most 128", n)
	}
	if n := unsafe.Sizeof(sent{}); n > 16 {
		t.Errorf("a beat that is out takes %d bytes, want at most 16", n)
	}
	t.Logf("Machine %d, Input %d, Output %d, Config %d bytes", unsafe.Sizeof(Machine{}), unsafe.Sizeof(Input{}),
		unsafe.Sizeof(Output{}), unsafe.Sizeof(Config{}))
}
