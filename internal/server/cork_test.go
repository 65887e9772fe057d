package server

import (
	"bytes"
	"errors"
	"net"
	"testing"
)

// sink is a connection that keeps each write.
type sink struct {
	net.Conn
	writes [][]byte
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	s.writes = append(s.writes, bytes.Clone(p))
	return len(p), nil
}

// TestCork: what is written between cork and uncork leaves at once and in order, but for what is too much to hold back; and
// a failure is told to whoever uncorks.
func TestCork(t *testing.T) {
	s := &sink{}
	c := &corked{Conn: s}
	write := func(n int, b byte) {
		t.Helper()
		if got, err := c.Write(bytes.Repeat([]byte{b}, n)); err != nil || got != n {
			t.Fatalf("%d, %v", got, err)
		}
	}
	lengths := func(want ...int) {
		t.Helper()
		if len(s.writes) != len(want) {
			t.Fatalf("%d writes, want %d", len(s.writes), len(want))
		}
		for i, w := range s.writes {
			if len(w) != want[i] {
				t.Errorf("write %d has %d bytes, want %d", i, len(w), want[i])
			}
		}
	}
	write(1, 'a')
	lengths(1)
	c.cork()
	write(2, 'b')
	write(3, 'c')
	lengths(1)
	if err := c.uncork(); err != nil || !bytes.Equal(s.writes[1], []byte("bbccc")) {
		t.Fatalf("%v, %q", err, s.writes)
	}
	c.cork()
	write(corkSize-1, 'd')
	write(2, 'e') // does not fit beside it
	lengths(1, 5, corkSize-1)
	write(corkSize+1, 'f') // nor does this alone
	lengths(1, 5, corkSize-1, 2, corkSize+1)
	if err := c.uncork(); err != nil {
		t.Fatal(err)
	}
	if err := c.uncork(); err != nil {
		t.Fatal(err)
	}
	lengths(1, 5, corkSize-1, 2, corkSize+1)
	write(4, 'g')
	lengths(1, 5, corkSize-1, 2, corkSize+1, 4)

	broken := errors.New("broken")
	c.cork()
	write(1, 'h')
	s.err = broken
	if err := c.uncork(); !errors.Is(err, broken) {
		t.Errorf("uncorked over a broken connection: %v", err)
	}
	if _, err := c.Write([]byte{1}); !errors.Is(err, broken) {
		t.Errorf("and written: %v", err)
	}
}
