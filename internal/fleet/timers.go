package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// timers holds the next deadline of every client in a 4-ary heap ordered by (tick, client), and calls the due ones from
// one goroutine. A deadline is put off to the next multiple of the quantum, so that one wake-up serves several clients and
// its cost does not grow with them; with quantum 0 every deadline is met to the resolution of the runtime's timers.
type timers struct {
	mu      sync.Mutex
	heap    []*client
	wakeAt  time.Duration // when run will wake by itself
	kick    chan struct{} // tells run that an earlier deadline came in
	quantum time.Duration
}

func newTimers(n int, quantum time.Duration) *timers {
	return &timers{heap: make([]*client, 0, n), wakeAt: heartbeat.None, kick: make(chan struct{}, 1), quantum: quantum}
}

// set moves the client's deadline; heartbeat.None removes it.
func (t *timers) set(c *client, at time.Duration) {
	if q := t.quantum; q > 0 && at < heartbeat.None-q {
		at = (at + q - 1) / q * q
	}
	t.mu.Lock()
	if at == c.due && c.slot >= 0 {
		t.mu.Unlock()
		return
	}
	earlier := at < c.due
	c.due = at
	switch {
	case at == heartbeat.None:
		t.remove(c)
	case c.slot < 0:
		c.slot = int32(len(t.heap))
		t.heap = append(t.heap, c)
		t.up(int(c.slot))
	case earlier:
		t.up(int(c.slot))
	default:
		t.down(int(c.slot))
	}
	wake := at < t.wakeAt
	if wake {
		t.wakeAt = at
	}
	t.mu.Unlock()
	if wake {
		select {
		case t.kick <- struct{}{}:
		default:
		}
	}
}

func (t *timers) remove(c *client) {
	i := int(c.slot)
	if i < 0 {
		return
	}
	last := len(t.heap) - 1
	moved := t.heap[last]
	t.heap[last] = nil
	t.heap = t.heap[:last]
	c.slot = -1
	if i < last {
		t.heap[i] = moved
		moved.slot = int32(i)
		t.down(i)
		t.up(int(moved.slot))
	}
}

// popDue takes every client whose tick is at or before now out of the heap, earliest first.
func (t *timers) popDue(now time.Duration, due []expired) []expired {
	t.mu.Lock()
	for len(t.heap) > 0 && t.heap[0].due <= now {
		c := t.heap[0]
		due = append(due, expired{c, c.due})
		t.remove(c)
		c.due = heartbeat.None
	}
	t.wakeAt = heartbeat.None
	if len(t.heap) > 0 {
		t.wakeAt = t.heap[0].due
	}
	t.mu.Unlock()
	return due
}

type expired struct {
	c    *client
	tick time.Duration
}

// run calls fire for each due client until ctx ends.
func (t *timers) run(ctx context.Context, clock func() time.Duration, fire func(c *client, tick time.Duration)) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var due []expired
	for ctx.Err() == nil {
		due = t.popDue(clock(), due[:0])
		for _, e := range due {
			fire(e.c, e.tick)
		}
		clear(due)
		t.mu.Lock()
		next := t.wakeAt
		t.mu.Unlock()
		wait := time.Hour
		if next != heartbeat.None {
			wait = next - clock()
		}
		if wait <= 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-t.kick:
		case <-ctx.Done():
		}
	}
}

func (t *timers) less(a, b *client) bool { return a.due < b.due || a.due == b.due && a.id < b.id }

func (t *timers) up(i int) {
	c := t.heap[i]
	for i > 0 {
		p := (i - 1) / 4
		if !t.less(c, t.heap[p]) {
			break
		}
		t.heap[i] = t.heap[p]
		t.heap[i].slot = int32(i)
		i = p
	}
	t.heap[i] = c
	c.slot = int32(i)
}

func (t *timers) down(i int) {
	c := t.heap[i]
	for {
		first := 4*i + 1
		if first >= len(t.heap) {
			break
		}
		best := first
		for k := first + 1; k < min(first+4, len(t.heap)); k++ {
			if t.less(t.heap[k], t.heap[best]) {
				best = k
			}
		}
		if !t.less(t.heap[best], c) {
			break
		}
		t.heap[i] = t.heap[best]
		t.heap[i].slot = int32(i)
		i = best
	}
	t.heap[i] = c
	c.slot = int32(i)
}
