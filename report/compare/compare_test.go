package compare

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Half of the clients lose their path, everybody who noticed comes back at once when it heals.
const silence = `
target: {serve: {}}
clients: [{count: 200, ramp: 4s, profile: heartcheck, reconnect: {jitter: full}}]
chaos: [{at: 8s, for: 12s, fault: blackhole, clients: 50%}]
duration: 26s
`

// TestDirections: every metric says which way it is better, or that there is none. A new metric needs a line there.
func TestDirections(t *testing.T) {
	for _, m := range scenario.Metrics {
		name := m.Name
		if m.Histogram != "" {
			name = m.Histogram
		}
		if _, ok := directions[name]; !ok {
			t.Errorf("metric %s has no direction", name)
		}
	}
	for name, want := range map[string]Direction{"detection.p99": Lower, "detection.count": Neutral, "clients.open": Higher, "mistakes.recurrence": Higher} {
		m, _ := scenario.LookupMetric(name)
		if got := DirectionOf(m); got != want {
			t.Errorf("%s: better is %q, want %q", name, got, want)
		}
	}
}

func TestPlans(t *testing.T) {
	old := simulate(t, silence, 1, 2)
	for name, x := range map[string]struct {
		replace [2]string
		apart   []string
	}{
		"another timeout": {[2]string{"heartcheck,", "heartcheck, timeout: 6s,"}, []string{`clients[clients].timeout: "5s", and now "6s"`}},
		"more clients":    {[2]string{"count: 200", "count: 100"}, []string{"clients[clients].count: 200, and now 100"}},
		"one more fault": {[2]string{"chaos: [", "chaos: [{at: 22s, fault: kill, how: rst}, "},
			[]string{"chaos.faults"}},
		"an expectation": {[2]string{"duration: 26s", "duration: 26s\nexpect: [false_positives == 0]"}, nil},
		"another name":   {[2]string{"duration: 26s", "duration: 26s\nname: elsewhere"}, nil},
		"a comment":      {[2]string{"duration: 26s", "duration: 26000ms # as before"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(silence, x.replace[0], x.replace[1], 1)
			if text == silence {
				t.Fatal("nothing was replaced")
			}
			new := simulate(t, text, 3, 4)
			c, err := Compare(old, new, Options{})
			if x.apart == nil {
				if err != nil || len(c.Differences) > 0 {
					t.Fatalf("refused or marked: %v", err)
				}
				return
			}
			var d *DifferentPlans
			if !errors.As(err, &d) {
				t.Fatalf("not refused: %v", err)
			}
			for _, s := range x.apart {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("the refusal does not say %s:\n%v", s, err)
				}
			}
			if c, err = Compare(old, new, Options{AllowDifferentPlans: true}); err != nil || len(c.Differences) == 0 {
				t.Errorf("not allowed, or not marked: %v", err)
			}
			if _, err = Compare(append(slices.Clone(old), new...), old, Options{AllowDifferentPlans: true}); !errors.As(err, &d) || !d.Within {
				t.Errorf("two plans on one side: %v", err)
			}
		})
	}
}

func TestReplicates(t *testing.T) {
	in := simulate(t, silence, 1, 2, 3, 4)
	var twice *NotReplicates
	if _, err := Compare([]Input{in[0], in[0]}, in[2:], Options{}); !errors.As(err, &twice) {
		t.Errorf("one simulation counted twice: %v", err)
	}
	same := *in[0].Result
	same.Started = same.Started.Add(time.Hour)
	if _, err := Compare([]Input{in[0], {"again", &same}}, in[2:], Options{}); !errors.As(err, &twice) {
		t.Errorf("a simulation repeated with its seed: %v", err)
	}
	a, b := *in[0].Result, *in[0].Result
	a.Driver, b.Driver = "fleet", "fleet"
	b.Started = b.Started.Add(time.Hour)
	if _, err := Compare([]Input{{"a", &a}, {"b", &b}}, in[2:], Options{}); err != nil {
		t.Errorf("two real runs of one seed: %v", err)
	}
	if _, err := Compare(nil, in, Options{}); err == nil {
		t.Error("an empty side is compared")
	}
}

func TestNotes(t *testing.T) {
	in := simulate(t, silence, 1, 2)
	r := *in[1].Result
	r.Driver, r.Tool, r.Plan.Engine, r.Host.CPUs, r.Plan.Target = "fleet", "flatline v9", "packet", 64, "wss://example.org/"
	c, err := Compare(in[:1], []Input{{"new", &r}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(c.Notes, "\n")
	for _, s := range []string{"one run a side", "driver: sim, and now fleet", "tool: flatline test, and now flatline v9",
		"engine: stream, and now packet", "host: ", "target: sim, and now wss://example.org/"} {
		if !strings.Contains(notes, s) {
			t.Errorf("the notes do not say %q:\n%s", s, notes)
		}
	}
	if c, _ = Compare(in[:1], in[1:], Options{}); len(c.Notes) != 1 {
		t.Errorf("runs alike have notes: %q", c.Notes)
	}
}

func gate(t *testing.T, text string) Gate {
	t.Helper()
	g, err := ParseGate(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestGates(t *testing.T) {
	old := simulate(t, silence, 1, 2, 3)
	new := simulate(t, strings.Replace(silence, "heartcheck,", "heartcheck, timeout: 5.5s,", 1), 4, 5, 6)
	for _, x := range []struct {
		gate   string
		n      int
		exit   int
		reason string
	}{
		{"detection.p90 > +2%", 3, 1, "3 and 3 runs"},
		{"detection.mean > +2%", 1, 1, "100 and 100 samples of one run each"},
		{"detection.p90 > +50%", 3, 0, ""},
		{"detection.p90 > +100ms during blackhole", 3, 1, ""},
		{"detection.p90 < -1%", 3, 0, ""},
		{"false_positives > +0", 3, 0, ""},
		{"storm.peak < -0%", 1, 4, "one run a side has no scatter"},
		{"storm.peak < -0% p<1", 1, 1, "the figure alone decides"},
		{"heartbeat.rtt.p50 > +0%", 1, 0, ""},
		{"detection.p90 > +2% in nobody", 3, 4, `no group is named "nobody"`},
		{"detection.p90 > +2% during nothing", 3, 4, "nothing"},
		{"target.cpu > +2%", 3, 4, "not visible"},
		{"delivery.lost > +0", 3, 4, "not measured"},
		{"detection.p99.9 > +0%", 1, 4, "could never reach"},
	} {
		c, err := Compare(old[:x.n], new[:x.n], Options{AllowDifferentPlans: true, Gates: []Gate{gate(t, x.gate)}})
		if err != nil {
			t.Fatal(err)
		}
		if c.Verdict.Exit != x.exit || !strings.Contains(c.Gates[0].Reason, x.reason) {
			t.Errorf("%s, %d a side: exit %d, want %d; reason: %s", x.gate, x.n, c.Verdict.Exit, x.exit, c.Gates[0].Reason)
		}
	}
	for _, x := range []struct {
		on   FailOn
		exit int
	}{{Never, 0}, {Regress, 1}, {Change, 1}} {
		if c, _ := Compare(old, new, Options{AllowDifferentPlans: true, FailOn: x.on}); c.Verdict.Exit != x.exit {
			t.Errorf("fail on %q: exit %d, want %d", x.on, c.Verdict.Exit, x.exit)
		}
	}
	// An incomplete run can neither fail nor pass a gate, nor hinder a mere report.
	r := *new[0].Result
	r.Status = report.Interrupted
	broken := append([]Input{{"broken", &r}}, new[1:]...)
	c, _ := Compare(old, broken, Options{AllowDifferentPlans: true, Gates: []Gate{gate(t, "detection.p90 > +2%")}})
	if c.Verdict.Exit != 4 || !strings.Contains(strings.Join(c.Verdict.Reasons, "\n"), "broken did not run to its end: interrupted") {
		t.Errorf("with an interrupted run: %+v", c.Verdict)
	}
	if c, _ = Compare(old, broken, Options{AllowDifferentPlans: true}); c.Verdict.Exit != 0 || len(c.Doubts) != 1 {
		t.Errorf("a report of an interrupted run: exit %d, doubts %q", c.Verdict.Exit, c.Doubts)
	}
}

// TestMerged: percentiles of several runs are those of all their values together, not the mean of the runs' percentiles.
func TestMerged(t *testing.T) {
	in := simulate(t, silence, 1, 2, 3, 4, 5, 6)
	c, err := Compare(in[:3], in[3:], Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := &report.Hist{}
	for _, x := range in[:3] {
		for i := range x.Result.Occurrences {
			for k := range x.Result.Occurrences[i].Groups {
				all.Merge(x.Result.Occurrences[i].Groups[k].Detected.Merged(""))
			}
		}
	}
	for i := range c.Rows {
		if r := &c.Rows[i]; r.Metric == "detection.p90" {
			if got, want := float64(r.Old.Value), all.Quantile(0.9).Seconds(); got != want {
				t.Errorf("detection.p90 is %v, of all values together it is %v", got, want)
			}
			if r.Old.N != all.N() || len(r.Old.Runs) != 3 {
				t.Errorf("n is %d of %d runs, want %d", r.Old.N, len(r.Old.Runs), all.N())
			}
			return
		}
	}
	t.Error("detection.p90 is not compared")
}

// TestNever: clients that never notice are the worst change there is, and no arithmetic hides it.
func TestNever(t *testing.T) {
	const noticing = `
target: {serve: {}}
clients: [{count: 100, ramp: 4s, profile: heartcheck-counted}]
chaos: [{at: 8s, for: 40s, fault: blackhole, clients: 50%}]
duration: 60s
`
	old := simulate(t, noticing, 1, 2, 3)
	new := simulate(t, strings.Replace(noticing, "heartcheck-counted", "heartcheck-counted-as-published", 1), 4, 5, 6)
	for _, n := range []int{1, 3} {
		c, err := Compare(old[:n], new[:n], Options{AllowDifferentPlans: true, Gates: []Gate{gate(t, "detection.p99 > +10%"), gate(t, "detection.undetected > +0")}})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range c.Gates {
			if g.State != report.Fail {
				t.Errorf("%d a side: %s: %s: %s", n, g.Gate, g.State, g.Reason)
			}
		}
		if g := c.Gates[0]; !math.IsInf(float64(g.Row.New.Value), 1) || !strings.Contains(g.Reason, "is now never") {
			t.Errorf("%d a side: %s", n, g.Reason)
		}
	}
}
