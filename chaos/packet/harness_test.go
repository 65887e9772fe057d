package packet

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// sighting is a call of the observer.
type sighting struct {
	what   string
	client int
	occ    int
	at     time.Duration
}

type witness struct {
	mu   sync.Mutex
	seen []sighting
}

func (w *witness) add(s sighting) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, s)
}
func (w *witness) PathCut(now time.Duration, client, occ int) {
	w.add(sighting{"cut", client, occ, now})
}
func (w *witness) ZombieBegan(now time.Duration, client int) {
	w.add(sighting{"zombie", client, 0, now})
}
func (w *witness) ZombieEnded(now time.Duration, client int, reaped bool) {
	what := "rested"
	if reaped {
		what = "reaped"
	}
	w.add(sighting{what, client, 0, now})
}

func (w *witness) words() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, s := range w.seen {
		out = append(out, s.what)
	}
	return out
}

// world is an engine with a server.
type world struct {
	t *testing.T
	*Engine
	witness
	occ   int
	start time.Time
	addr  string // of a target outside of the private network; "": the server listens in it
	conns chan net.Conn
	ln    net.Listener
}

// newWorld starts an engine. direct: the server listens in the private network, otherwise on a loopback port. Accepted
// connections go to serve, or to the conns channel when it is nil.
func newWorld(t *testing.T, clients int, direct bool, o Options, serve func(net.Conn)) *world {
	t.Helper()
	w := &world{t: t, start: time.Now(), conns: make(chan net.Conn, clients+8)}
	var err error
	w.Engine, err = New(func() time.Duration { return time.Since(w.start) }, w, 7, clients, o)
	if err != nil {
		t.Fatal(err)
	}
	if direct {
		w.ln, err = w.Listen()
	} else {
		w.ln, err = net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			w.addr = w.ln.Addr().String()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := w.ln.Accept()
			if err != nil {
				return
			}
			if serve != nil {
				go serve(c)
			} else {
				w.conns <- c
			}
		}
	}()
	t.Cleanup(func() {
		w.ln.Close()
		if err := w.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) target(ctx context.Context) (net.Conn, error) {
	if w.addr == "" {
		return nil, errors.New("dialed past the private network")
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", w.addr)
}

// dial connects a client or fails the test.
func (w *world) dial(client int) net.Conn {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := w.Dial(ctx, client, w.target)
	if err != nil {
		w.t.Fatalf("dial client %d: %v", client, err)
	}
	return c
}

// pair connects a client and returns both ends.
func (w *world) pair(client int) (near, far net.Conn) {
	w.t.Helper()
	near = w.dial(client)
	select {
	case far = <-w.conns:
	case <-time.After(10 * time.Second):
		w.t.Fatal("the server accepted nothing")
	}
	return near, far
}

// begin puts a fault in force for the clients (none: everybody) and returns what ends it.
func (w *world) begin(f chaos.Fault, clients ...int) (end func()) {
	w.t.Helper()
	if bad := f.Validate(); bad != nil {
		w.t.Fatal(bad)
	}
	set := &chaos.Set{}
	for i := range w.paths {
		if len(clients) == 0 || slices.Contains(clients, i) {
			set.Add(i)
		}
	}
	o := chaos.Occurrence{Index: w.occ, Name: string(f.Kind)}
	w.occ++
	if err := w.Begin(&f, o, set); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		w.t.Helper()
		if err := w.End(&f, o, set); err != nil {
			w.t.Fatal(err)
		}
	}
}

// roundTrip sends one message and waits for its echo.
func roundTrip(t *testing.T, c net.Conn, patience time.Duration) (time.Duration, error) {
	t.Helper()
	began := time.Now()
	c.SetReadDeadline(began.Add(patience))
	if _, err := c.Write([]byte("123456789")); err != nil {
		return 0, err
	}
	var b [9]byte
	_, err := io.ReadFull(c, b[:])
	return time.Since(began), err
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
	}
}

func echo(c net.Conn) {
	defer c.Close()
	io.Copy(c, c)
}

// kinds of world: the server behind the gateway, or in the private network; both families.
var kinds = []struct {
	name   string
	direct bool
	v6     bool
}{{"splice", false, false}, {"direct", true, false}, {"splice6", false, true}, {"direct6", true, true}}
