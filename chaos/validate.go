package chaos

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Kinds are all kinds of fault, in the order of the documentation.
var Kinds = []Kind{Blackhole, Drop, Delay, Throttle, Duplicate, Reorder, Corrupt, Kill, Stall, Refuse, IdleCut, Drain, Suspend, Partition}

// FieldError is a problem with one field of a fault. Field is the key under which a scenario file writes it: fault (the
// kind), at, for, every, times, clients, nodes, direction, how, code, restart, by, jitter, distribution, rate, burst,
// after, notice, grace, spread, grid. Hint is empty when no fix is known.
type FieldError struct {
	Field string
	Msg   string
	Hint  string
}

func (e FieldError) Error() string {
	s := e.Field + ": " + e.Msg
	if e.Hint != "" {
		s += "; hint: " + e.Hint
	}
	return s
}

// shape says which fields a kind takes beside at, every, times, clients, nodes and name, and which of them it needs.
type shape struct {
	fields []string
	needs  []string
	hows   []How // nil: the kind has no how; the first is the default
}

var shapes = map[Kind]shape{
	Blackhole: {fields: []string{"for", "direction"}},
	Drop:      {fields: []string{"for", "direction", "rate", "burst"}, needs: []string{"rate"}},
	Delay:     {fields: []string{"for", "direction", "by", "jitter", "distribution"}, needs: []string{"by"}},
	Throttle:  {fields: []string{"for", "direction", "rate"}, needs: []string{"rate"}},
	Duplicate: {fields: []string{"for", "direction", "rate"}, needs: []string{"rate"}},
	Reorder:   {fields: []string{"for", "direction", "rate"}, needs: []string{"rate"}},
	Corrupt:   {fields: []string{"for", "direction", "rate"}, needs: []string{"rate"}},
	Kill:      {fields: []string{"how", "code", "restart"}, hows: []How{RST, FIN, Close, Process}},
	Stall:     {fields: []string{"for"}},
	Refuse:    {fields: []string{"for"}},
	IdleCut:   {fields: []string{"for", "how", "after"}, needs: []string{"after"}, hows: []How{Silent, RST, FIN}},
	Drain:     {fields: []string{"code", "notice", "grace", "spread"}},
	Suspend:   {fields: []string{"for", "how", "grid"}, hows: []How{Sleep, Timers}},
	Partition: {fields: []string{"for"}},
}

// Mode is How with the kind's default filled in: rst for a kill, silent for an idle-cut, sleep for a suspend, "" for the
// kinds that have no how.
func (f *Fault) Mode() How {
	if hows := shapes[f.Kind].hows; f.How == "" && len(hows) > 0 {
		return hows[0]
	}
	return f.How
}

// Hows are the ways in which a fault of the kind can happen, the default first; nil for most kinds.
func (k Kind) Hows() []How { return slices.Clone(shapes[k].hows) }

// examples of needed fields, for hints.
var examples = map[string]string{"by": "by: 200ms", "after": "after: 60s", "code": "code: 1012", "grid": "grid: 60s, as browsers do in background tabs"}

// Validate returns all problems of the fault, field by field; nil when it can be scheduled. Whether an engine can do it
// is the question of [Engine.Can].
func (f *Fault) Validate() []FieldError {
	var bad []FieldError
	add := func(field, hint, format string, args ...any) {
		bad = append(bad, FieldError{Field: field, Msg: fmt.Sprintf(format, args...), Hint: hint})
	}
	sh, known := shapes[f.Kind]
	if !known {
		add("fault", "one of "+list(Kinds, "or"), "%q is no kind of fault", f.Kind)
		return bad
	}
	set := f.set()
	for _, field := range fieldNames {
		if !set[field] || slices.Contains(sh.fields, field) {
			continue
		}
		hint := "it belongs to " + list(kindsWith(field), "and")
		if field == "for" {
			hint = "repeat it with every and times"
			add(field, hint, "a %s is over at once", f.Kind)
			continue
		}
		add(field, hint, "a %s has none", f.Kind)
	}
	for _, field := range sh.needs {
		if !set[field] {
			hint := examples[field]
			if field == "rate" {
				hint = "rate: 5%"
				if f.Kind == Throttle {
					hint = "rate: 64KiB/s"
				}
			}
			add(field, hint, "missing; a %s needs it", f.Kind)
		}
	}
	for _, d := range f.durations() {
		if d.v < 0 {
			add(d.field, "", "%s is negative", FormatDuration(d.v))
		}
	}
	f.validateTiming(add)
	f.validateValues(sh, add)
	return bad
}

type addProblem func(field, hint, format string, args ...any)

func (f *Fault) validateTiming(add addProblem) {
	if f.Times < 0 {
		add("times", "", "%d is negative", f.Times)
	}
	if f.Times != 0 && f.Every == 0 {
		add("times", "add every: 30s", "nothing to repeat without every")
	}
	if f.Every > 0 && f.For > f.Every {
		add("every", "every: "+FormatDuration(f.For)+" or more", "%s is shorter than for %s: the fault would overlap itself",
			FormatDuration(f.Every), FormatDuration(f.For))
	}
	if f.Every > 0 && f.For == 0 && !f.Instant() {
		add("every", "add for", "a fault that lasts until the end cannot begin again")
	}
	for _, n := range f.Nodes {
		if n < 0 {
			add("nodes", "nodes count from 0", "%d is negative", n)
		}
	}
	switch s := f.Clients; {
	case s.Count < 0:
		add("clients", "", "%d is negative", s.Count)
	case !(s.Percent >= 0 && s.Percent <= 100):
		add("clients", "", "share %v%% is not in (0%%,100%%]", s.Percent)
	case s.Percent > 0 && s.Count > 0:
		add("clients", "", "a share and a count exclude each other")
	case s != Selector{} && (f.Kind == Stall || f.Kind == Partition || f.Kind == Kill && f.How == Process):
		add("clients", "leave it out, or choose nodes", "a %s hits the server and with it every client", f.Kind)
	}
	if says := strings.Contains(f.Notice, RetryWord); f.Kind == Drain && says != (f.Spread > 0) {
		if says {
			add("spread", "spread: 10s", "missing; the notice names a time of which it is the bound")
		} else {
			add("spread", "notice: 'goodbye, retry in {{.Retry}} ms'", "no notice names a time to spread")
		}
	}
	if f.Kind == Partition && len(f.Nodes) == 0 {
		add("nodes", "nodes: [1]", "missing; a partition needs them: cut off from whom")
	}
	if f.Kind == Suspend && len(f.Nodes) > 0 {
		add("nodes", "choose clients", "a suspend hits devices, wherever they are connected")
	}
}

func (f *Fault) validateValues(sh shape, add addProblem) {
	switch f.Direction {
	case "", Up, Down, Both:
	default:
		add("direction", "up, down or both", "%q is no direction", f.Direction)
	}
	if f.How != "" && sh.hows != nil && !slices.Contains(sh.hows, f.How) {
		add("how", list(sh.hows, "or"), "a %s cannot happen by %q", f.Kind, f.How)
	}
	if f.Code != 0 {
		switch {
		case f.Code < 1000 || f.Code > 4999:
			add("code", "1001 going away, 1012 service restart, 4000 to 4999 for your own", "%d is not in 1000..4999", f.Code)
		case f.Code == 1004 || f.Code == 1005 || f.Code == 1006 || f.Code == 1015:
			// RFC 6455, section 7.4.1: reserved, "MUST NOT be set as a status code in a Close control frame".
			add("code", "1001 going away or 1012 service restart", "%d never stands in a close frame", f.Code)
		}
	}
	if f.Kind == Kill {
		switch {
		case f.How == Close && f.Code == 0:
			add("code", examples["code"], "missing; a kill by close needs it")
		case f.How != Close && f.Code != 0:
			add("code", "how: close", "only a kill by close has one")
		}
		if f.How != Process && f.Restart != 0 {
			add("restart", "how: process", "only a kill of the process has one")
		}
	}
	if f.Kind == Suspend {
		switch {
		case f.How == Timers && f.Grid == 0:
			add("grid", examples["grid"], "missing; a suspend of timers needs it")
		case f.How != Timers && f.Grid != 0:
			add("grid", "how: timers", "only a suspend of timers has one")
		}
	}
	switch f.Kind {
	case Throttle:
		if !(f.Rate >= 0) || math.IsInf(f.Rate, 1) {
			add("rate", "64KiB/s", "%v is no rate in bytes per second", f.Rate)
		} else if f.Rate != 0 && f.Rate < 1 {
			add("rate", "for no bytes at all use blackhole", "%v is less than one byte per second", f.Rate)
		}
	case Drop, Duplicate, Reorder, Corrupt:
		if !(f.Rate >= 0 && f.Rate <= 1) {
			add("rate", "5% or 0.05", "%v is not in [0,1]", f.Rate)
		}
	}
	if f.Kind == Drop && f.Burst >= 1 && f.Rate < 1 && f.Rate > f.Burst/(f.Burst+1) {
		// Between two bursts of the Gilbert-Elliott chain at least one packet arrives.
		add("rate", "longer bursts, or a rate of at most burst / (burst + 1)", "bursts of %v packets cannot lose %s of them", f.Burst, FormatProbability(f.Rate))
	}
	if f.Kind == Drop && f.Burst != 0 && (!(f.Burst >= 1) || math.IsInf(f.Burst, 1)) {
		add("burst", "the mean length of a run of lost packets", "%v is less than one packet", f.Burst)
	}
	if f.Kind == Delay && f.Jitter > f.By && f.By > 0 {
		add("jitter", "at most by", "%s around %s would deliver bytes before they were sent", FormatDuration(f.Jitter), FormatDuration(f.By))
	}
	if f.Kind == Delay && f.Distribution != "" {
		if !slices.Contains(Distributions, f.Distribution) {
			add("distribution", list(Distributions, "or"), "%q is no distribution", f.Distribution)
		} else if f.Jitter == 0 {
			add("distribution", "add jitter: 20ms", "nothing to spread without jitter")
		}
	}
}

// fieldNames are the fields that not every kind has.
var fieldNames = []string{"for", "direction", "how", "code", "restart", "by", "jitter", "distribution", "rate", "burst", "after", "notice", "grace", "spread", "grid"}

// set says which of fieldNames are not zero.
func (f *Fault) set() map[string]bool {
	m := map[string]bool{"direction": f.Direction != "", "how": f.How != "", "code": f.Code != 0, "rate": f.Rate != 0,
		"distribution": f.Distribution != "", "burst": f.Burst != 0, "notice": f.Notice != ""}
	for _, d := range f.durations() {
		m[d.field] = d.v != 0
	}
	return m
}

type durationField struct {
	field string
	v     time.Duration
}

func (f *Fault) durations() []durationField {
	return []durationField{{"at", f.At}, {"for", f.For}, {"every", f.Every}, {"restart", f.Restart}, {"by", f.By},
		{"jitter", f.Jitter}, {"after", f.After}, {"grace", f.Grace}, {"spread", f.Spread}, {"grid", f.Grid}}
}

func kindsWith(field string) []Kind {
	var out []Kind
	for _, k := range Kinds {
		if slices.Contains(shapes[k].fields, field) {
			out = append(out, k)
		}
	}
	return out
}

// list prints a, b and c.
func list[S ~string](items []S, and string) string {
	s := ""
	for i, it := range items {
		switch {
		case i == 0:
		case i == len(items)-1:
			s += " " + and + " "
		default:
			s += ", "
		}
		s += string(it)
	}
	return s
}
