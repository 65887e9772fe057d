package server

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// alarm is a client's place in the heap that all clients share.
type alarm struct {
	due  time.Duration
	at   int  // position in the heap plus 1; 0: not in it
	reap bool // false: beat
	c    *client
}

type alarmHeap []*alarm

func (h alarmHeap) Len() int           { return len(h) }
func (h alarmHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h alarmHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i+1, j+1
}
func (h *alarmHeap) Push(x any) {
	a := x.(*alarm)
	*h = append(*h, a)
	a.at = len(*h)
}
func (h *alarmHeap) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	a.at = 0
	return a
}

// alarms is one timer for the beats and the reaping of all clients.
type alarms struct {
	now  func() time.Duration
	wake chan struct{} // capacity 1: the earliest alarm has changed

	mu   sync.Mutex
	heap alarmHeap
}

func newAlarms(now func() time.Duration) *alarms {
	return &alarms{now: now, wake: make(chan struct{}, 1)}
}

func (as *alarms) set(a *alarm, due time.Duration) {
	as.mu.Lock()
	a.due = due
	if a.at == 0 {
		heap.Push(&as.heap, a)
	} else {
		heap.Fix(&as.heap, a.at-1)
	}
	first := a.at == 1
	as.mu.Unlock()
	if first {
		select {
		case as.wake <- struct{}{}:
		default:
		}
	}
}

func (as *alarms) drop(a *alarm) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if a.at != 0 {
		heap.Remove(&as.heap, a.at-1)
	}
}

// ring fires every alarm that is due and returns the time until the next; ok is false when there is none. fire returns
// when the alarm is due again, or a negative time for never.
func (as *alarms) ring(fire func(a *alarm, now time.Duration) time.Duration) (wait time.Duration, ok bool) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for len(as.heap) > 0 {
		a, now := as.heap[0], as.now()
		if a.due > now {
			return a.due - now, true
		}
		if next := fire(a, now); next >= 0 {
			a.due = next
			heap.Fix(&as.heap, 0)
		} else {
			heap.Pop(&as.heap)
		}
	}
	return 0, false
}

// run rings until ctx is done. fire runs under the lock: it must not block nor call back.
func (as *alarms) run(ctx context.Context, fire func(a *alarm, now time.Duration) time.Duration) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if wait, ok := as.ring(fire); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-as.wake:
		}
	}
}
