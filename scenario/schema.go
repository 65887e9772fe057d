package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/flatline-dev/flatline/chaos"
)

// schemer is a type with a form of its own: its JSON Schema.
type schemer interface{ schema(g *generator) object }

// Schema is the JSON Schema (draft 2020-12) of a scenario file, for editors: made from the same struct tags that the
// parser obeys. The parser knows more: what one section says about another is not in the schema.
func Schema() []byte {
	g := generator{defs: map[string]object{}}
	root := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", "https://flatline.dev/scenario.schema.json"},
		{"title", "flatline scenario"},
	}
	root = append(root, g.structure(reflect.TypeFor[File]())...)
	var defs object
	for _, name := range slices.Sorted(maps.Keys(g.defs)) {
		defs = append(defs, member{name, g.defs[name]})
	}
	root = append(root, member{"$defs", defs})
	text, err := marshal(root)
	if err != nil {
		panic("scenario: " + err.Error()) // strings, numbers and lists of them
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		panic("scenario: " + err.Error())
	}
	out.WriteByte('\n')
	return out.Bytes()
}

// generator keeps named types in $defs.
type generator struct{ defs map[string]object }

func (g *generator) structure(t reflect.Type) object {
	var properties object
	var required []string
	for _, f := range reflect.VisibleFields(t) {
		key, ok := f.Tag.Lookup("yaml")
		if !ok || key == ",inline" {
			continue
		}
		s := object{}
		if doc := f.Tag.Get("doc"); doc != "" {
			if def := f.Tag.Get("default"); def != "" {
				doc += " Default: " + def + "."
			}
			s = append(s, member{"description", doc})
		}
		properties = append(properties, member{key, append(s, g.of(f.Type, f.Tag)...)})
		if f.Tag.Get("required") == "true" {
			required = append(required, key)
		}
	}
	o := object{{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	return o
}

func (g *generator) of(t reflect.Type, tag reflect.StructTag) object {
	if t.Kind() == reflect.Pointer {
		return g.of(t.Elem(), tag)
	}
	name := strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(t.Name(), "File"), "Tuning"))
	ref := object{{"$ref", "#/$defs/" + name}}
	if s, ok := reflect.New(t).Interface().(schemer); ok {
		if _, done := g.defs[name]; !done {
			g.defs[name] = nil // what it contains may contain it
			g.defs[name] = s.schema(g)
		}
		return ref
	}
	switch t.Kind() {
	case reflect.Struct:
		if _, done := g.defs[name]; !done {
			g.defs[name] = nil // a type inside itself would otherwise never end
			o := g.structure(t)
			if name == "serve" || name == "beat" || name == "opening" || name == "close" || name == "reconnect" {
				o[0] = member{"type", []string{"object", "null"}}
			}
			g.defs[name] = o
		}
		return ref
	case reflect.Slice:
		return object{{"type", "array"}, {"items", g.of(t.Elem(), tag)}}
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", object{{"type", []string{"string", "number"}}}}}
	case reflect.String:
		if words := tag.Get("enum"); words != "" {
			return object{{"enum", strings.Split(words, ",")}}
		}
		return object{{"type", []string{"string", "number"}}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Float64:
		return append(object{{"type", "number"}}, limits(tag, "0")...)
	}
	return append(object{{"type", "integer"}}, limits(tag, "0")...)
}

func limits(tag reflect.StructTag, least string) object {
	var o object
	if s := tag.Get("min"); s != "" {
		least = s
	}
	for _, l := range []member{{"minimum", least}, {"maximum", tag.Get("max")}} {
		if f, err := strconv.ParseFloat(l.value.(string), 64); err == nil {
			o = append(o, member{l.key, f})
		}
	}
	return o
}

func texts(pattern string, examples ...string) object {
	return object{{"type", "string"}, {"pattern", pattern}, {"examples", examples}}
}

const (
	durationRE  = `^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$|^0$`
	perSecondRE = `^[0-9.eE+-]+ */ *(s|m|min)$`
	shareRE     = `^[0-9.eE+-]+ *%$`
)

func (Duration) schema(*generator) object { return texts(durationRE, "3s", "250ms", "1m30s") }
func (Rate) schema(*generator) object     { return texts(perSecondRE, "1500/s") }
func (Ramp) schema(*generator) object     { return texts(durationRE+"|"+perSecondRE, "6s", "500/s") }
func (FileLine) schema(*generator) object { return texts(`[<>=]`, "detection.p99 < 8.1s") }

func (Share) schema(*generator) object {
	return object{{"oneOf", []object{texts(shareRE, "20%"), {{"type", "number"}, {"minimum", 0}, {"maximum", 1}}}}}
}

func (Amount) schema(*generator) object {
	return object{{"oneOf", []object{texts(shareRE+`|^[0-9.]+ *([kKMGT]i?)?B/s$|^[0-9.]+ *[kMG]?bit/s$`, "20kB/s", "1%"),
		{{"type", "number"}, {"minimum", 0}, {"maximum", 1}}}}}
}

func (Codes) schema(*generator) object {
	return object{{"oneOf", []object{texts(`^[0-9]{4}( *- *[0-9]{4})?$`, "4000-4999"), {{"type", "integer"}, {"minimum", 1000}, {"maximum", 4999}}}}}
}

func (Span) schema(*generator) object {
	from, to := strings.TrimSuffix(strings.TrimPrefix(durationRE, `^`), `$|^0$`), strings.TrimSuffix(strings.TrimPrefix(durationRE, `^`), `$|^0$`)
	return texts(`^`+from+`( *- *`+to+`)?$|^none$`, "3s", "6s-12s")
}

func (Bands) schema(*generator) object {
	band := texts(`^[0-9.]+ *% *- *[0-9.]+ *%$`, "80%-100%")
	return object{{"oneOf", []object{band, {{"type", "array"}, {"items", band}, {"minItems", 1}, {"maxItems", maxBands}}}}}
}

func (How) schema(*generator) object {
	return texts(fmt.Sprintf(`^(%s|close\([0-9]{4}\))$`, strings.Join(hows, "|")), string(chaos.RST), "close(1012)")
}

func (Selector) schema(*generator) object {
	return object{{"oneOf", []object{texts(`^([0-9.]+ *%|[0-9]+|[A-Za-z][A-Za-z0-9_.-]*)( of +[A-Za-z][A-Za-z0-9_.-]*)?$`, "all", "33%", "33% of browsers"),
		{{"type", "integer"}, {"minimum", 1}}}}}
}

func (URLs) schema(*generator) object {
	one := object{{"type", "string"}}
	return object{{"oneOf", []object{one, {{"type", "array"}, {"items", one}, {"minItems", 1}, {"maxItems", MaxNodes}}}}}
}

func (Sources) schema(*generator) object {
	return object{{"oneOf", []object{{{"const", "auto"}}, {{"type", "array"}, {"items", object{{"type", "string"}}}, {"minItems", 1}}}}}
}

// text is what stands for text: a number is taken as written.
var text = object{{"type", []string{"string", "number"}}}

func (Payload) schema(g *generator) object {
	return object{{"oneOf", []object{text, g.structure(reflect.TypeFor[payloadFields]())}}}
}

func (Message) schema(g *generator) object {
	return object{{"oneOf", []object{text, g.structure(reflect.TypeFor[messageFields]())}}}
}

func (Pattern) schema(g *generator) object {
	o := g.structure(reflect.TypeFor[patternFields]())
	return object{{"oneOf", []object{text, append(o, member{"minProperties", 1}, member{"maxProperties", 1})}}}
}

func (FileChaos) schema(g *generator) object {
	o := g.structure(reflect.TypeFor[chaosFields]())
	list := object{{"type", "array"}, {"items", object{{"$ref", "#/$defs/fault"}}}}
	return object{{"oneOf", []object{list, o, {{"type", "null"}}}}}
}
