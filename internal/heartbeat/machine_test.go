package heartbeat

import (
	"math/rand/v2"
	"testing"
	"time"
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

// TestCycle walks a heartcheck client through one healthy cycle and one silence: beat 3 s after the last message, dead
// 5 s after the beat, back 4 s after that.
func TestCycle(t *testing.T) {
	m := New(heartcheck(), *rand.NewPCG(1, 1))
	want := func(now time.Duration, in Input, deadline time.Duration, kinds ...OutputKind) {
		t.Helper()
		out := m.Step(now, in, nil)
		if len(out) != len(kinds) {
			t.Fatalf("at %v: got %v, want %v", now, out, kinds)
		}
		for i, k := range kinds {
			if out[i].Kind != k {
				t.Fatalf("at %v: output %d is %v, want %v", now, i, out[i].Kind, k)
			}
		}
		if d := m.Deadline(); d != deadline {
			t.Fatalf("at %v: deadline %v, want %v", now, d, deadline)
		}
	}
	tick := Input{Kind: Deadline}
	want(0, Input{Kind: Start}, None, Dial)
	want(1*sec, Input{Kind: Connected, Epoch: 1}, 4*sec, Opened)
	want(2*sec, tick, 4*sec)                                                // early: harmless
	want(4*sec, tick, 9*sec, Send)                                          // 1 + 3; patience until 4 + 5
	want(5*sec, Input{Kind: Received, Epoch: 1}, 8*sec, Replied)            // 5 + 3
	want(8*sec, tick, 13*sec, Send)                                         // silence begins
	want(13*sec, tick, 17*sec, Dead, Unanswered, SendBye, Abandon, Waiting) // 8 + 5; back-off until 13 + 4
	want(14*sec, Input{Kind: Received, Epoch: 1}, 17*sec)                   // stale
	want(17*sec, tick, None, Dial)
	want(18*sec, Input{Kind: Failed, Epoch: 2, Cause: Refused}, 22*sec, AttemptFailed, Waiting)
	want(19*sec, Input{Kind: Stop}, None)
}
