package report

import (
	"fmt"
	"time"
)

// maxPictures is how many storms are drawn; a scenario that repeats a fault often gets rows alone for the rest.
const maxPictures = 12

// maxGroups is up to how many groups are shown apart.
const maxGroups = 6

// stormColumns are the figures of a storm: attempts, peak, each, failed, 50, 95, 99, 100 % back, lost.
var stormColumns = []string{"storm.attempts", "storm.peak", "storm.amplification", "storm.failed", "recovery.p50", "recovery.p95",
	"recovery.p99", "recovery.max", "recovery.lost"}

func (t *text) cameBack() {
	tb := &Table{}
	tb.Add("  fault", "attempts", "peak", "each", "failed", "50 % back", "95 %", "99 %", "100 %", "lost")
	tb.Optional(shortName, 6, 3)
	rows := 0
	for i := range t.s.Faults {
		f := &t.s.Faults[i]
		if len(f.All.Causes) == 0 {
			continue
		}
		rows++
		t.backRow(tb, "  "+Clean(f.Name(), 24), f.Scope(&f.All))
		if rows > maxPictures {
			continue
		}
		shown := []*FaultPart{&f.All}
		if lost := f.lost(); len(lost) > 0 && len(f.Groups) <= maxGroups {
			shown = lost
		}
		p := t.scale(f.o, f.All.part)
		for _, x := range shown {
			if len(shown) > 1 {
				t.backRow(tb, "    in "+Clean(x.In, 20), f.Scope(x))
			}
			if p.cells > 0 {
				tb.Line("    " + p.draw(x.part.Attempts, t.o.ASCII))
			}
		}
		if p.cells > 0 {
			tb.Line("    " + axis(p.cells, p.step, p.mark, p.what))
		}
		for _, l := range flow(t.aftermath(f), t.o.Width-4) {
			tb.Line("    " + l)
		}
	}
	switch {
	case rows > 0:
		t.table("How hard they came back", tb)
	case len(t.s.Faults) > 0:
		t.heading("How hard they came back")
		t.say("  nobody had to")
	}
}

func (t *text) backRow(tb *Table, name string, s Scope) {
	row := []string{name}
	for _, metric := range stormColumns {
		row = append(row, t.s.Figure(metric, s).Text)
	}
	tb.Add(row...)
}

// picture is the time scale that the storms of one occurrence share.
type picture struct {
	cells int // 0: there is nothing to draw
	step  time.Duration
	mark  time.Duration // when the fault was over; never: no mark
	what  string
}

func (t *text) scale(o *Occurrence, g *OccGroup) picture {
	tries := g.Attempts.Clone()
	if len(tries) == 0 {
		return picture{}
	}
	p := picture{mark: never, what: "over"}
	switch {
	case !o.Instant && o.Ended >= 0:
		p.mark = o.Ended - o.Began
	case o.Instant && o.Recoverable > o.Began:
		p.mark, p.what = o.Recoverable-o.Began, "restarted"
	}
	length := max(time.Duration(len(tries))*Tick, p.mark)
	most := t.o.Width - 30
	p.step = sparkStep(length, most)
	p.cells = min(max(int(length/p.step)+1, 20), most)
	return p
}

func (p *picture) draw(b Buckets, ascii bool) string {
	values := b.Rebin(p.step)
	values = append(values, make([]int64, max(p.cells-len(values), 0))...)[:p.cells]
	top := int64(0)
	for _, v := range values {
		top = max(top, v)
	}
	return fmt.Sprintf("%s  top %s in %s", Spark(values, ascii), num(top), shortDuration(p.step))
}

// aftermath is what does not fit the columns.
func (t *text) aftermath(f *SummaryFault) (parts []string) {
	s := f.Scope(&f.All)
	text := func(metric string) string { return t.s.Figure(metric, s).Text }
	some := func(metric string) bool { return t.s.Figure(metric, s).Value > 0 }
	if !some("downtime.count") {
		parts = append(parts, "nobody came back")
	} else {
		parts = append(parts, fmt.Sprintf("back since %s; down p50 %s, p99 %s, max %s", f.Since(), t.of("downtime.p50", s),
			t.of("downtime.p99", s), t.of("downtime.max", s)))
	}
	if some("storm.handshake.count") {
		parts = append(parts, fmt.Sprintf("handshake p50 %s, p99 %s", t.of("storm.handshake.p50", s), t.of("storm.handshake.p99", s)))
	}
	if list := t.s.ByCause("storm.failed", s); list != "" {
		parts = append(parts, "failed by "+list)
	}
	if some("zombies.peak") {
		parts = append(parts, text("zombies.peak")+" zombies at most")
	}
	if some("reap.count") {
		parts = append(parts, fmt.Sprintf("%s reaped by the server: p50 %s, max %s", text("reap.count"), t.of("reap.p50", s), t.of("reap.max", s)))
	}
	if f.All.LetGo > 0 {
		parts = append(parts, num(f.All.LetGo)+" let go when the path healed")
	}
	if some("reap.pending") {
		parts = append(parts, text("reap.pending")+" never closed")
	}
	return parts
}
