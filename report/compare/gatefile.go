package compare

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/flatline-dev/flatline/scenario"
)

// maxGates bounds a file of gates, in bytes.
const maxGates = 1 << 20

// ReadGates reads a file of gates. Whatever is wrong with its text is a *[scenario.Problems] with positions.
func ReadGates(path string) ([]Gate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxGates+1))
	if err != nil {
		return nil, err
	}
	return ParseGates(path, src)
}

// gatesHint is a whole file.
const gatesHint = `a file of gates is "gates:" and a list: - detection.p99 > +10% p<0.05`

// ParseGates reads gates from YAML: a mapping with the one key "gates", a list of lines. path only names it in messages.
func ParseGates(path string, src []byte) ([]Gate, error) {
	p := gateFile{path: path, lines: strings.Split(string(src), "\n")}
	if len(src) > maxGates {
		return nil, &scenario.Problems{{File: path, Message: fmt.Sprintf("too large: a file of gates has at most %d bytes", maxGates)}}
	}
	gates := p.parse(src)
	if len(p.problems) > 0 {
		return nil, &p.problems
	}
	return gates, nil
}

type gateFile struct {
	path     string
	lines    []string
	problems scenario.Problems
}

func (f *gateFile) fail(n *yaml.Node, column int, hint, format string, a ...any) {
	p := scenario.Problem{File: f.path, Message: fmt.Sprintf(format, a...), Hint: hint}
	if n != nil && n.Line > 0 {
		p.Line, p.Column = n.Line, max(n.Column, 1)+column
		if n.Line <= len(f.lines) {
			p.Source = f.lines[n.Line-1]
		}
	}
	f.problems = append(f.problems, p)
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func (f *gateFile) parse(src []byte) (gates []Gate) {
	defer func() {
		if r := recover(); r != nil { // the YAML library has panicked on malformed input before
			f.fail(nil, 0, gatesHint, "not YAML: %v", r)
		}
	}()
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(src))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		f.fail(nil, 0, gatesHint, "the file is empty")
		return nil
	} else if err != nil {
		n := &yaml.Node{}
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			n.Line, _ = strconv.Atoi(m[1])
			text = m[2]
		}
		f.fail(n, 0, gatesHint, "not YAML: %s", text)
		return nil
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		f.fail(&more, 0, "one file holds one list of gates", "a second document begins here")
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		f.fail(root, 0, gatesHint, "this is no file of gates")
		return nil
	}
	var list *yaml.Node
	for i := 0; i+1 < len(root.Content); i += 2 {
		switch key := root.Content[i]; {
		case key.Value != "gates":
			f.fail(key, 0, gatesHint, "unknown key %q", key.Value)
		case list != nil:
			f.fail(key, 0, "", "\"gates\" is given twice")
		default:
			list = root.Content[i+1]
		}
	}
	if list == nil {
		if len(f.problems) == 0 {
			f.fail(root, 0, gatesHint, "there is no \"gates\"")
		}
		return nil
	}
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		f.fail(list, 0, gatesHint, "\"gates\" must be a list of lines")
		return nil
	}
	for _, n := range list.Content {
		if n.Kind != yaml.ScalarNode {
			f.fail(n, 0, "write it as one line: detection.p99 > +10% p<0.05", "a gate must be text")
			continue
		}
		g, err := ParseGate(n.Value)
		var e *scenario.ExpectError
		if errors.As(err, &e) {
			column := 0
			if n.Style == 0 && n.Line <= len(f.lines) && strings.Contains(f.lines[n.Line-1], n.Value) {
				column = e.Column - 1 // inside quotes, characters of the file are no characters of the text
			}
			f.fail(n, column, e.Hint, "%s", e.Message)
			continue
		}
		gates = append(gates, g)
	}
	return gates
}
