package packet

import "time"

// queue is a heap of what has to happen, by time and, at the same time, by the order in which it was pushed.
type queue struct {
	items []item
	seq   uint64
}

// item is a packet on the way, or the next look at a quiet connection.
type item struct {
	at  time.Duration
	seq uint64
	crossing
	idle *flow // not nil: see whether this connection was quiet for too long
	late bool  // a reordered packet; it keeps its time when the rest is hurried
}

func (a *item) before(b *item) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

// push reports whether the item has become the first.
func (q *queue) push(it item) bool {
	q.seq++
	it.seq = q.seq
	q.items = append(q.items, it)
	i := len(q.items) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !q.items[i].before(&q.items[parent]) {
			break
		}
		q.items[i], q.items[parent] = q.items[parent], q.items[i]
		i = parent
	}
	return i == 0
}

// first is the time of the first item; ok is false when there is none.
func (q *queue) first() (at time.Duration, ok bool) {
	if len(q.items) == 0 {
		return 0, false
	}
	return q.items[0].at, true
}

// pop takes the first item out; the queue must not be empty.
func (q *queue) pop() item {
	top := q.items[0]
	n := len(q.items) - 1
	q.items[0] = q.items[n]
	q.items[n] = item{}
	q.items = q.items[:n]
	q.sink(0)
	if n == 0 && cap(q.items) > 1024 {
		q.items = nil
	}
	return top
}

func (q *queue) sink(i int) {
	for {
		least := 2*i + 1
		if least >= len(q.items) {
			return
		}
		if r := least + 1; r < len(q.items) && q.items[r].before(&q.items[least]) {
			least = r
		}
		if !q.items[least].before(&q.items[i]) {
			return
		}
		q.items[i], q.items[least] = q.items[least], q.items[i]
		i = least
	}
}

// hurry makes the packets that match due now. They keep their order: it is that of their pushes.
func (q *queue) hurry(now time.Duration, match func(*item) bool) {
	moved := false
	for i := range q.items {
		if it := &q.items[i]; it.idle == nil && !it.late && it.at > now && match(it) {
			it.at, moved = now, true
		}
	}
	if moved {
		for i := len(q.items)/2 - 1; i >= 0; i-- {
			q.sink(i)
		}
	}
}
