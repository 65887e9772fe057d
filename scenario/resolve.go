package scenario

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// Defaults of what a scenario leaves out.
const (
	DefaultSeed  = 1
	DefaultReady = 10 * time.Second
	// DefaultRamp is the ramp of clients without a heartbeat, whose phases need no spreading but whose target does.
	DefaultRamp = 5 * time.Second
	// DefaultSlack is added behind the last fault, the largest detection bound and the first reconnect delay when the
	// file gives no duration.
	DefaultSlack = 10 * time.Second
	// ClientsPerSource is how many clients share a local address under sources: auto. Linux offers 28,232 ephemeral
	// ports per address by default; the other half is for reconnects beside zombies.
	ClientsPerSource = 14_000

	maxClients = 1_000_000
)

// Plan resolves the scenario: profiles, overrides, defaults, names, schedule. The error is a *[Problems].
func (f *File) Plan() (*Plan, error) {
	c := newChecker(f)
	p := c.resolve(f)
	if err := c.problems.err(); err != nil {
		return nil, err
	}
	return p, nil
}

// resolve builds the plan and reports on the way what cannot be.
func (c *checker) resolve(f *File) *Plan {
	p := &Plan{Name: f.Name, Intent: f.intent, Path: f.path, Source: f.source, Seed: value(f.Seed, DefaultSeed), Engine: f.Chaos.Engine,
		victims: &victims{sets: map[int]*chaos.Set{}, all: map[string]*chaos.Set{}}}
	if p.Name == "" {
		p.Name = strings.TrimSuffix(filepath.Base(f.path), filepath.Ext(f.path))
		if f.path == "" {
			p.Name = "scenario"
		}
	}
	if strings.ContainsFunc(p.Name, func(r rune) bool { return !unicode.IsPrint(r) }) || len(p.Name) > 200 {
		c.report("name", "", "name must be one line of at most 200 bytes that can be printed")
	}
	if p.Engine == "" {
		p.Engine = "auto"
	}
	p.Target = c.target(&f.Target)
	c.groups(f, p)
	for i := range f.Chaos.Faults {
		p.Likes = append(p.Likes, f.Chaos.Faults[i].Like)
		p.Faults = append(p.Faults, c.fault(fmt.Sprintf("chaos.faults[%d]", i), &f.Chaos.Faults[i], &p.Target))
	}
	if len(f.Chaos.Faults) == 0 || c.clean("chaos") {
		c.nameFaults(p.Faults)
	}
	if c.clean("chaos") {
		c.engine(p)
	}
	c.duration(f, p)
	c.traffic(f, p)
	if c.clean("duration") && c.clean("chaos") {
		p.Schedule = schedule(p.Faults, p.Duration)
		c.hits(p)
	}
	for i, line := range f.Expect {
		c.expect(fmt.Sprintf("expect[%d]", i), string(line), p)
	}
	c.tune(f)
	if c.clean("") && len(c.problems) == 0 {
		c.sources(f, p)
		p.Warnings = p.warn()
	}
	return p
}

func (c *checker) groups(f *File, p *Plan) {
	if len(f.Clients) == 0 && c.written("clients") && c.clean("clients") {
		c.report("clients", "clients: [{count: 1000, profile: heartcheck}]", "clients lists nobody")
	}
	names := map[string]int{}
	for i := range f.Clients {
		path := fmt.Sprintf("clients[%d]", i)
		w := &f.Clients[i]
		g := c.group(path, w, p)
		switch {
		case g.Name == "" && len(f.Clients) == 1:
			g.Name = "clients"
		case g.Name == "":
			c.report(path+".group", "group: browsers", "several groups need names")
		case !isName(g.Name):
			c.report(path+".group", nameHint, "group %q cannot name a group", g.Name)
		default:
			if first, again := names[g.Name]; again {
				c.report(path+".group", fmt.Sprintf("entry %d has it already", first+1), "two groups are called %q", g.Name)
			}
			names[g.Name] = i
		}
		g.First = p.Clients
		p.Clients += g.Count
		p.Groups = append(p.Groups, g)
	}
	if p.Clients > maxClients && !(f.simulated && p.Clients <= MaxSimulated) {
		c.report("clients", fmt.Sprintf("at most %d; run several flatlines beside each other, or simulate more with flatline sim --clients", maxClients), "%d clients are too many", p.Clients)
	}
}

func (c *checker) group(path string, w *FileGroup, p *Plan) Group {
	g := Group{Name: w.Group, Count: w.Count, Profile: w.Profile, Delay: time.Duration(value(w.Delay, 0)),
		Path: w.Path, Headers: w.Headers, Subprotocols: w.Subprotocols}
	tuning := w.Tuning
	if w.Profile != "" {
		base, ok := profileOf(w.Profile)
		if !ok {
			base = &profile{}
			c.report(path+".profile", didYouMean(w.Profile, Profiles()), "profile %q is unknown", w.Profile)
			c.bad[path+".beat"] = true // what the profile would have said is not missing
			c.bad[path+".reconnect"] = true
			c.bad[path+".timeout"] = true
		}
		tuning = w.Tuning.over(base.Tuning)
		if w.Path == "" && pathless(&p.Target) {
			g.Path = base.Path
		}
		if w.Subprotocols == nil {
			g.Subprotocols = base.Subprotocols
		}
	}
	g.Config = c.tuning(path, &tuning)
	switch {
	case w.Ramp == nil && g.Config.Beat.Interval == 0:
		g.Ramp = DefaultRamp
	case w.Ramp == nil:
		g.Ramp = g.Config.Beat.Interval
	case w.Ramp.Rate > 0:
		g.Ramp = time.Duration(float64(w.Count) / w.Ramp.Rate * float64(time.Second))
		if float64(w.Count)/w.Ramp.Rate > maxDuration.Seconds() {
			c.report(path+".ramp", "", "ramp %s would take longer than a week", *w.Ramp)
		}
	default:
		g.Ramp = w.Ramp.Over
	}
	c.request(path, &g)
	c.dialect(path, w, &g, &p.Target)
	if s := p.Target.Serve; s != nil && c.clean("target") && c.clean(path+".beat") && (g.Config.Beat.By == heartbeat.Server || g.Config.Beat.By == heartbeat.Both) && g.Dialect == "" {
		where := path + ".beat"
		if !c.written(path + ".beat.by") {
			where = path + ".profile"
		}
		switch {
		case s.Beat == 0:
			c.report(where, fmt.Sprintf("target: {serve: {beat: %s}}", chaos.FormatDuration(g.Config.Beat.Interval)),
				"these clients wait for the server's beat, and the embedded server does not beat")
		case (s.BeatFrame == heartbeat.Ping) != (g.Config.Beat.Frame == heartbeat.Ping):
			c.report(where, "set target.serve.beat_frame to "+frames[g.Config.Beat.Frame], "these clients wait for %s beats, and the embedded server sends %s beats",
				frames[g.Config.Beat.Frame], frames[s.BeatFrame])
		}
	}
	return g
}

func (c *checker) duration(f *File, p *Plan) {
	last, known := lastEnd(p.Faults)
	switch {
	case f.Duration != nil:
		p.Duration = time.Duration(*f.Duration)
		if p.Duration < time.Second {
			c.report("duration", "at least 1s", "duration %s is too short", *f.Duration)
			return
		}
	case c.bad["duration"]:
		return
	case !known && !c.clean("chaos"):
		c.bad["duration"] = true
		return
	case !known:
		c.report("duration", "add duration: 90s, or give each fault an end: for, or times beside every", "a fault goes on until the end, so the run needs a duration")
		c.bad["duration"] = true
		return
	default:
		var most time.Duration
		for i := range p.Groups {
			g := &p.Groups[i]
			last = max(last, g.Delay+g.Ramp)
			_, hi, _ := g.Config.Bounds(0)
			most = max(most, hi+firstDelay(&g.Config.Reconnect))
		}
		p.Duration = (last + most + DefaultSlack).Truncate(time.Second) + time.Second
	}
	if p.Duration > maxDuration {
		c.report("duration", "", "the run would take longer than a week")
	}
	for i := range p.Faults {
		path := fmt.Sprintf("chaos.faults[%d].at", i)
		fault := &p.Faults[i]
		final := fault.At + time.Duration(max(fault.Times-1, 0))*fault.Every
		switch {
		case fault.At >= p.Duration:
			c.report(path, "", "at %s is not before the end of the run at %s", chaos.FormatDuration(fault.At), chaos.FormatDuration(p.Duration))
		case final >= p.Duration:
			c.report(fmt.Sprintf("chaos.faults[%d].times", i), "", "the last of %d times would begin at %s, not before the end of the run at %s",
				fault.Times, chaos.FormatDuration(final), chaos.FormatDuration(p.Duration))
		case fault.Every > 0 && (p.Duration-fault.At)/fault.Every >= 1000 && fault.Times == 0:
			c.report(fmt.Sprintf("chaos.faults[%d].every", i), "at most 1000 times in a run", "every %s repeats the fault too often", chaos.FormatDuration(fault.Every))
		}
	}
	for i := range p.Groups {
		if g := &p.Groups[i]; g.Delay+g.Ramp >= p.Duration {
			key := fmt.Sprintf("clients[%d].ramp", i)
			if g.Delay >= p.Duration {
				key = fmt.Sprintf("clients[%d].delay", i)
			}
			c.report(key, "", "the group is still connecting at the end of the run: its last client starts at %s, the run ends at %s",
				chaos.FormatDuration(g.Delay+g.Ramp), chaos.FormatDuration(p.Duration))
		}
	}
}

// hits checks whom each fault selects.
func (c *checker) hits(p *Plan) {
	if !c.clean("clients") {
		return
	}
	for i := range p.Faults {
		path := fmt.Sprintf("chaos.faults[%d].clients", i)
		sel := p.Faults[i].Clients
		if sel.Group != "" && !slices.Contains(p.groupNames(), sel.Group) {
			c.report(path, didYouMean(sel.Group, p.groupNames()), "no client group is called %q", sel.Group)
			continue
		}
		_, n := p.span(sel.Group)
		switch {
		case sel.Count > n:
			c.report(path, "", "%d clients are more than the %d that there are", sel.Count, n)
		case n > 0 && selected(sel, n) == 0:
			c.report(path, "choose a larger share or a number", "%s of %d clients is nobody", formatNumber(sel.Percent)+"%", n)
		}
	}
	if len(p.Schedule) >= maxOccurrences {
		c.report("chaos", "", "the faults happen more than %d times in all", maxOccurrences)
	}
}

func (p *Plan) groupNames() []string {
	var names []string
	for i := range p.Groups {
		names = append(names, p.Groups[i].Name)
	}
	return names
}

// pathless tells whether the target leaves it to a profile where its clients connect to.
func pathless(t *Target) bool {
	u, err := url.Parse(render(t.URL, clientVars{Group: "g"}))
	return err == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == ""
}

// firstDelay is the longest that the first reconnect may wait.
func firstDelay(r *heartbeat.Reconnect) time.Duration {
	if r.Kind == heartbeat.Never || r.Kind == heartbeat.List && len(r.Delays) == 0 || r.Jitter == heartbeat.Decorrelated && r.Cap == 0 {
		return 0 // the latter two are reported
	}
	d := r.Longest(0)
	for _, rule := range []*heartbeat.Span{r.AfterLoss, r.AfterTimeout} {
		if rule != nil {
			d = max(d, rule.To)
		}
	}
	return min(d, maxDuration)
}
