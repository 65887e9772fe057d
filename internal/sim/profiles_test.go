package sim_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// TestProfiles lets 400 clients of each profile live with a simulated server that talks as theirs does, until the path
// dies for good: before that nobody makes a mistake and every beat has its answer, and after it everybody notices within
// the closed form, whose both ends are approached, or nobody at all.
func TestProfiles(t *testing.T) {
	const rtt = 2 * time.Millisecond
	for _, name := range scenario.Profiles() {
		t.Run(name, func(t *testing.T) {
			cfg, _, err := scenario.Profile(name)
			if err != nil {
				t.Fatal(err)
			}
			serve := "{}"
			if name == "server-ping" {
				serve = "{beat: 30s}"
			}
			lo, hi, notices := cfg.Bounds(2 * rtt)
			if !notices {
				hi = time.Minute
			}
			// The ramp spreads the phases evenly over the cycle, which the round trip makes a little longer than the interval.
			ramp := max(cfg.Beat.Interval, 3*time.Second)
			death := 4*ramp + time.Second
			p := plan(t, fmt.Sprintf(`
name: profile
target: {serve: %s}
clients: [{count: 400, ramp: %s, profile: %s}]
chaos: [{at: %s, fault: blackhole}]
duration: %s
`, serve, chaos.FormatDuration(ramp), name, chaos.FormatDuration(death), chaos.FormatDuration(death+hi+time.Minute)))
			tr := simulate(t, p, sim.Model{Latency: rtt / 2})
			opened, replied := 0, 0
			dead := map[int]time.Duration{}
			for _, r := range tr.records {
				what, _, _ := strings.Cut(r.what, " ")
				switch {
				case what == "dead" && r.at < death:
					t.Fatalf("%v: a healthy server is dead", r)
				case what == "opened" && r.at < death:
					opened++
				case what == "unanswered" && r.at < death:
					t.Fatalf("%v: from a healthy server", r)
				case what == "replied" && r.at < death:
					replied++
				case what == "dead" && dead[r.client] == 0 && strings.Contains(r.what, "timeout"):
					dead[r.client] = r.at - death
				}
			}
			if opened != 400 {
				t.Fatalf("%d of 400 opened", opened)
			}
			if by := cfg.Beat.By; by == heartbeat.Client && replied < 2*400 {
				t.Errorf("%d beats have their reply, want two for each client at least", replied)
			}
			if !notices {
				if len(dead) > 0 {
					t.Errorf("%d noticed, want nobody", len(dead))
				}
				return
			}
			if len(dead) != 400 {
				t.Fatalf("%d of 400 noticed", len(dead))
			}
			least, most := heartbeat.None, time.Duration(0)
			for _, d := range dead {
				least, most = min(least, d), max(most, d)
			}
			// The corners of a trapezoid are thinly peopled; see heartbeat.Config.Bounds.
			near := (hi - lo) / 40
			if cfg.Check.To > 0 {
				near = (hi - lo) / 6
			}
			if least <= lo || most > hi || least > lo+near+2*rtt || most < hi-near-2*rtt {
				t.Errorf("noticed within [%v, %v], want nearly all of (%v, %v]", least, most, lo, hi)
			}
		})
	}
}

// TestOverriddenProfile: a tuning that a scenario overrides is that of the server, too, which tells it.
func TestOverriddenProfile(t *testing.T) {
	p := plan(t, `
target: {serve: {}}
clients: [{count: 100, ramp: 10s, profile: socket.io, beat: {interval: 10s}, timeout: 2s}]
chaos: [{at: 40s, for: 30s, fault: blackhole}]
duration: 100s
expect: [detection.max < 12.1s, detection.max > 11s, detection.count == 100, false_positives == 0]
`)
	for _, o := range result(t, p, sim.Model{}).Outcomes {
		if o.State != report.Pass {
			t.Errorf("%s: %s, measured %v", o.Text, o.State, o.Measured.Value)
		}
	}
}
