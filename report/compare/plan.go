package compare

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flatline-dev/flatline/report"
)

// Difference is one field in which two resolved plans differ, in the words of a scenario file.
type Difference struct {
	Field string `json:"field"` // clients[browsers].timeout
	Old   string `json:"old"`   // as JSON; "": absent
	New   string `json:"new"`
}

func (d Difference) String() string {
	or := func(s string) string {
		if s == "" {
			return "absent"
		}
		return report.Clean(s, 60)
	}
	return fmt.Sprintf("%s: %s, and now %s", report.Clean(d.Field, 80), or(d.Old), or(d.New))
}

// subject are the fields that name what is tested and by what means, and not what is done to it: two versions of a server
// lie at two addresses. They are noted where they differ, as the names and the expectations are, which change no run.
var subject = []string{"name", "expect", "chaos.engine", "target.url", "target.command", "target.pid", "target.ca", "target.insecure", "target.ready"}

// differences compares what two Results ran, seeds aside: two seeds of one plan are two runs of it. apart is what makes
// them different plans, noted what may differ. ok is false if a Result does not hold its plan and the hashes differ.
func differences(a, b *report.PlanInfo) (apart, noted []Difference, ok bool) {
	if a.Hash == b.Hash && a.Hash != "" {
		return nil, nil, true
	}
	x, ok1 := resolved(a)
	y, ok2 := resolved(b)
	if !ok1 || !ok2 {
		return nil, nil, false
	}
	var all []Difference
	walk("", x, y, &all)
	for _, d := range all {
		if slices.ContainsFunc(subject, func(s string) bool { return d.Field == s || strings.HasPrefix(d.Field, s+"[") }) {
			noted = append(noted, d)
		} else {
			apart = append(apart, d)
		}
	}
	return apart, noted, true
}

// resolved is the scenario that leaves nothing to defaults, without its seed.
func resolved(p *report.PlanInfo) (map[string]any, bool) {
	var plan struct {
		Scenario map[string]any `json:"scenario"`
	}
	if json.Unmarshal(p.Resolved, &plan) != nil || plan.Scenario == nil {
		return nil, false
	}
	delete(plan.Scenario, "seed")
	return plan.Scenario, true
}

func walk(path string, a, b any, out *[]Difference) {
	switch x := a.(type) {
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			keys := maps.Clone(x)
			maps.Copy(keys, y)
			for _, k := range slices.Sorted(maps.Keys(keys)) {
				next := k
				if path != "" {
					next = path + "." + k
				}
				walk(next, x[k], y[k], out)
			}
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			for i := range max(len(x), len(y)) {
				var v, w any
				if i < len(x) {
					v = x[i]
				}
				if i < len(y) {
					w = y[i]
				}
				walk(fmt.Sprintf("%s[%s]", path, element(i, v, w)), v, w, out)
			}
			return
		}
	}
	if s, t := text(a), text(b); s != t {
		*out = append(*out, Difference{path, s, t})
	}
}

// element is what a list's entry is called: its name where both have the same, otherwise its position from 1.
func element(i int, a, b any) string {
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	for _, key := range []string{"group", "name"} {
		if s, ok := x[key].(string); ok && s != "" && (y[key] == s || y == nil) {
			return s
		} else if s, ok := y[key].(string); ok && s != "" && x == nil {
			return s
		}
	}
	return fmt.Sprint(i + 1)
}

func text(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
