package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

var update = flag.Bool("update", false, "write the golden reports anew")

func expects(t *testing.T, p *scenario.Plan, texts ...string) *scenario.Plan {
	t.Helper()
	for _, s := range texts {
		e, err := scenario.ParseExpect(s)
		if err != nil {
			t.Fatal(err)
		}
		p.Expect = append(p.Expect, e)
	}
	return p
}

func started(h *history) *history {
	h.r.opts.Started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h.r.opts.Command = "flatline run hand.yaml --seed 1"
	h.r.info.Target = "ws://127.0.0.1:8080/"
	for s := 1.0; s < h.plan.Duration.Seconds(); s++ {
		h.r.Lag(sec(s), sec(s-0.0004))
	}
	return h
}

// fullRun has two groups under a blackhole, a delay and a kill, with zombies, mistakes and a visible target.
func fullRun(t *testing.T) *Result {
	p := plan(sec(60), []chaos.Fault{
		{Kind: chaos.Blackhole, At: sec(10), For: sec(15)},
		{Kind: chaos.Delay, At: sec(35), For: sec(4), By: sec(0.2)},
		{Kind: chaos.Kill, How: chaos.RST, At: sec(45)},
	}, browsers(150), scenario.Group{Name: "deaf\x1b[31m", Count: 20, Config: deaf})
	p.Name = "by hand"
	p.Intent = "Two kinds of clients lose the network, find it slow, and are thrown out.\nHow long until they notice?"
	h := started(newHistory(t, expects(t, p, "detection.p99 < 8.1s in browsers", "detection.undetected == 0", "false_positives <= 1",
		"reap.p50 < 10s", "storm.peak < 200/s during kill", "delivery.lost == 0")))
	for id := range p.Clients {
		h.open(0.5+float64(id)/100, id)
		h.reply(4, id, 0.0002+float64(id)/1e6)
	}
	for s := range 60 {
		h.r.Target(sec(float64(s)), TargetSample{CPU: sec(0.13 * float64(s)), RSS: 40<<20 + uint64(s)<<18, FDs: 180})
	}
	h.dead(7, 3, timeout, 2)
	h.open(9, 3)
	h.began(10, 0)
	for id := range 150 {
		at := 15 + 3*float64(id)/150
		h.out(at, id, heartbeat.Output{Kind: heartbeat.Unanswered, N: 1})
		h.dead(at, id, timeout, 9)
		h.r.ZombieBegan(sec(at), id)
	}
	for id := range 150 {
		at := 19 + 3*float64(id)/150
		h.attempt(at, id)
		h.failed(at+2, id, timeout)
		if id%2 == 0 {
			h.r.ZombieEnded(sec(22), id, true)
		}
	}
	h.ended(25, 0)
	for id := range 150 {
		if id%2 == 1 {
			h.r.ZombieEnded(sec(25), id, false)
		}
		h.open(25+4*float64(id)/150, id)
	}
	h.began(35, 1)
	h.ended(39, 1)
	h.began(45, 2)
	for id := range p.Clients {
		h.dead(45.002, id, reset, 44)
	}
	for id := range p.Clients - 1 {
		h.open(49+float64(id)/1000, id)
	}
	h.r.Warn(sec(50), "2 messages were too long")
	h.r.Warn(sec(51), "2 messages were too long")
	return h.end()
}

func TestGoldenReports(t *testing.T) {
	hole := chaos.Fault{Kind: chaos.Blackhole, At: sec(10), For: sec(20)}
	for name, make := range map[string]func(t *testing.T) *Result{
		"full": fullRun,
		"empty": func(t *testing.T) *Result {
			return started(newHistory(t, plan(sec(60), []chaos.Fault{hole}, browsers(10)))).r.Snapshot(0, SnapshotOptions{})
		},
		"interrupted": func(t *testing.T) *Result {
			h := started(newHistory(t, expects(t, plan(sec(60), []chaos.Fault{hole}, browsers(10)), "detection.undetected == 0")))
			h.open(1, 0, 1, 2)
			h.began(10, 0)
			return h.r.Snapshot(sec(14.2), SnapshotOptions{Interrupted: true, Reason: "interrupt from the keyboard"})
		},
		"target-lost": func(t *testing.T) *Result {
			h := started(newHistory(t, plan(sec(60), []chaos.Fault{hole}, browsers(10))))
			h.attempt(1, 0)
			h.failed(1, 0, heartbeat.Refused)
			return h.r.Snapshot(sec(2), SnapshotOptions{Final: true, TargetLost: true, Reason: "connection refused"})
		},
		"one-client": func(t *testing.T) *Result {
			h := started(newHistory(t, expects(t, plan(sec(60), []chaos.Fault{hole}, browsers(1)), "detection.p99 < 8.1s", "recovery.max < 5s")))
			h.open(1, 0)
			h.reply(4, 0, 0.00025)
			h.began(10, 0)
			h.dead(16.51, 0, timeout, 9)
			h.ended(30, 0)
			h.open(31.25, 0)
			return h.end()
		},
		"no-faults": func(t *testing.T) *Result {
			h := started(newHistory(t, expects(t, plan(sec(60), nil, browsers(2)), "false_positives == 0", "heartbeat.rtt.p50 < 1ms")))
			h.open(1, 0, 1)
			for s := 4.0; s < 58; s += 3 {
				h.reply(s, 0, 0.0002)
				h.reply(s, 1, 0.0003)
			}
			return h.end()
		},
		"inconclusive": func(t *testing.T) *Result {
			h := started(newHistory(t, expects(t, plan(sec(60), []chaos.Fault{hole}, browsers(10)), "detection.max < 6.5s")))
			for s := 1.0; s < 60; s++ {
				h.r.Lag(sec(s), sec(s-0.5))
			}
			for id := range 10 {
				h.open(1, id)
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
		},
		"undetected": func(t *testing.T) *Result {
			h := started(newHistory(t, expects(t, plan(sec(60), []chaos.Fault{hole}, scenario.Group{Name: "deaf", Count: 100, Config: deaf}),
				"detection.undetected == 0", "detection.p99 < 8.1s")))
			for id := range 100 {
				h.open(1, id)
			}
			h.began(10, 0)
			h.ended(30, 0)
			return h.end()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			var plain, again, colour, ascii bytes.Buffer
			for _, x := range []struct {
				to *bytes.Buffer
				o  TextOptions
			}{{&plain, TextOptions{}}, {&again, TextOptions{Width: 100}}, {&colour, TextOptions{Color: true}}, {&ascii, TextOptions{ASCII: true}}} {
				if err := WriteText(x.to, r, x.o); err != nil {
					t.Fatal(err)
				}
			}
			if plain.String() != again.String() {
				t.Error("two reports of one Result differ")
			}
			if strings.ContainsRune(plain.String(), '\x1b') {
				t.Error("an escape character is in the plain report")
			}
			if strings.ContainsAny(ascii.String(), "▁▂▃▄▅▆▇█") {
				t.Error("a block character is in the ASCII report")
			}
			bare := colour.String()
			for _, s := range []string{bold, red, green, yellow, faint, "0"} {
				bare = strings.ReplaceAll(bare, "\x1b["+s+"m", "")
			}
			if bare != plain.String() {
				t.Error("colour changes more than colour")
			}
			for l := range strings.Lines(plain.String()) {
				if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > 100 {
					t.Errorf("%d columns: %s", n, l)
				}
				if strings.TrimRight(l, "\n") != strings.TrimRight(l, " \n") {
					t.Errorf("space at the end of %q", l)
				}
			}
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, plain.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(plain.String(), "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		v    float64
		u    scenario.Unit
		want string
	}{
		{6.512, scenario.Seconds, "6.51 s"}, {0.000213, scenario.Seconds, "0.21 ms"}, {0.0000501, scenario.Seconds, "50 µs"},
		{0.9994, scenario.Seconds, "999 ms"}, {0.9996, scenario.Seconds, "1.00 s"}, {125, scenario.Seconds, "2 m 05 s"},
		{7260, scenario.Seconds, "2 h 01 m"}, {0, scenario.Seconds, "0 s"}, {12345, scenario.Count, "12,345"},
		{1500, scenario.PerSecond, "1,500/s"}, {1 << 30, scenario.Bytes, "1.00 GiB"}, {0.53, scenario.Cores, "0.530 cores"},
		{1, scenario.Ratio, "1.000"}, {-1234, scenario.Count, "-1,234"},
	} {
		if got := FormatValue(c.v, c.u); got != c.want {
			t.Errorf("%v %s: %q, want %q", c.v, c.u, got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "a\x1b[31mb": `a\x1b[31mb`, "new\nline\t": `new\nline\t`, "\xff": `\xff`, "naïve 日本": "naïve 日本",
		"\u202eoverride": `\u202eoverride`, "\x9b1m": `\x9b1m`, "toolong" + strings.Repeat("x", 50): "toolong" + strings.Repeat("x", 33) + "…",
	} {
		if got := Clean(in, 40); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestSpark(t *testing.T) {
	if got := Spark([]int64{0, 1, 50, 100, 0}, false); got != "·▁▄█·" {
		t.Error(got)
	}
	if got := Spark([]int64{0, 1, 50, 100}, true); got != "_.-#" {
		t.Error(got)
	}
	if got := Spark(nil, false); got != "" {
		t.Error(got)
	}
	for _, step := range sparkSteps {
		for _, cells := range []int{50, 70} {
			if length := step * time.Duration(cells); sparkStep(length, cells) > step {
				t.Errorf("%v does not fit %d cells of %v", length, cells, step)
			}
		}
	}
	if got, want := axis(25, time.Second, sec(13), "over"), "0         10 s ^ over"; !strings.HasPrefix(got, "0         ") || !strings.Contains(got, "^ over") {
		t.Errorf("%q, want like %q", got, want)
	}
}
