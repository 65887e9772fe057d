//go:build heavy

package main

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/flatline-dev/flatline/internal/calibrate"
	"github.com/flatline-dev/flatline/internal/sim"
)

const everyFault = `
name: every-fault
target: {serve: {handshakes: 600/s}}
clients: [{count: 3000, ramp: 6s, profile: heartcheck}]
chaos:
  - {at: 12s, for: 20s, fault: blackhole, clients: 1000}
  - {at: 46s, for: 8s, fault: stall}
  - {at: 66s, fault: kill, how: rst, name: reset}
  - {at: 84s, fault: kill, how: process, restart: 5s, name: crash}
duration: 106s
`

// TestRealLike: 3,000 clients and a server of 600 handshakes/s through a blackhole, a stall, a reset and a crash. The
// simulator, fitted to the Result, has detection, downtime and recovery within 5 % and storm peaks within 10 %; what is
// closer than flatline's own lateness and 100 ms is no difference.
func TestRealLike(t *testing.T) {
	file := writeScenario(t, everyFault)
	var far []string
	for range tries {
		real, out, code := command(t, "run", nil, "-q", file)
		t.Log("\n" + out)
		if code != exitPass {
			t.Fatalf("exit code %d", code)
		}
		fit, err := calibrate.Of(t.Context(), real)
		if err != nil {
			t.Fatal(err)
		}
		again, err := sim.Simulate(t.Context(), fit.Plan, sim.Many{Model: fit.Model})
		if err != nil {
			t.Fatal(err)
		}
		rows := calibrate.Diff(real, again)
		var b strings.Builder
		if err := calibrate.WriteText(&b, fit, rows, 100); err != nil {
			t.Fatal(err)
		}
		t.Log("\n" + b.String())
		slack := 0.1 + value(t, real, "harness.lag.p99 < 1s")
		far = nil
		compared := 0
		for _, r := range rows {
			family, _, _ := strings.Cut(r.Metric, ".")
			limit := 0.05
			if r.Metric == "storm.peak" {
				limit = 0.1
			} else if !slices.Contains([]string{"detection", "downtime", "recovery"}, family) || r.Metric == "detection.undetected" {
				continue
			}
			compared++
			off := r.Off()
			if r.Metric == "storm.peak" && math.Abs(off) > limit || r.Metric != "storm.peak" && math.Abs(off) > limit && math.Abs(r.Measured-r.Simulated) > slack {
				far = append(far, r.Metric+" during "+r.During)
			}
		}
		if compared != 4*10 {
			t.Fatalf("%d metrics, want 10 for each of 4 faults", compared)
		}
		if len(far) == 0 {
			return
		}
	}
	t.Errorf("%d tries; too far from the measurement: %s", tries, strings.Join(far, ", "))
}
