package sim_test

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/chaos/stream"
	"github.com/flatline-dev/flatline/internal/fleet"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/scenario"
)

// drive runs the plan with the fleet's own code, chaos/stream and net.Pipes, in a bubble whose clock is virtual.
func drive(t *testing.T, p *scenario.Plan) *tracer {
	tr := &tracer{}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		clock := func() time.Duration { return time.Since(start) }
		engine := stream.New(clock, tr, p.Seed, p.Clients)
		server := newPipeServer(p.Target.Serve)
		f, err := fleet.New(p, fleet.Options{
			Sink: tr, Clock: clock, URL: "ws://pipe/", Path: engine,
			Engines: []chaos.Engine{engine, freezer{server}, drainer{server}}, DialTCP: server.dial,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		server.wg.Wait()
	})
	return tr
}

// trace is what both drivers must agree on, in canonical order: by (time, client); at one instant what the client's
// machine said and where it stood, in order, and then what its driver and its path noted, which comes from several
// goroutines, by text.
func trace(tr *tracer, until time.Duration) []string {
	noted := only("attempt ,tcp,zombie,path cut")
	rs := append([]record(nil), tr.records...)
	sort.SliceStable(rs, func(i, k int) bool {
		a, b := rs[i], rs[k]
		na, nb := noted(a), noted(b)
		switch {
		case a.at != b.at:
			return a.at < b.at
		case a.client != b.client:
			return a.client < b.client
		case na != nb:
			return nb
		}
		return na && a.what < b.what
	})
	var out []string
	for _, r := range rs {
		if r.at < until { // at the end itself, faults are undone and clients stopped in no order
			out = append(out, r.String())
		}
	}
	return out
}

// TestOneTrace drives the same plan in virtual time and with the fleet, and compares the traces to the nanosecond. Times
// are chosen so that no fault and no timer fall on the same instant, where the order is anybody's choice.
func TestOneTrace(t *testing.T) {
	const (
		fixed   = "profile: heartcheck"
		counted = "profile: heartcheck-counted"
		silent  = "profile: heartcheck-counted-as-published"
		pings   = "beat: {frame: ping, interval: 2503ms, after: beat, first: 100%, jitter: 10%}, timeout: 1013ms, close: {frame: true, wait: 701ms}, reconnect: {kind: exponential, delay: 500ms, cap: 7s, jitter: full}"
		server  = "beat: {by: server, frame: ping, interval: 2s}, timeout: 1511ms, reconnect: {kind: exponential, delay: 300ms, cap: 5s, jitter: decorrelated}"
		texts   = "beat: {by: server, frame: text, match: tick, interval: 2s, answer: {payload: tock}}, liveness: reply, timeout: 1511ms, reconnect: {kind: list, delays: [1s, 3s, 9s], jitter: equal}"
		nolock  = "profile: heartcheck, reconnect: {lock: false, jitter: full}"
		opening = "profile: heartcheck, opening: {timeout: 6007ms, steps: [{send: hello, await: hello}, {send: who}, {send: me, await: me}]}"
		replies = "beat: {interval: 1709ms, after: either, payload: b, match: b}, liveness: reply, misses: 2, timeout: 907ms, reconnect: {kind: fixed, delay: 2s, jitter: ratio, jitter_ratio: 30%}"
	)
	type situation struct{ name, serve, clients, chaos string }
	all := []situation{
		{"no fault", "", fixed, ""},
		{"no fault, pings", "", pings, ""},
		{"no fault, server beats", "beat: 1999ms", server, ""},
		{"no fault, server texts", "beat: 1999ms, beat_frame: text, beat_text: tick", texts, ""},
		{"no fault, opening", "", opening, ""},
	}
	for _, c := range []struct{ name, text string }{
		{"heartcheck", fixed}, {"counted", counted}, {"as published", silent}, {"pings", pings}, {"no lock", nolock},
		{"opening", opening}, {"replies", replies},
	} {
		for _, f := range faultsForAll {
			all = append(all, situation{c.name + ", " + f.name, "reap: 11003ms", c.text, f.text})
		}
	}
	for _, f := range faultsForAll {
		all = append(all, situation{"server beats, " + f.name, "beat: 1999ms", server, f.text})
		all = append(all, situation{"server texts, " + f.name, "beat: 1999ms, beat_frame: text, beat_text: tick, reap: 7001ms", texts, f.text})
	}
	// A throttled upgrade takes as long as the bytes of its HTTP headers, which the model only estimates, so nobody may have
	// to reconnect.
	narrow := "{at: 10007000003ns, for: 17001000009ns, fault: throttle, rate: 20B/s}"
	all = append(all,
		situation{"heartcheck, throttle", "", fixed, narrow},
		situation{"counted, throttle up", "", counted, "{at: 10007000003ns, for: 17001000009ns, fault: throttle, rate: 9B/s, direction: up}"},
		situation{"server texts, throttle and delay", "beat: 1999ms, beat_frame: text, beat_text: tick", texts, narrow + ", {at: 11007000033ns, for: 12001000009ns, fault: delay, by: 97000029ns}"},
		situation{"heartcheck, drain", "", fixed, "{at: 10007000003ns, fault: drain, notice: bye, grace: 2003000001ns, code: 1001}"},
		situation{"a client that heeds the notice, drain", "", fixed + ", notice: bye", "{at: 10007000003ns, fault: drain, notice: bye, grace: 2003000001ns, code: 1001}"},
		situation{"pings, drain at once", "", pings, "{at: 10007000003ns, fault: drain, code: 1012}"},
		situation{"codes that end it, drain", "", "profile: heartcheck, reconnect: {stop_codes: [1012]}", "{at: 10007000003ns, fault: drain, code: 1012}"},
	)
	for _, f := range faultsForAll {
		for _, mode := range []string{"mode: at-most-once, to: server", "mode: at-least-once, retransmit: 1907ms", "mode: effectively-once, retransmit: 907ms, on_reconnect: false, arrivals: poisson"} {
			all = append(all, situation{mode + ", " + f.name, "", pings + ", traffic: {rate: 0.7/s, start: 1009ms, drain: 7s, " + mode + "}", f.text})
		}
	}
	// The protocols of real clients, ten times as fast.
	for _, c := range []struct{ name, text string }{
		{"socket.io", "beat: {interval: 2503ms}, timeout: 2009ms"},
		{"phoenix", "beat: {interval: 3001ms}, timeout: 3007ms"},
		{"signalr", "beat: {interval: 1501ms}, timeout: 1511ms"},
		{"actioncable", "beat: {interval: 307ms}, silence: 611ms, check: 607ms-1201ms"},
		{"stomp", "beat: {interval: 1009ms}, silence: 2003ms, check: 1013ms, close: {wait: 701ms}"},
		{"mqtt", "beat: {interval: 6007ms}, timeout: 3011ms"},
		{"discord-js", "beat: {interval: 4507ms}, close: {wait: 701ms}"},
		{"mattermost", "beat: {interval: 3019ms}"},
		{"python-websockets", "beat: {interval: 2003ms}, timeout: 2011ms"},
		{"reconnecting-websocket", "opening: {timeout: 4s}"},
	} {
		for _, f := range faultsForAll {
			all = append(all, situation{c.name + ", " + f.name, "", "profile: " + c.name + ", " + c.text, f.text})
		}
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			for _, seed := range []int{1, 7} {
				p := plan(t, fmt.Sprintf(`
name: keystone
seed: %d
target: {serve: {%s}}
clients: [{count: 5, ramp: 2997000017ns, %s}]
chaos: [%s]
duration: 47000000011ns
`, seed, c.serve, c.clients, c.chaos))
				simulated := trace(simulate(t, p, sim.Model{}), p.Duration)
				driven := drive(t, p)
				if driven.lag != 0 { // nobody else is on this machine: what a device puts off is its own doing
					t.Errorf("seed %d: the fleet calls its own timers late by %v in virtual time", seed, driven.lag)
				}
				real := trace(driven, p.Duration)
				if len(simulated) < 25 {
					t.Errorf("only %d records: is anything happening?", len(simulated))
				}
				if d := cmp.Diff(simulated, real); d != "" {
					t.Fatalf("seed %d: sim (-), fleet (+):\n%s", seed, shorten(d))
				}
			}
		})
	}
}

var faultsForAll = []struct{ name, text string }{
	{"blackhole", "{at: 10007000003ns, for: 19001000009ns, fault: blackhole, clients: 60%}"},
	{"blackhole up", "{at: 10007000003ns, for: 19001000009ns, fault: blackhole, direction: up}"},
	{"blackhole down", "{at: 10007000003ns, for: 19001000009ns, fault: blackhole, direction: down}"},
	{"short blackhole", "{at: 10007000003ns, for: 3001000009ns, fault: blackhole, every: 9011000033ns, times: 3}"},
	{"kill rst", "{at: 10007000003ns, fault: kill, how: rst}"},
	{"kill fin", "{at: 10007000003ns, fault: kill, how: fin, clients: 3}"},
	{"kill close", "{at: 10007000003ns, fault: kill, how: close(1012)}"},
	{"refuse", "{at: 9007000003ns, for: 11001000009ns, fault: refuse}, {at: 10007000013ns, fault: kill, how: rst}"},
	{"delay", "{at: 10007000003ns, for: 17001000009ns, fault: delay, by: 137000029ns}"},
	{"delay up", "{at: 10007000003ns, for: 17001000009ns, fault: delay, by: 337000029ns, direction: up}, {at: 15007000013ns, fault: kill, how: rst}"},
	{"delay and blackhole", "{at: 10007000003ns, for: 27001000009ns, fault: delay, by: 137000029ns}, {at: 12007000033ns, for: 11003000057ns, fault: blackhole}"},
	{"idle-cut silent", "{at: 10007000003ns, for: 17001000009ns, fault: idle-cut, after: 1601000007ns}"},
	{"idle-cut rst", "{at: 10007000003ns, for: 17001000009ns, fault: idle-cut, after: 1601000007ns, how: rst}"},
	{"sleep", "{at: 10007000003ns, for: 13001000009ns, fault: suspend}"},
	{"sleep at the start", "{at: 1007000003ns, for: 13001000009ns, fault: suspend}"},
	{"sleep and kill", "{at: 10007000003ns, for: 9001000009ns, fault: suspend}, {at: 12007000003ns, fault: kill, how: rst}"},
	{"timers", "{at: 10007000003ns, for: 23001000009ns, fault: suspend, how: timers, grid: 4001000003ns}"},
	// Shorter than the server's patience: what a server does that wakes with timers and bytes overdue is a race.
	{"stall", "{at: 10007000003ns, for: 7001000009ns, fault: stall}"},
}

// shorten keeps the first lines of a diff: after the first difference two traces drift apart.
func shorten(d string) string {
	lines := strings.SplitAfter(d, "\n")
	return strings.Join(lines[:min(len(lines), 40)], "")
}
