package report

import (
	"fmt"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// maxPictures is how many storms are drawn; a scenario that repeats a fault often gets rows alone for the rest.
const maxPictures = 12

// maxGroups is up to how many groups are shown apart.
const maxGroups = 6

func (t *text) cameBack() {
	tb := &table{}
	tb.add("  fault", "attempts", "peak", "each", "failed", "50 % back", "95 %", "99 %", "100 %", "lost")
	rows := 0
	for i := range t.r.Occurrences {
		o := &t.r.Occurrences[i]
		g := o.sum()
		if g.DetectedN() == 0 {
			continue
		}
		rows++
		backRow(tb, "  "+Clean(o.Name, 24), &g)
		if rows > maxPictures {
			continue
		}
		shown := []*OccGroup{&g}
		if len(o.Groups) > 1 && len(o.Groups) <= maxGroups {
			shown = nil
			for k := range o.Groups {
				if x := &o.Groups[k]; x.DetectedN() > 0 {
					shown = append(shown, x)
				}
			}
		}
		p := t.scale(o, &g)
		for _, x := range shown {
			if len(shown) > 1 {
				backRow(tb, "    in "+Clean(t.r.Plan.Groups[x.Group].Name, 20), x)
			}
			if p.cells > 0 {
				tb.line("    " + p.draw(x.Attempts, t.o.ASCII))
			}
		}
		if p.cells > 0 {
			tb.line("    " + axis(p.cells, p.step, p.mark, p.what))
		}
		for _, l := range flow(t.aftermath(o, &g), t.o.Width-4) {
			tb.line("    " + l)
		}
	}
	switch {
	case rows > 0:
		t.table("How hard they came back", tb)
	case len(t.r.Occurrences) > 0:
		t.heading("How hard they came back")
		t.say("  nobody had to")
	}
}

func backRow(tb *table, name string, g *OccGroup) {
	n, tries := g.DetectedN(), g.Attempts.Sum()
	back := func(q float64) string {
		k := rank(q, n)
		if k > g.Recovery.N() {
			return "never"
		}
		return FormatDuration(g.Recovery.Rank(k))
	}
	tb.add(name, num(tries), num(g.Attempts.Peak(time.Second))+"/s", digits(float64(tries)/float64(n), 3),
		num(g.Failed.Total("")), back(0.5), back(0.95), back(0.99), back(1), num(g.Lost))
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
func (t *text) aftermath(o *Occurrence, g *OccGroup) (parts []string) {
	since := "the fault's end"
	switch {
	case o.Kind == chaos.IdleCut:
		since = "the cut"
	case o.Instant && o.Recoverable > o.Began:
		since = "the restart"
	case o.Instant:
		since = "the fault"
	case o.Recoverable < 0:
		since = "their return: the fault never ended"
	}
	if g.Downtime.N() == 0 {
		parts = append(parts, "nobody came back")
	} else {
		parts = append(parts, fmt.Sprintf("back since %s; down p50 %s, p99 %s, max %s", since, t.quantile(g.Downtime, 0.5),
			t.quantile(g.Downtime, 0.99), maxText(g.Downtime)))
	}
	if g.Handshake.N() > 0 {
		parts = append(parts, fmt.Sprintf("handshake p50 %s, p99 %s", t.quantile(g.Handshake, 0.5), t.quantile(g.Handshake, 0.99)))
	}
	if s := causeList(&g.Failed); s != "" {
		parts = append(parts, "failed by "+s)
	}
	if _, peak, _ := g.Zombies.Levels(0, forever); peak > 0 || g.Reap.N() > 0 {
		if peak > 0 {
			parts = append(parts, num(peak)+" zombies at most")
		}
		if g.Reap.N() > 0 {
			parts = append(parts, fmt.Sprintf("%s reaped by the server: p50 %s, max %s", num(g.Reap.N()), t.quantile(g.Reap, 0.5), maxText(g.Reap)))
		}
		if g.LetGo > 0 {
			parts = append(parts, num(g.LetGo)+" let go when the path healed")
		}
		if g.Pending > 0 {
			parts = append(parts, num(g.Pending)+" never closed")
		}
	}
	return parts
}
