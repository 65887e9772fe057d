package report

import (
	"math"
	"strings"
	"testing"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// detected is a run in which ten clients notice a blackhole after 6.0, 6.1 ... 6.9 s, with flatline's timers late by
// lag all the time.
func detected(t *testing.T, lag float64) *Result {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Blackhole, At: sec(10), For: sec(20)}}, browsers(10)))
	for id := range 10 {
		h.open(1, id)
	}
	for s := 1.0; s < 60; s++ {
		h.r.Lag(sec(s), sec(s-lag))
	}
	h.began(10, 0)
	for id := range 10 {
		h.dead(16+float64(id)/10, id, timeout, 9)
	}
	h.ended(30, 0)
	for id := range 10 {
		h.open(31, id)
	}
	return h.end()
}

func TestVerdictAndLag(t *testing.T) {
	for _, c := range []struct {
		lag    float64
		expect string
		want   Judgement
	}{
		{0.001, "detection.max < 7s", Pass},
		{0.001, "detection.max < 6.5s", Fail},
		{0.5, "detection.max < 6.5s", Inconclusive}, // without the lag it could have been 6.4 s
		{0.3, "detection.max < 6.5s", Fail},         // 6.6 s at best
		{0.5, "detection.max < 7s", Pass},           // late timers only make it longer
		{0.5, "detection.max > 6.5s", Inconclusive},
		{0.1, "detection.max > 6.5s", Pass},
		{0.5, "detection.count == 10", Pass},
		{0.5, "detection.undetected == 0", Pass},
		{0.5, "harness.lag.max < 1s", Pass},
		{0.5, "harness.lag.max < 0.1s", Fail},
		{0, "detection.p50 < 8s in browsers by timeout during blackhole", Pass},
		{0, "detection.p50 < 8s by reset", Inconclusive}, // nothing to measure
		{0, "delivery.lost == 0", NotMeasured},
		{0, "target.cpu < 1", NotMeasured},
		{0, "reap.p50 < 10s", Inconclusive},
	} {
		e, err := scenario.ParseExpect(c.expect)
		if err != nil {
			t.Fatal(err)
		}
		if o := detected(t, c.lag).evaluate(e); o.State != c.want {
			t.Errorf("lag %v s, %s: %s (%v..%v), want %s", c.lag, c.expect, o.State, o.Measured.Lo, o.Measured.Hi, c.want)
		}
	}
}

// A timeout while flatline itself slept for as long as half the patience is not surely the target's fault.
func TestSuspectFalsePositive(t *testing.T) {
	h := newHistory(t, plan(sec(60), nil, browsers(1)))
	h.open(1, 0)
	h.r.Lag(sec(15), sec(12))
	h.dead(17, 0, timeout, 9)
	r := h.end()
	e, err := scenario.ParseExpect("false_positives == 0")
	if err != nil {
		t.Fatal(err)
	}
	if o := r.evaluate(e); o.State != Inconclusive || o.Measured.Value != 1 || o.Measured.Lo != 0 {
		t.Errorf("%+v", o)
	}
}

// Nobody notices although the fault outlasted what they allow: an infinite latency, which fails any upper limit.
func TestNeverIsInfinite(t *testing.T) {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Blackhole, At: sec(10), For: sec(20)}},
		scenario.Group{Name: "deaf", Config: deaf, Count: 2}))
	h.open(1, 0, 1)
	h.began(10, 0)
	h.ended(30, 0)
	h.plan.Expect = []scenario.Expect{{Metric: "detection.p99", Op: "<", Value: 8}}
	h.r.info.Expect = h.plan.Expect
	r := h.end()
	if o := r.Outcomes[0]; o.State != Fail || !math.IsInf(float64(o.Measured.Value), 1) {
		t.Errorf("%+v", o)
	}
	if r.Verdict.State != Fail || r.Verdict.Exit != 1 {
		t.Errorf("%+v", r.Verdict)
	}
}

func TestExitCodes(t *testing.T) {
	good := scenario.Expect{Metric: "false_positives", Op: "==", Value: 0}
	bad := scenario.Expect{Metric: "clients.open", Op: "==", Value: 99}
	none := scenario.Expect{Metric: "reap.p50", Op: "<", Value: 1}
	unmeasured := scenario.Expect{Metric: "delivery.lost", Op: "==", Value: 0}
	final := SnapshotOptions{Final: true}
	for _, c := range []struct {
		name   string
		expect []scenario.Expect
		opt    SnapshotOptions
		state  Judgement
		exit   int
	}{
		{"nothing expected", nil, final, Pass, 0},
		{"all hold", []scenario.Expect{good, good}, final, Pass, 0},
		{"one fails", []scenario.Expect{good, bad}, final, Fail, 1},
		{"a failure outranks doubt", []scenario.Expect{none, bad}, final, Fail, 1},
		{"nothing to measure", []scenario.Expect{good, none}, final, Inconclusive, 4},
		{"not measured", []scenario.Expect{unmeasured}, final, Inconclusive, 4},
		{"interrupted", []scenario.Expect{good}, SnapshotOptions{Interrupted: true}, Inconclusive, 130},
		{"interrupted outranks a failure", []scenario.Expect{bad}, SnapshotOptions{Interrupted: true}, Inconclusive, 130},
		{"target lost", []scenario.Expect{good}, SnapshotOptions{Final: true, TargetLost: true}, Inconclusive, 3},
		{"checkpoint", []scenario.Expect{good}, SnapshotOptions{}, Inconclusive, 4},
	} {
		p := plan(sec(10), nil, browsers(1))
		p.Expect = c.expect
		h := newHistory(t, p)
		h.open(1, 0)
		if v := h.r.Snapshot(sec(10), c.opt).Verdict; v.State != c.state || v.Exit != c.exit {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}

// Every metric that an expectation may name has an answer or a reason.
func TestEveryMetricIsKnown(t *testing.T) {
	r := detected(t, 0)
	for _, m := range scenario.Metrics {
		for _, during := range []string{"", "baseline", "recovery", "blackhole"} {
			if _, err := r.Value(scenario.Expect{Metric: m.Name, During: during}); err != nil {
				if _, ok := err.(errNotMeasured); !ok {
					t.Errorf("%s during %q: %v", m.Name, during, err)
				}
			}
		}
	}
	for _, e := range []scenario.Expect{{Metric: "detection.p98"}, {Metric: "bogus"}, {Metric: "detection.p99", In: "nobody"},
		{Metric: "detection.p99", During: "never"}} {
		if m, err := r.Value(e); err == nil {
			t.Errorf("%+v has the value %+v", e, m)
		}
	}
}

// A window that never was proves nothing: not even that nothing failed in it.
func TestEmptyWindows(t *testing.T) {
	p := plan(sec(60), []chaos.Fault{{Kind: chaos.Refuse, At: sec(0), For: sec(1)}, {Kind: chaos.Stall, At: sec(50), For: sec(1)}},
		browsers(1))
	p.Groups[0].Ramp = sec(5)
	h := newHistory(t, p)
	h.began(0, 0)
	h.ended(1, 0)
	h.open(2, 0)
	r := h.end() // before the stall
	for _, m := range scenario.Metrics {
		for _, during := range []string{"baseline", "recovery", "stall"} {
			if during == "recovery" && (strings.HasPrefix(m.Name, "recovery.") || strings.HasPrefix(m.Name, "downtime.")) {
				continue // of whoever was lost, however long that took
			}
			if v, err := r.Value(scenario.Expect{Metric: m.Name, During: during}); err == nil && (v.Exists || v.Note == "") {
				t.Errorf("%s during %s is %+v", m.Name, during, v)
			}
		}
	}
}

// Windows are unions of segments: what happened outside does not count.
func TestWindows(t *testing.T) {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Blackhole, At: sec(10), For: sec(20)},
		{Kind: chaos.Delay, At: sec(45), For: sec(5)}}, browsers(3)))
	h.open(1, 0, 1, 2)
	h.reply(5, 0, 0.001)
	h.began(10, 0)
	h.reply(12, 2, 0.002)
	h.dead(16, 0, timeout, 9)
	h.dead(17, 1, timeout, 9)
	h.attempt(20, 0)
	h.failed(21, 0, heartbeat.Refused)
	h.ended(30, 0)
	h.reply(31, 2, 0.003)
	h.open(32, 0)
	h.open(33.5, 1)
	h.reply(36, 2, 0.004)
	h.began(45, 1)
	h.reply(46, 2, 0.005)
	h.ended(50, 1)
	r := h.end()
	wants(t, r,
		"heartbeat.rtt.max < 1100us during baseline", "heartbeat.rtt.count == 1 during baseline",
		"heartbeat.rtt.max < 2100us during blackhole", "heartbeat.rtt.count == 1 during blackhole",
		"heartbeat.rtt.max < 3100us during recovery", "heartbeat.rtt.count == 1 during recovery",
		"heartbeat.rtt.max < 5100us during delay", "heartbeat.rtt.count == 1 during delay", "heartbeat.rtt.count == 5",
		"connect.failed == 1 during blackhole", "connect.failed == 0 during recovery",
		"storm.attempts == 2 during recovery", "storm.attempts == 3 during blackhole", "storm.attempts == 0 during delay",
		"clients.open == 3 during recovery", "clients.min_open == 1 during recovery", "clients.min_open == 3 during baseline",
		"clients.open == 1 during blackhole", "storm.peak == 1/s during blackhole")
}

// The baseline ends where the fault begins: what dies in that very tick is not of it.
func TestBaselineEndsBeforeTheFault(t *testing.T) {
	p := plan(sec(30), []chaos.Fault{{Kind: chaos.Kill, How: chaos.RST, At: sec(10.004)}}, browsers(2))
	h := newHistory(t, p)
	h.open(1, 0, 1)
	h.began(10.004, 0)
	h.dead(10.006, 0, heartbeat.Reset, 9)
	h.dead(10.007, 1, heartbeat.Reset, 9)
	h.open(14, 0, 1)
	wants(t, h.end(), "clients.open == 2 during baseline", "clients.min_open == 2 during baseline", "clients.min_open == 0")
}

// TestSoFar: what an interrupted run has not decided yet is not judged: only what can no longer change is.
func TestSoFar(t *testing.T) {
	p := plan(sec(60), []chaos.Fault{{Name: "blackhole", Kind: chaos.Blackhole, At: sec(10), For: sec(20)}}, browsers(4))
	h := newHistory(t, p)
	h.open(1, 0, 1, 2, 3)
	h.began(10, 0)
	h.dead(16, 0, timeout, 9)
	h.dead(17, 1, timeout, 9)
	r := h.r.Snapshot(sec(18), SnapshotOptions{Interrupted: true})
	for text, want := range map[string]Judgement{
		"detection.count >= 1":  Pass,         // more can only come
		"detection.count >= 3":  Inconclusive, // two so far
		"detection.count < 2":   Fail,
		"detection.count == 1":  Fail, // two already
		"detection.count == 2":  Inconclusive,
		"detection.max < 6.5s":  Fail,
		"detection.max < 8.1s":  Inconclusive,
		"false_positives == 0":  Inconclusive,
		"recovery.lost == 0":    Inconclusive, // they may still come back
		"clients.open == 4":     Inconclusive,
		"heartbeat.sent <= 0":   Inconclusive,
		"detection.p50 < 100ms": Inconclusive,
	} {
		e, err := scenario.ParseExpect(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.evaluate(e); got.State != want {
			t.Errorf("%s: %s (%s), want %s", text, got.State, got.Note, want)
		}
	}
}
