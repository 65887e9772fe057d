package scenario

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// isWindow: a name, a window's word, or a happening such as kill#2.
func isWindow(s string) bool {
	name, nth, counted := strings.Cut(s, "#")
	if n, err := strconv.Atoi(nth); counted && (err != nil || n < 2 || strconv.Itoa(n) != nth) {
		return false
	}
	return isName(name) || !counted && (s == "baseline" || s == "recovery")
}

// expect adds the expectation at path to the plan, with the window's name as the report knows it.
func (c *checker) expect(path, text string, p *Plan) {
	e, err := ParseExpect(text)
	if err != nil {
		if !c.bad[path] {
			c.report(path, hintOf(err), "%v", err)
		}
		return
	}
	e.Line = c.pos[path].line
	if e.In != "" && c.clean("clients") && !slices.Contains(p.groupNames(), e.In) {
		c.reportIn(path, columnOf(text, "in"), didYouMean(e.In, p.groupNames()), "no client group is called %q", e.In)
	}
	if e.During != "" && e.During != "baseline" && e.During != "recovery" && c.clean("chaos") && c.clean("duration") {
		var windows []string
		for _, o := range p.Schedule {
			windows = append(windows, o.Name)
		}
		if num, ok := strings.CutPrefix(e.During, "fault"); ok {
			if n, err := strconv.Atoi(num); err == nil && n >= 1 && n <= len(p.Faults) && !slices.Contains(windows, e.During) {
				e.During = p.Faults[n-1].Name
			}
		}
		if !slices.Contains(windows, e.During) {
			known := append([]string{"baseline", "recovery"}, windows...)
			c.reportIn(path, columnOf(text, "during"), didYouMean(e.During, known[:min(len(known), 40)]), "no fault is called %q", e.During)
		}
	}
	p.Expect = append(p.Expect, e)
}

// columnOf is where the word behind a modifier stands, in characters from 1.
func columnOf(text, modifier string) int {
	p := expectParser{text: text}
	for word, _ := p.next(false); word != ""; word, _ = p.next(false) {
		if word == modifier {
			_, at := p.next(false)
			return utf8.RuneCountInString(text[:at]) + 1
		}
	}
	return 1
}
