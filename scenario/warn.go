package scenario

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// silent reports whether a fault leaves the path without a sign: only a heartbeat can notice it.
func silent(f *chaos.Fault) bool {
	switch f.Kind {
	case chaos.Blackhole, chaos.Stall:
		return true
	case chaos.IdleCut:
		return f.Mode() == chaos.Silent
	}
	return false
}

// warn says what is allowed and probably not meant.
func (p *Plan) warn() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for i := range p.Groups {
		p.warnGroup(&p.Groups[i], add)
	}
	for i := range p.Faults {
		like := p.like(i)
		p.warnFault(&p.Faults[i], like, add)
		if like != nil && like.Kind == chaos.IdleCut {
			p.warnMiddlebox(&p.Faults[i], like, add)
		}
	}
	p.warnSchedule(add)
	return out
}

type adder = func(format string, args ...any)

func (p *Plan) warnGroup(g *Group, add adder) {
	cfg := &g.Config
	b := &cfg.Beat
	hit, quiet := false, false
	for i := range p.Faults {
		f := &p.Faults[i]
		if f.Clients.Group == "" || f.Clients.Group == g.Name {
			hit = hit || f.Severs()
			quiet = quiet || silent(f)
		}
	}
	if _, _, ok := cfg.Bounds(0); !ok && quiet {
		add("group %s never notices silence: %s", g.Name, whyBlind(cfg))
	}
	if quiet && b.By != heartbeat.Nobody && b.First == 0 && g.Count > 1 && !multiple(g.Ramp, b.Interval) {
		whole := max(1, time.Duration(math.Round(float64(g.Ramp)/float64(b.Interval)))) * b.Interval
		add("group %s connects over %s, not a multiple of its %s beat: the clients' phases are not uniform, so percentiles will differ from the closed form (ramp: %s)",
			g.Name, chaos.FormatDuration(g.Ramp), chaos.FormatDuration(b.Interval), chaos.FormatDuration(whole))
	}
	if quiet, _ := cfg.Quiet(); cfg.Silence > 0 && cfg.Silence <= quiet {
		add("group %s counts %s of silence and is up to %s without a message when all is well: healthy servers will be declared dead",
			g.Name, chaos.FormatDuration(cfg.Silence), chaos.FormatDuration(quiet))
	}
	if hit && cfg.Reconnect.Kind == heartbeat.Never {
		add("group %s never reconnects: its clients are gone after their first loss", g.Name)
	}
	if re := &cfg.Reconnect; re.Kind != heartbeat.Never && re.Longest(0) == 0 && re.Longest(1) == 0 && re.MaxAttempts != 1 {
		add("group %s reconnects without any delay: a refusing target is hit in a loop", g.Name)
	}
	s := p.Target.Serve
	if s == nil {
		return
	}
	if b.By == heartbeat.Client && b.Frame != heartbeat.Ping && s.Reply == "none" && (cfg.Misses > 0 || cfg.Silence > 0) {
		add("group %s awaits replies, and the embedded server (reply: none) gives none: every client will be a false positive", g.Name)
	}
	allowed := b.Interval + cfg.Timeout
	if cfg.Silence > 0 {
		allowed = cfg.Silence
	}
	if (b.By == heartbeat.Server || b.By == heartbeat.Both) && s.Beat > allowed {
		add("group %s allows %s of silence, and the embedded server beats every %s: healthy servers will be declared dead",
			g.Name, chaos.FormatDuration(allowed), chaos.FormatDuration(s.Beat))
	}
	if s.Reap > 0 && (b.By == heartbeat.Client || b.By == heartbeat.Both) && s.Reap <= b.Interval {
		add("the embedded server reaps after %s of silence, and group %s beats every %s: healthy clients will be closed",
			chaos.FormatDuration(s.Reap), g.Name, chaos.FormatDuration(b.Interval))
	}
}

// multiple allows for 1 % of rounding; zero is none.
func multiple(d, of time.Duration) bool {
	if of <= 0 || d <= 0 {
		return false
	}
	n := math.Round(float64(d) / float64(of))
	return n >= 1 && math.Abs(float64(d)-n*float64(of)) <= 0.01*float64(of)
}

func whyBlind(cfg *heartbeat.Config) string {
	switch {
	case cfg.Beat.By == heartbeat.Nobody:
		return "it has no heartbeat"
	case cfg.Misses == 0:
		return "misses is 0"
	case cfg.Beat.After == heartbeat.AfterReply:
		return fmt.Sprintf("only a reply arms the next beat, so it never misses %d in a row", cfg.Misses)
	}
	return fmt.Sprintf("only a received message arms the next beat, so it never misses %d in a row", cfg.Misses)
}

func (p *Plan) warnFault(f *chaos.Fault, like *Preset, add adder) {
	if f.Kind == chaos.IdleCut && like == nil { // beside a box of the real world, never to be quiet for long enough is good
		for i := range p.Groups {
			if g := &p.Groups[i]; g.Config.Beat.By != heartbeat.Nobody && g.Config.Beat.Interval < f.After && (f.Clients.Group == "" || f.Clients.Group == g.Name) {
				add("%s cuts after %s of quiet, and group %s beats every %s: it will never be quiet long enough", f.Name,
					chaos.FormatDuration(f.After), g.Name, chaos.FormatDuration(g.Config.Beat.Interval))
			}
		}
	}
	if !silent(f) || f.For == 0 {
		return
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		if f.Clients.Group != "" && f.Clients.Group != g.Name {
			continue
		}
		lo, hi, ok := g.Config.Bounds(0)
		quiet := f.For
		if f.Kind == chaos.IdleCut {
			quiet -= f.After
		}
		switch {
		case !ok:
		case quiet <= lo:
			add("%s lasts %s: too short for group %s, which needs at least %s to notice", f.Name, chaos.FormatDuration(f.For), g.Name, chaos.FormatDuration(lo))
		case quiet < hi:
			add("%s lasts %s: some of group %s will heal before they notice (that takes up to %s)", f.Name, chaos.FormatDuration(f.For), g.Name, chaos.FormatDuration(hi))
		}
	}
}

func (p *Plan) warnSchedule(add adder) {
	var ready time.Duration
	for i := range p.Groups {
		ready = max(ready, p.Groups[i].Delay+p.Groups[i].Ramp)
	}
	var before *chaos.Occurrence
	var back time.Duration
	for i := range p.Schedule {
		o := &p.Schedule[i]
		f := &p.Faults[o.Fault]
		if o.At < ready && i == 0 {
			add("%s begins at %s, while clients still connect (until %s): there is no baseline", o.Name, chaos.FormatDuration(o.At), chaos.FormatDuration(ready))
		}
		if !f.Severs() {
			continue
		}
		if before != nil && o.At < back {
			add("%s begins at %s, while clients may still be on their way back from %s (until %s)", o.Name, chaos.FormatDuration(o.At), before.Name, chaos.FormatDuration(back))
		}
		if horizon := p.back(o); horizon > back || before == nil {
			before, back = o, horizon
		}
	}
	if before != nil && back > p.Duration && before.End < p.Duration {
		add("the run ends at %s, while clients may still be on their way back from %s (until %s)", chaos.FormatDuration(p.Duration), before.Name, chaos.FormatDuration(back))
	}
	if names := p.endless(); len(names) > 0 {
		add("%s lasts until the end of the run: its recovery cannot be measured", names[0])
	}
}

// back is when the last victim of the occurrence can be expected to be open again, if its first attempt succeeds.
func (p *Plan) back(o *chaos.Occurrence) time.Duration {
	f := &p.Faults[o.Fault]
	end := o.End + f.Restart + f.Grace
	for i := range p.Groups {
		g := &p.Groups[i]
		if f.Clients.Group != "" && f.Clients.Group != g.Name {
			continue
		}
		_, hi, ok := g.Config.Bounds(0)
		if !silent(f) || !ok {
			hi = 0
		}
		end = max(end, max(o.At+hi, o.End+f.Restart+f.Grace)+firstDelay(&g.Config.Reconnect))
	}
	return end
}

// endless names the severing faults that nothing ends before the run does.
func (p *Plan) endless() []string {
	var names []string
	for i := range p.Schedule {
		o := &p.Schedule[i]
		if f := &p.Faults[o.Fault]; f.Severs() && !f.Instant() && o.End >= p.Duration && !slices.Contains(names, f.Name) && f.Kind != chaos.IdleCut {
			names = append(names, f.Name)
		}
	}
	return names
}
