package sim

import "time"

// turn is a client that has come to something that all share.
type turn struct {
	at            time.Duration
	shard, client int32
}

func (a *turn) before(b *turn) bool {
	switch {
	case a.at != b.at:
		return a.at < b.at
	case a.shard != b.shard:
		return a.shard < b.shard
	}
	return a.client < b.client
}

// turns is a 4-ary heap ordered by (time, client): a third fewer cache lines touched than by a binary one.
type turns []turn

func (q turns) init() {
	if len(q) < 2 {
		return
	}
	for i := (len(q) - 2) / 4; i >= 0; i-- {
		q.down(i, q[i])
	}
}

func (h *turns) push(t turn) {
	q := append(*h, t)
	i := len(q) - 1
	for i > 0 {
		p := (i - 1) / 4
		if !t.before(&q[p]) {
			break
		}
		q[i] = q[p]
		i = p
	}
	q[i] = t
	*h = q
}

func (h *turns) pop() turn {
	q := *h
	top, n := q[0], len(q)-1
	last := q[n]
	if *h = q[:n]; n > 0 {
		q[:n].down(0, last)
	}
	return top
}

// down puts t where it belongs below i.
func (q turns) down(i int, t turn) {
	for {
		first := 4*i + 1
		if first >= len(q) {
			break
		}
		best := first
		for k := first + 1; k < min(first+4, len(q)); k++ {
			if q[k].before(&q[best]) {
				best = k
			}
		}
		if !q[best].before(&t) {
			break
		}
		q[i] = q[best]
		i = best
	}
	q[i] = t
}
