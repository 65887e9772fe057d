package heartbeat

import (
	"bytes"
	"regexp"
	"strconv"
)

// RefWord stands in a beat's payload for the beat's number, and in a pattern for a decimal number that has to be that of
// the beat. Machines count their beats from 1, over all their connections.
const RefWord = "{{.Ref}}"

// AppendRef appends payload to dst with ref in the place of [RefWord].
func AppendRef(dst, payload []byte, ref uint32) []byte {
	i := bytes.Index(payload, []byte(RefWord))
	if i < 0 {
		return append(dst, payload...)
	}
	dst = append(dst, payload[:i]...)
	dst = strconv.AppendUint(dst, uint64(ref), 10)
	return append(dst, payload[i+len(RefWord):]...)
}

// Pattern recognises a received message. The zero Pattern matches every message.
type Pattern struct {
	Kind PatternKind
	Text []byte
	Re   *regexp.Regexp // Kind == Regexp; its groups may tell the client something, see [Told] and [Hints]
	Ref  bool           // Exact, Prefix, Contains: Text, then a number, then Tail
	Tail []byte
}

// PatternKind says how a Pattern compares.
type PatternKind uint8

const (
	Everything PatternKind = iota
	Exact
	Prefix
	Contains
	Regexp
)

// Match reports whether data fits the pattern, whatever number it carries.
func (p *Pattern) Match(data []byte) bool {
	_, ok := p.MatchRef(data)
	return ok
}

// MatchRef reports whether data fits the pattern, and the number that stands where the pattern has one.
func (p *Pattern) MatchRef(data []byte) (ref uint32, ok bool) {
	if p.Ref {
		return p.number(data)
	}
	switch p.Kind {
	case Exact:
		return 0, bytes.Equal(data, p.Text)
	case Prefix:
		return 0, bytes.HasPrefix(data, p.Text)
	case Contains:
		return 0, bytes.Contains(data, p.Text)
	case Regexp:
		return 0, p.Re != nil && p.Re.Match(data)
	}
	return 0, true
}

// number finds Text, digits and Tail.
func (p *Pattern) number(data []byte) (ref uint32, ok bool) {
	for {
		if p.Kind == Contains {
			i := bytes.Index(data, p.Text)
			if i < 0 {
				return 0, false
			}
			data = data[i:]
		} else if !bytes.HasPrefix(data, p.Text) {
			return 0, false
		}
		rest := data[len(p.Text):]
		n, digits := uint64(0), 0
		for digits < len(rest) && digits < 10 && rest[digits]-'0' <= 9 {
			n = 10*n + uint64(rest[digits]-'0')
			digits++
		}
		tail := rest[digits:]
		if digits > 0 && n <= 1<<32-1 && (bytes.Equal(tail, p.Tail) || p.Kind != Exact && bytes.HasPrefix(tail, p.Tail)) {
			return uint32(n), true
		}
		if p.Kind != Contains || len(data) == 0 {
			return 0, false
		}
		data = data[1:]
	}
}
