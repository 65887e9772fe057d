package proxy

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/report"
)

// WriteText prints the report in at most width characters, as far as its words allow.
func (r *Result) WriteText(w io.Writer, width int, ascii bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "flatline proxy  %s in front of %s  seed %d\n", r.Listen, report.Clean(r.Target, 60), r.Seed)
	c := &r.Connections
	fmt.Fprintf(&b, "%s told by %s, %s, %s\n", count(r.Clients, "client", "clients"), report.Clean(r.Key, 40),
		report.FormatDuration(r.Elapsed), r.Started.UTC().Format("2006-01-02 15:04:05Z"))
	r.faults(&b, width)
	r.storms(&b, width, ascii)
	r.beats(&b, width)
	b.WriteString("\nThe connections\n")
	t := &report.Table{}
	t.Add("", "n", "p50", "p90", "p99", "max")
	row := func(name string, h *report.Hist) {
		if h.N() > 0 {
			t.Add("  "+name, report.FormatCount(h.N()), q(h, 0.5), q(h, 0.9), q(h, 0.99), report.FormatDuration(h.Max()))
		}
	}
	row("accepted to open", r.Handshake)
	row("longest quiet stretch, up", r.Quiet.Up)
	row("longest quiet stretch, down", r.Quiet.Down)
	row("zombies, until the target closed", r.Zombies.Reaped)
	row("zombies, until the fault's end", r.Zombies.LetGo)
	for i, h := range r.Delays {
		row(fmt.Sprintf("reconnect delay %d", i+1), h)
	}
	emit(&b, t, width)
	fmt.Fprintf(&b, "  %s accepted, %s opened, %s open now, %s at most; %s attempts in the worst second\n", report.FormatCount(c.Accepted),
		report.FormatCount(c.Opened), report.FormatCount(int64(c.Open)), report.FormatCount(int64(c.Peak)), report.FormatCount(r.AttemptPeak))
	tally(&b, "failed attempts", r.Failed, width)
	tally(&b, "ended", r.Closed, width)
	fmt.Fprintf(&b, "  %s zombies at most, %s now; %s left behind by their target at most, %s now\n", report.FormatCount(int64(r.Zombies.Peak)),
		report.FormatCount(int64(r.Zombies.Now)), report.FormatCount(int64(r.LeftBehind.Peak)), report.FormatCount(int64(r.LeftBehind.Now)))
	for _, s := range r.Warnings {
		fmt.Fprintf(&b, "  warning: %s\n", report.Clean(s, 200))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func q(h *report.Hist, at float64) string { return report.FormatDuration(h.Quantile(at)) }

func emit(b *strings.Builder, t *report.Table, width int) {
	for _, line := range t.Lines(width) {
		b.WriteString(line + "\n")
	}
}

// tally prints counts by name, the largest first.
func tally(b *strings.Builder, what string, m map[string]int64, width int) {
	if len(m) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(m))
	slices.SortStableFunc(names, func(x, y string) int { return int(m[y] - m[x]) })
	var parts []string
	for _, n := range names {
		parts = append(parts, fmt.Sprintf("%s %s", n, report.FormatCount(m[n])))
	}
	for i, line := range report.Wrap(what+": "+strings.Join(parts, ", "), width-4) {
		b.WriteString(strings.Repeat(" ", 2+2*min(i, 1)) + line + "\n")
	}
}

// faults says how long until each fault was noticed.
func (r *Result) faults(b *strings.Builder, width int) {
	if len(r.Faults) == 0 {
		return
	}
	b.WriteString("\nHow long until they noticed, as the network shows it\n")
	t := &report.Table{}
	t.Add("  fault", "at", "clients", "hit", "noticed", "by", "p50", "p99", "max", "kept")
	for i := range r.Faults {
		f := &r.Faults[i]
		by := "-"
		if len(f.Noticed) > 1 {
			by = "several"
		}
		for how := range f.Noticed {
			if len(f.Noticed) == 1 {
				by = how
			}
		}
		cells := []string{"  " + report.Clean(f.Name, 30), report.FormatSetting(f.Began.Round(100 * time.Millisecond)), num(f.Clients), num(f.Hit), report.FormatCount(f.Detection.N()), by}
		t.Add(append(append(cells, latency(f.Detection)...), num(f.Kept))...)
		if len(f.Noticed) > 1 {
			for _, how := range slices.Sorted(maps.Keys(f.Noticed)) {
				h := f.Noticed[how]
				t.Add(append(append([]string{"    " + how, "", "", "", report.FormatCount(h.N()), ""}, latency(h)...), "")...)
			}
		}
		if f.Pending > 0 {
			t.Line(fmt.Sprintf("    %s not shown a sign yet", count(f.Pending, "connection has", "connections have")))
		}
	}
	emit(b, t, width)
	b.WriteString("  kept: the fault ended first, and the connection lived on\n")
}

func num(n int) string { return report.FormatCount(int64(n)) }

func latency(h *report.Hist) []string {
	if h.N() == 0 {
		return []string{"-", "-", "-"}
	}
	return []string{q(h, 0.5), q(h, 0.99), report.FormatDuration(h.Max())}
}

// storms says how those who noticed came back.
func (r *Result) storms(b *strings.Builder, width int, ascii bool) {
	t := &report.Table{}
	t.Add("  fault", "attempts", "peak", "failed", "50 % back", "95 %", "99 %", "100 %", "not back")
	any := false
	for i := range r.Faults {
		f := &r.Faults[i]
		s := &f.Storm
		if f.Detection.N() == 0 {
			continue
		}
		any = true
		cells := []string{"  " + report.Clean(f.Name, 30), report.FormatCount(s.Attempts), report.FormatCount(s.Peak) + "/s", report.FormatCount(s.Failed)}
		for _, back := range s.BackAt {
			text := "-"
			if back.At >= 0 {
				text = report.FormatDuration(back.At)
			}
			cells = append(cells, text)
		}
		t.Add(append(cells, num(s.Lost))...)
		if picture := picture(s.Series, max(width-16, 20), ascii); picture != "" {
			t.Line("    " + picture)
		}
		if f.Downtime.N() > 0 {
			t.Line(fmt.Sprintf("    down p50 %s, p99 %s, max %s", q(f.Downtime, 0.5), q(f.Downtime, 0.99), report.FormatDuration(f.Downtime.Max())))
		}
	}
	if !any {
		return
	}
	b.WriteString("\nHow hard they came back\n")
	emit(b, t, width)
}

// picture is the attempts over time since the fault began, in cells of one length.
func picture(series []int32, cells int, ascii bool) string {
	if len(series) == 0 {
		return ""
	}
	per := (len(series) + cells - 1) / cells
	values := make([]int64, (len(series)+per-1)/per)
	for i, n := range series {
		values[i/per] += int64(n)
	}
	return report.Spark(values, ascii) + "  in steps of " + report.FormatSetting(time.Duration(per)*bucket)
}

// beats says who beats, how often and with what.
func (r *Result) beats(b *strings.Builder, width int) {
	b.WriteString("\nHeartbeats\n")
	switch {
	case !r.Reads:
		b.WriteString("  unknown: what passes is encrypted, or no WebSocket\n")
		return
	case len(r.Beats) == 0:
		b.WriteString("  none: no message came again at regular intervals\n")
		return
	}
	t := &report.Table{}
	t.Add("  payload", "from", "frame", "interval", "jitter", "n", "connections", "behind")
	for i, x := range r.Beats {
		if i == 12 {
			t.Line(fmt.Sprintf("  and %d more", len(r.Beats)-i))
			break
		}
		text := x.Payload
		switch {
		case x.Compressed:
			text = fmt.Sprintf("compressed, %d bytes", x.Size)
		case x.Payload == "":
			text = "empty"
		}
		late := "-"
		if x.Reply {
			late = q(x.Behind, 0.5)
		}
		t.Add("  "+report.Clean(text, 40), x.From, x.Frame, q(x.Interval, 0.5), fmt.Sprintf("%.1f %%", 100*x.Jitter), report.FormatCount(x.Interval.N()),
			report.FormatCount(x.Connections), late)
	}
	emit(b, t, width)
	b.WriteString("  behind: of a reply, after the beat that it answers\n")
}
