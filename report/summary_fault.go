package report

import (
	"slices"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// SummaryFault is one happening of a fault.
type SummaryFault struct {
	Window      string      `json:"window" doc:"its figures have it under during"`
	Fault       string      `json:"fault" doc:"name of the fault; all its happenings together are the window of that name"`
	Kind        chaos.Kind  `json:"kind" doc:"blackhole, stall, kill and so on"`
	How         chaos.How   `json:"how,omitempty" doc:"rst, fin, close(1012) and so on"`
	Severs      bool        `json:"severs" doc:"a client whose path it touches ought to notice"`
	Instant     bool        `json:"instant" doc:"it has no length"`
	Planned     Seconds     `json:"planned_s" doc:"seconds since the start"`
	Began       Seconds     `json:"began_s" doc:"seconds since the start; null: it never began"`
	InForce     Seconds     `json:"in_force_s" doc:"when it was in force for every victim, in seconds since the start"`
	Ended       Seconds     `json:"ended_s" doc:"seconds since the start; null: in force until the end of the run, or instant"`
	Recoverable Seconds     `json:"recoverable_s" doc:"from when on recovery was possible, in seconds since the start; null: never"`
	Failed      string      `json:"failed,omitempty" doc:"why it could not be carried out"`
	Victims     int         `json:"victims" doc:"clients that it was to touch"`
	All         FaultPart   `json:"all" doc:"what it did to all it touched"`
	Groups      []FaultPart `json:"groups,omitempty" doc:"what it did to each group, where it touched more than one"`

	o *Occurrence
}

// FaultPart is what one happening of a fault did to a group or to all, beside the figures of its window.
type FaultPart struct {
	In     string   `json:"in,omitempty" doc:"the group; absent: all"`
	Hit    int64    `json:"hit" doc:"clients with an open connection when it began; of an idle-cut, connections cut"`
	Absent int64    `json:"absent,omitempty" doc:"victims without an open connection when it began"`
	Later  int64    `json:"later,omitempty" doc:"deaths of connections that were opened under it"`
	LetGo  int64    `json:"let_go,omitempty" doc:"zombies whose goodbye got through when it ended"`
	Causes []string `json:"causes,omitempty" doc:"by what they noticed; each is the by of figures"`
	Bound  string   `json:"bound" doc:"when they ought to notice, as the closed form has it: 5-8 s, never; - where it does not apply"`
	Fate   string   `json:"fate,omitempty" doc:"what else became of them, in words"`

	part *OccGroup
}

// By says by what they noticed, in a word: timeout, several, or -.
func (p *FaultPart) By() string {
	switch len(p.Causes) {
	case 0:
		return "-"
	case 1:
		return p.Causes[0]
	}
	return "several"
}

// Scope is where the figures of the part are found.
func (f *SummaryFault) Scope(p *FaultPart) Scope { return Scope{During: f.Window, In: p.In} }

// Name is the fault's name, with "#2" and so on behind it from the second happening.
func (f *SummaryFault) Name() string { return f.o.Name }

// lost are the groups in which somebody noticed, where it touched more than one.
func (f *SummaryFault) lost() (parts []*FaultPart) {
	for k := range f.Groups {
		if p := &f.Groups[k]; len(p.Causes) > 0 {
			parts = append(parts, p)
		}
	}
	return parts
}

// Since says from when recovery is counted.
func (f *SummaryFault) Since() string {
	switch {
	case f.Kind == chaos.IdleCut:
		return "the cut"
	case f.Instant && f.Recoverable > f.Began:
		return "the restart"
	case f.Instant:
		return "the fault"
	case f.Recoverable < 0:
		return "their return: the fault never ended"
	}
	return "the fault's end"
}

// occurrenceWindow is the window of some occurrences: those that began.
func (r *Result) occurrenceWindow(name string, occs ...*Occurrence) window {
	w := window{name: name, timed: true}
	for _, o := range occs {
		w.timed = w.timed && !o.Severs
		if o.Began >= 0 {
			w.occs = append(w.occs, o)
			w.spans = append(w.spans, r.faultSpan(o))
		}
	}
	return w
}

// faults fills in the happenings of the faults and the figures of their windows.
func (s *Summary) faults(groups []string) {
	r := s.r
	names := make([]string, len(r.Occurrences))
	byFault := map[int][]*Occurrence{}
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		names[i] = o.Name
		if o.Fault >= 0 && o.Fault < len(r.Plan.Faults) && r.Plan.Faults[o.Fault].Name != "" {
			names[i] = r.Plan.Faults[o.Fault].Name
		}
		byFault[o.Fault] = append(byFault[o.Fault], o)
	}
	taken := []string{"", "baseline", "recovery"}
	windows := labels(names, taken...)
	taken = append(taken, windows...)
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		f := SummaryFault{
			Window: windows[i], Fault: names[i], Kind: o.Kind, How: o.How, Severs: o.Severs, Instant: o.Instant, Planned: Seconds(o.Planned),
			Began: Seconds(o.Began), InForce: Seconds(o.InForce), Ended: Seconds(o.Ended), Recoverable: Seconds(o.Recoverable),
			Failed: o.Failed, Victims: o.Victims, o: o,
		}
		all := o.sum()
		f.All = r.faultPart(o, &all, o.Groups)
		if len(o.Groups) > 1 {
			for k := range o.Groups {
				p := r.faultPart(o, &o.Groups[k], o.Groups[k:k+1])
				p.In = groups[o.Groups[k].Group]
				f.Groups = append(f.Groups, p)
			}
		}
		s.Faults = append(s.Faults, f)
		if together := byFault[o.Fault]; len(together) > 1 && together[0] == o && !slices.Contains(taken, names[i]) {
			taken = append(taken, names[i])
			w := r.occurrenceWindow(names[i], together...)
			s.Figures = append(s.Figures, s.windowFigures(names[i], &w, groups)...)
		}
		w := r.occurrenceWindow(windows[i], o)
		s.Figures = append(s.Figures, s.windowFigures(windows[i], &w, groups)...)
	}
}

func (r *Result) faultPart(o *Occurrence, g *OccGroup, groups []OccGroup) FaultPart {
	p := FaultPart{Hit: g.Affected, Absent: g.Absent, Later: g.Later.Total(""), LetGo: g.LetGo, Bound: "-",
		Fate: fate(o, g), part: g}
	for _, c := range g.causes() {
		p.Causes = append(p.Causes, c.String())
	}
	if silent(o) && len(groups) > 0 {
		first := bound(&r.Plan.Groups[groups[0].Group])
		if !slices.ContainsFunc(groups, func(x OccGroup) bool { return bound(&r.Plan.Groups[x.Group]) != first }) {
			p.Bound = first
		}
	}
	return p
}

// sum adds up what an occurrence did to all groups.
func (o *Occurrence) sum() OccGroup {
	s := OccGroup{LastBack: never}
	for i := range o.Groups {
		s.merge(&o.Groups[i])
	}
	return s
}

// silent reports whether the closed form of heartbeat.Config.Bounds applies: the path just goes quiet.
func silent(o *Occurrence) bool {
	return o.Kind == chaos.Blackhole || o.Kind == chaos.Stall || o.Kind == chaos.IdleCut && (o.How == chaos.Silent || o.How == "")
}

func bound(g *GroupInfo) string {
	if !g.Detects {
		return "never"
	}
	return span2(g.BoundLo, g.BoundHi)
}

// span2 writes a range with one unit: 5-8 s.
func span2(lo, hi time.Duration) string {
	if hi < time.Second {
		return digits(lo.Seconds()*1e3, 3) + "-" + digits(hi.Seconds()*1e3, 3) + " ms"
	}
	short := func(d time.Duration) string {
		s := digits(d.Seconds(), 3)
		if strings.Contains(s, ".") {
			s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
		}
		return s
	}
	return short(lo) + "-" + short(hi) + " s"
}

// causes are those that occurred, in their own order.
func (g *OccGroup) causes() (out []heartbeat.Cause) {
	for i, h := range g.Detected {
		if h.N() > 0 {
			out = append(out, heartbeat.Cause(i))
		}
	}
	return out
}

// fate says what else became of the affected.
func fate(o *Occurrence, g *OccGroup) string {
	var parts []string
	add := func(n int64, text string) {
		if n > 0 {
			parts = append(parts, num(n)+" "+text)
		}
	}
	add(g.Healed, "healed before they could notice")
	add(g.Unresolved, "unresolved: the run or the connection ended first")
	add(g.Absent, "not open when it began")
	add(g.Later.Total(""), "deaths of connections opened under it")
	if o.Failed != "" {
		parts = append(parts, "FAILED: "+o.Failed)
	}
	return strings.Join(parts, ", ")
}
