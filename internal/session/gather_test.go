package session

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"
	"time"
)

// TestGather: many small writes to the store leave as few, in order and whole, and a lone one leaves at once.
func TestGather(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	const n = 3000
	got := make(chan []byte, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		var all bytes.Buffer
		buf := make([]byte, 1<<20)
		for all.Len() < n*4 {
			k, err := c.Read(buf)
			if err != nil {
				break
			}
			all.Write(buf[:k])
		}
		got <- all.Bytes()
	}()
	raw, err := newLink().Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := &counting{Conn: raw.(*cutConn).Conn}
	raw.(*cutConn).Conn = c
	defer raw.Close()
	var want bytes.Buffer
	for i := range n {
		b := []byte{byte(i), byte(i >> 8), 0, 1}
		want.Write(b)
		if k, err := raw.Write(b); err != nil || k != 4 {
			t.Fatal(k, err)
		}
		if i == 0 && c.count() != 1 {
			t.Error("a lone write waits")
		}
		if i%100 == 0 {
			time.Sleep(50 * time.Microsecond)
		}
	}
	select {
	case all := <-got:
		if !bytes.Equal(all, want.Bytes()) {
			t.Error("what arrived is not what was written")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("not all of it arrived")
	}
	if k := c.count(); k > n/3 {
		t.Errorf("%d writes left as %d", n, k)
	}
}

// counting counts writes.
type counting struct {
	net.Conn
	mu sync.Mutex
	n  int
}

func (c *counting) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *counting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// TestPutTwice: a message that is put by two servers, or twice by one, is done for each that put it, also while one of them
// does not hear; and what is put while the store is away is done only if it is stored.
func TestPutTwice(t *testing.T) {
	t.Parallel()
	b := broker(t)
	open := func() *JetStream {
		s, err := OpenJetStream(t.Context(), b.URL(), "run1", Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	s, other := open(), open()
	hold := make(chan struct{})
	if err := s.Follow(func(*Message) { <-hold }); err != nil { // deaf: what it puts is stored all the same
		t.Fatal(err)
	}
	m := message(3, 1, "7")
	done := make(chan error, 3)
	for _, x := range []*JetStream{s, other, s} {
		x.Put(&m, func(err error) { done <- err })
	}
	for range 3 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("not done: who does not hear is not told either")
		}
	}
	until(t, "all three are known", func() bool { all, err := other.After([]string{"7"}, 0, 10); return err == nil && len(all) == 3 })
	close(hold)
	s.Partition(true)
	cut := message(3, 2, "7")
	s.Put(&cut, func(err error) { done <- err })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err == nil { // Close heals the link, and it came through
			until(t, "the fourth is known", func() bool { all, err := other.After([]string{"7"}, 0, 10); return err == nil && len(all) == 4 })
		} else if !errors.Is(err, ErrClosed) {
			t.Errorf("put on a link that is cut: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("neither done nor given up")
	}
}
