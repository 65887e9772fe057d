package scenario

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if isNull(n) {
		d.empty(n, path)
		return
	}
	want := map[reflect.Kind]string{reflect.String: "text", reflect.Bool: "true or false", reflect.Int: "a whole number",
		reflect.Uint64: "a whole number", reflect.Float64: "a number"}[v.Kind()]
	if n.Kind != yaml.ScalarNode {
		d.fail(n, path, "", "%s must be %s, not %s", lastKey(path), want, kindOf(n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		s, ok := d.text(n, path)
		if !ok {
			return
		}
		if words := tag.Get("enum"); words != "" {
			if known := strings.Split(words, ","); !slices.Contains(known, s) {
				hint := didYouMean(s, known)
				d.fail(n, path, hint, "%s cannot be %q", lastKey(path), s)
				return
			}
		}
		v.SetString(s)
	case reflect.Bool:
		if n.ShortTag() != "!!bool" {
			hint := "write true or false"
			switch strings.ToLower(n.Value) {
			case "yes", "on", "y":
				hint = "write true"
			case "no", "off", "n":
				hint = "write false"
			}
			d.fail(n, path, hint, "%s must be true or false, not %q", lastKey(path), n.Value)
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int, reflect.Uint64:
		d.integer(n, v, path, tag)
	case reflect.Float64:
		f, err := parseNumber(n.Value)
		if err != nil {
			d.failErr(n, path, err)
			return
		}
		if d.inRange(n, path, f, tag) {
			v.SetFloat(f)
		}
	default:
		panic("scenario: no decoder for " + v.Type().String())
	}
}

func (d *decoder) integer(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	plain := strings.NewReplacer("_", "", ",", "", " ", "").Replace(n.Value)
	u, err := strconv.ParseUint(n.Value, 10, 64)
	if err != nil || v.Kind() == reflect.Int && u > math.MaxInt {
		hint := "write digits only: 3000"
		if _, err := strconv.ParseUint(plain, 10, 63); err == nil && plain != n.Value {
			hint = fmt.Sprintf("write %s", plain)
		}
		d.fail(n, path, hint, "%s must be a whole number of at least 0, not %q", lastKey(path), n.Value)
		return
	}
	if !d.inRange(n, path, float64(u), tag) {
		return
	}
	if v.Kind() == reflect.Int {
		v.SetInt(int64(u))
	} else {
		v.SetUint(u)
	}
}

func (d *decoder) inRange(n *yaml.Node, path string, f float64, tag reflect.StructTag) bool {
	if s := tag.Get("min"); s != "" {
		if low, _ := strconv.ParseFloat(s, 64); f < low {
			d.fail(n, path, "at least "+s, "%s %s is too small", lastKey(path), n.Value)
			return false
		}
	}
	if s := tag.Get("max"); s != "" {
		if high, _ := strconv.ParseFloat(s, 64); f > high {
			d.fail(n, path, "at most "+s, "%s %s is too large", lastKey(path), n.Value)
			return false
		}
	}
	return true
}

// text is the value of a scalar that stands for text. A number is text as written; true, false and null are not, since
// YAML gives them other meanings elsewhere.
func (d *decoder) text(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, path, "", "%s must be text, not %s", lastKey(path), kindOf(n))
		return "", false
	}
	switch n.ShortTag() {
	case "!!bool":
		d.fail(n, path, fmt.Sprintf("write %q in quotes if you mean the word", n.Value), "%s must be text, not true or false", lastKey(path))
		return "", false
	case "!!null":
		d.empty(n, path)
		return "", false
	}
	return n.Value, true
}

// kindOf names what stands there, for a reader.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return n.Value
	}
	return fmt.Sprintf("the text %q", short(n))
}

// short is a scalar's value, cut for a message.
func short(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		return "..."
	}
	if r := []rune(n.Value); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return n.Value
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// fieldsOf maps the keys of a struct type, inline structs included, to its fields.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		if key, ok := f.Tag.Lookup("yaml"); ok && key != ",inline" {
			fields[key] = f
		}
	}
	return fields
}
