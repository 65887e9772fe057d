package report

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// causes are those that occurred, in their own order.
func (g *OccGroup) causes() (out []heartbeat.Cause) {
	for i, h := range g.Detected {
		if h.N() > 0 {
			out = append(out, heartbeat.Cause(i))
		}
	}
	return out
}

func causeList(c *Causes) string {
	var parts []string
	for i, n := range c {
		if n > 0 {
			parts = append(parts, heartbeat.Cause(i).String()+" "+num(n))
		}
	}
	return strings.Join(parts, ", ")
}

func plural64(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return num(n) + " " + word + "s"
}

func (t *text) latencyRow(tb *table, name string, h *Hist, note string) {
	tb.add(name, num(h.N()), t.quantile(h, 0.5), t.quantile(h, 0.9), t.quantile(h, 0.99), t.quantile(h, 0.999), maxText(h))
	if note != "" {
		tb.line("    " + note)
	}
}

// healthy is about the clients that no fault touched, and what the run cost.
func (t *text) healthy() {
	r := t.r
	w, _ := r.window("") // the whole run always exists
	var rtt, connect, lag = &Hist{}, &Hist{}, &Hist{}
	var mistakes, failed, gaveUp Causes
	var unanswered, sent int64
	r.segments(&w, func(s *Segment) {
		lag.Merge(s.Lag)
		for i := range s.Groups {
			g := &s.Groups[i]
			rtt.Merge(g.RTT)
			connect.Merge(g.Connect)
			mistakes.add(&g.FalsePositives)
			failed.add(&g.ConnectFailed)
			gaveUp.add(&g.GaveUp)
			unanswered += g.Unanswered
			sent += g.Sent
		}
	})
	tb := &table{}
	tb.add("  "+strings.Repeat(" ", 24), "n", "p50", "p90", "p99", "p99.9", "max")
	note := ""
	if sent > 0 || unanswered > 0 {
		note = fmt.Sprintf("%s sent, %s unanswered", plural64(sent, "beat"), num(unanswered))
	}
	t.latencyRow(tb, "  heartbeat round trip", rtt, note)
	if b, err := r.window("baseline"); err == nil && len(r.Occurrences) > 0 {
		h := &Hist{}
		r.segments(&b, func(s *Segment) {
			for i := range s.Groups {
				h.Merge(s.Groups[i].RTT)
			}
		})
		if h.N() > 0 {
			t.latencyRow(tb, "    before the first fault", h, "")
		}
	}
	note = ""
	if n := failed.Total(""); n > 0 {
		note = plural64(n, "failed attempt") + ": " + causeList(&failed)
	}
	t.latencyRow(tb, "  connect", connect, note)
	if lag.N() > 0 {
		t.latencyRow(tb, "  flatline's own timers late", lag, "")
	}
	t.table("The rest of the time", tb)

	line, detail := "  false positives           0", ""
	if n := mistakes.Total(""); n > 0 {
		line = fmt.Sprintf("  false positives           %s: %s", t.paint(red, num(n)), causeList(&mistakes))
		tmr, ok1 := t.value("mistakes.recurrence")
		tm, ok2 := t.value("mistakes.duration")
		pa, ok3 := t.value("mistakes.accuracy")
		if ok1 && ok2 && ok3 {
			detail = fmt.Sprintf("one per %s of a client's time, lasting %s on average; query accuracy %s",
				FormatSeconds(float64(tmr.Value)), FormatValue(float64(tm.Value), scenario.Seconds), digits(float64(pa.Value), 6))
		}
	}
	t.say("%s", line)
	if detail != "" {
		t.say("    %s", detail)
	}
	open, _ := t.value("clients.open")
	least, _ := t.value("clients.min_open")
	var neverOpened, doubled int64
	for i := range r.Groups {
		neverOpened += r.Groups[i].NeverOpened
		doubled += r.Groups[i].Doubled
	}
	clients := []string{fmt.Sprintf("%s open at the end, %s at the lowest", num(int64(open.Value)), num(int64(least.Value)))}
	for _, x := range []struct {
		n    int64
		what string
	}{{neverOpened, "never opened"}, {gaveUp.Total(""), "gave up"}, {doubled, "opened beside a live connection"}} {
		if x.n > 0 {
			clients = append(clients, num(x.n)+" "+x.what)
		}
	}
	t.say("  clients                   %s", strings.Join(clients, ", "))
	peak, _ := t.value("storm.peak")
	if peak.Value > 0 {
		t.say("  reconnects, all clients   %s at most in one second", num(int64(peak.Value)))
	}
	if cpu, ok := t.value("target.cpu"); ok {
		rss, _ := t.value("target.rss")
		fds, _ := t.value("target.fds")
		t.say("  target                    %s, %s of memory, %s open files at most", FormatValue(float64(cpu.Value), scenario.Cores),
			FormatValue(float64(rss.Value), scenario.Bytes), num(int64(fds.Value)))
	}
}

// Trust says how far the numbers of a Result can be trusted.
type Trust struct {
	LagP99, LagMax time.Duration // how late flatline's own timers ran
	Spread         time.Duration // longest time that a fault took until it was in force for all its victims
	NeverOpened    int64         // clients that never had a connection
	Suspect        int64         // false positives in whose silence flatline itself was late
	Doubts         []string      // what a reader should know, in words
}

// Trust gathers the run's own doubts.
func (r *Result) Trust() Trust {
	var t Trust
	w, _ := r.window("")
	lag := r.lagDuring(&w)
	t.LagP99, t.LagMax = lag.Quantile(0.99), lag.Max()
	for i := range r.Occurrences {
		if o := &r.Occurrences[i]; o.Began >= 0 && o.InForce >= 0 {
			t.Spread = max(t.Spread, o.InForce-o.Began)
		}
	}
	for i := range r.Groups {
		t.NeverOpened += r.Groups[i].NeverOpened
	}
	for i := range r.Segments {
		for k := range r.Segments[i].Groups {
			t.Suspect += r.Segments[i].Groups[k].Suspect
		}
	}
	if lag.N() == 0 && r.Driver != "sim" {
		t.Doubts = append(t.Doubts, "flatline's own lateness was not measured")
	}
	if t.LagP99 >= 100*time.Millisecond {
		t.Doubts = append(t.Doubts, fmt.Sprintf("this machine was overloaded: one timer in a hundred ran %s late or later", FormatDuration(t.LagP99)))
	}
	if t.Spread >= 500*time.Millisecond {
		t.Doubts = append(t.Doubts, fmt.Sprintf("a fault took %s to reach all its victims", FormatDuration(t.Spread)))
	}
	if t.NeverOpened > 0 {
		t.Doubts = append(t.Doubts, plural64(t.NeverOpened, "client")+" never had a connection and took no part")
	}
	if t.Suspect > 0 {
		t.Doubts = append(t.Doubts, plural64(t.Suspect, "false positive")+" may be flatline's own lateness")
	}
	for _, x := range r.Warnings {
		s := x.Text
		if x.Count > 1 {
			s += fmt.Sprintf(" (%s times)", num(int64(x.Count)))
		}
		t.Doubts = append(t.Doubts, s)
	}
	return t
}

func (t *text) trust() {
	t.heading("How far to trust it")
	x := t.r.Trust()
	parts := []string{fmt.Sprintf("own timers late by %s (p99), %s at most", FormatDuration(x.LagP99), FormatDuration(x.LagMax))}
	if t.r.Driver == "sim" {
		parts = []string{"simulated: a model of network and server in virtual time, never late"}
	}
	if len(t.r.Occurrences) > 0 {
		parts = append(parts, "faults in force within "+FormatDuration(x.Spread))
	}
	parts = append(parts, fmt.Sprintf("latencies to 3 digits, storms to %s", shortDuration(Tick)))
	for _, l := range flow(parts, t.o.Width-2) {
		t.say("  %s", l)
	}
	for _, d := range x.Doubts {
		for i, l := range wrap(Clean(d, 300), t.o.Width-4) {
			mark := t.paint(yellow, "!")
			if i > 0 {
				mark = " "
			}
			t.say("  %s %s", mark, l)
		}
	}
	if t.few {
		t.say("  ? n too small: a percentile with fewer samples than it needs is close to the largest of them")
	}
}

func (t *text) expectations() {
	if len(t.r.Outcomes) == 0 {
		return
	}
	t.heading("Expectations")
	width := 0
	for _, o := range t.r.Outcomes {
		width = max(width, min(utf8.RuneCountInString(Clean(o.Text, 60)), 60))
	}
	for _, o := range t.r.Outcomes {
		mark, style := "ok  ", green
		switch o.State {
		case Fail:
			mark, style = "FAIL", red
		case Inconclusive, NotMeasured:
			mark, style = "?   ", yellow
		}
		s := Clean(o.Text, 60)
		got := FormatValue(float64(o.Measured.Value), o.Measured.Unit)
		if !o.Measured.Exists {
			got = "-"
		}
		t.say("  %s  %s%s  %s", t.paint(style, mark), s, strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0)), got)
		if o.Note != "" {
			for _, l := range wrap(Clean(o.Note, 300), t.o.Width-8) {
				t.say("        %s", l)
			}
		}
	}
}

func (t *text) foot() {
	t.say("\n%s", t.headline())
	for _, reason := range t.r.Verdict.Reasons {
		if t.r.Status == Complete {
			for _, l := range wrap(Clean(reason, 300), t.o.Width-2) {
				t.say("  %s", l)
			}
		}
	}
	if t.r.Command != "" {
		t.say("again: %s", Clean(t.r.Command, 400))
	}
}
