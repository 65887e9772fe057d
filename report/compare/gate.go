package compare

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Gate is a change that fails a build: Metric > +Change or Metric < -Change, with evidence p < P.
type Gate struct {
	Metric   string  // in full: detection.p99
	Op       string  // > or <
	Change   float64 // signed like the change that it forbids; a share of the old figure, or in the metric's base unit
	Relative bool    // Change is a share: 0.1 for +10%
	P        float64 // evidence that it takes; 0: the comparison's alpha; 1: the figure alone decides
	report.Scope
	Text string // as written
}

// gateForm is the grammar in one line.
const gateForm = "metric > +change or metric < -change, [p < probability] [by cause] [in group] [during window]: detection.p99 > +10% p<0.05"

// The p clause, wherever it stands behind the change.
var pClause = regexp.MustCompile(`(?:^|\s)p\s*(<=|<|=+|>=?)\s*(\S*)`)

// changeAt finds the operator and the change behind it.
var changeAt = regexp.MustCompile(`([<>=!~]+)\s*([^\s<>=!~]\S*)`)

// ParseGate reads one gate; the error is a [*scenario.ExpectError], with the column. Names of groups and windows are
// taken as they come: whether they exist is known to the Results.
//
// A gate is an expectation whose value is a change, and everything else in it is read as one. So the change is replaced
// by a value of the metric's unit, and the p clause by blanks, both without moving what follows.
func ParseGate(text string) (Gate, error) {
	g := Gate{Text: text}
	fail := func(at int, hint, format string, args ...any) (Gate, error) {
		return Gate{Text: text}, &scenario.ExpectError{Column: utf8.RuneCountInString(text[:at]) + 1, Message: fmt.Sprintf(format, args...), Hint: hint}
	}
	if len(text) > 1000 {
		return fail(0, "", "a gate has at most 1000 bytes")
	}
	blank := []byte(text)
	loc := changeAt.FindStringSubmatchIndex(text)
	if loc == nil {
		if _, err := scenario.ParseExpect(text); err != nil {
			return Gate{Text: text}, withForm(err)
		}
		return fail(len(text), gateForm, "the gate names no change")
	}
	behind := loc[5]
	if p := pClause.FindStringSubmatchIndex(text[behind:]); p != nil {
		op := text[behind+p[2] : behind+p[3]]
		number := text[behind+p[4] : behind+p[5]]
		v, err := strconv.ParseFloat(number, 64)
		switch {
		case op != "<":
			return fail(behind+p[0], "write p<0.05", "a p clause is p < and a probability")
		case err != nil || !(v > 0 && v <= 1):
			return fail(behind+p[4], "above 0 and at most 1; p<1 lets the figure alone decide", "%q is no probability", number)
		}
		g.P = v
		for i := p[0]; i < p[1]; i++ {
			blank[behind+i] = ' '
		}
		if again := pClause.FindIndex(blank[behind:]); again != nil {
			return fail(behind+again[0], "", "p is given twice")
		}
	}
	op, change := text[loc[2]:loc[3]], text[loc[4]:loc[5]]
	name := strings.TrimSpace(text[:loc[2]])
	metric, known := scenario.LookupMetric(name)
	value := change
	if strings.HasPrefix(change, "+") || strings.HasPrefix(change, "-") {
		value = " " + change[1:]
	}
	if number, ok := strings.CutSuffix(strings.TrimSpace(value), "%"); ok && known {
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || !(v >= 0 && v <= 1e6) {
			return fail(loc[4], "a share of the old figure: +10%", "%q is no change", change)
		}
		g.Change, g.Relative = v/100, true
		value = map[scenario.Unit]string{scenario.Seconds: "0s", scenario.PerSecond: "0/s", scenario.Bytes: "0B"}[metric.Unit]
		if value == "" {
			value = "0"
		}
	}
	for i := loc[4]; i < loc[5]; i++ {
		if blank[i] = ' '; i-loc[4] < len(value) {
			blank[i] = value[i-loc[4]]
		}
	}
	e, err := scenario.ParseExpect(string(blank))
	if err != nil {
		return Gate{Text: text}, withForm(err)
	}
	switch {
	case op != ">" && op != "<":
		return fail(loc[2], gateForm, "a gate forbids a change by > or <, not by %s", op)
	case change[0] != '+' && change[0] != '-':
		return fail(loc[4], fmt.Sprintf("write %s +%s for a rise of that much, or use expect: in the scenario for a limit of the figure itself", op, change),
			"%s is a value and no change", change)
	case op == ">" && change[0] == '-' || op == "<" && change[0] == '+':
		return fail(loc[2], "> +10% forbids a rise, < -10% forbids a fall", "%s %s forbids an improvement that is too small", op, change)
	}
	if !g.Relative {
		g.Change = e.Value
	}
	if op == "<" {
		g.Change = -g.Change
	}
	g.Metric, g.Op, g.Scope = e.Metric, op, report.Scope{During: e.During, In: e.In, By: e.By}
	return g, nil
}

// withForm points to the grammar of gates where the error points to that of expectations.
func withForm(err error) error {
	if e, ok := err.(*scenario.ExpectError); ok && strings.HasPrefix(e.Hint, "metric op value") {
		e.Hint = gateForm
		e.Message = strings.Replace(e.Message, "the expectation is", "the gate is", 1)
	}
	return err
}

// String prints the gate so that [ParseGate] reads it back.
func (g Gate) String() string {
	m, _ := scenario.LookupMetric(g.Metric)
	var b strings.Builder
	sign, change := "+", g.Change
	if g.Op == "<" {
		sign, change = "-", -change
	}
	fmt.Fprintf(&b, "%s %s %s", g.Metric, g.Op, sign)
	if g.Relative {
		b.WriteString(strconv.FormatFloat(change*100, 'g', 12, 64) + "%")
	} else {
		b.WriteString(m.Unit.Format(change))
	}
	if g.P > 0 {
		b.WriteString(" p<" + strconv.FormatFloat(g.P, 'g', -1, 64))
	}
	for _, mod := range [][2]string{{"by", g.By}, {"in", g.In}, {"during", g.During}} {
		if mod[1] != "" {
			b.WriteString(" " + mod[0] + " " + mod[1])
		}
	}
	return b.String()
}
