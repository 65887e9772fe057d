package heartbeat

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// slot is a value in a [Format].
type slot uint8

const (
	literal    slot = iota
	slotClient      // number of the client that publishes, or that a server's message is for
	slotSeq         // number of the message, from 1 for each publishing client
	slotSent        // when it was due, in microseconds of the run's clock
	slotTo          // -, the number of a client, or #room
	slotPad         // filler up to the message's size
	slotLast        // position of the last message that the client has; - where it does not resume
	slotPos         // position of a delivery in what the client receives
	slotPrev        // position of the delivery before it; where a format has it, positions may leave numbers out
	slotFrom        // number of the client that published, or s
	slotRoom        // name of the room
	slotSeen        // highest number of the client's messages that the server has, none missing below it
)

var formatWords = [...]string{"", "Client", "Seq", "Sent", "To", "Pad", "Last", "Pos", "Prev", "From", "Room", "Seen"}

// Values are what a [Format] is filled with, and what it reads. A number that the format does not hold stays as it was.
type Values struct {
	Client, From int32 // From is ServerItself for the server's own messages
	Seq, Seen    uint32
	Pos, Prev    uint32
	Last         int64 // below 0: -
	Sent         int64
	To, Room     string
	Size         int // Pad fills the message up to so many bytes
}

// ServerItself is who publishes the server's own messages.
const ServerItself = -1

// Format is the text of a frame with values in it, such as "ack {{.Client}} {{.Seq}}": what it writes, it reads. A space
// before a {{.Pad}} at the end goes with it where there is nothing to pad.
type Format struct {
	text  string
	parts []part
}

type part struct {
	slot slot
	text string // of a literal
}

// ParseFormat reads a format in which only the words in allowed may stand (Client, Seq ...). In one that is read, rather than
// written, each may stand once: see [Format.Twice].
func ParseFormat(text string, allowed ...string) (*Format, error) {
	f := &Format{text: text}
	for rest := text; rest != ""; {
		before, after, open := strings.Cut(rest, "{{")
		if before != "" {
			if n := len(f.parts); n > 0 && f.parts[n-1].slot != slotTo && f.parts[n-1].slot != slotRoom && f.parts[n-1].slot != slotPad && before[0]-'0' <= 9 {
				return nil, fmt.Errorf("a digit behind {{.%s}} would be read as part of it", formatWords[f.parts[n-1].slot])
			}
			f.parts = append(f.parts, part{text: before})
		}
		if !open {
			break
		}
		written, tail, closed := strings.Cut(after, "}}")
		if !closed {
			return nil, fmt.Errorf("{{ is not closed")
		}
		written = strings.TrimSpace(written)
		name, dot := strings.CutPrefix(written, ".")
		i := slices.Index(formatWords[:], name)
		if !dot || i <= 0 || !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("{{%s}} is unknown here; it may hold {{.%s}}", written, strings.Join(allowed, "}}, {{."))
		}
		if n := len(f.parts); n > 0 && f.parts[n-1].slot != literal {
			return nil, fmt.Errorf("{{.%s}} and {{.%s}} need something between them", formatWords[f.parts[n-1].slot], name)
		}
		f.parts = append(f.parts, part{slot: slot(i)})
		rest = tail
	}
	return f, nil
}

// String is the text that was parsed.
func (f *Format) String() string { return f.text }

// Equal reports whether both are the same format.
func (f *Format) Equal(g *Format) bool {
	return (f == nil) == (g == nil) && (f == nil || f.text == g.text)
}

// Has reports whether the slot stands in the format.
func (f *Format) Has(name string) bool {
	return slices.ContainsFunc(f.parts, func(p part) bool { return p.slot != literal && formatWords[p.slot] == name })
}

// Twice names a slot that stands in the format more than once; "" if none does.
func (f *Format) Twice() string {
	var seen [len(formatWords)]bool
	for _, p := range f.parts {
		if p.slot != literal && seen[p.slot] {
			return formatWords[p.slot]
		}
		seen[p.slot] = true
	}
	return ""
}

// Append appends the filled-in text to dst.
func (f *Format) Append(dst []byte, v *Values) []byte {
	began := len(dst)
	pad := -1
	for i := range f.parts {
		switch p := &f.parts[i]; p.slot {
		case literal:
			dst = append(dst, p.text...)
		case slotClient:
			dst = strconv.AppendInt(dst, int64(v.Client), 10)
		case slotFrom:
			if v.From == ServerItself {
				dst = append(dst, 's')
			} else {
				dst = strconv.AppendInt(dst, int64(v.From), 10)
			}
		case slotSeq:
			dst = strconv.AppendUint(dst, uint64(v.Seq), 10)
		case slotPos:
			dst = strconv.AppendUint(dst, uint64(v.Pos), 10)
		case slotPrev:
			dst = strconv.AppendUint(dst, uint64(v.Prev), 10)
		case slotSeen:
			dst = strconv.AppendUint(dst, uint64(v.Seen), 10)
		case slotSent:
			dst = strconv.AppendInt(dst, v.Sent, 10)
		case slotLast:
			if v.Last < 0 {
				dst = append(dst, '-')
			} else {
				dst = strconv.AppendInt(dst, v.Last, 10)
			}
		case slotTo:
			dst = append(dst, v.To...)
		case slotRoom:
			dst = append(dst, v.Room...)
		case slotPad:
			pad = len(dst)
		}
	}
	if pad < 0 {
		return dst
	}
	n := v.Size - (len(dst) - began)
	if n <= 0 {
		if pad == len(dst) && pad > began && dst[pad-1] == ' ' {
			dst = dst[:pad-1]
		}
		return dst
	}
	tail := string(dst[pad:])
	dst = append(dst[:pad], bytes.Repeat([]byte{'x'}, n)...)
	return append(dst, tail...)
}

// Match reads data into v. It is false, and v may hold parts of it, if data does not have this form to its end.
func (f *Format) Match(data []byte, v *Values) bool {
	for i := range f.parts {
		p := &f.parts[i]
		switch p.slot {
		case literal:
			if !bytes.HasPrefix(data, []byte(p.text)) {
				padded := i == len(f.parts)-2 && f.parts[i+1].slot == slotPad
				return padded && strings.HasSuffix(p.text, " ") && string(data) == p.text[:len(p.text)-1]
			}
			data = data[len(p.text):]
		case slotTo, slotRoom, slotPad:
			end := len(data)
			if i+1 < len(f.parts) {
				if end = bytes.Index(data, []byte(f.parts[i+1].text)); end < 0 {
					return false
				}
			}
			data = data[end:]
		default:
			n, rest, ok := digits(data)
			switch {
			case ok:
			case p.slot == slotFrom && len(data) > 0 && data[0] == 's':
				v.From, data = ServerItself, data[1:]
				continue
			case p.slot == slotLast && len(data) > 0 && data[0] == '-':
				v.Last, data = -1, data[1:]
				continue
			default:
				return false
			}
			data = rest
			if !v.set(p.slot, n) {
				return false
			}
		}
	}
	return len(data) == 0
}

// set puts a number in its place, if it fits there.
func (v *Values) set(w slot, n int64) bool {
	if (w == slotClient || w == slotFrom) && n > 1<<31-1 || (w == slotSeq || w == slotPos || w == slotPrev || w == slotSeen) && n > 1<<32-1 {
		return false
	}
	switch w {
	case slotClient:
		v.Client = int32(n)
	case slotFrom:
		v.From = int32(n)
	case slotSeq:
		v.Seq = uint32(n)
	case slotPos:
		v.Pos = uint32(n)
	case slotPrev:
		v.Prev = uint32(n)
	case slotSeen:
		v.Seen = uint32(n)
	case slotSent:
		v.Sent = n
	case slotLast:
		v.Last = n
	}
	return true
}

// digits reads a decimal number of at most 18 digits, which fit an int64.
func digits(data []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for i < len(data) && i < 19 && data[i]-'0' <= 9 {
		n = 10*n + int64(data[i]-'0')
		i++
	}
	return n, data[i:], i > 0 && i < 19
}
