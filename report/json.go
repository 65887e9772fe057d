package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf16"
)

// WriteJSON writes the summary as JSON: "format" is "flatline.summary", docs/formats.md is the contract, and
// [SummarySchema] its schema. Every figure, fault and expectation has a line of its own, and every character that does
// not print is escaped, so that the file is harmless in a terminal.
func WriteJSON(w io.Writer, r *Result) error {
	text, err := json.Marshal(Summarize(r))
	if err != nil {
		return err
	}
	_, err = w.Write(escapeUnprintable(layOut(text)))
	return err
}

// layOut puts each member of the object on a line, and each element of its arrays too.
func layOut(text []byte) []byte {
	var out bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(text))
	_, _ = d.Token() // {, json.Marshal has just written it
	out.WriteString("{")
	for first := true; d.More(); first = false {
		key, _ := d.Token()
		var value json.RawMessage
		_ = d.Decode(&value)
		if !first {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "\n%q: ", key)
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil || len(list) == 0 {
			out.Write(value)
			continue
		}
		out.WriteByte('[')
		for i, x := range list {
			if i > 0 {
				out.WriteByte(',')
			}
			out.WriteString("\n  ")
			out.Write(x)
		}
		out.WriteString("\n]")
	}
	out.WriteString("\n}\n")
	return out.Bytes()
}

// escapeUnprintable writes what stands in strings and does not print (control characters, marks that turn the direction
// of writing) as JSON's escapes. Outside of strings there is nothing but line feeds.
func escapeUnprintable(text []byte) []byte {
	var out bytes.Buffer
	for _, c := range string(text) {
		switch {
		case c == '\n' || unicode.IsPrint(c):
			out.WriteRune(c)
		case c > 0xffff:
			hi, lo := utf16.EncodeRune(c)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&out, `\u%04x`, c)
		}
	}
	return out.Bytes()
}

// SummarySchema is the JSON Schema (draft 2020-12) of what [WriteJSON] writes, made from the types. It allows members
// that it does not know: a later flatline may add some without a new version.
func SummarySchema() []byte {
	root := schemaOf(reflect.TypeFor[Summary](), "")
	root["$schema"], root["$id"] = "https://json-schema.org/draft/2020-12/schema", "https://flatline.dev/summary.schema.json"
	root["title"] = "flatline summary"
	properties := root["properties"].(map[string]any)
	properties["format"].(map[string]any)["const"] = SummaryFormat
	properties["version"].(map[string]any)["const"] = SummaryVersion
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("report: " + err.Error()) // strings, and maps and lists of them
	}
	return append(text, '\n')
}

func schemaOf(t reflect.Type, doc string) map[string]any {
	o := map[string]any{}
	if doc != "" {
		o["description"] = doc
	}
	switch t {
	case reflect.TypeFor[Number]():
		o["oneOf"] = []any{map[string]any{"type": []string{"number", "null"}}, map[string]any{"enum": []string{"inf", "-inf", "nan"}}}
		return o
	case reflect.TypeFor[Seconds]():
		o["type"] = []string{"number", "null"}
		return o
	}
	switch t.Kind() {
	case reflect.Struct:
		if t.Implements(reflect.TypeFor[fmt.Stringer]()) { // time.Time
			o["type"], o["format"] = "string", "date-time"
			return o
		}
		properties, required := map[string]any{}, []string{}
		members(t, properties, &required)
		o["type"], o["properties"], o["required"] = "object", properties, required
	case reflect.Slice:
		o["type"], o["items"] = "array", schemaOf(t.Elem(), "")
	case reflect.String:
		o["type"] = "string"
	case reflect.Bool:
		o["type"] = "boolean"
	case reflect.Float64:
		o["type"] = "number"
	default:
		o["type"] = "integer"
	}
	return o
}

// members adds the members of a struct, and those of what it embeds.
func members(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			members(f.Type, properties, required)
			continue
		}
		tag, ok := f.Tag.Lookup("json")
		if !ok {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		properties[name] = schemaOf(f.Type, f.Tag.Get("doc"))
		if options == "" {
			*required = append(*required, name)
		}
	}
}
