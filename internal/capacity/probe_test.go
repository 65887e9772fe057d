package capacity

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// simulated runs a scenario in virtual time.
func simulated(t *testing.T, text string) *report.Result {
	t.Helper()
	f, err := scenario.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	rec := report.NewRecorder(plan, report.Options{Driver: "sim"})
	if err := sim.Run(context.Background(), plan, sim.Options{Sink: rec, Model: sim.Model{Latency: 100 * time.Microsecond}}); err != nil {
		t.Fatal(err)
	}
	return rec.Snapshot(plan.Duration, report.SnapshotOptions{Final: true})
}

// The rate that a server was given is the rate that its storm shows, whether it takes half a second or many.
func TestHandshakeRate(t *testing.T) {
	for _, tt := range []struct {
		n, rate   int
		fault     string
		saturated bool
	}{
		{500, 50, "{at: 12s, fault: kill, how: rst}", true},
		{500, 200, "{at: 12s, fault: kill, how: rst}", true},
		{500, 1000, "{at: 12s, fault: kill, how: rst}", true},
		{2000, 500, "{at: 12s, for: 15s, fault: stall}", true},
		// 500 clients spread over 4 s ask for 125 a second, of a server that can do ten times that.
		{500, 1250, "{at: 12s, fault: kill, how: rst}", false},
		// Behind a blackhole they wait for their path, not for the server.
		{500, 1250, "{at: 12s, for: 9s, fault: blackhole}", false},
	} {
		t.Run(fmt.Sprintf("%d of %s", tt.rate, tt.fault), func(t *testing.T) {
			jitter := "none"
			if !tt.saturated {
				jitter = "full"
			}
			r := simulated(t, fmt.Sprintf(`
target: {serve: {handshakes: %d/s}}
clients: [{count: %d, ramp: 10s, profile: heartcheck, reconnect: {jitter: %s}, opening: {timeout: 30s}}]
duration: 90s
chaos: [%s]
`, tt.rate, tt.n, jitter, tt.fault))
			p := []Probe{{Handshakes: handshakes(r)}}
			got, looks := rate(p)
			if tt.saturated != (looks > 0) {
				t.Fatalf("%+v: %v from %d looks", p[0].Handshakes, got, looks)
			}
			if tt.saturated && math.Abs(got-float64(tt.rate)) > 0.05*float64(tt.rate) {
				t.Errorf("rate %v, want %d: %+v", got, tt.rate, p[0].Handshakes)
			}
			if !tt.saturated && got > 1.01*float64(tt.rate) {
				t.Errorf("at least %v, of a server that does %d", got, tt.rate)
			}
		})
	}
}

const storming = `
target: {serve: {max_clients: 80}}
clients: [{count: %d, ramp: 1s, profile: heartcheck}]
chaos: [{at: 10s, fault: kill, how: rst}]
duration: 30s
expect: [recovery.p99 < 5s, clients.never_opened == 0]
`

func TestStorms(t *testing.T) {
	r := simulated(t, fmt.Sprintf(storming, 80))
	p, err := NewProbe(r, 80, Machine{})
	if err != nil || p.Verdict != Pass || len(p.Storms) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	s := p.Storms[0]
	if s.Fault != "kill" || s.Affected != 80 || s.Attempts != 80 || s.Peak != 80 || s.Lost != 0 || !s.Survived() ||
		s.Back99 < 4 || s.Back99 > 4.1 || s.Amplification != 1 {
		t.Errorf("%+v", s)
	}
	// 100 clients of whom 80 may be there: who has lost the race tries again for ever.
	r = simulated(t, fmt.Sprintf(storming, 100))
	p, err = NewProbe(r, 100, Machine{Cores: 2})
	if err != nil || p.Verdict != Fail || !slices.ContainsFunc(p.Strained, func(s Strain) bool { return s.Resource == Refusal }) {
		t.Fatalf("%+v, %v", p, err)
	}
	for n, want := range map[int64]string{1: "1 connection attempt", 2: "2 connection attempts"} {
		if got := attempts(n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if s := p.Storms[0]; s.Survived() || !math.IsInf(float64(s.Back99), 1) {
		t.Errorf("%+v", s)
	}
	if best, _ := largest([]Probe{*p}); best != nil {
		t.Errorf("a storm of a probe that failed was survived: %+v", best)
	}
}

// result is a Result that somebody else has judged.
func result(state report.Judgement, lag time.Duration, rejected int64, change func(*report.Result)) *report.Result {
	r := &report.Result{Status: report.Complete, Verdict: report.Verdict{State: state, Reasons: []string{"because"}}}
	h := &report.Hist{}
	h.RecordN(lag, 1000)
	g := report.SegmentGroup{}
	g.ConnectFailed[heartbeat.Rejected] = rejected
	r.Segments = []report.Segment{{To: time.Second, Lag: h, Groups: []report.SegmentGroup{g}}}
	r.Plan.Groups = []report.GroupInfo{{Name: "a"}}
	r.Groups = make([]report.GroupTotal, 1)
	r.Elapsed = time.Second
	for _, o := range []report.Judgement{state} {
		r.Outcomes = append(r.Outcomes, report.Outcome{Text: "detection.p99 < 8s", State: o, Note: "a note",
			Measured: report.Measure{Value: 9, Unit: scenario.Seconds, Exists: true}})
	}
	if change != nil {
		change(r)
	}
	return r
}

// Who is to blame: the target only for what cannot be flatline's own doing.
func TestVerdicts(t *testing.T) {
	lost := func(r *report.Result) { r.Status, r.Reason = report.TargetLost, "killed" }
	for _, tt := range []struct {
		name string
		r    *report.Result
		want Verdict
		why  string
	}{
		{"pass", result(report.Pass, time.Millisecond, 0, nil), Pass, ""},
		{"a pass of a late flatline", result(report.Pass, time.Second, 0, nil), Pass, ""},
		{"fail", result(report.Fail, time.Millisecond, 0, nil), Fail, "detection.p99 < 8s: 9.00 s"},
		{"a failure of a late flatline", result(report.Fail, 100*time.Millisecond, 0, nil), Inconclusive,
			"flatline's own timers were 100 ms late (p99): that may be why"},
		{"refused by the target, whatever flatline does", result(report.Fail, time.Second, 1, nil), Fail, "9.00 s"},
		{"inconclusive", result(report.Inconclusive, time.Millisecond, 0, nil), Inconclusive, "detection.p99 < 8s: a note"},
		{"the target ended", result(report.Inconclusive, time.Second, 0, lost), Fail, "the target was lost: killed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewProbe(tt.r, 10, Machine{})
			if err != nil {
				t.Fatal(err)
			}
			if why := strings.Join(p.Reasons, "\n"); p.Verdict != tt.want || !strings.Contains(why, tt.why) || (tt.why == "") != (why == "") {
				t.Errorf("%s, %q", p.Verdict, why)
			}
		})
	}
	_, err := NewProbe(result(report.NotMeasured, 0, 0, nil), 10, Machine{})
	if err == nil || err.Error() != "detection.p99 < 8s: a note" {
		t.Errorf("not measured: %v", err)
	}
}

func TestStrain(t *testing.T) {
	use := func(cores ...float64) []report.TargetUse {
		out := []report.TargetUse{{}}
		for i, c := range cores {
			files := 98
			out = append(out, report.TargetUse{At: time.Duration(i+1) * time.Second, Span: time.Second,
				CPU: time.Duration(c * float64(time.Second)), FDs: &files, RSS: 1 << 20})
		}
		return out
	}
	queue := func(r *report.Result) {
		r.Target = use(0.1, 0.1)
		r.Target[2].Listeners = []report.ListenerUse{{Addr: "127.0.0.1:80", Queue: 129, Limit: 128, Drops: 7}}
	}
	for _, tt := range []struct {
		name   string
		m      Machine
		change func(*report.Result)
		want   []Resource
	}{
		{"idle", Machine{Cores: 4, Busy: 1}, func(r *report.Result) { r.Target = use(0.2, 0.3) }, nil},
		{"all cores", Machine{Cores: 4}, func(r *report.Result) { r.Target = use(0.2, 3.9, 4) }, []Resource{TargetCPU}},
		{"one core of four", Machine{Cores: 4}, func(r *report.Result) { r.Target = use(0.99, 1, 0.98, 1.01) }, []Resource{TargetCPU}},
		{"one core on the way up", Machine{Cores: 4}, func(r *report.Result) { r.Target = use(0.99, 1, 0.98, 1.6) }, nil},
		{"a machine shared", Machine{Cores: 4, Busy: 3.95}, func(r *report.Result) { r.Target = use(1.5) }, []Resource{SharedCPU}},
		{"a target elsewhere", Machine{Cores: 4, Busy: 3.95}, func(*report.Result) {}, nil},
		{"files", Machine{Cores: 4, TargetFiles: 100}, func(r *report.Result) { r.Target = use(0.1, 0.1) }, []Resource{Descriptors}},
		{"memory", Machine{Memory: 100 << 30, MemoryLeast: 4 << 30}, func(*report.Result) {}, []Resource{Memory}},
		{"accept queue, before the files", Machine{TargetFiles: 100}, queue, []Resource{AcceptQueue, Descriptors}},
		{"process", Machine{}, func(r *report.Result) { r.Status = report.TargetLost }, []Resource{Process}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewProbe(result(report.Fail, 0, 0, tt.change), 10, tt.m)
			if err != nil {
				t.Fatal(err)
			}
			var got []Resource
			for _, s := range p.Strained {
				got = append(got, s.Resource)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q: %+v", got, tt.want, p.Strained)
			}
		})
	}
}

// Anscombe's first data set ("Graphs in Statistical Analysis", The American Statistician 27, 1973): y = 3.00 + 0.500 x,
// R2 = 0.667.
func TestFit(t *testing.T) {
	x := []int{10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5}
	y := []float64{8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68}
	l := fit(x, y)
	near := func(got, want float64) bool { return math.Abs(got-want) < 0.0005 }
	if !near(l.Each, 0.5001) || !near(l.Base, 3.0001) || !near(l.R2, 0.6665) || l.Points != 11 || l.From != 4 || l.To != 14 {
		t.Errorf("%+v", l)
	}
	if l := fit([]int{1, 2, 3}, []float64{5, 5, 5}); l.Each != 0 || l.Base != 5 || l.R2 != 1 {
		t.Errorf("flat: %+v", l)
	}
	if fit([]int{1, 1, 2, 2}, []float64{1, 2, 3, 4}) != nil || fit(nil, nil) != nil {
		t.Error("a line through two sizes")
	}
}
