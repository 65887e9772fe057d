package packet

import (
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
)

func TestIdleCut(t *testing.T) {
	for _, how := range []chaos.How{chaos.Silent, chaos.RST, chaos.FIN} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, true, Options{}, echo)
			quiet, busy := w.dial(0), w.dial(1)
			defer busy.Close()
			end := w.begin(chaos.Fault{Kind: chaos.IdleCut, How: how, After: 400 * time.Millisecond})
			for range 12 {
				if _, err := roundTrip(t, busy, 5*time.Second); err != nil {
					t.Fatalf("the busy connection: %v", err)
				}
				time.Sleep(50 * time.Millisecond)
			}
			eventually(t, "a cut", func() bool { return len(w.words()) == 1 })
			w.witness.mu.Lock()
			cut := w.seen[0]
			w.witness.mu.Unlock()
			if cut.what != "cut" || cut.client != 0 || cut.occ != 0 || cut.at < 400*time.Millisecond {
				t.Errorf("%+v", cut)
			}
			end()
			_, err := roundTrip(t, quiet, 300*time.Millisecond)
			switch how {
			case chaos.Silent:
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after the cut: %v, want silence, for good", err)
				}
			case chaos.RST:
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("after the cut: %v, want ECONNRESET", err)
				}
			case chaos.FIN:
				if err != io.EOF {
					t.Errorf("after the cut: %v, want EOF", err)
				}
			}
			quiet.Close()
			again := w.dial(0)
			defer again.Close()
			if _, err := roundTrip(t, again, 5*time.Second); err != nil {
				t.Errorf("a new connection: %v", err)
			}
		})
	}
}

// A client that gives up in the dark leaves a zombie, until the server closes or the goodbye gets through.
func TestZombies(t *testing.T) {
	for _, k := range kinds[:2] {
		t.Run(k.name+" healed", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{}, nil)
			near, far := w.pair(0)
			defer far.Close()
			end := w.begin(chaos.Fault{Kind: chaos.Blackhole})
			near.Close()
			if d := cmp.Diff([]string{"zombie"}, w.words()); d != "" {
				t.Fatal(d)
			}
			end()
			far.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := far.Read(make([]byte, 9)); err != io.EOF {
				t.Errorf("the server's read: %v, want EOF", err)
			}
			if d := cmp.Diff([]string{"zombie", "rested"}, w.words()); d != "" {
				t.Error(d)
			}
		})
		t.Run(k.name+" reaped", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{}, nil)
			near, far := w.pair(0)
			w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Up})
			near.Close()
			far.Close()
			eventually(t, "reaped", func() bool { return cmp.Equal([]string{"zombie", "reaped"}, w.words()) })
		})
		t.Run(k.name+" cut", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{}, nil)
			near, far := w.pair(0)
			w.begin(chaos.Fault{Kind: chaos.IdleCut, After: time.Millisecond})
			eventually(t, "a cut", func() bool { return len(w.words()) == 1 })
			near.Close()
			far.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := far.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the server's read: %v, want silence", err)
			}
			far.Close()
			eventually(t, "reaped", func() bool { return cmp.Equal([]string{"cut", "zombie", "reaped"}, w.words()) })
			eventually(t, "the flow forgotten", func() bool {
				w.paths[0].mu.Lock()
				defer w.paths[0].mu.Unlock()
				return len(w.paths[0].flows) == 0
			})
		})
		t.Run(k.name+" none", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{}, nil)
			near, far := w.pair(0)
			near.Close()
			far.Read(make([]byte, 9))
			far.Close()
			if got := w.words(); got != nil {
				t.Errorf("on a healthy path: %v", got)
			}
		})
	}
}
