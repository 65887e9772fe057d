package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// stats is a storm in its second second.
func stats() report.LiveStats {
	l := report.LiveStats{
		Open: 1300, Attempts: 412, Retries: 400, Failed: 17, Deaths: 80,
		RTT50: 210 * time.Microsecond, RTT99: 1500 * time.Microsecond, RTTMax: 12 * time.Millisecond, LagMax: 2345 * time.Microsecond,
		Faults: []string{"blackhole", "stall2"}, Detections: 700, FalsePositives: 3,
		History: []int64{0, 0, 0, 40, 400, 412, 100, 0},
	}
	l.States[heartbeat.Open] = 1200
	l.States[heartbeat.Suspect] = 100
	l.States[heartbeat.Connecting] = 300
	l.States[heartbeat.Backoff] = 750
	l.States[heartbeat.Closing] = 50
	return l
}

func TestPlainLine(t *testing.T) {
	var b bytes.Buffer
	plainLine(&b, 12*time.Second+700*time.Millisecond, stats())
	plainLine(&b, 13*time.Second, report.LiveStats{})
	plainLine(&b, 14*time.Second, report.LiveStats{Faults: []string{"a\x1b[31m\nb"}})
	want := `t=12s open=1300 suspect=100 backoff=800 connecting=300 attempts/s=412 failed/s=17 detected=700 false_positives=3 rtt_p99=1.50ms lag_max=2.35ms fault=blackhole,stall2
t=13s open=0 suspect=0 backoff=0 connecting=0 attempts/s=0 failed/s=0 detected=0 false_positives=0 rtt_p99=- lag_max=- fault=none
t=14s open=0 suspect=0 backoff=0 connecting=0 attempts/s=0 failed/s=0 detected=0 false_positives=0 rtt_p99=- lag_max=- fault=a?[31m?b
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestLiveView(t *testing.T) {
	plan := &scenario.Plan{Name: "storm", Clients: 2400, Duration: 30 * time.Second}
	v := &liveView{plan: plan}
	want := `storm  12 s of 30 s  ━━━━━━━━━━━━━━━━────────────────────────
fault: blackhole, stall2
clients   ██████████████████████████████▓▓▒▒▒▒▒▒▒▒░░░░░░░░░░░░░░░░░░░░
          open 1200 · suspect 100 · back-off 800 · connecting 300 · of 2400
attempts  ···▁██▂·  412/s now, 17 failed
noticed   700 deaths detected, 3 false positives
rtt       p50 0.21ms · p99 1.50ms · max 12.00ms    harness lag max 2.35ms`
	if diff := cmp.Diff(want, strings.Join(v.view(12*time.Second, stats(), 100), "\n")); diff != "" {
		t.Error(diff)
	}
}

// plainText is text without its escape sequences; it fails if there are others than colors.
func plainText(t *testing.T, s string) string {
	t.Helper()
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		code, rest, found := strings.Cut(after, "m")
		if !found || strings.Trim(code, "0123456789;") != "" {
			t.Errorf("escape sequence in %q is no color", after)
			return b.String()
		}
		s = rest
	}
}

// No line is wider than the terminal: it would wrap, and the next picture would be drawn in the wrong place. The number
// of lines is always the same.
func TestLiveViewWidth(t *testing.T) {
	busy, empty := stats(), report.LiveStats{}
	for i := range 60 {
		busy.History = append(busy.History, int64(i)*1000)
	}
	busy.Faults = strings.Split(strings.Repeat("a-fault-with-a-name,", 20), ",")
	busy.Attempts = 123456789
	for _, color := range []bool{false, true} {
		for _, name := range []string{"storm", strings.Repeat("long ", 60), "\x1b[2J\r\n"} {
			v := &liveView{plan: &scenario.Plan{Name: name, Clients: 2400, Duration: 30 * time.Second}, color: color}
			for width := 19; width <= 100; width += 3 {
				for _, l := range []report.LiveStats{busy, empty} {
					for _, now := range []time.Duration{0, 12 * time.Second, time.Hour} {
						lines := v.view(now, l, width)
						if len(lines) != 7 {
							t.Fatalf("%d lines", len(lines))
						}
						for _, line := range lines {
							plain := plainText(t, line)
							if n := utf8.RuneCountInString(plain); n > width {
								t.Errorf("color %v: %d columns of %d: %q", color, n, width, plain)
							}
							if strings.ContainsAny(plain, "\r\n\x1b") {
								t.Errorf("control characters in %q", plain)
							}
							if !color && plain != line {
								t.Errorf("color in %q", line)
							}
						}
					}
				}
			}
		}
	}
}

// Each picture first goes back over the one before; the last call leaves nothing of it.
func TestLiveViewErases(t *testing.T) {
	plan := planFor(t, "ws://127.0.0.1:1/")
	var b bytes.Buffer
	v := &liveView{out: &b, rec: report.NewRecorder(plan, report.Options{}), plan: plan}
	v.show(0)
	first := b.String()
	n := strings.Count(first, "\n")
	if n == 0 || strings.Contains(first, "\x1b") {
		t.Errorf("the first picture: %q", first)
	}
	b.Reset()
	v.show(time.Second)
	back := fmt.Sprintf("\x1b[%dA\r\x1b[J", n)
	if !strings.HasPrefix(b.String(), back) || strings.Count(b.String(), "\n") != n {
		t.Errorf("the second picture: %q", b.String())
	}
	b.Reset()
	v.show(progressEnd)
	if b.String() != back {
		t.Errorf("the end: %q", b.String())
	}
}
