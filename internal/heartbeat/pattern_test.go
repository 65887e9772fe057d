package heartbeat

import (
	"bytes"
	"testing"
)

func TestMatchRef(t *testing.T) {
	ref := func(kind PatternKind, text, tail string) *Pattern {
		return &Pattern{Kind: kind, Text: []byte(text), Tail: []byte(tail), Ref: true}
	}
	for _, tc := range []struct {
		p    *Pattern
		data string
		ref  uint32
		ok   bool
	}{
		{ref(Exact, "a", "b"), "a17b", 17, true},
		{ref(Exact, "a", "b"), "a17bc", 0, false},
		{ref(Exact, "a", "b"), "ab", 0, false},
		{ref(Exact, "", ""), "4294967295", 1<<32 - 1, true},
		{ref(Exact, "", ""), "4294967296", 0, false},
		{ref(Exact, "", ""), "00000000001", 0, false}, // more than ten digits
		{ref(Prefix, "a", "b"), "a0bc", 0, true},
		{ref(Prefix, "a", ""), "a12c", 12, true},
		{ref(Prefix, "a", "b"), "xa1b", 0, false},
		{ref(Contains, `"`, `"`), `[null,"8","phoenix"]`, 8, true},
		{ref(Contains, `"`, `","phoenix"`), `["3","8","phoenix"]`, 8, true},
		{ref(Contains, "aa", "b"), "aaa7b", 7, true},
		{ref(Contains, "", "x"), "1 2 3x", 3, true},
		{ref(Contains, "a", ""), "", 0, false},
		{&Pattern{Kind: Prefix, Text: []byte("a")}, "ab", 0, true},
		{&Pattern{}, "", 0, true},
	} {
		if got, ok := tc.p.MatchRef([]byte(tc.data)); got != tc.ref || ok != tc.ok {
			t.Errorf("%+v in %q: %d, %v; want %d, %v", tc.p, tc.data, got, ok, tc.ref, tc.ok)
		}
	}
}

func TestAppendRef(t *testing.T) {
	for _, tc := range [][2]string{{"a{{.Ref}}b", "xa42b"}, {"{{.Ref}}", "x42"}, {"", "x"}, {"plain {{.Other}}", "xplain {{.Other}}"}} {
		if got := AppendRef([]byte("x"), []byte(tc[0]), 42); !bytes.Equal(got, []byte(tc[1])) {
			t.Errorf("%q: %q, want %q", tc[0], got, tc[1])
		}
	}
}
