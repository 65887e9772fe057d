package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// result simulates the plan into a Result and judges it.
func result(t testing.TB, p *scenario.Plan, m sim.Model) *report.Result {
	t.Helper()
	rec := report.NewRecorder(p, report.Options{Driver: "sim", Model: m.String()})
	if err := sim.Run(context.Background(), p, sim.Options{Sink: rec, Model: m}); err != nil {
		t.Fatal(err)
	}
	res := rec.Snapshot(p.Duration, report.SnapshotOptions{Final: true})
	return res
}

// TestClosedForms holds the whole line scenario, plan, sim, recorder, metric against what can be computed by hand. Round
// trips take 2 ms. Quantiles of a histogram are known to 3 digits, those of 1,000 uniform samples on an interval of 3 s
// to about 0.05 s (one standard deviation at the median).
func TestClosedForms(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"heartcheck: uniform on (5 - r, 8]", `
clients: [{count: 3000, profile: heartcheck}]
chaos: [{at: 10s, for: 20s, fault: blackhole, clients: 1000}]
duration: 70s
expect:
  - detection.count == 1000
  - detection.count == 1000 by timeout
  - detection.p50 > 6.4s
  - detection.p50 < 6.6s
  - detection.p99 > 7.9s
  - detection.max <= 8.01s
  - detection.undetected == 0
  - detection.healed == 0
  - false_positives == 0
  - recovery.lost == 0
  - zombies.peak == 1000
  - reap.pending == 0
  - clients.open == 3000`},
		{"counted: uniform on (6 - r, 9]", `
clients: [{count: 3000, profile: heartcheck-counted}]
chaos: [{at: 10s, for: 20s, fault: blackhole, clients: 1000}]
duration: 70s
expect:
  - detection.count == 1000
  - detection.p50 > 7.4s
  - detection.p50 < 7.6s
  - detection.max <= 9.01s
  - detection.undetected == 0
  - false_positives == 0
  - recovery.lost == 0`},
		{"a queue in the path: exponential with mean 0.5 s, p = -ln(1-p) x 0.5 s", `
clients: [{count: 3000, profile: heartcheck}]
chaos: [{at: 10s, for: 60s, fault: delay, by: 500ms, jitter: 500ms, distribution: exponential, direction: up}]
duration: 80s
expect:
  - heartbeat.rtt.p50 > 330ms during delay
  - heartbeat.rtt.p50 < 365ms during delay
  - heartbeat.rtt.p99 > 2.15s during delay
  - heartbeat.rtt.p99 < 2.45s during delay
  - false_positives < 10`},
		{"as published: never", `
clients: [{count: 3000, profile: heartcheck-counted-as-published}]
chaos: [{at: 10s, for: 20s, fault: blackhole, clients: 1000}]
duration: 70s
expect:
  - detection.count == 0
  - detection.undetected == 1000
  - false_positives == 0`},
		{"a fixed tick: uniform on (T - r, I + T - r]", `
clients:
  - count: 2000
    beat: {interval: 10s, after: beat, frame: ping}
    timeout: 2s
    reconnect: {kind: fixed, delay: 1s}
chaos: [{at: 20s, for: 30s, fault: blackhole}]
duration: 100s
expect:
  - detection.count == 2000
  - detection.p50 > 6.8s
  - detection.p50 < 7.2s
  - detection.max <= 12.01s
  - detection.undetected == 0`},
		{"the server beats: uniform on (T, I + T]", `
target: {serve: {beat: 10s}}
clients:
  - count: 2000
    beat: {by: server, frame: ping, interval: 10s}
    timeout: 3s
    reconnect: {kind: fixed, delay: 1s}
chaos: [{at: 20s, for: 30s, fault: blackhole}]
duration: 100s
expect:
  - detection.count == 2000
  - detection.p50 > 7.8s
  - detection.p50 < 8.2s
  - detection.max <= 13.01s
  - detection.undetected == 0`},
		{"kill rst, fixed 4 s: everybody within an instant", `
clients: [{count: 3000, profile: heartcheck}]
chaos: [{at: 10s, fault: kill, how: rst}]
duration: 30s
expect:
  - detection.count == 3000 by reset
  - detection.max <= 1ms
  - storm.peak == 3000/s
  - storm.attempts == 3000
  - storm.amplification == 1
  - storm.failed == 0
  - recovery.max >= 4s
  - recovery.max <= 4.01s
  - downtime.p50 <= 4.01s`},
		// Any one second holds 750 attempts with a standard deviation of 24; the worst of some 40 windows stays within four.
		{"kill rst, full jitter over 4 s: 750 a second", `
clients: [{count: 3000, profile: heartcheck, reconnect: {jitter: full}}]
chaos: [{at: 10s, fault: kill, how: rst}]
duration: 30s
expect:
  - storm.peak >= 750/s
  - storm.peak <= 845/s
  - storm.attempts == 3000
  - recovery.p50 > 1.9s
  - recovery.p50 < 2.1s
  - recovery.max <= 4.01s`},
		{"healed before anybody can notice", `
clients: [{count: 2000, profile: heartcheck}]
chaos: [{at: 10s, for: 4.9s, fault: blackhole}]
duration: 40s
expect:
  - detection.count == 0
  - detection.undetected == 0
  - detection.healed == 2000
  - false_positives == 0`},
		{"100 handshakes a second: 1,000 are back after 10 s", `
target: {serve: {handshakes: 100/s}}
clients: [{count: 1000, ramp: 20s, profile: heartcheck, opening: {timeout: 60s}}]
chaos: [{at: 30s, fault: kill, how: rst}]
duration: 60s
expect:
  - recovery.p50 > 8.95s
  - recovery.p50 < 9.05s
  - recovery.max > 13.9s
  - recovery.max < 14.1s
  - storm.failed == 0`},
		{"no more than 600 clients fit", `
target: {serve: {max_clients: 600}}
clients: [{count: 1000, profile: heartcheck}]
duration: 30s
expect:
  - clients.open == 600
  - clients.never_opened == 400`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "name: oracle\nseed: 7\n" + c.text
			if c.text[:7] != "\ntarget" {
				text = "target: {serve: {}}\n" + text
			}
			p := plan(t, text)
			res := result(t, p, sim.Model{Latency: time.Millisecond})
			if len(res.Outcomes) != len(p.Expect) || len(p.Expect) == 0 {
				t.Fatalf("%d outcomes for %d expectations", len(res.Outcomes), len(p.Expect))
			}
			for _, o := range res.Outcomes {
				if o.State != report.Pass {
					t.Errorf("%s: %s, measured %v (%s)", o.Text, o.State, o.Measured.Value, o.Note)
				}
			}
		})
	}
}
