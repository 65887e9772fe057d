//go:build !race

// Simulations whose code is raced elsewhere: the race detector would take minutes and find nothing.

package calibrate

import (
	"bytes"
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

const world = `
name: world
seed: 5
target: {serve: {}}
clients: [{count: 600, ramp: 6s, profile: heartcheck}]
chaos:
  - {at: 15s, for: 12s, fault: blackhole, clients: 33%}
  - {at: 45s, fault: kill, how: rst}
  - {at: 60s, fault: kill, how: process, restart: 2s}
duration: 90s
`

// pretend simulates a world whose model is known, and says that it was real.
func pretend(t *testing.T, text string, m sim.Model) *report.Result {
	t.Helper()
	f, err := scenario.Parse("world.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	r, err := sim.Simulate(context.Background(), p, sim.Many{Model: m, Report: report.Options{Driver: "fleet"}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestKnownWorld: what the model was is found again from the Result alone, and with it the Result.
func TestKnownWorld(t *testing.T) {
	path := sim.LogNormal(10*time.Millisecond, 0.4)
	for _, work := range []time.Duration{0, 400 * time.Microsecond, 5 * time.Millisecond} {
		m := sim.Model{Spread: path, Server: sim.Server{Handshake: sim.Constant(work)}}
		r := pretend(t, world, m)
		f, err := Of(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Model.Server.Handshake.Quantile(0.5); math.Abs(float64(got-work)) > 0.02*float64(work)+20e3 {
			t.Errorf("%v of work were fitted as %v:\n%s", work, got, strings.Join(f.Notes, "\n"))
		}
		// The sum of two one-way latencies, of which a round trip is made.
		if got := f.Model.RTT.Quantile(0.5); got < 20*time.Millisecond || got > 23*time.Millisecond {
			t.Errorf("round trips of about 21ms were fitted as %v", got)
		}
		again, err := sim.Simulate(context.Background(), f.Plan, sim.Many{Model: f.Model})
		if err != nil {
			t.Fatal(err)
		}
		rows := Diff(r, again)
		if len(rows) < 30 {
			t.Fatalf("%d rows", len(rows))
		}
		for _, row := range rows {
			// A connection takes one of the model's round trips for both of its halves, the world drew four latencies.
			loose := 0.05
			if strings.HasPrefix(row.Metric, "connect.") {
				loose = 0.35
			}
			if off := row.Off(); math.Abs(off) > loose && math.Abs(row.Simulated-row.Measured) > 0.03 {
				t.Errorf("work %v: %s during %q: measured %v, simulated %v", work, row.Metric, row.During, row.Measured, row.Simulated)
			}
		}
		var out bytes.Buffer
		if err := WriteText(&out, f, rows, 100); err != nil || !strings.Contains(out.String(), "during blackhole") {
			t.Errorf("%v\n%s", err, out.String())
		}
	}
}

// TestLimitOfTheScenario: a limit that the scenario sets is not fitted a second time.
func TestLimitOfTheScenario(t *testing.T) {
	r := pretend(t, strings.Replace(world, "serve: {}", "serve: {handshakes: 200/s}", 1), sim.Model{Latency: time.Millisecond})
	f, err := Of(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Model.Server.Handshake.Quantile(0.5); got != 0 || !strings.Contains(strings.Join(f.Notes, "\n"), "own limit of 200/s") {
		t.Errorf("work %v:\n%s", got, strings.Join(f.Notes, "\n"))
	}
}

func TestTooLittleToFitTo(t *testing.T) {
	few := pretend(t, strings.Replace(world, "at: 15s", "at: 7s", 1), sim.Model{})
	none := pretend(t, world, sim.Model{})
	none.Plan.Resolved = []byte("{}")
	simulated := pretend(t, world, sim.Model{})
	simulated.Driver = "sim"
	for want, r := range map[string]*report.Result{"round trips": few, "plan": none, "simulation": simulated} {
		if _, err := Of(context.Background(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
}

func TestOff(t *testing.T) {
	inf := math.Inf(1)
	for _, tc := range []struct{ measured, simulated, want float64 }{
		{2, 2.1, 0.05}, {2, 1, -0.5}, {0, 0, 0}, {inf, inf, 0}, {0, 1, inf},
	} {
		if got := (&Row{Measured: tc.measured, Simulated: tc.simulated}).Off(); math.Abs(got-tc.want) > 1e-9 && got != tc.want {
			t.Errorf("%v to %v: off %v, want %v", tc.measured, tc.simulated, got, tc.want)
		}
	}
}
