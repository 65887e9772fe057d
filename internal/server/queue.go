package server

import (
	"context"
	"sync"
	"time"
)

// slack is how far behind its schedule the queue may run and still catch up, which evens out late timers. A longer
// delay means that the process was frozen; the slots of that time are lost, as the work of a frozen server is.
const slack = 50 * time.Millisecond

// queue lets handshakes pass in the order in which they came, one per slot. A ticket keeps its slot whatever becomes of
// the client that drew it.
type queue struct {
	every time.Duration // between two slots; 0: no limit
	limit int           // tickets that may wait; 0: no limit
	now   func() time.Duration
	wake  chan struct{} // capacity 1: the queue is no longer empty

	mu      sync.Mutex
	last    time.Duration // the latest slot given away
	waiting []chan struct{}
	head    int // waiting[:head] have passed
}

func newQueue(perSecond float64, limit int, now func() time.Duration) *queue {
	q := &queue{limit: limit, now: now, wake: make(chan struct{}, 1)}
	if perSecond > 0 {
		q.every = max(1, time.Duration(float64(time.Second)/perSecond))
		q.last = -q.every
	}
	return q
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) - q.head
}

// join draws a ticket, which is closed when its slot has come; ok is false when too many wait. A nil ticket passes at
// once.
func (q *queue) join() (ticket <-chan struct{}, ok bool) {
	if q.every == 0 {
		return nil, true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.waiting) - q.head
	if now := q.now(); n == 0 && now >= q.last+q.every {
		q.last = now
		return nil, true
	}
	if q.limit > 0 && n >= q.limit {
		return nil, false
	}
	t := make(chan struct{})
	q.waiting = append(q.waiting, t)
	if n == 0 {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return t, true
}

// pass lets through every ticket whose slot has come, and returns the time until the next slot; ok is false when nobody
// waits.
func (q *queue) pass() (wait time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head < len(q.waiting) {
		now, slot := q.now(), q.last+q.every
		if now < slot {
			return slot - now, true
		}
		if now-slot > max(slack, q.every) {
			slot = now
		}
		q.last = slot
		close(q.waiting[q.head])
		q.waiting[q.head] = nil
		q.head++
		if q.head == len(q.waiting)/2 && q.head >= 1024 {
			q.waiting = q.waiting[:copy(q.waiting, q.waiting[q.head:])]
			q.head = 0
		}
	}
	q.waiting, q.head = q.waiting[:0], 0
	return 0, false
}

// run gives out the slots until ctx is done.
func (q *queue) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if wait, ok := q.pass(); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-q.wake:
		}
	}
}
