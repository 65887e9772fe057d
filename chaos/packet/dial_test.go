package packet

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			w := newWorld(t, 3, k.direct, Options{IPv6: k.v6}, echo)
			for i := range 3 {
				c := w.dial(i)
				for range 3 {
					d, err := roundTrip(t, c, 5*time.Second)
					if err != nil {
						t.Fatal(err)
					}
					t.Log(d)
				}
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// What the target says to a connection attempt, the client hears.
func TestTargetRefuses(t *testing.T) {
	w := newWorld(t, 1, false, Options{}, echo)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	dead := func(context.Context) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	if _, err := w.Dial(ctx, 0, dead); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, want ECONNREFUSED", err)
	}
	full := errors.New("no more descriptors")
	if _, err := w.Dial(ctx, 0, func(context.Context) (net.Conn, error) { return nil, full }); !errors.Is(err, full) {
		t.Errorf("%v, want the machine's own error", err)
	}
	hangs := func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	soon, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.Dial(soon, 0, hangs); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want a timeout", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.Dial(gone, 0, hangs); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}
