package stream

import (
	"sync"
	"time"
)

// task says what a scheduled entry does.
type task uint8

const (
	pushOut   task = iota // write what has become due
	checkIdle             // cut the connection if it was quiet for too long
)

type entry struct {
	at  time.Duration
	seq uint64
	c   *Conn
	do  task
}

// scheduler runs tasks of connections at their time. It has one timer for all of them, and none while it is empty.
type scheduler struct {
	clock func() time.Duration

	mu      sync.Mutex
	heap    []entry // by (at, seq)
	seq     uint64
	timer   *time.Timer
	armed   time.Duration // when the timer fires
	set     bool          // the timer will fire
	running bool
	closed  bool
}

// add may be called with a path locked.
func (s *scheduler) add(at time.Duration, c *Conn, do task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.seq++
	s.heap = append(s.heap, entry{at, s.seq, c, do})
	for i := len(s.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.heap[i].before(&s.heap[parent]) {
			break
		}
		s.heap[i], s.heap[parent] = s.heap[parent], s.heap[i]
		i = parent
	}
	if !s.running {
		s.arm()
	}
}

func (a *entry) before(b *entry) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

// arm sets the timer for the first entry.
func (s *scheduler) arm() {
	if len(s.heap) == 0 || s.set && s.armed <= s.heap[0].at {
		return
	}
	s.armed, s.set = s.heap[0].at, true
	wait := max(s.armed-s.clock(), 0)
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, s.run)
	} else {
		s.timer.Reset(wait)
	}
}

// run carries out what is due, in order. A timer that fires while an earlier run is at work leaves the work to it.
func (s *scheduler) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = false
	if s.running {
		return
	}
	s.running = true
	for len(s.heap) > 0 && !s.closed && s.heap[0].at <= s.clock() {
		e := s.pop()
		s.mu.Unlock()
		e.c.wake(e.do, e.at)
		s.mu.Lock()
	}
	s.running = false
	if !s.closed {
		s.arm()
	}
}

func (s *scheduler) pop() entry {
	top := s.heap[0]
	n := len(s.heap) - 1
	s.heap[0] = s.heap[n]
	s.heap[n] = entry{}
	s.heap = s.heap[:n]
	for i := 0; ; {
		least := 2*i + 1
		if least >= n {
			break
		}
		if r := least + 1; r < n && s.heap[r].before(&s.heap[least]) {
			least = r
		}
		if !s.heap[least].before(&s.heap[i]) {
			break
		}
		s.heap[i], s.heap[least] = s.heap[least], s.heap[i]
		i = least
	}
	if n == 0 {
		s.heap = nil
	}
	return top
}

func (s *scheduler) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.heap = true, nil
	if s.timer != nil {
		s.timer.Stop()
	}
}
