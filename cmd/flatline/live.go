package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

const (
	// progressPeriod is how often the live view is drawn on a terminal.
	progressPeriod = 250 * time.Millisecond
	// progressEnd tells the progress that the run is over.
	progressEnd time.Duration = -1
)

// terminal tells whether w is a terminal and how wide it is.
func terminal(w io.Writer) (width int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 20 {
		width = 80
	}
	return width, true
}

// colored tells whether output to w may be colored (https://no-color.org).
func colored(w io.Writer) bool {
	_, tty := terminal(w)
	return tty && os.Getenv("NO_COLOR") == ""
}

// progress returns what shows the run while it goes: on a terminal a view that is drawn over itself, elsewhere one
// stable line a second. It is called from one goroutine at a time.
func (a *app) progress(rec *report.Recorder, plan *scenario.Plan, quiet bool) func(now time.Duration) {
	if quiet {
		return func(time.Duration) {}
	}
	if _, tty := terminal(a.stderr); tty {
		v := &liveView{out: a.stderr, rec: rec, plan: plan, color: colored(a.stderr)}
		return v.show
	}
	next := time.Second
	return func(now time.Duration) {
		if now != progressEnd && now >= next {
			next = now.Truncate(time.Second) + time.Second
			plainLine(a.stderr, now, rec.Live(now))
		}
	}
}

// plainLine is for logs: the same fields in the same order on every line.
func plainLine(w io.Writer, now time.Duration, l report.LiveStats) {
	faults := "none"
	if len(l.Faults) > 0 {
		faults = strings.Join(l.Faults, ",")
	}
	fmt.Fprintf(w, "t=%ds open=%d suspect=%d backoff=%d connecting=%d attempts/s=%d failed/s=%d detected=%d false_positives=%d rtt_p99=%s lag_max=%s fault=%s\n",
		now/time.Second, l.Open, l.States[heartbeat.Suspect], l.States[heartbeat.Backoff]+l.States[heartbeat.Closing],
		l.States[heartbeat.Connecting], l.Attempts, l.Failed, l.Detections, l.FalsePositives, milli(l.RTT99), milli(l.LagMax), clean(faults))
}

func milli(d time.Duration) string {
	if d <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.2fms", float64(d)/float64(time.Millisecond))
}

// clean makes a name, which is anybody's input, harmless on a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// printable is clean for a text of several lines: what a target has said may be part of it.
func printable(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = clean(line)
	}
	return strings.Join(lines, "\n")
}

// liveView draws over the lines that it drew before.
type liveView struct {
	out   io.Writer
	rec   *report.Recorder
	plan  *scenario.Plan
	color bool
	lines int // drawn last time
}

func (v *liveView) show(now time.Duration) {
	var b strings.Builder
	if v.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", v.lines) // up, and clear to the end of the screen
	}
	v.lines = 0
	if now != progressEnd {
		width, ok := terminal(v.out)
		if !ok { // it went away, which is no reason to stop
			width = 80
		}
		for _, line := range v.view(now, v.rec.Live(now), min(width-1, 100)) {
			b.WriteString(line)
			b.WriteByte('\n')
			v.lines++
		}
	}
	_, _ = io.WriteString(v.out, b.String())
}

// view is the picture at one moment, every line at most width columns wide.
func (v *liveView) view(now time.Duration, l report.LiveStats, width int) []string {
	total := max(v.plan.Duration, 1)
	head := fmt.Sprintf("%s  %d s of %d s  ", clean(v.plan.Name), now/time.Second, total/time.Second)
	bar := max(width-len([]rune(head)), 8)
	bar = min(bar, 40)
	done := min(int(float64(bar)*float64(now)/float64(total)), bar)
	faults := "no fault"
	if len(l.Faults) > 0 {
		faults = "fault: " + clean(strings.Join(l.Faults, ", "))
	}
	lines := []string{
		head + strings.Repeat("━", done) + strings.Repeat("─", bar-done),
		faults,
		fmt.Sprintf("clients   %s", v.states(l, max(width-10, 0))),
		fmt.Sprintf("          open %d · suspect %d · back-off %d · connecting %d · of %d", l.States[heartbeat.Open], l.States[heartbeat.Suspect],
			l.States[heartbeat.Backoff]+l.States[heartbeat.Closing], l.States[heartbeat.Connecting], v.plan.Clients),
		fmt.Sprintf("attempts  %s  %d/s now, %d failed", report.Spark(l.History, false), l.Attempts, l.Failed),
		fmt.Sprintf("noticed   %d deaths detected, %d false positives", l.Detections, l.FalsePositives),
		fmt.Sprintf("rtt       p50 %s · p99 %s · max %s    harness lag max %s", milli(l.RTT50), milli(l.RTT99), milli(l.RTTMax), milli(l.LagMax)),
	}
	for i, line := range lines {
		if r := []rune(line); len(r) > width && !strings.Contains(line, "\x1b") {
			lines[i] = string(r[:width])
		}
	}
	if v.color && len(l.Faults) > 0 {
		lines[1] = "\x1b[31m" + lines[1] + "\x1b[0m"
	}
	return lines
}

// states is a bar of the clients by state.
func (v *liveView) states(l report.LiveStats, width int) string {
	width = min(width, 60)
	parts := []struct {
		n     int64
		mark  string
		color string
	}{
		{l.States[heartbeat.Open], "█", "32"},
		{l.States[heartbeat.Suspect], "▓", "33"},
		{l.States[heartbeat.Connecting], "▒", "36"},
		{l.States[heartbeat.Backoff] + l.States[heartbeat.Closing], "░", "31"},
	}
	var b strings.Builder
	used, sum := 0, int64(0)
	for _, p := range parts {
		sum += p.n
		to := int(sum * int64(width) / int64(max(v.plan.Clients, 1)))
		if n := to - used; n > 0 {
			if v.color {
				fmt.Fprintf(&b, "\x1b[%sm", p.color)
			}
			b.WriteString(strings.Repeat(p.mark, n))
			if v.color {
				b.WriteString("\x1b[0m")
			}
			used = to
		}
	}
	b.WriteString(strings.Repeat("·", width-used))
	return b.String()
}
