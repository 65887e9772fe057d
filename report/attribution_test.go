package report

import (
	"errors"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

const (
	timeout = heartbeat.Timeout
	reset   = heartbeat.Reset
	eof     = heartbeat.EOF
)

// Three clients under a blackhole from 10 s to 30 s: one notices in time, one lands just after the heal, one does not
// notice although 20 s are beyond its bound of 8 s.
func TestBlackhole(t *testing.T) {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Blackhole, At: sec(10), For: sec(20)}}, browsers(4)))
	h.open(1, 0, 1, 2)
	h.began(10, 0) // client 3 is not open
	h.dead(16.5, 0, timeout, 9)
	h.attempt(20.5, 0)
	h.failed(28, 0, timeout)
	h.ended(30, 0)
	h.dead(30.1, 1, timeout, 9.9) // its silence overlaps the fault: a detection, 20.1 s late
	h.open(32, 0)
	h.open(34.1, 1)
	r := h.end()
	wants(t, r, "detection.count == 2", "detection.undetected == 1", "detection.healed == 0", "false_positives == 0",
		"storm.attempts == 3 during blackhole", "storm.failed == 1 by timeout during blackhole", "recovery.lost == 0",
		"storm.amplification == 1.5", "clients.never_opened == 1", "clients.open == 3", "clients.min_open == 1")
	g := r.Occurrences[0].Groups[0]
	if g.Affected != 3 || g.Absent != 1 {
		t.Errorf("affected %d, absent %d", g.Affected, g.Absent)
	}
	d := r.Occurrences[0].Groups[0].Detected[timeout]
	near(t, "fastest detection", d.Min(), sec(6.5))
	near(t, "slowest detection", d.Max(), sec(20.1))
	near(t, "first back", g.Recovery.Min(), sec(2))
	near(t, "last back", g.Recovery.Max(), sec(4.1))
	near(t, "longest downtime", g.Downtime.Max(), sec(24.1))
}

// near allows for the histogram's three digits.
func near(t *testing.T, what string, got, want time.Duration) {
	t.Helper()
	if d := got - want; d < -want/500 || d > want/500+time.Microsecond {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestFates(t *testing.T) {
	hole := func(at, length float64) chaos.Fault {
		return chaos.Fault{Kind: chaos.Blackhole, At: sec(at), For: sec(length)}
	}
	kill := chaos.Fault{Kind: chaos.Kill, How: chaos.RST, At: sec(10)}
	never := scenario.Group{Name: "deaf", Config: deaf, Count: 1}
	for _, c := range []struct {
		name  string
		fault []chaos.Fault
		group scenario.Group
		play  func(h *history)
		want  []string
	}{
		{"healed first: 4 s of silence are under the bound of 8 s", []chaos.Fault{hole(10, 4)}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.ended(14, 0)
		}, []string{"detection.healed == 1", "detection.undetected == 0", "detection.unresolved == 0"}},
		{"undetected: a client without a rule, found when the fault ends", []chaos.Fault{hole(10, 4)}, never, func(h *history) {
			h.began(10, 0)
			h.ended(14, 0)
		}, []string{"detection.undetected == 1", "detection.healed == 0"}},
		{"undetected: a client without a rule, the run ends under the fault", []chaos.Fault{hole(10, 0)}, never, func(h *history) {
			h.began(10, 0)
		}, []string{"detection.undetected == 1", "detection.unresolved == 0"}},
		{"unresolved: the run ends 5 s into a fault that takes up to 8 s to notice", []chaos.Fault{hole(55, 0)}, browsers(1), func(h *history) {
			h.began(55, 0)
		}, []string{"detection.unresolved == 1", "detection.undetected == 0"}},
		{"the stop at the end is no death", []chaos.Fault{hole(10, 0)}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.stop(60)
			h.dead(60.1, 0, eof, 10)
		}, []string{"detection.undetected == 1", "detection.count == 0"}},
		{"a kill that nobody notices within the bound is undetected", []chaos.Fault{kill}, browsers(1), func(h *history) {
			h.began(10, 0)
		}, []string{"detection.undetected == 1"}},
		{"a kill that missed: the connection answers 9 s later", []chaos.Fault{kill}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.reply(19, 0, 0.001)
		}, []string{"detection.healed == 1", "detection.undetected == 0"}},
		{"the RST arrives after a frame that was under way", []chaos.Fault{kill}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.dead(10.3, 0, reset, 10.2)
		}, []string{"detection.count == 1 by reset", "false_positives == 0", "detection.max >= 299ms", "detection.max <= 301ms"}},
		{"a timeout long after a kill that missed is not the kill's", []chaos.Fault{kill}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.reply(19, 0, 0.001)
			h.dead(30, 0, timeout, 22)
		}, []string{"detection.count == 0", "false_positives == 1 by timeout"}},
		{"a healthy client", []chaos.Fault{hole(40, 4)}, browsers(1), func(h *history) {
			h.dead(20, 0, timeout, 12)
			h.open(24, 0)
		}, []string{"false_positives == 1", "false_positives == 1 during baseline", "mistakes.duration >= 3.99s", "mistakes.duration <= 4.01s", "detection.count == 0"}},
		{"a message after the heal: the silence no longer overlaps", []chaos.Fault{hole(10, 4)}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.ended(14, 0)
			h.dead(22.5, 0, timeout, 14.5)
			h.open(23, 0)
		}, []string{"false_positives == 1", "detection.healed == 1", "detection.count == 0"}},
		{"delay does not excuse a death", []chaos.Fault{{Kind: chaos.Delay, At: sec(10), For: sec(20), By: sec(9)}}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.dead(20, 0, timeout, 9)
		}, []string{"false_positives == 1", "false_positives == 1 during delay"}},
		{"declared dead before the fault, told after it", []chaos.Fault{hole(10, 20)}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.dead(9.9, 0, timeout, 2)
		}, []string{"false_positives == 1", "detection.count == 0"}},
		{"two faults at once: the one that can produce the cause wins", []chaos.Fault{hole(10, 0),
			{Kind: chaos.Kill, How: chaos.RST, At: sec(12)}}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.began(12, 1)
			h.dead(12.1, 0, reset, 9)
		}, []string{"detection.count == 1 during kill", "detection.count == 0 during blackhole", "detection.unresolved == 1 during blackhole"}},
		{"two faults that fit: the earlier one wins", []chaos.Fault{hole(10, 0), {Kind: chaos.Stall, At: sec(12)}}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.began(12, 1)
			h.dead(16, 0, timeout, 9)
		}, []string{"detection.count == 1 during blackhole", "detection.count == 0 during stall", "detection.unresolved == 1 during stall"}},
		{"a connection that opened under the fault", []chaos.Fault{hole(10, 20)}, browsers(1), func(h *history) {
			h.dead(5, 0, eof, 5)
			h.began(10, 0)
			h.open(12, 0)
			h.dead(20, 0, timeout, 12)
		}, []string{"detection.count == 0", "false_positives == 1", "false_positives == 1 by eof"}},
		{"notice: the goodbye itself is the last thing heard", []chaos.Fault{{Kind: chaos.Drain, At: sec(10), Grace: sec(2)}}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.dead(10.4, 0, heartbeat.Notice, 10.4)
		}, []string{"detection.count == 1 by notice", "false_positives == 0"}},
		{"an idle-cut hits each client in its own time", []chaos.Fault{{Kind: chaos.IdleCut, At: sec(10), After: sec(5)}}, browsers(2), func(h *history) {
			h.began(10, 0)
			h.r.PathCut(sec(20), 1, 0)
			h.dead(27, 1, timeout, 15)
			h.open(31, 1)
		}, []string{"detection.count == 1", "detection.max >= 6990ms", "detection.max <= 7010ms", "recovery.max >= 10.99s", "recovery.max <= 11.02s"}},
		{"a sleeper notices when it wakes", []chaos.Fault{{Kind: chaos.Suspend, At: sec(10), For: sec(25)}}, browsers(2), func(h *history) {
			h.began(10, 0)
			h.ended(35, 0)
			h.dead(35, 0, timeout, 9) // client 1 finds its connection alive
		}, []string{"detection.count == 1", "detection.healed == 1", "detection.undetected == 0"}},
		{"a process that is killed and started again", []chaos.Fault{{Kind: chaos.Kill, How: chaos.Process, Restart: sec(5), At: sec(10)}}, browsers(1), func(h *history) {
			h.began(10, 0)
			h.dead(10.1, 0, eof, 9)
			h.attempt(11, 0)
			h.failed(11, 0, heartbeat.Refused)
			h.open(17, 0)
		}, []string{"recovery.max >= 1.99s", "recovery.max <= 2.01s", "storm.failed == 1 by refused", "downtime.max >= 6.99s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHistory(t, plan(sec(60), c.fault, c.group))
			for id := range h.epoch {
				h.open(1, id)
			}
			c.play(h)
			wants(t, h.end(), c.want...)
		})
	}
}

// A fault that could not be put in force hit nobody, and the run cannot pass.
func TestFaultFailed(t *testing.T) {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Stall, At: sec(10), For: sec(20)}}, browsers(2)))
	h.open(1, 0, 1)
	h.r.FaultBegan(sec(10), 0)
	h.r.FaultFailed(sec(10), 0, errors.New("no such process"))
	r := h.end()
	wants(t, r, "detection.count == 0", "false_positives == 0")
	if g := r.Occurrences[0].Groups[0]; g.Affected != 0 || g.Undetected != 0 || g.Unresolved != 0 {
		t.Errorf("a fault that failed did %+v", g)
	}
	if r.Verdict.State != Inconclusive || r.Verdict.Exit != 4 || r.Occurrences[0].Failed != "no such process" {
		t.Errorf("verdict %+v", r.Verdict)
	}
}

// A client is back only when it stays: one that dies again within its own bound, in the storm's collateral, keeps the
// loss open, and its further attempts belong to it.
func TestBackForGood(t *testing.T) {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Kill, How: chaos.RST, At: sec(10)}}, browsers(2)))
	h.open(1, 0, 1)
	h.began(10, 0)
	h.dead(10, 0, reset, 9)
	h.dead(10, 1, reset, 9)
	h.open(14, 0, 1)
	h.dead(19, 0, timeout, 14)
	h.open(23, 0)
	h.dead(40, 1, timeout, 33) // it had been back for 26 s: an unrelated mistake
	h.open(44, 1)
	r := h.end()
	wants(t, r, "recovery.p50 >= 3.99s", "recovery.p50 <= 4.01s", "recovery.max >= 12.99s", "recovery.max <= 13.02s",
		"storm.attempts == 3 during kill", "storm.attempts == 4", "false_positives == 2", "recovery.lost == 0",
		"false_positives == 1 during recovery")
}

// A client that never comes back is lost, and recovery's percentiles say so.
func TestLost(t *testing.T) {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Kill, How: chaos.RST, At: sec(10)}}, browsers(10)))
	for id := range 10 {
		h.open(1, id)
	}
	h.began(10, 0)
	for id := range 10 {
		h.dead(10, id, reset, 9)
	}
	for id := range 9 {
		h.open(14, id)
	}
	h.out(10, 9, heartbeat.Output{Kind: heartbeat.GaveUp, Cause: reset})
	r := h.end()
	wants(t, r, "recovery.lost == 1", "recovery.p90 <= 4.01s", "recovery.p95 > 1h", "clients.gave_up == 1 by reset", "clients.open == 9")
}

func TestZombies(t *testing.T) {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Blackhole, At: sec(10), For: sec(30)}}, browsers(4)))
	h.open(1, 0, 1, 2, 3)
	h.began(10, 0)
	h.dead(16, 0, timeout, 9)
	h.r.ZombieBegan(sec(16), 0)
	h.r.ZombieBegan(sec(17), 1) // told before the death that made it
	h.dead(17, 1, timeout, 9)
	h.dead(18, 2, timeout, 9)
	h.r.ZombieBegan(sec(18), 2)
	h.r.ZombieEnded(sec(25), 0, true) // 15 s after its path died
	h.ended(40, 0)
	h.r.ZombieEnded(sec(40), 1, false)
	h.dead(50, 3, timeout, 45) // nobody's fault
	h.r.ZombieBegan(sec(50), 3)
	h.r.ZombieEnded(sec(53), 3, true) // 3 s after it became one
	r := h.end()
	wants(t, r, "zombies.peak == 3", "zombies.peak == 3 during blackhole", "reap.count == 1 during blackhole", "reap.count == 2",
		"reap.max >= 14.99s", "reap.max <= 15.02s", "reap.p50 <= 3.01s", "reap.pending == 1")
	if g := r.Occurrences[0].Groups[0]; g.LetGo != 1 || g.Pending != 1 {
		t.Errorf("let go %d, pending %d", g.LetGo, g.Pending)
	}
}

// A client without a lock opens a second connection beside a live one: it stays one open client.
func TestDoubled(t *testing.T) {
	h := newHistory(t, plan(sec(20), nil, browsers(1)))
	h.open(1, 0)
	h.out(2, 0, heartbeat.Output{Kind: heartbeat.Doubled})
	h.open(2, 0)
	r := h.end()
	wants(t, r, "clients.open == 1", "storm.attempts == 1")
	if r.Groups[0].Doubled != 1 {
		t.Errorf("doubled %d", r.Groups[0].Doubled)
	}
}

// A fault that met nobody shows nothing: that none of nobody went unnoticed is no pass.
func TestNobodyConnected(t *testing.T) {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Blackhole, At: sec(10), For: sec(20)}}, browsers(3)))
	h.began(10, 0)
	h.ended(30, 0)
	r := h.end()
	for _, s := range []string{"detection.undetected == 0", "detection.healed == 0", "recovery.lost == 0 during blackhole"} {
		e, err := scenario.ParseExpect(s)
		if err != nil {
			t.Fatal(err)
		}
		if o := r.evaluate(e); o.State != Inconclusive || o.Note == "" {
			t.Errorf("%s: %+v", s, o)
		}
	}
	wants(t, r, "detection.count == 0")
}

// A stall is over when the process that it stopped is killed: what happens to connections to the next one is not its doing.
func TestStallEndsWithItsProcess(t *testing.T) {
	h := newHistory(t, plan(sec(60), []chaos.Fault{{Kind: chaos.Stall, At: sec(10), For: sec(30)},
		{Kind: chaos.Kill, How: chaos.Process, Restart: sec(1), At: sec(12)}}, browsers(1)))
	h.open(1, 0)
	h.began(10, 0)
	h.began(12, 1)
	h.r.FaultInForce(sec(12), 1)
	h.dead(12.1, 0, reset, 9)
	h.open(16, 0)
	h.dead(30, 0, timeout, 24)
	h.ended(40, 0)
	r := h.end()
	wants(t, r, "detection.count == 1 during kill", "detection.count == 0 during stall", "false_positives == 1")
	near(t, "the stall's end", r.Occurrences[0].Ended, sec(12))
}
