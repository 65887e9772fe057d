//go:build linux && heavy

package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// notes is an Observer that keeps what it is told.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (o *notes) add(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, fmt.Sprintf(format, args...))
}
func (o *notes) PathCut(_ time.Duration, client, occ int) { o.add("cut %d by %d", client, occ) }
func (o *notes) ZombieBegan(_ time.Duration, client int)  { o.add("zombie %d", client) }
func (o *notes) ZombieEnded(_ time.Duration, client int, reaped bool) {
	o.add("ended %d reaped=%v", client, reaped)
}
func (o *notes) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.list)
}

// world is an engine and a server that keeps its ends.
type world struct {
	testing.TB
	*Engine
	obs   *notes
	addr  string        // of the server
	peers chan net.Conn // the server's end of each connection, in order

	opening sync.Mutex
	next    atomic.Int32 // occurrence
}

// matchings are the two ways in which the engine knows clients of a server in the same namespace.
var matchings = []struct{ name, listen string }{{"by address", "127.0.0.1:0"}, {"by mark", "[::1]:0"}}

func newWorld(t testing.TB, listen string, clients int) *world {
	t.Helper()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t, obs: &notes{}, addr: l.Addr().String(), peers: make(chan net.Conn, 20000)}
	w.engine(netip.MustParseAddrPort(w.addr).Addr(), clients)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.peers <- c
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return w
}

// engine makes the engine for a target.
func (w *world) engine(target netip.Addr, clients int) {
	w.Helper()
	start := time.Now()
	e, err := New(Config{Clock: func() time.Duration { return time.Since(start) }, Observer: w.obs, Clients: clients, Target: target})
	if err != nil {
		w.Fatal(err)
	}
	w.Engine = e
	w.Cleanup(func() {
		if err := e.Close(); err != nil {
			w.Error(err)
		}
		if name := e.table.t.Name; slices.Contains(flatlineTables(w.TB), name) {
			w.Errorf("left behind: table %s", name)
		}
	})
}

func (w *world) connect(ctx context.Context, client int) (net.Conn, error) {
	return w.Dial(ctx, client, func(ctx context.Context) (net.Conn, error) { return w.DialTCP(ctx, client, "tcp", w.addr) })
}

// open makes a connection and returns both ends, closed at the end of the test.
func (w *world) open(client int) (*conn, net.Conn) {
	w.Helper()
	w.opening.Lock()
	defer w.opening.Unlock()
	c, err := w.connect(context.Background(), client)
	if err != nil {
		w.Fatal(err)
	}
	peer := <-w.peers
	w.Cleanup(func() { c.Close(); peer.Close() })
	return c.(*conn), peer
}

// begin puts the fault in force for the clients and returns its end.
func (w *world) begin(f chaos.Fault, clients ...int) (end func()) {
	w.Helper()
	var set chaos.Set
	for _, i := range clients {
		set.Add(i)
	}
	o := chaos.Occurrence{Index: int(w.next.Add(1)), Name: string(f.Kind)}
	if err := w.Begin(&f, o, &set); err != nil {
		w.Fatal(err)
	}
	return func() {
		w.Helper()
		if err := w.End(&f, o, &set); err != nil {
			w.Fatal(err)
		}
	}
}

func write(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if n, err := c.Write([]byte(s)); n != len(s) || err != nil {
		t.Fatalf("write %q: %d, %v", s, n, err)
	}
}

// wantRead reads exactly s.
func wantRead(t testing.TB, c net.Conn, s string) {
	t.Helper()
	buf := make([]byte, len(s))
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := io.ReadFull(c, buf); err != nil || string(buf) != s {
		t.Fatalf("read %q, %v; want %q", buf[:n], err, s)
	}
	c.SetReadDeadline(time.Time{})
}

// wantSilence checks that nothing arrives for a while.
func wantSilence(t testing.TB, c net.Conn) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	buf := make([]byte, 16)
	if n, err := c.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %q, %v; want a timeout", buf[:n], err)
	}
	c.SetReadDeadline(time.Time{})
}

// wantError reads until an error, which has to be this one.
func wantError(t testing.TB, c net.Conn, want error) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := c.Read(make([]byte, 16)); !errors.Is(err, want) {
		t.Fatalf("read: %d bytes, %v; want %v", n, err, want)
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// pingPong sends a byte and waits for its echo.
func pingPong(c net.Conn) (time.Duration, error) {
	began := time.Now()
	if _, err := c.Write([]byte{1}); err != nil {
		return 0, err
	}
	c.SetReadDeadline(began.Add(60 * time.Second))
	_, err := io.ReadFull(c, make([]byte, 1))
	return time.Since(began), err
}

func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}
