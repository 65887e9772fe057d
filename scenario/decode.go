package scenario

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The decoder reads a tree of YAML nodes into Go values and, unlike yaml's own, collects every problem with its
// position. Struct tags say what is allowed:
//
//	yaml:"key"       the key; ",inline" for an embedded struct
//	doc:"..."        one sentence for the JSON Schema
//	enum:"a,b"       the words that a string may be
//	min:"0" max:"9"  the range of a number
//	required:"true"  the key must be there
//	default:"..."    for the schema only; the plan fills it in
//
// Types with a form of their own implement nodeDecoder.
type decoder struct {
	file     string
	lines    []string
	problems Problems
	pos      map[string]position // by path: where the value stands
	keys     map[string]position // by path: where its key stands
	bad      map[string]bool     // paths whose value has a problem
	plain    map[string]bool     // texts without quotes on one line: columns inside them can be told
	budget   int                 // nodes that may still be visited, so that aliases cannot multiply without end
	depth    int
}

type position struct{ line, column int }

type nodeDecoder interface {
	decodeNode(d *decoder, n *yaml.Node, path string)
}

const (
	maxNodes = 100_000
	maxDepth = 32
)

// fail records a problem of the value at path.
func (d *decoder) fail(n *yaml.Node, path, hint, format string, args ...any) {
	d.failAt(position{n.Line, n.Column}, path, hint, format, args...)
}

func (d *decoder) failAt(at position, path, hint, format string, args ...any) {
	p := Problem{File: d.file, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...), Hint: hint}
	if at.line > 0 && at.line <= len(d.lines) {
		p.Source = d.lines[at.line-1]
	}
	d.bad[path] = true
	d.problems = append(d.problems, p)
}

// failErr records err with the hint it carries.
func (d *decoder) failErr(n *yaml.Node, path string, err error) {
	d.fail(n, path, hintOf(err), "%s: %v", lastKey(path), err)
}

// lastKey names the value at path for a message: the last key, with the list index that follows it.
func lastKey(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return path[i+1:]
	}
	return path
}

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if d.depth++; d.depth > maxDepth {
		d.depth--
		d.fail(n, path, "", "nested too deeply")
		return
	}
	defer func() { d.depth-- }()
	if d.budget--; d.budget < 0 {
		if d.budget == -1 {
			d.fail(n, path, "anchors and aliases may repeat parts, but not multiply them", "too many values: more than %d", maxNodes)
		}
		return
	}
	if _, seen := d.pos[path]; !seen {
		d.pos[path] = position{n.Line, n.Column}
	}
	if n.Kind == yaml.AliasNode {
		d.value(n.Alias, v, path, tag)
		return
	}
	if n.Style&yaml.TaggedStyle != 0 {
		d.fail(n, path, "write the value without it", "tag %s is not supported", n.Tag)
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path, tag)
		return
	}
	if c, ok := v.Addr().Interface().(nodeDecoder); ok {
		if isNull(n) && !allowsNull(v) {
			d.empty(n, path)
			return
		}
		c.decodeNode(d, n, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		if isNull(n) {
			return
		}
		if n.Kind != yaml.SequenceNode {
			items := short(n)
			if v.Type().Elem().Kind() == reflect.String {
				items = strings.Join(strings.Fields(items), ", ")
			}
			d.fail(n, path, fmt.Sprintf("write a list: [%s]", items), "%s must be a list, not %s", lastKey(path), kindOf(n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, c := range n.Content {
			d.value(c, v.Index(i), fmt.Sprintf("%s[%d]", path, i), tag)
		}
	case reflect.Map:
		d.stringMap(n, v, path)
	default:
		d.scalar(n, v, path, tag)
	}
}

// allowsNull: an empty value means an empty section for the types that are sections.
func allowsNull(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(interface{ allowsNull() })
	return ok
}

func (d *decoder) empty(n *yaml.Node, path string) {
	d.fail(n, path, "give it a value or leave the key out", "%s has no value", lastKey(path))
}

// structure decodes a mapping into the fields of v.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		n = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column} // `serve:` alone means `serve: {}`
	}
	if n.Kind != yaml.MappingNode {
		name := lastKey(path)
		if name == "" {
			name = "a scenario"
		}
		d.fail(n, path, "it takes: "+strings.Join(slices.Sorted(maps.Keys(fieldsOf(v.Type()))), ", "),
			"%s must be a mapping (key: value), not %s", name, kindOf(n))
		return
	}
	fields := fieldsOf(v.Type())
	d.pairs(n, path, func(key string, k, c *yaml.Node) {
		f, ok := fields[key]
		if !ok {
			d.unknown(k, path, key, fields)
			return
		}
		p := join(path, key)
		d.keys[p] = position{k.Line, k.Column}
		d.value(c, v.FieldByIndex(f.Index), p, f.Tag)
	})
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if _, there := d.keys[join(path, key)]; !there && !d.bad[path] && !d.bad[join(path, key)] && fields[key].Tag.Get("required") == "true" {
			d.fail(n, join(path, key), fields[key].Tag.Get("hint"), "missing key %q", key)
		}
	}
}

// unknown reports a key that v has not, and points to the section where it belongs when there is only one.
func (d *decoder) unknown(k *yaml.Node, path, key string, fields map[string]reflect.StructField) {
	where := ""
	if path != "" {
		where = " in " + lastKey(path)
	}
	known := slices.Sorted(maps.Keys(fields))
	hint := didYouMean(key, known)
	if home := homeOf(key); home != "" && nearest(key, known) == "" {
		hint = fmt.Sprintf("%q belongs in %s", key, home)
	}
	if near := nearest(key, known); near != "" {
		d.bad[join(path, near)] = true // it is not missing, only misspelt
	}
	d.fail(k, join(path, key), hint, "unknown key %q%s", key, where)
}

// pairs calls each for every key of a mapping, once per key; it reports keys that are no text, repeated or merged.
func (d *decoder) pairs(n *yaml.Node, path string, each func(key string, k, c *yaml.Node)) {
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		switch {
		case k.Kind != yaml.ScalarNode:
			d.fail(n.Content[i], path, "", "a key must be text, not %s", kindOf(k))
			continue
		case k.ShortTag() == "!!merge":
			d.fail(k, path, "write the keys out, or use an anchor and an alias for a whole value", "merge keys (<<) are not supported")
			continue
		}
		if line, again := first[k.Value]; again {
			d.fail(k, join(path, k.Value), fmt.Sprintf("it stands already in line %d", line), "duplicate key %q", k.Value)
			continue
		}
		first[k.Value] = k.Line
		each(k.Value, k, c)
	}
}

func (d *decoder) stringMap(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, path, "write {Name: value}", "%s must be a mapping (key: value), not %s", lastKey(path), kindOf(n))
		return
	}
	m := map[string]string{}
	d.pairs(n, path, func(key string, k, c *yaml.Node) {
		p := join(path, key)
		d.pos[p] = position{c.Line, c.Column}
		d.keys[p] = position{k.Line, k.Column}
		if c.Kind == yaml.AliasNode {
			c = c.Alias
		}
		if s, ok := d.text(c, p); ok {
			m[key] = s
		}
	})
	v.Set(reflect.ValueOf(m))
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
