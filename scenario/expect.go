package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// Expect is one expectation: Metric Op Value [by By] [in In] [during During].
type Expect struct {
	Metric string  // a name of the metric table, such as detection.p99
	Op     string  // < <= == >= >
	Value  float64 // in the metric's base unit: seconds, events per second, count, ratio, bytes, cores
	By     string  // a cause (heartbeat.Cause names); "": all
	In     string  // a group; "": all
	During string  // baseline, recovery, a fault's or an occurrence's name; "": the whole run
	Text   string  // as written
	Line   int
}

// Ops are the comparisons of an expectation.
var Ops = []string{"<", "<=", "==", ">=", ">"}

// Holds reports whether a measured value meets the expectation.
func (e *Expect) Holds(v float64) bool {
	switch e.Op {
	case "<":
		return v < e.Value
	case "<=":
		return v <= e.Value
	case "==":
		return v == e.Value
	case ">=":
		return v >= e.Value
	case ">":
		return v > e.Value
	}
	return false
}

// String prints the expectation so that [ParseExpect] reads it back.
func (e Expect) String() string {
	var b strings.Builder
	m, _ := LookupMetric(e.Metric)
	fmt.Fprintf(&b, "%s %s %s", e.Metric, e.Op, m.Unit.Format(e.Value))
	for _, mod := range [][2]string{{"by", e.By}, {"in", e.In}, {"during", e.During}} {
		if mod[1] != "" {
			fmt.Fprintf(&b, " %s %s", mod[0], mod[1])
		}
	}
	return b.String()
}

// Format prints a value of the unit exactly, so that it parses back.
func (u Unit) Format(v float64) string {
	switch u {
	case Seconds:
		return chaos.FormatDuration(time.Duration(v*1e9 + 0.5))
	case PerSecond:
		return formatRate(v)
	case Bytes:
		return formatSize(v)
	}
	return formatNumber(v)
}

// parse reads a value as an expectation writes it.
func (u Unit) parse(s string) (float64, error) {
	switch u {
	case Seconds:
		d, err := parseDuration(s)
		return d.Seconds(), err
	case PerSecond:
		return parseRate(s)
	case Bytes:
		return parseSize(s)
	case Ratio:
		if num, ok := strings.CutSuffix(s, "%"); ok {
			v, err := parseNumber(num)
			return v / 100, err
		}
	}
	v, err := parseNumber(s)
	if err != nil {
		hint := "this metric is a " + string(u) + ": write a plain number"
		if u == Ratio {
			hint = "this metric is a ratio: write 99.9% or 0.999"
		}
		return 0, &unitError{err.Error(), hint}
	}
	if u == Count && v != float64(int64(v)) {
		return 0, &unitError{s + " is not a whole number", "this metric is a count"}
	}
	return v, nil
}

// ExpectError is a mistake in an expectation.
type ExpectError struct {
	Column  int // in characters of the text, from 1
	Message string
	Hint    string
}

func (e *ExpectError) Error() string { return e.Message }

// maxExpect bounds the text of one expectation, in bytes.
const maxExpect = 1000

// ParseExpect reads one expectation; the error is an *[ExpectError]. Names of groups and windows are taken as they come:
// whether they exist is known to the plan.
func ParseExpect(text string) (Expect, error) {
	e := Expect{Text: text}
	if len(text) > maxExpect {
		return e, &ExpectError{1, fmt.Sprintf("an expectation has at most %d bytes", maxExpect), ""}
	}
	p := expectParser{text: text}
	if err := p.parse(&e); err != nil {
		return Expect{Text: text}, err
	}
	return e, nil
}

type expectParser struct {
	text string
	at   int // byte offset
}

func (p *expectParser) fail(at int, hint, format string, args ...any) *ExpectError {
	return &ExpectError{utf8.RuneCountInString(p.text[:at]) + 1, fmt.Sprintf(format, args...), hint}
}

const expectForm = "metric op value [by cause] [in group] [during window]: detection.p99 < 8.1s"

// next takes a run of characters up to white space or, before a value, up to a change between operator and other
// characters, so that p99<8s reads like p99 < 8s.
func (p *expectParser) next(split bool) (word string, at int) {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	at = p.at
	isOp := func(c byte) bool { return strings.IndexByte("<>=!~", c) >= 0 }
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) < 0 {
		if split && p.at > at && isOp(p.text[p.at]) != isOp(p.text[at]) {
			break
		}
		p.at++
	}
	return p.text[at:p.at], at
}

func (p *expectParser) parse(e *Expect) error {
	name, at := p.next(true)
	if name == "" {
		return p.fail(at, expectForm, "the expectation is empty")
	}
	m, ok := LookupMetric(name)
	if !ok {
		return p.fail(at, metricHint(name), "unknown metric %q", name)
	}
	e.Metric = name
	op, at := p.next(true)
	if !slices.Contains(Ops, op) {
		hint := "one of: " + strings.Join(Ops, " ")
		if instead := map[string]string{"=": "==", "=<": "<=", "=>": ">=", "is": "==", "below": "<", "above": ">", "under": "<"}[op]; instead != "" {
			hint = fmt.Sprintf("did you mean %q?", instead)
		}
		if op == "" {
			return p.fail(at, expectForm, "%s has nothing to compare with", name)
		}
		return p.fail(at, hint, "unknown comparison %q", op)
	}
	e.Op = op
	val, at := p.next(false)
	if val == "" {
		return p.fail(at, expectForm, "no value after %s", op)
	}
	if peek := *p; m.Unit == Bytes { // 64 MiB, as people write it
		if unit, _ := peek.next(false); unit != "" && bareNumber.MatchString(val) && sizePattern.MatchString(val+unit) {
			val, p.at = val+unit, peek.at
		}
	}
	v, err := m.Unit.parse(val)
	if err != nil {
		return p.fail(at, hintOf(err), "%v", err)
	}
	if e.Value = v; m.Unit == Seconds && v > maxDuration.Seconds() {
		return p.fail(at, "", "%s is too long", val)
	}
	return p.modifiers(e, m)
}

func (p *expectParser) modifiers(e *Expect, m Metric) error {
	for {
		key, at := p.next(false)
		if key == "" {
			return nil
		}
		var into *string
		var allowed bool
		switch key {
		case "by":
			into, allowed = &e.By, m.By
		case "in":
			into, allowed = &e.In, m.In
		case "during":
			into, allowed = &e.During, m.During
		default:
			return p.fail(at, didYouMean(key, []string{"by", "in", "during"}), "%q after the value means nothing here", key)
		}
		if *into != "" {
			return p.fail(at, "", "%q is given twice", key)
		}
		if !allowed {
			return p.fail(at, "", "%s has no %q: %s", m.Name, key, map[string]string{
				"by": "it is not divided by cause", "in": "it is not divided by group", "during": "it holds for the whole run"}[key])
		}
		word, at := p.next(false)
		if key == "by" {
			word = p.cause(word)
			if cause, ok := heartbeat.ParseCause(word); !ok || cause == heartbeat.NoCause {
				return p.fail(at, didYouMean(word, causes()), "%q is no cause", word)
			}
		} else if word == "" {
			return p.fail(at, expectForm, "nothing after %q", key)
		} else if !isWindow(word) {
			return p.fail(at, "", "%q cannot be a name", word)
		}
		*into = word
	}
}

// cause takes the further words of a cause ("close frame") up to the next modifier.
func (p *expectParser) cause(word string) string {
	for {
		peek := *p
		more, _ := peek.next(false)
		if more == "" || more == "in" || more == "during" || more == "by" {
			return word
		}
		word += " " + more
		p.at = peek.at
	}
}

func causes() []string {
	var out []string
	for c := heartbeat.NoCause + 1; c < heartbeat.NumCauses; c++ {
		out = append(out, c.String())
	}
	return out
}
