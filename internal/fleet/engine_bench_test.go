//go:build unix

package fleet

import (
	"net/netip"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/chaos/kernel"
	"github.com/flatline-dev/flatline/chaos/packet"
	"github.com/flatline-dev/flatline/chaos/stream"
	"github.com/flatline-dev/flatline/scenario"
)

// BenchmarkEngine measures the same beat through each engine of the network, with no fault in force; none is the fleet on
// plain sockets. lag-p99 is the harness's own lateness in the steady state, ramp-lag-p99 that while 3,333 clients a second
// connect. kernel needs CAP_NET_ADMIN and belongs into a network namespace:
//
//	go test -c -o fleet.test ./internal/fleet
//	unshare --net sh -c 'ip link set lo up && exec ./fleet.test -test.run "^$" -test.bench Engine -test.benchtime 4x'
func BenchmarkEngine(b *testing.B) {
	n := envInt("FLATLINE_BENCH_CLIENTS", benchClients)
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	for _, e := range []struct {
		name string
		net  benchNet
	}{{"none", plainNet}, {"stream", streamNet}, {"kernel", kernelNet}, {"packet", packetNet}} {
		b.Run("engine="+e.name, func(b *testing.B) { benchFleet(b, n, e.net) })
	}
}

// benchNet fills in what the clients dial through, and returns what ends it.
type benchNet func(b *testing.B, o *Options, plan *scenario.Plan) (end func() error)

func nothing() error { return nil }

func plainNet(*testing.B, *Options, *scenario.Plan) func() error { return nothing }

func streamNet(_ *testing.B, o *Options, plan *scenario.Plan) func() error {
	o.Path = stream.New(o.Clock, o.Sink, plan.Seed, plan.Clients)
	return nothing
}

func packetNet(b *testing.B, o *Options, plan *scenario.Plan) func() error {
	e, err := packet.New(o.Clock, o.Sink, plan.Seed, plan.Clients, packet.Options{})
	if err != nil {
		b.Fatal(err)
	}
	o.Path = e
	return e.Shutdown
}

func kernelNet(b *testing.B, o *Options, plan *scenario.Plan) func() error {
	if err := kernel.Available(); err != nil {
		b.Skip(err)
	}
	e, err := kernel.New(kernel.Config{Clock: o.Clock, Observer: o.Sink, Clients: plan.Clients + 1, Target: netip.AddrFrom4([4]byte{127, 0, 0, 1})})
	if err != nil {
		b.Fatal(err)
	}
	o.Path, o.DialTCP = e, e.DialTCP
	return e.Close
}

// BenchmarkKernelOverhead decides whether the kernel engine adds 5 % CPU to a beat: pairs of rounds, one without an engine
// and one with it, in turn and with the first of a pair alternating, and the ratio of each pair. kernel has no fault in
// force; kernel-fault a blackhole for one client, whose rules every packet of the others meets. One op is one pair of each.
//
//	go test -c -o fleet.test ./internal/fleet
//	unshare --net sh -c 'ip link set lo up && exec ./fleet.test -test.run "^$" -test.bench KernelOverhead -test.benchtime 6x'
func BenchmarkKernelOverhead(b *testing.B) {
	n := envInt("FLATLINE_BENCH_CLIENTS", benchClients)
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	url := echoServer(b)
	round := func(through benchNet) float64 {
		r := connected(b, n, url, through)
		defer r.stop()
		time.Sleep(benchCycle)
		replies, used := r.fleet.received.Load(), cpu()
		time.Sleep(benchCycle)
		return float64((cpu() - used).Microseconds()) / float64(r.fleet.received.Load()-replies)
	}
	for _, with := range []struct {
		name string
		net  benchNet
	}{{"kernel", kernelNet}, {"kernel-fault", kernelFaultNet}} {
		b.Run(with.name, func(b *testing.B) {
			var ratios, none, kernel []float64
			for i := 0; b.Loop(); i++ {
				var x, y float64
				if i%2 == 0 {
					x, y = round(plainNet), round(with.net)
				} else {
					y, x = round(with.net), round(plainNet)
				}
				ratios, none, kernel = append(ratios, y/x), append(none, x), append(kernel, y)
			}
			slices.Sort(ratios)
			slices.Sort(none)
			slices.Sort(kernel)
			mid := len(ratios) / 2
			b.Logf("%d pairs: ratio %.3f, from %.3f to %.3f", len(ratios), ratios[mid], ratios[0], ratios[len(ratios)-1])
			b.ReportMetric(ratios[mid], "ratio")
			b.ReportMetric(none[mid], "none-cpu-µs/beat")
			b.ReportMetric(kernel[mid], "kernel-cpu-µs/beat")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// kernelFaultNet is kernelNet with a blackhole in force for the last client.
func kernelFaultNet(b *testing.B, o *Options, plan *scenario.Plan) func() error {
	end := kernelNet(b, o, plan)
	var one chaos.Set
	one.Add(plan.Clients) // a client that is never started, and has its address all the same
	e, ok := o.Path.(*kernel.Engine)
	if !ok {
		b.Fatal("not the kernel engine")
	}
	if err := e.Begin(&chaos.Fault{Kind: chaos.Blackhole}, chaos.Occurrence{Name: "blackhole"}, &one); err != nil {
		b.Fatal(err)
	}
	return end
}
