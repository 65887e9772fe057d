package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// maxRows bounds each table: a comment on GitHub has room for 65,536 characters, and a fault can happen a thousand times.
const maxRows = 50

// markdown writes one report.
type markdown struct {
	w   *bufio.Writer
	s   *Summary
	few bool // a percentile with too few samples was printed
}

// WriteMarkdown writes the report for a pull-request comment or a CI job's summary, in GitHub's Markdown: the verdict, the
// expectations, the faults, and the rest behind a fold. Names and messages stand in code spans, where neither markup nor
// a mention of somebody means anything.
func WriteMarkdown(w io.Writer, r *Result) error {
	m := &markdown{w: bufio.NewWriter(w), s: Summarize(r)}
	m.head()
	m.expectations()
	m.faults()
	m.say("\n<details><summary>All figures, and how far to trust them</summary>")
	m.storms()
	m.nodes()
	m.messages()
	m.rest()
	m.trust()
	m.say("\n</details>")
	if m.s.Command != "" {
		m.say("\nAgain: %s", code(m.s.Command, 400))
	}
	return m.w.Flush()
}

func (m *markdown) say(format string, a ...any) { fmt.Fprintf(m.w, format+"\n", a...) }

// code makes text from elsewhere a code span of at most n characters. A pipe would end a table's cell even in there.
func code(s string, n int) string {
	s = strings.TrimSpace(Clean(s, n))
	if s == "" {
		return "`-`"
	}
	fence, run := 1, 0
	for _, c := range s {
		if c != '`' {
			run = 0
			continue
		}
		if run++; run >= fence {
			fence = run + 1
		}
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	f := strings.Repeat("`", fence)
	return f + s + f
}

// table writes a table; of more than maxRows rows it says how many are not shown. Cells are ready Markdown but for their
// pipes.
func (m *markdown) table(heading []string, rows [][]string) {
	line := func(cells []string) {
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		m.say("| %s |", strings.Join(cells, " | "))
	}
	align := make([]string, len(heading))
	for i := range align {
		align[i] = "---:"
		if i == 0 || heading[i] == "note" {
			align[i] = "---"
		}
	}
	m.say("")
	line(heading)
	line(align)
	for i, r := range rows {
		if i == maxRows {
			m.say("\n%s more are not shown; the JSON has them.", num(int64(len(rows)-i)))
			break
		}
		line(r)
	}
}

func (m *markdown) head() {
	s := m.s
	held := s.Held
	if s.Status != Complete {
		held = code(held, 200)
	}
	sign := map[string]string{"PASS": "✅", "FAIL": "❌"}[s.Word]
	if sign == "" {
		sign = "⚠️"
	}
	m.say("### %s %s: %s", sign, s.Word, held)
	facts := []string{code(s.Name, 60), plural64(int64(s.Clients), "client"), s.Ran(), fmt.Sprintf("seed %d", s.Seed)}
	if s.Driver != "" {
		facts = append(facts, code(s.Driver, 12))
	}
	if s.Target != "" {
		facts = append(facts, code(s.Target, 60))
	}
	m.say("\n%s", strings.Join(facts, " · "))
	if s.Status == Complete && s.Verdict.State != Pass {
		m.say("")
		m.list(s.Verdict.Reasons)
	}
}

// list writes texts from elsewhere, one a line.
func (m *markdown) list(texts []string) {
	for i, t := range texts {
		if i == maxRows {
			m.say("- %s more", num(int64(len(texts)-i)))
			break
		}
		m.say("- %s", code(t, 300))
	}
}

func (m *markdown) expectations() {
	if len(m.s.Outcomes) == 0 {
		return
	}
	var rows [][]string
	for i := range m.s.Outcomes {
		o := &m.s.Outcomes[i]
		note := ""
		if o.Note != "" {
			note = code(o.Note, 200)
		}
		rows = append(rows, []string{code(o.Text, 100), o.Figure.Text, map[Judgement]string{Pass: "ok", Fail: "**FAIL**"}[o.State], note})
		if last := rows[len(rows)-1]; last[2] == "" {
			last[2] = "**?**"
		}
	}
	m.table([]string{"expectation", "measured", "", "note"}, rows)
}

// of is a figure as a cell of a table of latencies.
func (m *markdown) of(metric string, s Scope) string {
	f := m.s.Figure(metric, s)
	m.few = m.few || f.Few
	return f.Of()
}

func (m *markdown) faults() {
	var rows [][]string
	for i := range m.s.Faults {
		f := &m.s.Faults[i]
		name := code(f.Name(), 40)
		switch {
		case f.Began < 0:
			rows = append(rows, []string{name, "-", "-", "-", "-", "-", "-", "-", "-", "-"})
		case !f.Severs:
			rows = append(rows, []string{name, f.Began.String(), num(int64(f.Victims)), "-", "-", "-", "-", "-", "-", "-"})
		default:
			rows = append(rows, m.noticed(name, f.Began.String(), f, &f.All))
			for k := range f.Groups {
				rows = append(rows, m.noticed("in "+code(f.Groups[k].In, 40), "", f, &f.Groups[k]))
			}
		}
	}
	if len(rows) == 0 {
		m.say("\nNo faults.")
		return
	}
	m.table([]string{"fault", "at", "hit", "noticed", "by", "p50", "p99", "max", "bound", "missed"}, rows)
}

func (m *markdown) noticed(name, at string, f *SummaryFault, p *FaultPart) []string {
	s := f.Scope(p)
	return []string{name, at, num(p.Hit), m.s.Figure("detection.count", s).Text, p.By(), m.of("detection.p50", s), m.of("detection.p99", s),
		m.of("detection.max", s), p.Bound, m.s.Figure("detection.undetected", s).Text}
}

func (m *markdown) storms() {
	var rows [][]string
	var notes []string
	row := func(name string, s Scope) {
		cells := []string{name}
		for _, metric := range stormColumns {
			cells = append(cells, m.s.Figure(metric, s).Text)
		}
		rows = append(rows, append(cells, m.of("downtime.p50", s), m.of("downtime.max", s)))
	}
	for i := range m.s.Faults {
		f := &m.s.Faults[i]
		if f.All.Fate != "" {
			notes = append(notes, f.Name()+": "+f.All.Fate)
		}
		if len(f.All.Causes) == 0 {
			continue
		}
		row(code(f.Name(), 40), f.Scope(&f.All))
		if lost := f.lost(); len(lost) > 1 {
			for _, p := range lost {
				row("in "+code(p.In, 40), f.Scope(p))
			}
		}
	}
	if len(rows) > 0 {
		m.say("\n**How hard they came back**")
		m.table([]string{"fault", "attempts", "peak", "each", "failed", "50 % back", "95 %", "99 %", "100 %", "lost", "down p50", "down max"}, rows)
	}
	if len(notes) > 0 {
		m.say("")
		m.list(notes)
	}
}

func (m *markdown) messages() {
	var rows [][]string
	for _, s := range m.s.Publishers() {
		row := []string{"all"}
		if s.In != "" {
			row[0] = "in " + code(s.In, 40)
		}
		for i, metric := range DeliveryColumns {
			if i < 7 {
				row = append(row, m.s.Figure(metric, s).Text)
			} else {
				row = append(row, m.of(metric, s))
			}
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return
	}
	m.say("\n**What arrived**")
	m.table(append([]string{"messages"}, DeliveryHead...), rows)
	m.say("\n%s", DeliveryNote)
	if fates := m.s.Fates(); len(fates) > 0 {
		m.say("")
		for _, f := range fates {
			m.say("- %s", code(f, 4000))
		}
	}
}

func (m *markdown) rest() {
	var rows [][]string
	row := func(name, metric string, s Scope) {
		cells := []string{name, m.s.Figure(metric+".count", s).Text}
		for _, share := range []string{"p50", "p90", "p99", "p99.9", "max"} {
			cells = append(cells, m.of(metric+"."+share, s))
		}
		rows = append(rows, cells)
	}
	whole := Scope{}
	row("heartbeat round trip", "heartbeat.rtt", whole)
	if base := (Scope{During: "baseline"}); len(m.s.Faults) > 0 && m.s.Figure("heartbeat.rtt.count", base).Value > 0 {
		row("before the first fault", "heartbeat.rtt", base)
	}
	row("connect", "connect.latency", whole)
	if m.s.Figure("harness.lag.count", whole).Value > 0 {
		row("flatline's own timers late", "harness.lag", whole)
	}
	m.say("\n**The rest of the time**")
	m.table([]string{"", "n", "p50", "p90", "p99", "p99.9", "max"}, rows)
	m.say("")
	m.say("- beats: %s sent, %s unanswered", m.s.Figure("heartbeat.sent", whole).Text, m.s.Figure("heartbeat.unanswered", whole).Text)
	for _, x := range []struct{ name, metric, more string }{
		{"failed attempts", "connect.failed", ""}, {"false positives", "false_positives", m.s.Mistakes()},
	} {
		line := x.name + ": " + m.s.Figure(x.metric, whole).Text
		if by := m.s.ByCause(x.metric, whole); by != "" {
			line += " (" + by + ")"
		}
		if x.more != "" {
			line += "; " + x.more
		}
		m.say("- %s", line)
	}
	m.say("- clients: %s", m.s.AtTheEnd())
	m.say("- reconnects, all clients: at most %s", m.s.Figure("storm.peak", whole).Text)
	if use := m.s.TargetUse(); use != "" {
		m.say("- target: %s", use)
		for _, l := range m.s.TargetDrops() {
			m.say("  - %s", code(l, 200))
		}
	}
}

func (m *markdown) trust() {
	m.say("\n**How far to trust it**\n")
	for _, f := range m.s.Trust.Facts {
		m.say("- %s", f)
	}
	if m.few {
		m.say("- `?` n too small: a percentile with fewer samples than it needs is close to the largest of them")
	}
	m.list(m.s.Trust.Doubts)
}
