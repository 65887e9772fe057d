package scenario

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"regexp"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

func asValue(p any) reflect.Value { return reflect.ValueOf(p).Elem() }

// Payload is the content of a frame: text, or {hex: 00ff}.
type Payload []byte

// Message is a frame to send: text alone stands for a text frame, {frame: binary, payload: ...} for others.
type Message struct {
	Frame   string
	Payload Payload
}

// Pattern recognises a message: text alone means equal, `any` everything, {prefix: x}, {contains: x} and {regexp: x}
// what they say, {exact: any} the word any.
type Pattern struct {
	Kind heartbeat.PatternKind
	Text Payload
	re   *regexp.Regexp
}

// messageFields and patternFields are the mapping forms of Message and Pattern, for the decoder and the schema.
type messageFields struct {
	Frame   string  `yaml:"frame" enum:"text,binary,ping,pong" doc:"Kind of frame." default:"text"`
	Payload Payload `yaml:"payload" doc:"Content." default:"empty"`
}

type patternFields struct {
	Exact    *Payload `yaml:"exact" doc:"The whole message."`
	Prefix   *Payload `yaml:"prefix" doc:"The message begins with it."`
	Contains *Payload `yaml:"contains" doc:"The message contains it."`
	Regexp   *string  `yaml:"regexp" doc:"Go (RE2) regular expression that matches somewhere in the message."`
}

type payloadFields struct {
	Hex string `yaml:"hex" required:"true" hint:"{hex: 00ff}" doc:"Bytes in hexadecimal."`
}

func (v *Payload) decodeNode(d *decoder, n *yaml.Node, path string) {
	if n.Kind != yaml.MappingNode {
		if s, ok := d.text(n, path); ok {
			*v = Payload(s)
		}
		return
	}
	var f payloadFields
	d.value(n, asValue(&f), path, "")
	b, err := hex.DecodeString(f.Hex)
	if err != nil {
		d.fail(n, path, "two digits a byte: {hex: 00ff}", "%s: %q is not hexadecimal", lastKey(path), f.Hex)
		return
	}
	*v = b
}

func (v *Message) decodeNode(d *decoder, n *yaml.Node, path string) {
	v.Frame = "text"
	if n.Kind != yaml.MappingNode {
		v.Payload.decodeNode(d, n, path)
		return
	}
	f := messageFields{Frame: "text"}
	d.value(n, asValue(&f), path, "")
	v.Frame, v.Payload = f.Frame, f.Payload
	if msg := badPayload(v.Frame, v.Payload); msg != "" && !d.bad[join(path, "payload")] {
		d.fail(n, path, "", "%s: %s", lastKey(path), msg)
	}
}

// badPayload says why a frame cannot carry the payload: RFC 6455 wants UTF-8 in text frames (5.6) and at most 125
// bytes in control frames (5.5).
func badPayload(frame string, p Payload) string {
	switch {
	case frame == "text" && !utf8.Valid(p):
		return "a text frame must hold UTF-8"
	case (frame == "ping" || frame == "pong") && len(p) > 125:
		return fmt.Sprintf("a %s frame holds at most 125 bytes, not %d", frame, len(p))
	}
	return ""
}

func (v *Pattern) decodeNode(d *decoder, n *yaml.Node, path string) {
	if n.Kind != yaml.MappingNode {
		s, ok := d.text(n, path)
		if !ok {
			return
		}
		*v = Pattern{Kind: heartbeat.Exact, Text: Payload(s)}
		if s == "any" {
			*v = Pattern{}
		}
		return
	}
	var f patternFields
	before := len(d.problems)
	d.value(n, asValue(&f), path, "")
	if len(d.problems) > before {
		return
	}
	set := 0
	for _, form := range []struct {
		text *Payload
		kind heartbeat.PatternKind
	}{{f.Exact, heartbeat.Exact}, {f.Prefix, heartbeat.Prefix}, {f.Contains, heartbeat.Contains}} {
		if form.text != nil {
			*v = Pattern{Kind: form.kind, Text: *form.text}
			set++
		}
	}
	if f.Regexp != nil {
		set++
		re, err := regexp.Compile(*f.Regexp)
		if err != nil {
			d.fail(n, path, "the syntax is RE2: https://github.com/google/re2/wiki/Syntax", "%s: %v", lastKey(path), err)
			return
		}
		*v = Pattern{Kind: heartbeat.Regexp, Text: Payload(*f.Regexp), re: re}
	}
	if set != 1 {
		d.fail(n, path, "one of: exact, prefix, contains, regexp", "%s needs exactly one way to compare, not %d", lastKey(path), set)
	}
}

// pattern is what the machine takes.
func (v *Pattern) pattern() heartbeat.Pattern {
	if v == nil || v.Kind == heartbeat.Everything {
		return heartbeat.Pattern{}
	}
	p := heartbeat.Pattern{Kind: v.Kind, Text: v.Text, Re: v.re}
	if v.Kind == heartbeat.Regexp {
		if p.Re == nil {
			p.Re = regexp.MustCompile(string(v.Text))
		}
		return p
	}
	if before, tail, ok := bytes.Cut(v.Text, []byte(heartbeat.RefWord)); ok {
		p.Text, p.Tail, p.Ref = before, tail, true
	}
	return p
}

func (v *Message) message() *heartbeat.Message {
	if v == nil {
		return nil
	}
	return &heartbeat.Message{Frame: frameOf(v.Frame), Payload: v.Payload}
}

var frames = []string{heartbeat.Text: "text", heartbeat.Binary: "binary", heartbeat.Ping: "ping", heartbeat.Pong: "pong", heartbeat.CloseFrame: "close"}

func frameOf(word string) heartbeat.Frame {
	for i, w := range frames {
		if w == word {
			return heartbeat.Frame(i)
		}
	}
	return heartbeat.Text
}
