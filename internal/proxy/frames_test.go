package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rawFrame is a frame as RFC 6455, section 5.2, lays it out.
func rawFrame(rng *rand.Rand, first byte, payload []byte, masked bool) []byte {
	b := []byte{first, 0}
	switch n := len(payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if !masked {
		return append(b, payload...)
	}
	b[1] |= 0x80
	key := binary.LittleEndian.AppendUint32(nil, rng.Uint32())
	b = append(b, key...)
	for i, c := range payload {
		b = append(b, c^key[i%4])
	}
	return b
}

// Whatever the pieces in which a stream arrives, its messages come out: masked and not, of every length form, in fragments
// with control frames between them, compressed.
func TestFramesInPieces(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var wire []byte
		var want []string
		masked := seed%2 == 0
		put := func(first byte, payload []byte) { wire = append(wire, rawFrame(rng, first, payload, masked)...) }
		for range 20 {
			size := []int{0, 1, 5, 125, 126, 300, 65535, 65536}[rng.IntN(8)]
			payload := make([]byte, size)
			for i := range payload {
				payload[i] = byte(rng.Uint32())
			}
			op, rsv := byte(1+rng.IntN(2)), byte(rng.IntN(2)*0x40)
			cut := rng.IntN(size + 1)
			line := func(op byte, deflated bool, p []byte) string {
				return fmt.Sprintf("%x %v %d %x", op, deflated, len(p), p[:min(len(p), sampleSize)])
			}
			if rng.IntN(2) == 0 {
				put(0x80|rsv|op, payload)
				want = append(want, line(op, rsv != 0, payload))
				continue
			}
			put(rsv|op, payload[:cut])
			put(0x80|opPing, []byte("between"))
			put(0x80, payload[cut:])
			want = append(want, line(opPing, false, []byte("between")), line(op, rsv != 0, payload))
		}
		var got []string
		var f frames
		for rest := wire; len(rest) > 0; {
			n := min(1+rng.IntN(3000), len(rest))
			f.feed(rest[:n], func(m *message) {
				got = append(got, fmt.Sprintf("%x %v %d %x", m.op, m.deflated, m.size, m.head()))
			})
			rest = rest[n:]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		if !f.boundary() {
			t.Errorf("seed %d: not at a boundary after the last frame", seed)
		}
	}
}

func TestFramesOfSomethingElse(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for name, wire := range map[string][]byte{
		"text that is no frame":       []byte("\x16\x03\x01 hello"),
		"fragmented control frame":    rawFrame(rng, opPing, nil, false),
		"long control frame":          rawFrame(rng, 0x80|opPing, make([]byte, 126), false),
		"continuation of nothing":     rawFrame(rng, 0x80, nil, false),
		"message within a message":    slices.Concat(rawFrame(rng, opText, nil, false), rawFrame(rng, 0x80|opText, nil, false)),
		"reserved opcode":             rawFrame(rng, 0x83, nil, false),
		"length with its topmost bit": {0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0},
	} {
		var f frames
		f.feed(wire, func(m *message) { t.Errorf("%s: a message with opcode %x", name, m.op) })
		f.feed(bytes.Repeat([]byte{0x81, 0}, 10), func(*message) { t.Errorf("%s: it goes on", name) })
		if !f.broken || f.boundary() {
			t.Errorf("%s: taken for a WebSocket", name)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x81\x05hello\x89\x00"), 3)
	f.Fuzz(func(t *testing.T, wire []byte, size int) {
		var whole, pieces frames
		count := func(n *int) func(*message) { return func(*message) { *n++ } }
		var a, b int
		whole.feed(wire, count(&a))
		size = max(size%64, 1)
		for rest := wire; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			pieces.feed(rest[:min(size, len(rest))], count(&b))
		}
		if a != b || whole.broken != pieces.broken || whole.boundary() != pieces.boundary() {
			t.Errorf("%d messages in one piece, %d in pieces of %d", a, b, size)
		}
	})
}

// regular runs messages through a watcher and returns the intervals that it took for beats'.
func regular(t *testing.T, times []time.Duration, text func(i int) string) (gaps []time.Duration) {
	t.Helper()
	var w watcher
	class := &beatClass{}
	for i, at := range times {
		m := &message{op: opText}
		m.add([]byte(text(i)), nil, 0)
		if b, ok := w.see(m, at, func(int, uint64, *message) *beatClass { return class }); ok && b.gap > 0 {
			gaps = append(gaps, b.gap)
		}
	}
	return gaps
}

func TestWatcher(t *testing.T) {
	s := time.Second
	steady := []time.Duration{1 * s, 4 * s, 7 * s, 10 * s, 13 * s}
	same := func(int) string { return "123456789" }
	if got := regular(t, steady, same); len(got) != 2 || got[0] != 3*s {
		t.Errorf("a steady beat: intervals %v, want the third and fourth, 3s each", got)
	}
	if got := regular(t, steady, func(i int) string { return fmt.Sprintf(`{"ref":"%d"}`, 9+i) }); len(got) != 2 {
		t.Errorf("a beat with a number in it: %v", got)
	}
	if got := regular(t, steady, func(i int) string { return string(rune('a' + i)) }); len(got) != 0 {
		t.Errorf("five different messages are a beat: %v", got)
	}
	if got := regular(t, []time.Duration{1 * s, 2 * s, 5 * s, 6 * s, 11 * s, 12 * s, 20 * s}, same); len(got) != 0 {
		t.Errorf("irregular messages are a beat: %v", got)
	}
	var fast []time.Duration
	for i := range 100 {
		fast = append(fast, time.Duration(i)*5*time.Millisecond)
	}
	if got := regular(t, fast, same); len(got) != 0 {
		t.Errorf("traffic every 5 ms is a beat: %d intervals", len(got))
	}
	if got := regular(t, append(steady, 60*s, 63*s, 66*s), same); len(got) != 2 {
		t.Errorf("a pause counts as an interval: %v", got)
	}
}
