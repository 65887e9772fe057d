package packet

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

func TestDelay(t *testing.T) {
	w := newWorld(t, 2, false, Options{}, echo)
	slow, fast := w.dial(0), w.dial(1)
	defer slow.Close()
	defer fast.Close()
	end := w.begin(chaos.Fault{Kind: chaos.Delay, By: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Direction: chaos.Up}, 0)
	w.begin(chaos.Fault{Kind: chaos.Delay, By: 50 * time.Millisecond, Direction: chaos.Down}, 0)
	for range 3 {
		d, err := roundTrip(t, slow, 5*time.Second)
		if err != nil || d < 130*time.Millisecond {
			t.Errorf("round trip %v, %v; want at least 130 ms", d, err)
		}
	}
	if d, err := roundTrip(t, fast, 5*time.Second); err != nil {
		t.Errorf("the other client: %v, %v", d, err)
	}
	began := time.Now()
	w.dial(0).Close()
	if d := time.Since(began); d < 130*time.Millisecond {
		t.Errorf("a dial took %v, less than one round trip", d)
	}
	end()
	if d, err := roundTrip(t, slow, 5*time.Second); err != nil || d < 50*time.Millisecond {
		t.Errorf("after the end of one: %v, %v", d, err)
	}
}

// What is on a slow path when it becomes fast arrives at once.
func TestDelayEnds(t *testing.T) {
	w := newWorld(t, 1, true, Options{}, nil)
	near, far := w.pair(0)
	defer near.Close()
	defer far.Close()
	end := w.begin(chaos.Fault{Kind: chaos.Delay, By: time.Hour, Direction: chaos.Up})
	near.Write([]byte("held"))
	end()
	far.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 9)
	if n, err := far.Read(b); err != nil || string(b[:n]) != "held" {
		t.Errorf("%q, %v", b[:n], err)
	}
}

func TestThrottle(t *testing.T) {
	const size = 100_000
	w := newWorld(t, 1, true, Options{}, nil)
	near, far := w.pair(0)
	defer near.Close()
	defer far.Close()
	end := w.begin(chaos.Fault{Kind: chaos.Throttle, Rate: 200_000, Direction: chaos.Down})
	began := time.Now()
	go far.Write(make([]byte, size))
	near.SetReadDeadline(began.Add(10 * time.Second))
	if _, err := io.ReadFull(near, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d < 480*time.Millisecond {
		t.Errorf("100 kB took %v at 200 kB/s", d)
	}
	end()
}

func TestBlackhole(t *testing.T) {
	for _, k := range kinds {
		for _, dir := range []chaos.Direction{chaos.Both, chaos.Up, chaos.Down} {
			if k.v6 && dir != chaos.Both {
				continue
			}
			t.Run(k.name+" "+string(dir), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 2, k.direct, Options{IPv6: k.v6}, echo)
				victim, other := w.dial(0), w.dial(1)
				defer victim.Close()
				defer other.Close()
				end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: dir}, 0)
				_, err := roundTrip(t, victim, 150*time.Millisecond)
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the victim's read: %v, want a timeout", err)
				}
				if _, err := roundTrip(t, other, 5*time.Second); err != nil {
					t.Errorf("the other client: %v", err)
				}
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				_, err = w.Dial(ctx, 0, w.target)
				if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("dial in the dark: %v, want a timeout", err)
				}
				end()
				// TCP sends again what was lost.
				var b [9]byte
				victim.SetReadDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.ReadFull(victim, b[:]); err != nil || string(b[:]) != "123456789" {
					t.Errorf("after the heal: %q, %v", b, err)
				}
				w.dial(0).Close()
			})
		}
	}
}
