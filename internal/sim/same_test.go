package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
)

// randomScenario makes up a scenario in which much happens at once. coupled: clients meet at the server.
func randomScenario(r *rand.Rand, count int, coupled bool) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	ms := func(lo, hi int) string { return fmt.Sprintf("%dms", lo+r.IntN(hi-lo)) }
	serve := pick("", "reap: "+ms(4000, 15000))
	clients := func() string {
		return pick("profile: heartcheck", "profile: heartcheck-counted", "profile: heartcheck, reconnect: {lock: false, jitter: full}",
			"beat: {frame: ping, interval: "+ms(900, 4000)+", after: beat, first: 100%"+pick("", ", jitter: 10%")+"}, timeout: "+ms(300, 2000)+
				", reconnect: {kind: exponential, delay: 500ms, cap: 7s, jitter: full}",
			"beat: {interval: "+ms(500, 3000)+", after: "+pick("either", "beat", "reply", "message")+"}, liveness: reply, timeout: "+ms(700, 3000)+
				", opening: {timeout: 5s}, close: {frame: true, wait: 900ms}, reconnect: {kind: fixed, delay: "+ms(200, 4000)+"}")
	}
	if coupled {
		serve = strings.TrimPrefix(serve+pick(", handshakes: 40/s", ", handshakes: 90/s, backlog: 50", fmt.Sprintf(", max_clients: %d", count*2/3),
			fmt.Sprintf(", handshakes: 60/s, max_clients: %d", count*2/3)), ", ")
	}
	var faults []string
	for range 1 + r.IntN(4) {
		at, long := "{at: "+ms(3000, 30000)+", ", "for: "+ms(500, 12000)+", "
		faults = append(faults, at+pick(long+"fault: blackhole, clients: 50%", long+"fault: blackhole, direction: up", "fault: kill, how: rst, clients: 40%",
			"fault: kill, how: process, restart: "+ms(0, 3000), long+"fault: stall", long+"fault: delay, by: 50ms, jitter: 30ms",
			long+"fault: idle-cut, after: "+ms(300, 2000)+", clients: 30%", long+"fault: suspend, clients: 30%", long+"fault: refuse", long+"fault: drop, rate: 10%, burst: 3", long+"fault: reorder, rate: 10%", long+"fault: duplicate, rate: 20%",
			"fault: drain, notice: bye, grace: 1s, code: 1001")+"}")
	}
	return fmt.Sprintf(`
name: random
seed: %d
target: {serve: {%s}}
clients:
  - {group: a, count: %d, ramp: %s, %s}
  - {group: b, count: %d, ramp: %s, delay: %s, %s}
chaos: [%s]
duration: 45s
expect: [detection.p50 < 8s, false_positives == 0, storm.peak < 10/s]
`, r.IntN(1000), serve, count/2, ms(0, 3000), clients(), count-count/2, ms(0, 3000), ms(0, 2000), clients(), strings.Join(faults, ", "))
}

// randomModel makes up a world. coupled: clients may meet at the server.
func randomModel(r *rand.Rand, coupled bool) sim.Model {
	ms := func(most int64) time.Duration { return time.Duration(r.Int64N(most * int64(time.Millisecond))) }
	m := sim.Model{Latency: ms(40)}
	switch r.IntN(6) {
	case 0:
		m.Spread = sim.Normal(ms(20), ms(20))
	case 1:
		m.Spread = sim.LogNormal(ms(20), 0.7)
	case 2:
		d := sim.Exponential(ms(60))
		m.RTT = &d
	}
	if r.IntN(3) == 0 {
		m.Loss, m.Burst, m.Datagram = 0.2*r.Float64(), []float64{0, 3}[r.IntN(2)], r.IntN(2) == 0
	}
	v := &m.Server
	if r.IntN(3) == 0 {
		v.Nodes, v.Balancer = 3, sim.Sticky
		v.HandshakeTimeout, v.Boot = ms(3000), ms(2000)
	}
	if coupled {
		switch r.IntN(3) {
		case 0:
			v.Message, v.Handshake = sim.Exponential(ms(8)), sim.Constant(ms(8))
		case 1:
			v.Nodes, v.Balancer = 1+r.IntN(4), sim.Balancers[r.IntN(3)]
		}
		if r.IntN(3) == 0 {
			v.Backlog = 1 + r.IntN(20)
		}
	}
	return m
}

// TestOrderOfClientsDoesNotMatter: taking each client as far as it goes alone gives the trace of one event after the
// other in the order of time.
func TestOrderOfClientsDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	for n := range 24 {
		text := randomScenario(r, 40, n%2 == 0)
		m := randomModel(r, n%2 == 0)
		p := plan(t, text)
		strict := &tracer{}
		if err := sim.RunStrictly(p, strict, m); err != nil {
			t.Fatal(err)
		}
		all := func(record) bool { return true }
		got := simulate(t, p, m).lines(all)
		if len(got) < 200 {
			t.Fatalf("only %d records: is anything happening?\n%s", len(got), text)
		}
		if d := cmp.Diff(strict.lines(all), got); d != "" {
			t.Fatalf("%sone by one (-), each as far as it goes (+):\n%s", text, shorten(d))
		}
	}
}

// oneByOne hides that a Recorder takes many beats in one call.
type oneByOne struct{ report.Sink }

// TestAnyNumberOfWorkers: the Result of Simulate is that of Run with one Recorder, for any number of workers and shards,
// byte for byte, and also where beats are told one by one.
func TestAnyNumberOfWorkers(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for n := range 4 {
		text := randomScenario(r, 60, n%3 == 0)
		m := randomModel(r, n%3 == 0)
		p := plan(t, text)
		slow := report.NewRecorder(p, report.Options{Driver: "sim", Model: m.String()})
		if err := sim.Run(context.Background(), p, sim.Options{Sink: oneByOne{slow}, Model: m}); err != nil {
			t.Fatal(err)
		}
		want := asJSON(t, slow.Snapshot(p.Duration, report.SnapshotOptions{Final: true}))
		if got := asJSON(t, result(t, p, m)); got != want {
			t.Fatalf("%sone by one (-), many in one call (+):\n%s", text, shorten(cmp.Diff(want, got)))
		}
		for _, size := range []int{7, 33} {
			for _, workers := range []int{1, 2, 3, 8} {
				res, err := sim.SimulateInShards(p, sim.Many{Model: m, Workers: workers, Report: report.Options{Driver: "sim"}}, size)
				if err != nil {
					t.Fatal(err)
				}
				if got := asJSON(t, res); got != want {
					t.Fatalf("%s%d workers, shards of %d: one recorder (-), shards (+):\n%s", text, workers, size, shorten(cmp.Diff(want, got)))
				}
			}
		}
	}
}

// TestShards: more clients than one shard has, through the front door.
func TestShards(t *testing.T) {
	p := crowd(t, 20_000)
	var first string
	for _, workers := range []int{1, 2, 3, 8} {
		res, err := sim.Simulate(context.Background(), p, sim.Many{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		text := asJSON(t, res)
		if first == "" {
			first = text
			var back report.Result
			if err := json.Unmarshal([]byte(text), &back); err != nil {
				t.Fatal(err)
			}
			if n := back.Occurrences[0].Groups[0].Affected; n != 20_000 {
				t.Errorf("%d affected, want all", n)
			}
		}
		if text != first {
			t.Fatalf("%d workers: another Result", workers)
		}
	}
}

func TestSimulateIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("enough"))
	for _, serve := range []string{"", "handshakes: 100/s"} {
		p := plan(t, strings.Replace(one("", "{at: 1s, fault: kill, how: rst}", "50s"), "serve: {}", "serve: {"+serve+"}", 1))
		res, err := sim.Simulate(ctx, p, sim.Many{})
		switch {
		case serve == "" && (err == nil || !strings.Contains(err.Error(), "nothing was simulated")):
			t.Errorf("apart: %v, %v", res, err)
		case serve != "" && (err != nil || res.Status != report.Interrupted || !strings.Contains(res.Reason, "interrupted after")):
			t.Errorf("together: %v, %v", res, err)
		}
	}
}
