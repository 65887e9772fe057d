package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the largest scenario file that is read, in bytes.
const MaxSize = 1 << 20

// Load reads the scenario file at path. The error is a *[Problems] if the file could be read but is no scenario.
func Load(path string) (*File, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	src, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, err
	}
	return Parse(path, src)
}

// Parse reads a scenario; path only names it in messages. The error is a *[Problems] with every mistake in the text,
// those that [File.Plan] would find included.
func Parse(path string, src []byte) (*File, error) {
	if len(src) > MaxSize {
		return nil, Problems{{File: path, Message: fmt.Sprintf("too large: a scenario has at most %d bytes (1 MiB)", MaxSize)}}.err()
	}
	f := &File{path: path, source: string(src)}
	d, problems := parseInto(path, src, f)
	if d == nil {
		return nil, problems.err()
	}
	if d.bad[""] {
		return nil, problems.err() // no scenario at all
	}
	f.d = d
	f.intent = intentOf(f.source)
	c := newChecker(f)
	c.problems = append(c.problems, d.problems...)
	c.resolve(f)
	if err := c.problems.err(); err != nil {
		return nil, err
	}
	return f, nil
}

// parseInto decodes one YAML document into v. The decoder is nil if the text could not be read at all.
func parseInto(path string, src []byte, v any) (*decoder, Problems) {
	d := newDecoder(path, src)
	root, bad := d.read(src)
	if bad != nil {
		return nil, Problems{*bad}
	}
	if root.Kind == yaml.DocumentNode {
		root = root.Content[0]
	}
	d.value(root, asValue(v), "", "")
	return d, d.problems
}

func newDecoder(path string, src []byte) *decoder {
	return &decoder{file: path, lines: strings.Split(string(src), "\n"), pos: map[string]position{}, keys: map[string]position{},
		bad: map[string]bool{}, plain: map[string]bool{}, budget: maxNodes}
}

// read turns text into nodes.
func (d *decoder) read(src []byte) (root *yaml.Node, bad *Problem) {
	whole := func(hint, format string, args ...any) *Problem {
		return &Problem{File: d.file, Message: fmt.Sprintf(format, args...), Hint: hint}
	}
	if line, what := notText(src); what != "" {
		return nil, &Problem{File: d.file, Line: line, Column: 1, Message: "not a text file: " + what, Hint: "a scenario is YAML in UTF-8"}
	}
	defer func() {
		if r := recover(); r != nil { // the YAML library has panicked on malformed input before
			root, bad = nil, whole("", "not YAML: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, whole("flatline check scenarios/quickstart.yaml shows a complete one", "the scenario is empty")
	} else if err != nil {
		return nil, d.syntax(err)
	}
	if err := dec.Decode(&more); err == nil {
		return nil, &Problem{File: d.file, Line: more.Line, Column: max(more.Column, 1), Message: "a second document begins here",
			Hint: "one file holds one scenario: remove the ---", Source: d.line(more.Line)}
	} else if !errors.Is(err, io.EOF) {
		return nil, d.syntax(err)
	}
	if len(doc.Content) == 0 {
		return nil, whole("", "the scenario is empty")
	}
	if isNull(doc.Content[0]) {
		return nil, whole("flatline check scenarios/quickstart.yaml shows a complete one", "the scenario is empty")
	}
	return &doc, nil
}

func notText(src []byte) (line int, what string) {
	line = 1
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return line, fmt.Sprintf("byte 0x%02x at offset %d is not UTF-8", src[i], i)
		case r < ' ' && r != '\t' && r != '\n' && r != '\r':
			return line, fmt.Sprintf("byte 0x%02x at offset %d is a control character", src[i], i)
		case r == '\n':
			line++
		}
		i += size
	}
	return 0, ""
}

func (d *decoder) line(n int) string {
	if n < 1 || n > len(d.lines) {
		return ""
	}
	return d.lines[n-1]
}

var yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// syntax turns an error of the YAML library, which knows the line at best, into a Problem.
func (d *decoder) syntax(err error) *Problem {
	p := &Problem{File: d.file, Message: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	m := yamlError.FindStringSubmatch(err.Error())
	if m == nil || m[1] == "" {
		if m != nil {
			d.unknownAnchor(p, m[2])
		}
		return p
	}
	p.Line, _ = strconv.Atoi(m[1])
	p.Source = d.line(p.Line)
	p.Column = len([]rune(p.Source)) - len([]rune(strings.TrimLeft(p.Source, " \t"))) + 1
	p.Message = "not YAML: " + m[2]
	for _, near := range []int{p.Line, p.Line + 1} { // the library counts from the token before the mistake
		text := d.line(near)
		if indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]; strings.Contains(indent, "\t") {
			p.Line, p.Source, p.Column = near, text, strings.Index(text, "\t")+1
			p.Hint = "indent with spaces: YAML forbids tabs there"
			return p
		}
	}
	switch {
	case strings.Contains(m[2], "mapping values are not allowed"):
		p.Hint = "look for a wrong indentation here or in the line above, or a text with a colon that needs quotes"
	case strings.Contains(m[2], "did not find expected ',' or"):
		p.Hint = "a { or [ is not closed, or a comma is missing"
	case strings.Contains(m[2], "did not find expected key"), strings.Contains(m[2], "did not find expected '-'"):
		p.Hint = "look for a line that is indented otherwise than its neighbours, here or below"
	case strings.Contains(m[2], "cannot start any token"):
		p.Hint = "put the text in quotes"
	case strings.Contains(m[2], "could not find expected ':'"):
		p.Hint = "a key needs a colon and a space behind it: key: value"
	}
	return p
}

// unknownAnchor finds the place of an alias without anchor, which the library does not tell.
func (d *decoder) unknownAnchor(p *Problem, msg string) {
	name, ok := strings.CutPrefix(msg, "unknown anchor '")
	if name, _, _ = strings.Cut(name, "'"); !ok {
		return
	}
	p.Message = fmt.Sprintf("alias *%s has no anchor &%s in front of it", name, name)
	p.Hint = "put a text that begins with * in quotes"
	for i, line := range d.lines {
		if before, _, found := strings.Cut(line, "*"+name); found {
			p.Line, p.Column, p.Source = i+1, utf8.RuneCountInString(before)+1, line
			return
		}
	}
}

// intentOf is the comment that opens the text, without its marks.
func intentOf(src string) string {
	var lines []string
	for line := range strings.Lines(strings.TrimPrefix(src, "\ufeff")) {
		line = strings.TrimSpace(line)
		text, ok := strings.CutPrefix(line, "#")
		if !ok || strings.HasPrefix(text, " yaml-language-server:") {
			if len(lines) > 0 || (line != "" && !ok) {
				break
			}
			continue
		}
		lines = append(lines, strings.TrimPrefix(text, " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
