package session

import (
	"sync"
	"time"
)

// Memory is a Store in this process's memory: it dies with it.
type Memory struct {
	o   Options
	now func() time.Duration

	mu     sync.Mutex
	last   uint32
	known  index
	recent map[id]struct{} // of order, for Dedup
	order  []aged[id]
	heard  func(*Message)
	closed bool
}

type id struct {
	from int32
	seq  uint32
}

var _ Store = (*Memory)(nil)

// NewMemory makes an empty store. now tells the time, from any beginning.
func NewMemory(o Options, now func() time.Duration) *Memory {
	if o.Retain == 0 {
		o.Retain = DefaultRetain
	}
	return &Memory{o: o, now: now, known: newIndex(), recent: map[id]struct{}{}}
}

// Put implements Store; it is done when it returns.
func (s *Memory) Put(m *Message, done func(error)) { done(s.put(m)) }

func (s *Memory) put(m *Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	now := s.now()
	n := 0
	for ; n < len(s.order) && now-s.order[n].at > s.o.Dedup; n++ {
		delete(s.recent, s.order[n].v)
	}
	s.order = s.order[n:]
	if s.o.Dedup > 0 && m.From != ServerItself {
		k := id{m.From, m.Seq}
		if _, again := s.recent[k]; again {
			return nil
		}
		s.recent[k] = struct{}{}
		s.order = append(s.order, aged[id]{now, k})
	}
	s.last++
	c := *m
	c.Pos = s.last
	s.known.add(c, now, s.o.Retain)
	if s.heard != nil {
		s.heard(&c)
	}
	return nil
}

// After implements Store.
func (s *Memory) After(to []string, pos uint32, max int) ([]Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.known.forget(s.now(), s.o.Retain)
	return s.known.after(to, pos, max), nil
}

// Seen implements Store.
func (s *Memory) Seen(from int32) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	return s.known.seen(from), nil
}

// Last implements Store.
func (s *Memory) Last() (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	return s.last, nil
}

// Current implements Store.
func (s *Memory) Current() bool { return true }

// Follow implements Store.
func (s *Memory) Follow(heard func(*Message)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.heard = heard
	return nil
}

// Close implements Store.
func (s *Memory) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
