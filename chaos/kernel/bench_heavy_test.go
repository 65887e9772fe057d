//go:build linux && heavy

package kernel

import (
	"io"
	"math"
	"math/rand/v2"
	"net"
	"slices"
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

func median(xs []float64) float64 {
	m, _, _ := medianInterval(xs)
	return m
}

// medianInterval is the median and its distribution-free interval of 95 %: the order statistics n/2 ± 1.96 √n/2 (the
// binomial's normal approximation), all of the sample where it is small.
func medianInterval(xs []float64) (m, low, high float64) {
	s := slices.Sorted(slices.Values(xs))
	n := len(s)
	half := 1.96 * math.Sqrt(float64(n)) / 2
	lo, hi := int(math.Floor(float64(n)/2-half)), int(math.Ceil(float64(n)/2+half))
	return (s[(n-1)/2] + s[n/2]) / 2, s[max(lo, 0)], s[min(hi, n-1)]
}

// BenchmarkBeat measures the CPU time of a beat and its echo over 2,000 connections, for both ends together, round by
// round in turn: plain sockets, the engine's while no fault is in force, and while one is in force for 1 or for 1,000
// others. The beat is the smallest there is, so that what the engine adds shows most; it has no WebSocket and no client
// in it, which a beat of flatline's has on top.
//
//	go test -tags heavy -run '^$' -bench Beat -benchtime 60x ./chaos/kernel
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
			rounds := make([][]float64, len(variants)) // µs a beat, by round
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
						rounds[i] = append(rounds[i], float64(d.Nanoseconds())/clients/1000)
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
				b.ReportMetric(median(rounds[i]), v.name+"-µs/beat")
				if i == 0 {
					continue
				}
				// The rounds of one turn are neighbours in time, so their ratio is free of what the machine did meanwhile.
				ratios := make([]float64, b.N)
				for k := range ratios {
					ratios[k] = rounds[i][k] / rounds[0][k]
				}
				m, low, high := medianInterval(ratios)
				b.Logf("%s / %s: %.3f of the CPU a beat, 95 %% interval %.3f to %.3f, %d rounds in turn", v.name, variants[0].name, m, low, high, b.N)
				b.ReportMetric(m, v.name+"-ratio")
			}
			b.ReportMetric(float64(begin.Microseconds())/float64(2*b.N)/1000, "begin-1000-ms")
		})
	}
}
