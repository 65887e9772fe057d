package html

import (
	"fmt"
	"strings"

	"github.com/flatline-dev/flatline/report"
)

func faultID(i int) string { return fmt.Sprintf("fault-%d", i+1) }

// maxRows is how many occurrences the tables list; a fault that repeats often would drown the rest.
const maxRows = 200

// noticed is the table of how long until they noticed.
func (b *builder) noticed() {
	s := b.sums[0]
	t := &Table{Caption: "How long until they noticed", About: "bound: what the client's timers allow on a silent path; missed: it took longer, and nobody noticed",
		Head: []Head{{"fault", ""}, {"at", "since the start of the run"}, {"for", ""}, {"hit", "clients with an open connection when it began"},
			{"noticed", "how many of them declared it dead"}, {"by", "what told them"},
			{"p50", "detection latency: declared dead − the moment the path died"}, {"p90", ""}, {"p99", ""}, {"max", ""},
			{"bound", "closed form of the detection latency"}, {"missed", "the fault outlasted the client's own worst case and it never noticed"}}}
	for i := range s.Faults {
		f := &s.Faults[i]
		name := clean(f.Name(), 40)
		if len(t.Rows) >= maxRows {
			t.Rows = append(t.Rows, Row{Name: fmt.Sprintf("and %s more", report.FormatCount(int64(len(s.Faults)-i)))})
			break
		}
		switch {
		case f.Began < 0:
			t.Rows = append(t.Rows, Row{Name: name, Cells: dashes([]Figure{plain(f.Planned.String())}, 11), Notes: []string{"has not begun"}})
			continue
		case !f.Severs:
			t.Rows = append(t.Rows, Row{Name: name, Cells: dashes([]Figure{plain(f.Began.String()), plain(b.lasted(f)), plain(report.FormatCount(int64(f.Victims)))}, 11),
				Notes: []string{f.Degrades()}})
			continue
		}
		row := b.noticedRow(f, &f.All)
		row.Name, row.Link = name, b.link(i)
		row.Cells[0], row.Cells[1] = plain(f.Began.String()), plain(b.lasted(f))
		if f.All.Fate != "" {
			row.Notes = []string{clean(f.All.Fate, 300)}
		}
		t.Rows = append(t.Rows, row)
		for k := range f.Groups {
			row := b.noticedRow(f, &f.Groups[k])
			row.Name, row.Depth = "in "+clean(f.Groups[k].In, 40), 1
			t.Rows = append(t.Rows, row)
		}
		for _, c := range f.All.Causes {
			if len(f.All.Causes) < 2 {
				break
			}
			by := f.Scope(&f.All)
			by.By = c
			t.Rows = append(t.Rows, Row{Name: c, Depth: 1, Cells: []Figure{plain(""), plain(""), plain(""), b.figure(0, "detection.count", by), plain(""),
				b.latency("detection.p50", by), b.latency("detection.p90", by), b.latency("detection.p99", by), b.latency("detection.max", by), plain(""), plain("")}})
		}
	}
	if len(s.Faults) > 0 {
		b.page.Noticed = t
	}
}

// dashes fills a row up to n cells.
func dashes(cells []Figure, n int) []Figure {
	for len(cells) < n {
		cells = append(cells, plain("-"))
	}
	return cells
}

// link is the part of the page about an occurrence; "" if it has none.
func (b *builder) link(i int) string {
	for _, f := range b.page.Faults {
		if f.ID == faultID(i) {
			return f.ID
		}
	}
	return ""
}

func (b *builder) noticedRow(f *report.SummaryFault, p *report.FaultPart) Row {
	s := f.Scope(p)
	return Row{Cells: []Figure{plain(""), plain(""), plain(report.FormatCount(p.Hit)), b.figure(0, "detection.count", s), plain(p.By()),
		b.latency("detection.p50", s), b.latency("detection.p90", s), b.latency("detection.p99", s), b.latency("detection.max", s),
		plain(p.Bound), b.figure(0, "detection.undetected", s)}}
}

// lasted is how long an occurrence lasted, in words.
func (b *builder) lasted(f *report.SummaryFault) string {
	switch {
	case f.Instant && f.Recoverable > f.Began:
		return (f.Recoverable - f.Began).String()
	case f.Instant:
		return "-"
	case f.Ended >= 0:
		return (f.Ended - f.Began).String()
	case b.page.Live:
		return "so far"
	}
	return "the rest of the run"
}

// back is the table of how hard they came back.
func (b *builder) back() {
	t := &Table{Caption: "How hard they came back", About: "time until that share was open again, from when recovery became possible: the fault's end, for a kill the kill itself",
		Head: []Head{{"fault", ""}, {"attempts", "of the clients that were hit, until they were back"}, {"peak", "in the worst window of 1 s"},
			{"each", "attempts per client that noticed"}, {"failed", ""}, {"50 % back", ""}, {"95 %", ""}, {"99 %", ""}, {"100 %", ""},
			{"down p50", "per client, from the path's death to open again"}, {"down p99", ""}, {"down max", ""}, {"lost", "never came back"}}}
	row := func(name string, s report.Scope) Row {
		out := Row{Name: name}
		for _, m := range []string{"storm.attempts", "storm.peak", "storm.amplification", "storm.failed", "recovery.p50", "recovery.p95",
			"recovery.p99", "recovery.max"} {
			out.Cells = append(out.Cells, b.figure(0, m, s))
		}
		for _, m := range []string{"downtime.p50", "downtime.p99", "downtime.max"} {
			out.Cells = append(out.Cells, b.latency(m, s))
		}
		out.Cells = append(out.Cells, b.figure(0, "recovery.lost", s))
		return out
	}
	for i := range b.sums[0].Faults {
		f := &b.sums[0].Faults[i]
		if len(f.All.Causes) == 0 || len(t.Rows) >= maxRows {
			continue
		}
		all := row(clean(f.Name(), 40), f.Scope(&f.All))
		all.Link = b.link(i)
		t.Rows = append(t.Rows, all)
		for k := range f.Groups {
			if g := &f.Groups[k]; len(g.Causes) > 0 {
				part := row("in "+clean(g.In, 40), f.Scope(g))
				part.Depth = 1
				t.Rows = append(t.Rows, part)
			}
		}
	}
	if len(t.Rows) > 0 {
		b.page.Back = t
	}
}

// messages is the table of what became of the clients' traffic.
func (b *builder) messages() {
	s := b.sums[0]
	t := &Table{Caption: "Messages", About: report.DeliveryNote, Head: []Head{{"messages", ""}}}
	for _, h := range report.DeliveryHead {
		t.Head = append(t.Head, Head{h, ""})
	}
	for _, scope := range s.Publishers() {
		row := Row{Name: "all"}
		if scope.In != "" {
			row.Name, row.Depth = "in "+clean(scope.In, 40), 1
		}
		for i, m := range report.DeliveryColumns {
			if i < 7 {
				row.Cells = append(row.Cells, b.figure(0, m, scope))
			} else {
				row.Cells = append(row.Cells, b.latency(m, scope))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	if len(t.Rows) == 0 {
		return
	}
	for _, f := range s.Fates() {
		t.Rows[0].Notes = append(t.Rows[0].Notes, clean(f, 4000))
	}
	b.page.Messages = t
}

// nodes are the tables of the target's nodes, where it has several, and of what it cost to lose one.
func (b *builder) nodes() {
	s := b.sums[0]
	if len(s.Nodes) == 0 {
		return
	}
	t := &Table{Caption: "Clients on each node, from the first fault on", About: "before: when the first fault began; peak: attempts in the worst second", Head: []Head{{"node", ""}}}
	for _, h := range report.NodeColumns {
		t.Head = append(t.Head, Head{h, ""})
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		row := Row{Name: clean(n.Name(), 80)}
		for _, text := range n.Row() {
			row.Cells = append(row.Cells, Figure{Text: text})
		}
		t.Rows = append(t.Rows, row)
	}
	t.Rows[0].Notes = s.Balance()
	b.page.Nodes = append(b.page.Nodes, *t)
	losses := s.NodeLosses()
	if losses == nil {
		return
	}
	t = &Table{Caption: "A node lost, announced and unannounced", About: "said: whether the server told its clients before", Head: []Head{{report.LossHead[0], ""}}}
	for _, h := range report.LossHead[1:] {
		t.Head = append(t.Head, Head{h, ""})
	}
	for _, l := range losses {
		row := Row{Name: clean(l.Name, 40), Cells: []Figure{{Text: l.Said}}}
		for _, m := range report.LossColumns {
			if report.LossPercentile(m) {
				row.Cells = append(row.Cells, b.latency(m, l.Scope))
			} else {
				row.Cells = append(row.Cells, b.figure(0, m, l.Scope))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	b.page.Nodes = append(b.page.Nodes, *t)
}

// rest is the table of the latencies that belong to no fault.
func (b *builder) rest() {
	t := &Table{Caption: "Latencies", About: "heartbeat round trips count from the instant when the beat was due",
		Head: []Head{{"", ""}, {"n", "samples"}, {"p50", ""}, {"p90", ""}, {"p99", ""}, {"p99.9", ""}, {"max", ""}}}
	add := func(name, metric string, s report.Scope, depth int) {
		row := Row{Name: name, Depth: depth, Cells: []Figure{b.figure(0, metric+".count", s)}}
		for _, stat := range []string{"p50", "p90", "p99", "p99.9", "max"} {
			row.Cells = append(row.Cells, b.latency(metric+"."+stat, s))
		}
		t.Rows = append(t.Rows, row)
	}
	s := b.sums[0]
	add("heartbeat round trip", "heartbeat.rtt", report.Scope{}, 0)
	if base := (report.Scope{During: "baseline"}); len(s.Faults) > 0 && s.Figure("heartbeat.rtt.count", base).Value > 0 {
		add("before the first fault", "heartbeat.rtt", base, 1)
	}
	add("connect", "connect.latency", report.Scope{}, 0)
	if s.Figure("harness.lag.count", report.Scope{}).Value > 0 {
		add("flatline's own timers late", "harness.lag", report.Scope{}, 0)
	}
	b.page.Rest = t
}

// counts is the table of what is no latency.
func (b *builder) counts() {
	s := b.sums[0]
	t := &Table{Caption: "Counts", Head: []Head{{"", ""}, {"value", ""}}}
	add := func(name, metric, note string, always bool) {
		f := s.Figure(metric, report.Scope{})
		if !f.Exists || f.Value == 0 && !always {
			return
		}
		row := Row{Name: name, Cells: []Figure{newFigure(0, f)}}
		if note != "" {
			row.Notes = []string{clean(note, 300)}
		}
		t.Rows = append(t.Rows, row)
	}
	add("false positives", "false_positives", strings.Join(nonempty(s.ByCause("false_positives", report.Scope{}), s.Mistakes()), "; "), true)
	add("beats sent", "heartbeat.sent", "", true)
	add("beats unanswered", "heartbeat.unanswered", "", true)
	add("connection attempts failed", "connect.failed", s.ByCause("connect.failed", report.Scope{}), true)
	add("reconnects of all clients in the worst second", "storm.peak", "", true)
	add("clients open at the end", "clients.open", "", true)
	add("clients open at the lowest", "clients.min_open", "", true)
	add("clients that never opened", "clients.never_opened", "", false)
	add("clients that gave up", "clients.gave_up", "", false)
	add("clients that opened beside a live connection", "clients.doubled", "", false)
	add("zombies at most", "zombies.peak", "", false)
	add("target: CPU", "target.cpu", "", true)
	add("target: memory at most", "target.rss", "", true)
	add("target: open files at most", "target.fds", "", true)
	add("target: threads at most", "target.threads", "", true)
	add("target: dropped at its listening sockets", "target.listener_drops", strings.Join(s.TargetDrops(), "; "), false)
	b.page.Counts = t
}

func nonempty(texts ...string) (out []string) {
	for _, s := range texts {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// keys are the figures of the headline.
func (b *builder) keys() {
	s := b.sums[0]
	add := func(label, about, metric string, scope report.Scope) {
		if f := s.Figure(metric, scope); f.Exists {
			k := Key{Label: label, About: about, Figure: newFigure(0, f)}
			k.Figure.Text = f.Mark()
			b.page.Key = append(b.page.Key, k)
		}
	}
	var bounds []string
	severed := false
	for i := range s.Faults {
		f := &s.Faults[i]
		severed = severed || f.Severs && f.Began >= 0
		if x := f.All.Bound; x != "-" && x != "never" && !strings.Contains(strings.Join(bounds, ", "), x) {
			bounds = append(bounds, x)
		}
	}
	if severed {
		about := "99 % of those who noticed"
		if len(bounds) == 1 {
			about += "; bound " + bounds[0]
		}
		add("noticed within", about, "detection.p99", report.Scope{})
		add("never noticed", "though it outlasted their timers", "detection.undetected", report.Scope{})
	}
	add("false positives", "healthy peers declared dead", "false_positives", report.Scope{})
	if severed {
		add("worst storm", "reconnects in the worst second", "storm.peak", report.Scope{})
		add("99 % back within", "since recovery was possible", "recovery.p99", report.Scope{})
		add("lost", "never came back", "recovery.lost", report.Scope{})
	}
	about, scope := "p99, whole run", report.Scope{}
	if base := (report.Scope{During: "baseline"}); s.Figure("heartbeat.rtt.p99", base).Exists {
		scope, about = base, "p99 before the first fault"
	}
	add("heartbeat round trip", about, "heartbeat.rtt.p99", scope)
}
