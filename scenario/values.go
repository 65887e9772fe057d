package scenario

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/flatline-dev/flatline/chaos"
)

// Rate is a number of events per second: `1500/s`.
type Rate float64

// Ramp spreads the clients of a group: over a time (`5s`) or at a rate (`500/s`). One of the fields is set.
type Ramp struct {
	Over time.Duration
	Rate float64 // clients per second; 0: Over holds
}

// Share is a share of one, as `20%` or `0.2`.
type Share float64

// Amount is a bandwidth (`20kB/s`) or a share (`1%`), as the fault needs it.
type Amount struct{ Text string }

// Sources are local addresses to connect from.
type Sources struct {
	Auto bool
	List []string
}

// URLs is one address, or a list of several.
type URLs []string

// Selector names the clients that a fault hits: `all`, `33%`, `500`, `browsers`, `33% of browsers`.
type Selector chaos.Selector

// How is what a kill, an idle-cut or a suspend does; `close(1012)` carries its code.
type How struct {
	How  chaos.How
	Code int // 0: none given
}

// Codes is a close code or an inclusive range of them: 1008, `4000-4999`.
type Codes struct{ From, To uint16 }

// unit decodes a scalar through parse; every type whose text form is one scalar goes through here.
func unit[T any](d *decoder, n *yaml.Node, path string, parse func(string) (T, error), into *T) bool {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, path, "", "%s must be a single value, not %s", lastKey(path), kindOf(n))
		return false
	}
	v, err := parse(n.Value)
	if err != nil {
		d.failErr(n, path, err)
		return false
	}
	*into = v
	return true
}

func (v *Duration) decodeNode(d *decoder, n *yaml.Node, path string) {
	unit(d, n, path, parseDuration, (*time.Duration)(v))
}

func (v *Rate) decodeNode(d *decoder, n *yaml.Node, path string) {
	if unit(d, n, path, parseRate, (*float64)(v)) && (*v <= 0 || *v > 1e9) {
		d.fail(n, path, "above 0/s and at most 1000000000/s", "%s %s is out of range", lastKey(path), n.Value)
	}
}

func (v *Share) decodeNode(d *decoder, n *yaml.Node, path string) {
	unit(d, n, path, parseShare, (*float64)(v))
}

func (v *Ramp) decodeNode(d *decoder, n *yaml.Node, path string) {
	if unit(d, n, path, parseRamp, v) && v.Over == 0 && v.Rate > 0 && (v.Rate < 1e-3 || v.Rate > 1e9) {
		d.fail(n, path, "from 0.001/s to 1000000000/s", "%s %s is out of range", lastKey(path), n.Value)
	}
}

func parseRamp(s string) (Ramp, error) {
	if strings.Contains(s, "/") {
		r, err := parseRate(s)
		if err == nil && r == 0 {
			err = &unitError{"a rate of zero never connects anybody", ""}
		}
		return Ramp{Rate: r}, err
	}
	over, err := parseDuration(s)
	if hint := hintOf(err); hint != "" {
		err = &unitError{err.Error(), hint + "; or a rate, 500/s"}
	}
	return Ramp{Over: over}, err
}

func (v Ramp) String() string {
	if v.Rate > 0 {
		return formatRate(v.Rate)
	}
	return chaos.FormatDuration(v.Over)
}

func (v *Amount) decodeNode(d *decoder, n *yaml.Node, path string) {
	unit(d, n, path, func(s string) (string, error) {
		if _, err := parseShare(s); err == nil {
			return s, nil
		}
		_, err := parseBandwidth(s)
		return s, err
	}, &v.Text)
}

func (v *Codes) decodeNode(d *decoder, n *yaml.Node, path string) { unit(d, n, path, parseCodes, v) }

func parseCodes(s string) (Codes, error) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	a, err1 := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
	b, err2 := strconv.ParseUint(strings.TrimSpace(to), 10, 16)
	if err1 != nil || err2 != nil || a < 1000 || b > 4999 || a > b {
		return Codes{}, &unitError{fmt.Sprintf("%q is no close code", s), "a code from 1000 to 4999, or a range: 4000-4999"}
	}
	return Codes{uint16(a), uint16(b)}, nil
}

func (v Codes) String() string {
	if v.From == v.To {
		return strconv.Itoa(int(v.From))
	}
	return fmt.Sprintf("%d-%d", v.From, v.To)
}

func (v *How) decodeNode(d *decoder, n *yaml.Node, path string) { unit(d, n, path, parseHow, v) }

var hows = []string{"rst", "fin", "close", "process", "silent", "sleep", "timers"}

func parseHow(s string) (How, error) {
	if arg, ok := strings.CutPrefix(s, "close("); ok && strings.HasSuffix(arg, ")") {
		code, err := strconv.Atoi(strings.TrimSuffix(arg, ")"))
		if err != nil || code < 1000 || code > 4999 {
			return How{}, &unitError{fmt.Sprintf("%q has no close code", s), "a code from 1000 to 4999: close(1012)"}
		}
		return How{chaos.Close, code}, nil
	}
	for _, h := range hows {
		if h == s {
			return How{How: chaos.How(s)}, nil
		}
	}
	return How{}, &unitError{fmt.Sprintf("%q is unknown", s), didYouMean(s, hows)}
}

func (v *Sources) decodeNode(d *decoder, n *yaml.Node, path string) {
	if n.Kind == yaml.ScalarNode && n.Value == "auto" {
		v.Auto = true
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, path, "sources: auto, or a list: [127.0.0.1, 127.0.0.2]", "%s must be a list of addresses or auto, not %s", lastKey(path), kindOf(n))
		return
	}
	if len(n.Content) == 0 || len(n.Content) > 1024 {
		d.fail(n, path, "leave the key out for the kernel's choice", "%s must list between 1 and 1024 addresses", lastKey(path))
		return
	}
	for i, c := range n.Content {
		if c.Kind == yaml.AliasNode {
			c = c.Alias
		}
		a, err := netip.ParseAddr(c.Value)
		if c.Kind != yaml.ScalarNode || err != nil || a.IsUnspecified() || a.IsMulticast() {
			d.fail(c, fmt.Sprintf("%s[%d]", path, i), "an address of this machine, such as 127.0.0.2", "source %q is no IP address to connect from", short(c))
			continue
		}
		v.List = append(v.List, a.String())
	}
}

func (v *URLs) decodeNode(d *decoder, n *yaml.Node, path string) {
	one := func(n *yaml.Node, path string) {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n.Kind != yaml.ScalarNode || isNull(n) {
			d.fail(n, path, "url: ws://127.0.0.1:8080/", "%s must be an address, not %s", lastKey(path), kindOf(n))
			return
		}
		d.pos[path] = position{n.Line, n.Column}
		*v = append(*v, n.Value)
	}
	if n.Kind != yaml.SequenceNode {
		one(n, path)
		return
	}
	if len(n.Content) == 0 || len(n.Content) > MaxNodes {
		d.fail(n, path, "one address for each node", "%s must list between 1 and %d addresses", lastKey(path), MaxNodes)
		return
	}
	for i, c := range n.Content {
		one(c, fmt.Sprintf("%s[%d]", path, i))
	}
}

func (v *Selector) decodeNode(d *decoder, n *yaml.Node, path string) {
	unit(d, n, path, parseSelector, v)
}

// parseSelector reads `all`, `33%`, `500`, `browsers`, `33% of browsers`, `500 of browsers`.
func parseSelector(s string) (Selector, error) {
	amount, group, of := strings.Cut(s, " of ")
	amount, group = strings.TrimSpace(amount), strings.TrimSpace(group)
	v := Selector{Group: group}
	if of && !isName(group) {
		return v, &unitError{fmt.Sprintf("%q is no name of a client group", group), "write 33% of browsers, or 500 of browsers"}
	}
	const hint = "all, 33%, 500, a client group, or 33% of a client group"
	if num, ok := strings.CutSuffix(amount, "%"); ok {
		p, err := parseNumber(strings.TrimSpace(num))
		if err != nil || p <= 0 || p > 100 {
			return v, &unitError{fmt.Sprintf("%q selects no share of the clients", amount), "above 0% and at most 100%"}
		}
		v.Percent = p
		return v, nil
	}
	if n, err := strconv.Atoi(amount); err == nil {
		if n <= 0 {
			return v, &unitError{fmt.Sprintf("%q selects nobody", amount), hint}
		}
		v.Count = n
		return v, nil
	}
	switch {
	case amount == "all":
	case !of && isName(amount):
		v.Group = amount
	default:
		return v, &unitError{fmt.Sprintf("%q selects no clients", s), hint}
	}
	return v, nil
}

func (v Selector) String() string { return chaos.Selector(v).String() }

// reserved words cannot name a group or a fault: they mean something in selectors and expectations.
var reserved = []string{"all", "of", "by", "in", "during", "baseline", "recovery", "any", "auto"}

// isName: a letter, then letters, digits, - _ and dots, at most 64 bytes, and no reserved word.
func isName(s string) bool {
	if s == "" || len(s) > 64 || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	for _, w := range reserved {
		if s == w {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func (v *FileLine) decodeNode(d *decoder, n *yaml.Node, path string) {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, path, "write it as one line: detection.p99 < 8.1s", "an expectation must be text, not %s", kindOf(n))
		return
	}
	*v = FileLine(n.Value)
	d.plain[path] = n.Style == 0 && strings.Contains(d.line(n.Line), n.Value)
	if _, err := ParseExpect(n.Value); err != nil {
		at := position{n.Line, n.Column}
		var e *ExpectError
		if errors.As(err, &e) && d.plain[path] {
			at.column += e.Column - 1
		}
		d.failAt(at, path, hintOf(err), "%v", err)
	}
}

// chaosFields is the mapping form of FileChaos: the same fields without its methods.
type chaosFields FileChaos

func (v *FileChaos) allowsNull() {}

func (v *FileChaos) decodeNode(d *decoder, n *yaml.Node, path string) {
	switch {
	case n.Kind == yaml.SequenceNode:
		d.value(n, asValue(&v.Faults), join(path, "faults"), "")
	case n.Kind == yaml.MappingNode || isNull(n):
		d.value(n, asValue((*chaosFields)(v)), path, "")
	default:
		d.fail(n, path, "chaos: [{at: 10s, for: 20s, fault: blackhole, clients: 33%}]", "chaos must be a list of faults, not %s", kindOf(n))
	}
}
