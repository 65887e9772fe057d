//go:build linux && heavy

package kernel

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/flatline-dev/flatline/chaos"
)

// cpu is what this process has used: both ends of every connection, and the kernel's work between them, which loopback
// does in the sender's system calls.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// beat lets every connection make one round trip, from a few goroutines.
func beat(b *testing.B, conns []net.Conn) time.Duration {
	const workers = 4
	began := cpu(b)
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			one := make([]byte, 9)
			for i := k; i < len(conns); i += workers {
				if _, err := conns[i].Write(one); err != nil {
					b.Error(err)
				}
				if _, err := io.ReadFull(conns[i], one); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return cpu(b) - began
}

// BenchmarkBeat measures the CPU time of a beat and its echo over 2,000 connections, for both ends together, round by
// round in turn: plain sockets, the engine's while no fault is in force, and while one is in force for 1 or for 1,000
// others. The beat is the smallest there is, so that what the engine adds shows most.
func BenchmarkBeat(b *testing.B) {
	const clients, others = 2000, 1000
	for _, m := range matchings {
		b.Run(m.name, func(b *testing.B) {
			w := newWorld(b, m.listen, clients+others)
			var plain, conns []net.Conn
			for i := range clients { // in turn, for sockets that were opened later are dearer by themselves
				c, err := (&net.Dialer{KeepAlive: -1}).Dial("tcp", w.addr)
				if err != nil {
					b.Fatal(err)
				}
				peer := <-w.peers
				b.Cleanup(func() { c.Close(); peer.Close() })
				go io.Copy(peer, peer)
				own, ownPeer := w.open(i)
				go io.Copy(ownPeer, ownPeer)
				plain, conns = append(plain, c), append(conns, own)
			}
			var many []int
			for i := range others {
				many = append(many, clients+i)
			}
			variants := []struct {
				name    string
				conns   []net.Conn
				f       *chaos.Fault
				victims []int
			}{
				{"plain", plain, nil, nil},
				{"no-fault", conns, nil, nil},
				{"blackhole-1", conns, &chaos.Fault{Kind: chaos.Blackhole}, many[:1]},
				{"blackhole-1000", conns, &chaos.Fault{Kind: chaos.Blackhole}, many},
				{"drop-1000", conns, &chaos.Fault{Kind: chaos.Drop, Rate: 0.05}, many},
			}
			total := make([]time.Duration, len(variants))
			var begin time.Duration
			rng := rand.New(rand.NewPCG(1, 2))
			run := func(note bool) {
				for _, i := range rng.Perm(len(variants)) { // what went before leaves its traces in the caches
					v := variants[i]
					end := func() {}
					if v.f != nil {
						began := time.Now()
						end = w.begin(*v.f, v.victims...)
						if note && len(v.victims) == others {
							begin += time.Since(began)
						}
					}
					d := beat(b, v.conns)
					if note {
						total[i] += d
					}
					end()
				}
			}
			run(false)
			b.ResetTimer()
			for range b.N {
				run(true)
			}
			b.StopTimer()
			b.ReportMetric(0, "ns/op")
			for i, v := range variants {
				b.ReportMetric(float64(total[i].Nanoseconds())/float64(b.N*clients)/1000, v.name+"-µs/beat")
			}
			b.ReportMetric(float64(begin.Microseconds())/float64(2*b.N)/1000, "begin-1000-ms")
		})
	}
}
