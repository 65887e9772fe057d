//go:build unix

package packet

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/flatline-dev/flatline/chaos"
)

// bare is the least that two connected stacks can be: gVisor's own pipe between them and gVisor's own net.Conn on top.
// It is what the engine is measured against.
type bare struct {
	client, server *stack.Stack
	to             tcpip.FullAddress
}

func newBare(tb testing.TB) *bare {
	left, right := pipe.New("", "", 1500)
	make := func(l stack.LinkEndpoint, addr tcpip.Address) *stack.Stack {
		s := stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		})
		if err := s.CreateNIC(1, l); err != nil {
			tb.Fatal(err)
		}
		pa := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: addr.WithPrefix()}
		if err := s.AddProtocolAddress(1, pa, stack.AddressProperties{}); err != nil {
			tb.Fatal(err)
		}
		s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}})
		tb.Cleanup(s.Destroy)
		return s
	}
	at := tcpip.AddrFrom4([4]byte{192, 0, 2, 1})
	b := &bare{to: tcpip.FullAddress{NIC: 1, Addr: at, Port: 80}}
	b.client, b.server = make(left, tcpip.AddrFrom4([4]byte{10, 0, 0, 1})), make(right, at)
	ln, err := gonet.ListenTCP(b.server, b.to, ipv4.ProtocolNumber)
	if err != nil {
		tb.Fatal(err)
	}
	go serveEcho(ln)
	return b
}

func serveEcho(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go smallEcho(c)
	}
}

// smallEcho answers with the buffer that a heartbeating server has.
func smallEcho(c net.Conn) {
	defer c.Close()
	var b [64]byte
	for {
		n, err := c.Read(b[:])
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

func (b *bare) dial(int) (net.Conn, error) {
	return gonet.DialTCP(b.client, b.to, ipv4.ProtocolNumber)
}

// contenders are the ways to connect client i; each comes with its server.
var contenders = []struct {
	name string
	make func(tb testing.TB, clients int) func(i int) (net.Conn, error)
}{
	{"bare", func(tb testing.TB, _ int) func(int) (net.Conn, error) { return newBare(tb).dial }},
	{"direct", func(tb testing.TB, n int) func(int) (net.Conn, error) { return newContender(tb, n, true) }},
	{"splice", func(tb testing.TB, n int) func(int) (net.Conn, error) { return newContender(tb, n, false) }},
	{"delayed", func(tb testing.TB, n int) func(int) (net.Conn, error) {
		return newContender(tb, n, true, chaos.Fault{Kind: chaos.Delay, By: time.Microsecond}) // through the link engine's heap
	}},
	{"kernel", func(tb testing.TB, _ int) func(int) (net.Conn, error) {
		ln := loopback(tb)
		return func(int) (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }
	}},
}

func loopback(tb testing.TB) net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ln.Close() })
	go serveEcho(ln)
	return ln
}

func newContender(tb testing.TB, clients int, direct bool, faults ...chaos.Fault) func(int) (net.Conn, error) {
	start := time.Now()
	e, err := New(func() time.Duration { return time.Since(start) }, &witness{}, 7, clients, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { e.Shutdown() })
	all := &chaos.Set{}
	for i := range clients {
		all.Add(i)
	}
	for i := range faults {
		if err := e.Begin(&faults[i], chaos.Occurrence{Index: i}, all); err != nil {
			tb.Fatal(err)
		}
	}
	target := func(context.Context) (net.Conn, error) { return nil, net.ErrClosed }
	if direct {
		ln, err := e.Listen()
		if err != nil {
			tb.Fatal(err)
		}
		go serveEcho(ln)
	} else {
		ln := loopback(tb)
		target = func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", ln.Addr().String())
		}
	}
	return func(i int) (net.Conn, error) { return e.Dial(context.Background(), i, target) }
}

// connectAll dials n clients, 64 at a time.
func connectAll(tb testing.TB, n int, dial func(int) (net.Conn, error)) []net.Conn {
	conns := make([]net.Conn, n)
	var wg sync.WaitGroup
	for k := range 64 {
		wg.Go(func() {
			for i := k; i < n; i += 64 {
				c, err := dial(i)
				if err != nil {
					tb.Error(err)
					return
				}
				conns[i] = c
			}
		})
	}
	wg.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
	return conns
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// BenchmarkRoundTrip is one heartbeat and its echo, with 1,000 connections open: wall time with one at a time, so CPU time
// of both ends and whatever is between them on top of it.
func BenchmarkRoundTrip(b *testing.B) {
	const n = 1000
	for _, c := range contenders {
		b.Run(c.name, func(b *testing.B) {
			conns := connectAll(b, n, c.make(b, n))
			defer closeAll(conns)
			var buf [9]byte
			cpu := cpuTime()
			for i := 0; b.Loop(); i++ {
				conn := conns[i%n]
				if _, err := conn.Write([]byte("123456789")); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(conn, buf[:]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// BenchmarkConnection is what one quiet connection costs, both ends together: memory in use after 2,000 were made and each
// has carried a heartbeat, with a reader waiting on either end; and the time of making one.
func BenchmarkConnection(b *testing.B) {
	const n = 2000
	for _, c := range contenders {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				dial := c.make(b, n)
				var before, after runtime.MemStats
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&before)
				began := time.Now()
				conns := connectAll(b, n, dial)
				took := time.Since(began)
				var wg sync.WaitGroup
				wg.Add(n)
				for _, conn := range conns {
					go func() {
						var buf [9]byte
						conn.Write(buf[:])
						io.ReadFull(conn, buf[:])
						wg.Done()
						conn.Read(buf[:])
					}()
				}
				wg.Wait()
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&after)
				used := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse
				b.ReportMetric(float64(used)/n/1024, "KiB/conn")
				b.ReportMetric(float64(took.Microseconds())/n, "µs/dial")
				closeAll(conns)
			}
		})
	}
}

// BenchmarkDial10000 is how long 10,000 clients take to connect without loss.
func BenchmarkDial10000(b *testing.B) {
	const n = 10000
	for b.Loop() {
		began := time.Now()
		conns := connectAll(b, n, newContender(b, n, true))
		b.ReportMetric(time.Since(began).Seconds(), "s/10000")
		closeAll(conns)
	}
}
