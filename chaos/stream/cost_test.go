package stream

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// quietConn is a connection that costs nothing, so that only the wrapping is measured.
type quietConn struct{ net.Conn }

func (quietConn) Close() error                     { return nil }
func (quietConn) SetReadDeadline(time.Time) error  { return nil }
func (quietConn) SetWriteDeadline(time.Time) error { return nil }
func (quietConn) Write(b []byte) (int, error)      { return len(b), nil }
func (quietConn) Read([]byte) (int, error)         { return 0, io.EOF }

// TestIdleCost: ten thousand idle clients cost no goroutine, no timer, and a few hundred bytes each, before, during and
// after a fault.
func TestIdleCost(t *testing.T) {
	const clients = 10000
	before := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	goroutines, heap := runtime.NumGoroutine(), before()
	w := newWorld(t, clients)
	conns := make([]net.Conn, clients)
	var all chaos.Set
	for i := range conns {
		all.Add(i)
		c, err := w.Dial(t.Context(), i, func(context.Context) (net.Conn, error) { return quietConn{}, nil })
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("GET"))
		conns[i] = c
	}
	check := func(when string, limit uint64) {
		t.Helper()
		// The flushers of a fault that has ended may need a moment.
		eventually(t, when+": no goroutine more", func() bool { return runtime.NumGoroutine() <= goroutines })
		if per := (before() - heap) / clients; per > limit {
			t.Errorf("%s: %d bytes a client, limit %d", when, per, limit)
		} else {
			t.Logf("%s: %d bytes a client", when, per)
		}
	}
	check("healthy", 600)
	if w.sched.timer != nil {
		t.Error("a timer without a fault")
	}
	for i, f := range []chaos.Fault{{Kind: chaos.Blackhole}, {Kind: chaos.IdleCut, After: time.Hour}} {
		o := chaos.Occurrence{Index: i}
		if err := w.Begin(&f, o, &all); err != nil {
			t.Fatal(err)
		}
		for _, c := range conns {
			c.Write([]byte("beat"))
		}
		check("under "+f.String(), 1500)
		if err := w.End(&f, o, &all); err != nil {
			t.Fatal(err)
		}
	}
	runtime.KeepAlive(conns)
}

// pairs opens n loopback connections of clients 0 to n-1.
func pairs(b *testing.B, n int) (*Engine, []net.Conn, []net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	start := time.Now()
	e := New(func() time.Duration { return time.Since(start) }, &notes{}, 1, n)
	var clients, servers []net.Conn
	for i := range n {
		c, err := e.Dial(b.Context(), i, func(context.Context) (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
		if err != nil {
			b.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		clients, servers = append(clients, c), append(servers, s)
	}
	b.Cleanup(func() {
		e.Close()
		for i := range clients {
			clients[i].Close()
			servers[i].Close()
		}
	})
	return e, clients, servers
}

// BenchmarkBeat is one beat and its echo, 15 bytes each way, on a healthy path against the bare socket.
func BenchmarkBeat(b *testing.B) {
	_, clients, servers := pairs(b, 1)
	for _, bm := range []struct {
		name string
		c    net.Conn
	}{{"raw", clients[0].(*Conn).raw}, {"stream", clients[0]}} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			beat, buf := make([]byte, 15), make([]byte, 512)
			for b.Loop() {
				bm.c.Write(beat)
				io.ReadFull(servers[0], buf[:15])
				servers[0].Write(beat)
				io.ReadFull(bm.c, buf[:15])
			}
		})
	}
}

// BenchmarkOverhead is what the wrapping adds to a Write and a Read, over a connection that does nothing.
func BenchmarkOverhead(b *testing.B) {
	w := New(func() time.Duration { return 0 }, &notes{}, 1, 1)
	c, _ := w.Dial(context.Background(), 0, func(context.Context) (net.Conn, error) { return echoless{}, nil })
	buf := make([]byte, 15)
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Read(buf)
		}
	})
	b.Run("write", func(b *testing.B) { // the path of connections without a descriptor, the longer one
		b.ReportAllocs()
		for b.Loop() {
			c.Write(buf)
		}
	})
}

type echoless struct{ quietConn }

func (echoless) Read(b []byte) (int, error) { return len(b), nil }

// BenchmarkKill3000 is the time until 3,000 connections with blocked readers are killed.
func BenchmarkKill3000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		e, clients, servers := pairs(b, 3000)
		var all chaos.Set
		for i, c := range clients {
			all.Add(i)
			go c.Read(make([]byte, 1))
		}
		time.Sleep(100 * time.Millisecond)
		b.StartTimer()
		if err := e.Begin(&chaos.Fault{Kind: chaos.Kill, How: chaos.RST}, chaos.Occurrence{}, &all); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		for i := range clients {
			clients[i].Close()
			servers[i].Close()
		}
		b.StartTimer()
	}
}
