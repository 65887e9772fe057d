package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// TestMain fails when a test leaves goroutines behind.
func TestMain(m *testing.M) {
	code := m.Run()
	for deadline := time.Now().Add(5 * time.Second); len(leaked()) > 0 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if left := leaked(); len(left) > 0 && code == 0 {
		fmt.Fprintf(os.Stderr, "%d goroutines are left behind:\n%s\n", len(left), strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// leaked are the stacks of goroutines in this package but for the main one.
func leaked() (left []string) {
	buf := make([]byte, 1<<20)
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "/chaos/stream.") && !strings.Contains(g, ".TestMain(") {
			left = append(left, g)
		}
	}
	return left
}

// notes is an Observer that keeps what it is told.
type notes struct {
	mu   sync.Mutex
	list []string
	at   []time.Duration
}

func (o *notes) add(now time.Duration, format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, fmt.Sprintf(format, args...))
	o.at = append(o.at, now)
}

func (o *notes) PathCut(now time.Duration, client, occ int) { o.add(now, "cut %d by %d", client, occ) }
func (o *notes) ZombieBegan(now time.Duration, client int)  { o.add(now, "zombie %d", client) }
func (o *notes) ZombieEnded(now time.Duration, client int, reaped bool) {
	o.add(now, "ended %d reaped=%v", client, reaped)
}

func (o *notes) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.list)
}

// world is an engine over a server that keeps its ends.
type world struct {
	*testing.T
	*Engine
	obs   *notes
	dial  func(context.Context) (net.Conn, error)
	peers chan net.Conn // the server's end of each connection, in order
	next  int           // occurrence
	began map[int]*chaos.Fault
}

func newWorld(t *testing.T, clients int) *world {
	start := time.Now()
	w := &world{T: t, obs: &notes{}, peers: make(chan net.Conn, 10000), began: map[int]*chaos.Fault{}}
	w.Engine = New(func() time.Duration { return time.Since(start) }, w.obs, 1, clients)
	return w
}

// loopback is a world over real TCP.
func loopback(t *testing.T, clients int) *world {
	w := newWorld(t, clients)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
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
	w.dial = func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	}
	t.Cleanup(func() {
		w.Engine.Close()
		l.Close()
		<-done
	})
	return w
}

// piped is a world over net.Pipe, for use in a synctest bubble. The caller closes the engine.
func piped(t *testing.T, clients int) *world {
	w := newWorld(t, clients)
	w.dial = func(context.Context) (net.Conn, error) {
		a, b := net.Pipe()
		w.peers <- b
		return a, nil
	}
	return w
}

// open makes a connection for the client and returns both ends, closed at the end of the test.
func (w *world) open(client int) (*Conn, net.Conn) {
	w.Helper()
	c, err := w.Dial(context.Background(), client, w.dial)
	if err != nil {
		w.Fatal(err)
	}
	peer := <-w.peers
	w.Cleanup(func() { c.Close(); peer.Close() })
	return c.(*Conn), peer
}

// begin puts the fault in force for the clients and returns its end.
func (w *world) begin(f chaos.Fault, clients ...int) (end func()) {
	w.Helper()
	var set chaos.Set
	for _, i := range clients {
		set.Add(i)
	}
	o := chaos.Occurrence{Index: w.next, Name: string(f.Kind)}
	w.next++
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

func (w *world) write(c net.Conn, s string) {
	w.Helper()
	if !w.put(c, s) {
		w.FailNow()
	}
}

// put is write for goroutines that are not the test's own.
func (w *world) put(c net.Conn, s string) bool {
	n, err := c.Write([]byte(s))
	if n != len(s) || err != nil {
		w.Errorf("write %q: %d, %v", s, n, err)
		return false
	}
	return true
}

// wantRead reads exactly s.
func (w *world) wantRead(c net.Conn, s string) {
	w.Helper()
	buf := make([]byte, len(s))
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := io.ReadFull(c, buf); err != nil || string(buf) != s {
		w.Fatalf("read %q, %v; want %q", buf[:n], err, s)
	}
	c.SetReadDeadline(time.Time{})
}

// wantSilence checks that nothing arrives for a while.
func (w *world) wantSilence(c net.Conn) {
	w.Helper()
	c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	buf := make([]byte, 16)
	if n, err := c.Read(buf); n != 0 || !isTimeout(err) {
		w.Fatalf("read %q, %v; want a timeout", buf[:n], err)
	}
	c.SetReadDeadline(time.Time{})
}

// readResult runs one Read in the background.
func readResult(c net.Conn) chan error {
	done := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 16))
		done <- err
	}()
	return done
}

// within waits for a channel; only the hang is an error.
func within[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: nothing for 20 s", what)
		panic("unreachable")
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// echo answers every byte with itself until the connection ends.
func echo(c net.Conn) {
	io.Copy(c, c)
	c.Close()
}

// pattern is byte i of a stream in which every loss, repetition and swap shows.
func pattern(b []byte, from int) {
	for i := range b {
		at := from + i
		var word [4]byte
		binary.BigEndian.PutUint32(word[:], uint32(at/4)*2654435761)
		b[i] = word[at%4]
	}
}
