package packet

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

func TestKillRST(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, k.direct, Options{IPv6: k.v6}, nil)
			near, far := w.pair(0)
			safe, safeFar := w.pair(1)
			defer safe.Close()
			go echo(safeFar)
			go near.Write([]byte("x"))
			var b [9]byte
			if _, err := far.Read(b[:]); err != nil {
				t.Fatal(err)
			}
			w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.RST}, 0)
			near.SetReadDeadline(time.Now().Add(5 * time.Second))
			far.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := near.Read(b[:]); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the client's read: %v, want ECONNRESET", err)
			}
			if _, err := near.Write(b[:]); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("the client's write: %v", err)
			}
			if _, err := far.Read(b[:]); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the server's read: %v, want ECONNRESET", err)
			}
			if _, err := roundTrip(t, safe, 5*time.Second); err != nil {
				t.Errorf("the other client: %v", err)
			}
			near.Close()
			far.Close()
			again, farAgain := w.pair(0)
			again.Close()
			farAgain.Close()
		})
	}
}

// A kill gets through where packets do not.
func TestKillRSTInTheDark(t *testing.T) {
	w := newWorld(t, 1, true, Options{}, nil)
	near, far := w.pair(0)
	defer near.Close()
	defer far.Close()
	w.begin(chaos.Fault{Kind: chaos.Blackhole})
	near.Write([]byte("lost"))
	far.Write([]byte("lost"))
	w.begin(chaos.Fault{Kind: chaos.Kill})
	for _, c := range []net.Conn{near, far} {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 9)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v, want ECONNRESET", err)
		}
	}
}

func TestKillFIN(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{IPv6: k.v6}, nil)
			near, far := w.pair(0)
			defer near.Close()
			defer far.Close()
			w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.FIN})
			for name, c := range map[string]net.Conn{"client": near, "server": far} {
				c.SetReadDeadline(time.Now().Add(5 * time.Second))
				if _, err := c.Read(make([]byte, 9)); err != io.EOF {
					t.Errorf("the %s's read: %v, want EOF", name, err)
				}
			}
		})
	}
}

func TestKillClose(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{IPv6: k.v6}, nil)
			near, far := w.pair(0)
			defer near.Close()
			defer far.Close()
			near.Write([]byte("x"))
			w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.Close, Code: 1012})
			near.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, err := near.Read(make([]byte, 9))
			var frame *chaos.CloseFrameError
			if !errors.As(err, &frame) || frame.Code != 1012 {
				t.Errorf("the client's read: %v, want a close frame with 1012", err)
			}
			far.SetReadDeadline(time.Now().Add(5 * time.Second))
			got, err := io.ReadAll(far)
			if err != nil || len(got) != 9 || got[1] != 0x88 {
				t.Fatalf("the server got % x, %v; want a close frame", got, err)
			}
			mask := got[3:7]
			if code := int(got[7]^mask[0])<<8 | int(got[8]^mask[1]); code != 1012 {
				t.Errorf("the server's frame has code %d", code)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, k.direct, Options{IPv6: k.v6}, echo)
			old := w.dial(0)
			defer old.Close()
			end := w.begin(chaos.Fault{Kind: chaos.Refuse}, 0)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if _, err := w.Dial(ctx, 0, w.target); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dial: %v, want ECONNREFUSED", err)
			}
			w.dial(1).Close()
			if _, err := roundTrip(t, old, 5*time.Second); err != nil {
				t.Errorf("the established connection: %v", err)
			}
			end()
			w.dial(0).Close()
		})
	}
}
