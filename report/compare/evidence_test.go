//go:build !race

// One goroutine that computes: the race detector would find nothing and take minutes.

package compare

import (
	"strings"
	"testing"

	"github.com/flatline-dev/flatline/report"
)

// Two groups, three faults, and a server whose handshakes queue: what one client waits in the storm, they all wait.
const storm = `
target: {serve: {handshakes: 30/s}}
clients: [{group: a, count: 40, ramp: 4s, profile: heartcheck, reconnect: {jitter: full}}, {group: b, count: 40, ramp: 4s, profile: ping-pong}]
chaos: [{at: 8s, for: 11s, fault: blackhole, clients: 33%}, {at: 30s, fault: kill, how: rst}, {at: 42s, for: 6s, fault: stall}]
duration: 58s
`

// TestUnchanged: of 200 pairs of runs of one plan that differ in their seeds alone, at most 5 % are called different: with
// one run a side and with three, over the verdict of the whole comparison. The seeds are fixed, so the count is too.
func TestUnchanged(t *testing.T) {
	for _, x := range []struct {
		name, plan string
		runs       uint64
	}{{"silence", silence, 1200}, {"storm", storm, 400}} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			in := simulate(t, x.plan, seeds(1, x.runs)...)
			for _, n := range []int{1, 3} {
				called, rows := 0, map[string]int{}
				pairs := min(200, len(in)/(2*n))
				for i := range pairs {
					pair := in[2*n*i:]
					c, err := Compare(pair[:n], pair[n:2*n], Options{FailOn: Change})
					if err != nil {
						t.Fatal(err)
					}
					if c.tested() < 10 {
						t.Fatalf("%d against %d: only %d figures were tested", n, n, c.tested())
					}
					if c.Verdict.Exit == 1 {
						called++
					}
					for _, r := range c.Changed() {
						rows[r.name()]++
					}
				}
				t.Logf("%d against %d runs: %d of %d pairs called different", n, n, called, pairs)
				if called*100 > pairs*5 {
					t.Errorf("%d against %d runs: %d of %d pairs called different, in %v", n, n, called, pairs, rows)
				}
			}
		})
	}
}

// TestSlower: with three runs against three, detection that takes 10 % longer is caught in at least 95 % of the pairs, at
// p < 0.05 after correction for all figures, and by a gate.
func TestSlower(t *testing.T) {
	const pairs = 60
	gate, err := ParseGate("detection.p90 > +2% p<0.05")
	if err != nil {
		t.Fatal(err)
	}
	old := simulate(t, silence, seeds(1, 3*pairs)...)
	new := simulate(t, strings.Replace(silence, "heartcheck,", "heartcheck, timeout: 5.5s,", 1), seeds(10_001, 3*pairs)...)
	caught, failed := 0, 0
	for i := range pairs {
		c, err := Compare(old[3*i:3*i+3], new[3*i:3*i+3], Options{AllowDifferentPlans: true, Gates: []Gate{gate}})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range c.Changed() {
			if strings.HasPrefix(r.Metric, "detection.") && r.Call == Worse && *r.Adjusted < 0.05 {
				caught++
				break
			}
		}
		if c.Gates[0].State == report.Fail && c.Verdict.Exit == 1 {
			failed++
		}
	}
	t.Logf("caught %d of %d, failed by the gate %d", caught, pairs, failed)
	if caught < pairs*95/100 || failed < pairs*95/100 {
		t.Errorf("of %d pairs with detection 10 %% slower %d were caught and %d failed their gate", pairs, caught, failed)
	}
}
