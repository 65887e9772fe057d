package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// MaxSettings is how many settings a tune section may span.
const MaxSettings = 20_000

// FileTune is the tune section: what `flatline tune` may change of one group of clients. Every combination is a
// [Setting]. What is left out stays as the group has it.
type FileTune struct {
	Group     string            `yaml:"group" doc:"Which group of clients." default:"the only one"`
	Interval  Durations         `yaml:"interval" doc:"Heartbeat intervals: a list, a range (1s..10s: steps of 1, 1.5, 2, 3, 5, 7 and so on), or a range with a step (1s..5s by 500ms)." default:"the group's"`
	Timeout   Durations         `yaml:"timeout" doc:"Timeouts, written as interval is." default:"the group's"`
	Misses    []int             `yaml:"misses" min:"1" max:"1000" doc:"Numbers of beats that may go unanswered." default:"the group's"`
	Reconnect []TuningReconnect `yaml:"reconnect" doc:"Reconnect policies. max_attempts, reset_after, stop_codes and lock stay the group's unless written." default:"the group's"`
}

// Durations is a list of durations, or a range of them.
type Durations []time.Duration

func (v *Durations) decodeNode(d *decoder, n *yaml.Node, path string) {
	if n.Kind == yaml.SequenceNode {
		for i, c := range n.Content {
			var one Duration
			d.value(c, asValue(&one), fmt.Sprintf("%s[%d]", path, i), "")
			*v = append(*v, time.Duration(one))
		}
		if len(*v) == 0 {
			d.fail(n, path, "leave the key out to keep the group's", "%s lists nothing", lastKey(path))
		}
		return
	}
	unit(d, n, path, parseDurations, v)
}

// parseDurations reads `3s`, `1s..10s`, `1s..5s by 500ms`.
func parseDurations(s string) (Durations, error) {
	from, to, isRange := strings.Cut(s, "..")
	a, err := parseDuration(strings.TrimSpace(from))
	if err != nil || !isRange {
		return Durations{a}, err
	}
	to, by, steps := strings.Cut(to, " by ")
	b, err := parseDuration(strings.TrimSpace(to))
	if err != nil {
		return nil, err
	}
	if a <= 0 || b < a {
		return nil, &unitError{fmt.Sprintf("%q is no range", s), "from a smaller to a larger duration above 0s: 1s..10s"}
	}
	if !steps {
		return preferred(a, b), nil
	}
	step, err := parseDuration(strings.TrimSpace(by))
	if err != nil {
		return nil, err
	}
	if step <= 0 || (b-a)/step >= MaxSettings {
		return nil, &unitError{fmt.Sprintf("%q has too many steps", s), fmt.Sprintf("at most %d", MaxSettings)}
	}
	var out Durations
	for d := a; d <= b; d += step {
		out = append(out, d)
	}
	return out, nil
}

// preferred are the steps 1, 1.5, 2, 3, 5, 7 of each decade (the E6 series of IEC 60063, rounded to what people
// write) from a to b, with both ends; from a minute on they are those of minutes and hours.
func preferred(a, b time.Duration) Durations {
	out := Durations{a}
	var bases []time.Duration
	for d := time.Duration(10); d < time.Minute; d *= 10 {
		bases = append(bases, d)
	}
	bases = append(bases, time.Minute, 10*time.Minute, time.Hour, 10*time.Hour, 100*time.Hour)
	for i, base := range bases {
		for _, tenths := range []time.Duration{10, 15, 20, 30, 50, 70} {
			d := base / 10 * tenths
			if d > a && d < b && (i+1 == len(bases) || d < bases[i+1]) {
				out = append(out, d)
			}
		}
	}
	if b > a {
		out = append(out, b)
	}
	return out
}

func (Durations) schema(*generator) object {
	list := object{{"type", "array"}, {"items", object{{"$ref", "#/$defs/duration"}}}, {"minItems", 1}}
	return object{{"oneOf", []object{texts(`^[0-9.]+(ns|us|µs|ms|s|m|h)[^.]*(\.\..+)?$`, "1s..10s", "1s..5s by 500ms"), list}}}
}

// Setting is one point of the space that a tune section spans: the tuned part of a group's client.
type Setting struct {
	Interval  time.Duration
	Timeout   time.Duration
	Misses    int
	Reconnect TuningReconnect
}

// Policy writes the setting's reconnect policy in a few words: `fixed 4s`, `exponential 1s to 30s, full jitter`.
func (s *Setting) Policy() string {
	r := &s.Reconnect
	var b strings.Builder
	kind := value(r.Kind, "never")
	b.WriteString(kind)
	switch kind {
	case "fixed", "exponential":
		b.WriteString(" " + value(r.Delay, 0).String())
	case "list":
		for _, d := range r.Delays {
			b.WriteString(" " + d.String())
		}
	}
	if f := value(r.Factor, 2); kind == "exponential" && f != 2 {
		b.WriteString(" x" + formatNumber(f))
	}
	if c := value(r.Cap, 0); c > 0 {
		b.WriteString(" to " + c.String())
	}
	switch j := value(r.Jitter, "none"); j {
	case "none":
	case "ratio":
		b.WriteString(", jitter ±" + formatNumber(100*float64(value(r.JitterRatio, 0))) + "%")
	default:
		b.WriteString(", " + j + " jitter")
	}
	return b.String()
}

// YAML writes the setting as it would stand in a group of a scenario.
func (s *Setting) YAML() string {
	r := &s.Reconnect
	var b strings.Builder
	fmt.Fprintf(&b, "beat: {interval: %s}\ntimeout: %s\nmisses: %d\nreconnect: {kind: %s", Duration(s.Interval), Duration(s.Timeout), s.Misses, value(r.Kind, "never"))
	switch value(r.Kind, "never") {
	case "fixed":
		fmt.Fprintf(&b, ", delay: %s", value(r.Delay, 0))
	case "exponential":
		fmt.Fprintf(&b, ", delay: %s, factor: %s", value(r.Delay, 0), formatNumber(value(r.Factor, 2)))
	case "list":
		fmt.Fprintf(&b, ", delays: [%s]", joined(r.Delays))
	}
	if r.Cap != nil { // 0s where the profile has one that does not apply
		fmt.Fprintf(&b, ", cap: %s", *r.Cap)
	}
	fmt.Fprintf(&b, ", jitter: %s", value(r.Jitter, "none"))
	if value(r.Jitter, "none") == "ratio" {
		fmt.Fprintf(&b, ", jitter_ratio: %s%%", formatNumber(100*float64(value(r.JitterRatio, 0))))
	}
	b.WriteString("}\n")
	return b.String()
}

func joined(list []Duration) string {
	text := make([]string, len(list))
	for i, d := range list {
		text[i] = d.String()
	}
	return strings.Join(text, ", ")
}

// ParseTune reads a tune section from the text of a command line: `{interval: 1s..10s, misses: [1, 2]}`. The error is a
// *[Problems]; path names the text in its messages.
func ParseTune(path, text string) (*FileTune, error) {
	t := &FileTune{}
	_, problems := parseInto(path, []byte(text), t)
	if err := problems.err(); err != nil {
		return nil, err
	}
	return t, nil
}

// Over lays what t has written upon base.
func (t *FileTune) Over(base *FileTune) *FileTune {
	out := *base
	if t.Group != "" {
		out.Group = t.Group
	}
	if t.Interval != nil {
		out.Interval = t.Interval
	}
	if t.Timeout != nil {
		out.Timeout = t.Timeout
	}
	if t.Misses != nil {
		out.Misses = t.Misses
	}
	if t.Reconnect != nil {
		out.Reconnect = t.Reconnect
	}
	return &out
}

// tuned is the position of the group that the tune section means, or an error for the reader.
func (f *File) tuned(t *FileTune) (int, error) {
	if t.Group == "" && len(f.Clients) == 1 {
		return 0, nil
	}
	var names []string
	for i := range f.Clients {
		if f.Clients[i].Group == t.Group && t.Group != "" {
			return i, nil
		}
		names = append(names, f.Clients[i].Group)
	}
	if t.Group == "" {
		return 0, &unitError{"there are several groups of clients: say which one to tune", "tune: {group: " + names[0] + "}"}
	}
	return 0, &unitError{fmt.Sprintf("no client group is called %q", t.Group), didYouMean(t.Group, names)}
}

// resolved is the tuning of a group with its profile under it.
func (w *FileGroup) resolved() Tuning {
	if base, ok := profileOf(w.Profile); ok {
		return w.Tuning.over(base.Tuning)
	}
	return w.Tuning
}

// Current is the setting that the scenario has now.
func (f *File) Current(t *FileTune) (Setting, error) {
	i, err := f.tuned(t)
	if err != nil {
		return Setting{}, err
	}
	tuning := f.Clients[i].resolved()
	cfg := tuning.config()
	return Setting{Interval: cfg.Beat.Interval, Timeout: cfg.Timeout, Misses: cfg.Misses, Reconnect: *tuningOf(&cfg).Reconnect}, nil
}

// Settings are all combinations of the tune section, the group's own setting first. A section that leaves everything
// out spans a space around the group's setting: its interval and timeout times 1/3, 1/2, 2/3, 1, 3/2, 2 and 3, 1 to 3
// misses (1 where the client dies at the first), and the common reconnect policies at its delay.
func (f *File) Settings(t *FileTune) ([]Setting, error) {
	now, err := f.Current(t)
	if err != nil {
		return nil, err
	}
	if t.Interval == nil && t.Timeout == nil && t.Misses == nil && t.Reconnect == nil {
		t = around(&now, t.Group)
	}
	intervals, timeouts, misses, policies := t.Interval, t.Timeout, t.Misses, t.Reconnect
	if intervals == nil {
		intervals = Durations{now.Interval}
	}
	if timeouts == nil {
		timeouts = Durations{now.Timeout}
	}
	if misses == nil {
		misses = []int{now.Misses}
	}
	if policies == nil {
		policies = []TuningReconnect{now.Reconnect}
	}
	n := float64(len(intervals)) * float64(len(timeouts)) * float64(len(misses)) * float64(len(policies))
	if n > MaxSettings {
		return nil, &unitError{fmt.Sprintf("%.0f combinations are too many", n), fmt.Sprintf("at most %d: give a range larger steps, or tune in two rounds", MaxSettings)}
	}
	type point struct {
		interval, timeout time.Duration
		misses            int
		policy            string
	}
	seen := map[point]bool{{now.Interval, now.Timeout, now.Misses, now.Policy()}: true}
	out := make([]Setting, 1, int(n)+1)
	out[0] = now
	for _, policy := range policies {
		policy = policy.over(&now.Reconnect)
		name := (&Setting{Reconnect: policy}).Policy()
		for _, m := range misses {
			for _, timeout := range timeouts {
				for _, interval := range intervals {
					if p := (point{interval, timeout, m, name}); !seen[p] {
						seen[p] = true
						out = append(out, Setting{Interval: interval, Timeout: timeout, Misses: m, Reconnect: policy})
					}
				}
			}
		}
	}
	return out, nil
}

// over is a policy of its own; only what is no part of the delays comes from the group's.
func (r TuningReconnect) over(base *TuningReconnect) TuningReconnect {
	out := TuningReconnect{Kind: ptr(value(r.Kind, "never")), Delay: ptr(value(r.Delay, 0)), Delays: r.Delays, Factor: ptr(value(r.Factor, 2)),
		Cap: ptr(value(r.Cap, 0)), Jitter: ptr(value(r.Jitter, "none")), JitterRatio: ptr(value(r.JitterRatio, 0)),
		CapOn: ptr(value(r.CapOn, "delay")), Spread: ptr(value(r.Spread, nil)), Plus: ptr(value(r.Plus, noSpan)),
		First: ptr(value(r.First, noSpan)), AfterLoss: ptr(value(r.AfterLoss, noSpan)), AfterTimeout: ptr(value(r.AfterTimeout, noSpan)),
		MaxAttempts: base.MaxAttempts, ResetAfter: base.ResetAfter, StopCodes: base.StopCodes, Lock: base.Lock}
	if out.Delays == nil {
		out.Delays = []Duration{}
	}
	if r.MaxAttempts != nil {
		out.MaxAttempts = r.MaxAttempts
	}
	if r.ResetAfter != nil {
		out.ResetAfter = r.ResetAfter
	}
	if r.StopCodes != nil {
		out.StopCodes = r.StopCodes
	}
	if r.Lock != nil {
		out.Lock = r.Lock
	}
	return out
}

// around is the space around a setting.
func around(now *Setting, group string) *FileTune {
	t := &FileTune{Group: group, Misses: []int{1, 2, 3}}
	for _, q := range [][2]time.Duration{{1, 3}, {1, 2}, {2, 3}, {1, 1}, {3, 2}, {2, 1}, {3, 1}} {
		t.Interval = append(t.Interval, (now.Interval * q[0] / q[1]).Round(time.Millisecond))
		if now.Timeout > 0 {
			t.Timeout = append(t.Timeout, (now.Timeout * q[0] / q[1]).Round(time.Millisecond))
		}
	}
	if t.Timeout == nil {
		t.Timeout = t.Interval
	}
	delay := max(value(now.Reconnect.Delay, 0), Duration(time.Second))
	limit := Duration(max(10*time.Duration(delay), 30*time.Second))
	t.Reconnect = []TuningReconnect{
		now.Reconnect,
		{Kind: ptr(reconnectKinds[heartbeat.Fixed]), Delay: &delay},
		{Kind: ptr(reconnectKinds[heartbeat.Fixed]), Delay: &delay, Jitter: ptr(jitters[heartbeat.Full])},
	}
	for _, j := range []heartbeat.Jitter{heartbeat.NoJitter, heartbeat.Equal, heartbeat.Full, heartbeat.Decorrelated} {
		t.Reconnect = append(t.Reconnect, TuningReconnect{Kind: ptr(reconnectKinds[heartbeat.Exponential]), Delay: &delay, Cap: &limit, Jitter: ptr(jitters[j])})
	}
	return t
}

// With is the scenario with another setting for the tuned group. Its plan may still be refused.
func (f *File) With(t *FileTune, s *Setting) (*File, error) {
	i, err := f.tuned(t)
	if err != nil {
		return nil, err
	}
	out := *f
	out.d = nil // the positions are those of the text as written
	out.Clients = slices.Clone(f.Clients)
	g := &out.Clients[i]
	beat := TuningBeat{}
	if g.Beat != nil {
		beat = *g.Beat
	}
	beat.Interval = ptr(Duration(s.Interval))
	reconnect := s.Reconnect
	g.Beat, g.Timeout, g.Misses, g.Reconnect = &beat, ptr(Duration(s.Timeout)), &s.Misses, &reconnect
	return &out, nil
}

// tune checks the section as far as that is possible without simulating it.
func (c *checker) tune(f *File) {
	if f.Tune == nil || !c.clean("tune") || !c.clean("clients") {
		return
	}
	t := f.Tune
	if _, err := f.tuned(t); err != nil {
		c.report("tune.group", hintOf(err), "%v", err)
		return
	}
	if i, _ := f.tuned(t); value(f.Clients[i].resolved().Silence, 0) > 0 {
		c.report("tune", "silence: 0s and a timeout beside the group's profile", "the tuned group counts silence, and tune searches timeout and misses")
		return
	}
	for _, d := range t.Interval {
		if d < time.Millisecond {
			c.report("tune.interval", "at least 1ms", "interval %s is too short", chaos.FormatDuration(d))
			return
		}
	}
	if _, err := f.Settings(t); err != nil {
		c.report("tune", hintOf(err), "%v", err)
	}
}
