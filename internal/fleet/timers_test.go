package fleet

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// TestTimersAgainstMap moves and removes deadlines at random and compares what is due with a plain map.
func TestTimersAgainstMap(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		const n = 200
		clients := make([]client, n)
		ts := newTimers(n, 0)
		naive := map[int32]time.Duration{}
		for i := range clients {
			clients[i] = client{id: int32(i), slot: -1, due: heartbeat.None}
		}
		now := time.Duration(0)
		for range 2000 {
			c := &clients[rng.IntN(n)]
			switch rng.IntN(4) {
			case 0:
				ts.set(c, heartbeat.None)
				delete(naive, c.id)
			default:
				at := now + time.Duration(rng.IntN(1000))
				ts.set(c, at)
				naive[c.id] = at
			}
			if rng.IntN(5) > 0 {
				continue
			}
			now += time.Duration(rng.IntN(300))
			last := time.Duration(-1)
			for _, e := range ts.popDue(now, nil) {
				if want, ok := naive[e.c.id]; !ok || want != e.tick {
					t.Fatalf("seed %d: client %d was due at %d, want %d (%v)", seed, e.c.id, e.tick, want, ok)
				}
				if e.tick < last {
					t.Fatalf("seed %d: due at %d after %d", seed, e.tick, last)
				}
				last = e.tick
				delete(naive, e.c.id)
			}
			for id, at := range naive {
				if at <= now {
					t.Fatalf("seed %d: client %d was due at %d and did not come by %d", seed, id, at, now)
				}
			}
			if len(ts.heap) != len(naive) {
				t.Fatalf("seed %d: %d in the heap, want %d", seed, len(ts.heap), len(naive))
			}
		}
	}
}

// TestTimersWake: an earlier deadline that comes in while the goroutine sleeps is met on time, and with a quantum the
// goroutine fires everything that fell into it at its end.
func TestTimersWake(t *testing.T) {
	for _, quantum := range []time.Duration{0, 10 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			clock := func() time.Duration { return time.Since(start) }
			clients := make([]client, 3)
			ts := newTimers(3, quantum)
			for i := range clients {
				clients[i] = client{id: int32(i), slot: -1, due: heartbeat.None}
			}
			type fired struct {
				id int32
				at time.Duration
			}
			var got []fired
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			ts.set(&clients[0], time.Second)
			go func() {
				ts.run(ctx, clock, func(c *client, _ time.Duration) { got = append(got, fired{c.id, clock()}) })
				close(done)
			}()
			time.Sleep(500 * time.Millisecond)
			ts.set(&clients[1], 600*time.Millisecond)
			ts.set(&clients[2], 603*time.Millisecond)
			time.Sleep(time.Second)
			cancel()
			<-done
			want := []fired{{1, 600 * time.Millisecond}, {2, 603 * time.Millisecond}, {0, time.Second}}
			if quantum > 0 {
				want[1].at = 610 * time.Millisecond // its tick
			}
			for i := range want {
				if len(got) != len(want) || got[i] != want[i] {
					t.Fatalf("quantum %v: fired %v, want %v", quantum, got, want)
				}
			}
		})
	}
}
