package session

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/flatline-dev/flatline/internal/delivery"
)

// Memory is a Store in this process's memory: it dies with it.
type Memory struct {
	o   Options
	now func() time.Duration

	mu     sync.Mutex
	last   uint32
	to     map[string][]Message
	stored map[int32]*delivery.Set // by publisher: all numbers that were ever stored
	recent map[id]struct{}         // of order, for Dedup
	order  []aged[id]
	ages   []aged[string] // of all messages, by destination, for Retain
	heard  func(*Message)
	closed bool
}

type id struct {
	from int32
	seq  uint32
}

type aged[T any] struct {
	at time.Duration
	v  T
}

var _ Store = (*Memory)(nil)

// NewMemory makes an empty store. now tells the time, from any beginning.
func NewMemory(o Options, now func() time.Duration) *Memory {
	if o.Retain == 0 {
		o.Retain = DefaultRetain
	}
	return &Memory{o: o, now: now, to: map[string][]Message{}, stored: map[int32]*delivery.Set{}, recent: map[id]struct{}{}}
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
	s.forget(now)
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
	set := s.stored[m.From]
	if set == nil {
		set = &delivery.Set{}
		s.stored[m.From] = set
	}
	set.Add(m.Seq)
	if m.To != "-" {
		s.to[m.To] = append(s.to[m.To], c)
		s.ages = append(s.ages, aged[string]{now, m.To})
	}
	if s.heard != nil {
		s.heard(&c)
	}
	return nil
}

// forget lets go of what is too old. Both lists are in the order of time, and each destination's messages are too.
func (s *Memory) forget(now time.Duration) {
	n := 0
	for ; n < len(s.ages) && now-s.ages[n].at > s.o.Retain; n++ {
		to := s.ages[n].v
		if rest := s.to[to][1:]; len(rest) > 0 {
			s.to[to] = rest
		} else {
			delete(s.to, to)
		}
	}
	s.ages = s.ages[n:]
	for n = 0; n < len(s.order) && now-s.order[n].at > s.o.Dedup; n++ {
		delete(s.recent, s.order[n].v)
	}
	s.order = s.order[n:]
}

// After implements Store.
func (s *Memory) After(_ context.Context, to []string, pos uint32, max int) ([]Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.forget(s.now())
	var out []Message
	for _, t := range to {
		all := s.to[t]
		i, _ := slices.BinarySearchFunc(all, pos, func(k Message, p uint32) int {
			if k.Pos <= p {
				return -1
			}
			return 1
		})
		out = append(out, all[i:min(len(all), i+max)]...)
	}
	if len(to) > 1 {
		slices.SortFunc(out, func(a, b Message) int { return int(int64(a.Pos) - int64(b.Pos)) })
	}
	return out[:min(len(out), max)], nil
}

// Seen implements Store.
func (s *Memory) Seen(_ context.Context, from int32) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	if set := s.stored[from]; set != nil {
		return set.Prefix(), nil
	}
	return 0, nil
}

// Follow implements Store. Nothing is ever missing.
func (s *Memory) Follow(heard func(*Message), _ func()) error {
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
