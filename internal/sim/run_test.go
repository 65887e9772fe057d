package sim_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// everything is a scenario in which everything random happens.
const everything = `
name: everything
seed: 3
target: {serve: {beat: 7s, reap: 12s, handshakes: 40/s, backlog: 30}}
clients:
  - {group: a, count: 60, profile: heartcheck, reconnect: {jitter: full}}
  - {group: b, count: 60, beat: {frame: ping, interval: 4s, jitter: 20%, first: 100%}, timeout: 2s, reconnect: {kind: exponential, delay: 1s, jitter: decorrelated, cap: 20s}}
chaos:
  - {at: 10s, for: 5s, fault: delay, by: 200ms, jitter: 150ms}
  - {at: 12s, for: 20s, fault: blackhole, clients: 30%}
  - {at: 40s, fault: kill, how: process, restart: 3s}
  - {at: 60s, for: 5s, fault: stall}
  - {at: 70s, for: 10s, fault: idle-cut, after: 3s, clients: 50%}
  - {at: 85s, for: 6s, fault: suspend, clients: 20}
duration: 120s
`

func TestSameSeedSameRun(t *testing.T) {
	m := sim.Model{Latency: 3 * time.Millisecond}
	run := func(seed string) []string {
		text := strings.Replace(everything, "seed: 3", "seed: "+seed, 1)
		return simulate(t, plan(t, text), m).lines(func(record) bool { return true })
	}
	first := run("3")
	if len(first) < 5000 {
		t.Fatalf("only %d records: is anything happening?", len(first))
	}
	if d := cmp.Diff(first, run("3")); d != "" {
		t.Errorf("the same seed gave another run:\n%s", shorten(d))
	}
	if cmp.Equal(first, run("4")) {
		t.Error("another seed gave the same run")
	}
}

// TestAddingAClientChangesNobody: each client has its own randomness, so that one more leaves the others as they were.
func TestAddingAClientChangesNobody(t *testing.T) {
	lines := func(count string) []string {
		tr := simulate(t, plan(t, `
name: more
seed: 5
target: {serve: {}}
clients: [{count: `+count+`, ramp: 0s, profile: heartcheck, reconnect: {jitter: full}}]
chaos: [{at: 10s, fault: kill, how: rst}]
duration: 60s
`), sim.Model{})
		return tr.lines(func(r record) bool { return r.client < 20 })
	}
	if d := cmp.Diff(lines("20"), lines("21")); d != "" {
		t.Error(shorten(d))
	}
}

func TestRefusals(t *testing.T) {
	p := plan(t, one("", "{at: 1s, fault: kill, how: rst}", "5s"))
	if err := sim.Run(context.Background(), p, sim.Options{Sink: null{}, Model: sim.Model{Latency: -1}}); err == nil {
		t.Error("negative latency: no error")
	}
	far := sim.Constant(25 * time.Hour)
	for _, c := range []struct {
		model sim.Model
		fault chaos.Fault
		want  string
	}{
		{sim.Model{Loss: 1}, chaos.Fault{}, "loss 1 is not in [0,1)"},
		{sim.Model{Burst: 0.5}, chaos.Fault{}, "burst 0.5 is not at least 1"},
		{sim.Model{Spread: far}, chaos.Fault{}, "25h is not within 0 and 24h"},
		{sim.Model{RTT: &far}, chaos.Fault{}, "25h is not within 0 and 24h"},
		{sim.Model{Server: sim.Server{Nodes: 256}}, chaos.Fault{}, "256 nodes are not 1 to 255"},
		{sim.Model{Server: sim.Server{Boot: -1}}, chaos.Fault{}, "a limit of the server is negative"},
		{sim.Model{Server: sim.Server{Balancer: "best"}}, chaos.Fault{}, `no balancer "best"`},
		{sim.Model{Server: sim.Server{Nodes: 2}}, chaos.Fault{Kind: chaos.Stall, Nodes: []int{2}}, "no node 2, only 0 to 1"},
		{sim.Model{Server: sim.Server{Nodes: 2}}, chaos.Fault{Kind: chaos.Blackhole, Nodes: []int{1}}, "cannot simulate a blackhole of some"},
	} {
		p.Faults[0] = c.fault
		if err := sim.Run(context.Background(), p, sim.Options{Sink: null{}, Model: c.model}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// canceller ends the run from inside of it.
type canceller struct {
	null
	cancel  context.CancelFunc
	stopped int
}

func (c *canceller) FaultBegan(time.Duration, int) { c.cancel() }
func (c *canceller) State(_ time.Duration, _ int, s heartbeat.State) {
	if s == heartbeat.Stopped {
		c.stopped++
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &canceller{cancel: cancel}
	p := plan(t, `
name: endless
target: {serve: {}}
clients: [{count: 100, profile: heartcheck}]
chaos: [{at: 10s, fault: kill, how: rst}]
duration: 168h
`)
	if err := sim.Run(ctx, p, sim.Options{Sink: c}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if c.stopped != 100 {
		t.Errorf("%d of 100 clients were stopped", c.stopped)
	}
}

// TestConnectionsAreGivenBack: a run of many reconnects keeps no more connections than there are clients and zombies.
func TestConnectionsAreGivenBack(t *testing.T) {
	p := plan(t, `
name: again and again
target: {serve: {}}
clients: [{count: 100, profile: heartcheck, reconnect: {delay: 1s}}]
chaos:
  - {at: 5s, fault: kill, how: rst, every: 2s}
  - {at: 6s, fault: kill, how: process, every: 7s}
  - {at: 7s, for: 9s, fault: blackhole, every: 20s, clients: 50%}
duration: 600s
`)
	count := &storm{}
	run, err := sim.Hold(p, count)
	if err != nil {
		t.Fatal(err)
	}
	attempts := 0
	for _, n := range count.attempts {
		attempts += n
	}
	if attempts < 10000 {
		t.Fatalf("only %d attempts: is anything happening?", attempts)
	}
	if n := sim.Conns(run); n > 400 {
		t.Errorf("%d attempts of 100 clients took %d connections", attempts, n)
	}
}

func BenchmarkClients(b *testing.B) {
	for _, c := range []struct{ name, count, chaos string }{
		{"steady-10k", "10000", ""},
		{"blackhole-10k", "10000", "{at: 10s, for: 20s, fault: blackhole, clients: 33%}"},
		{"steady-100k", "100000", ""},
	} {
		for _, sink := range []string{"null", "recorder"} {
			b.Run(c.name+"/"+sink, func(b *testing.B) {
				p := plan(b, `
name: benchmark
target: {serve: {}}
clients: [{count: `+c.count+`, profile: heartcheck}]
chaos: [`+c.chaos+`]
duration: 60s
`)
				for b.Loop() {
					var s report.Sink = null{}
					if sink == "recorder" {
						s = report.NewRecorder(p, report.Options{Driver: "sim"})
					}
					if err := sim.Run(context.Background(), p, sim.Options{Sink: s, Model: sim.Model{Latency: time.Millisecond}}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(p.Clients)*p.Duration.Seconds()*float64(b.N)/b.Elapsed().Seconds(), "client-s/s")
				b.ReportMetric(bytesPerClient(b, p), "B/client")
			})
		}
	}
}

// bytesPerClient is what a run holds on to, at its end, for each client.
func bytesPerClient(b *testing.B, p *scenario.Plan) float64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	keep, err := sim.Hold(p, null{})
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(keep)
	return (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(p.Clients)
}
