package scenario

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"unicode/utf8"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// nodeEncoder is the counterpart of nodeDecoder: a string, number, slice or object that decodes to the same value.
type nodeEncoder interface{ encodeNode() any }

// member and object are a JSON object that keeps the order of its keys.
type member struct {
	key   string
	value any
}

type object []member

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := marshal(m.key)
		if err != nil {
			return nil, err
		}
		val, err := marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(val)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal is json.Marshal without the escapes for HTML: a scenario is read by people.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// encode turns a value of the File's types into what JSON, and so YAML, writes for it; what is absent is left out.
func encode(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		return encode(v.Elem())
	}
	if e, ok := v.Interface().(nodeEncoder); ok {
		return e.encodeNode()
	}
	switch v.Kind() {
	case reflect.Struct:
		var o object
		for _, f := range reflect.VisibleFields(v.Type()) {
			key, ok := f.Tag.Lookup("yaml")
			if !ok || key == ",inline" {
				continue
			}
			if field := v.FieldByIndex(f.Index); !field.IsZero() || f.Tag.Get("required") == "true" && field.Kind() != reflect.Pointer {
				o = append(o, member{key, encode(field)})
			}
		}
		return o
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = encode(v.Index(i))
		}
		return list
	}
	return v.Interface()
}

func (v Duration) encodeNode() any { return v.String() }
func (v Rate) encodeNode() any     { return formatRate(float64(v)) }
func (v Ramp) encodeNode() any     { return v.String() }
func (v Share) encodeNode() any    { return float64(v) }
func (v Amount) encodeNode() any   { return v.Text }
func (v Selector) encodeNode() any { return v.String() }
func (v Codes) encodeNode() any    { return v.String() }
func (v How) encodeNode() any      { return string(v.How) }
func (v Span) encodeNode() any     { return v.String() }

func (v Bands) encodeNode() any {
	var list []string
	for _, b := range v {
		list = append(list, formatBand(b))
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (v URLs) encodeNode() any {
	if len(v) == 1 {
		return v[0]
	}
	return []string(v)
}

func (v Sources) encodeNode() any {
	if v.Auto {
		return "auto"
	}
	return v.List
}

func (v Payload) encodeNode() any {
	if _, what := notText(v); what != "" || !utf8.Valid(v) {
		return object{{"hex", hex.EncodeToString(v)}}
	}
	return string(v)
}

func (v Message) encodeNode() any {
	return object{{"frame", v.Frame}, {"payload", v.Payload.encodeNode()}}
}

func (v Pattern) encodeNode() any {
	text := v.Text.encodeNode()
	switch v.Kind {
	case heartbeat.Exact:
		return object{{"exact", text}}
	case heartbeat.Prefix:
		return object{{"prefix", text}}
	case heartbeat.Contains:
		return object{{"contains", text}}
	case heartbeat.Regexp:
		return object{{"regexp", string(v.Text)}}
	}
	return "any"
}
