package sim

import "time"

// room is where handshakes wait for their slot, first come first served: one slot every so often. A handshake keeps its
// place whatever becomes of the client that asked for it, since a real server notices only when it has done the work.
type room struct {
	every time.Duration // between two slots; 0: no limit
	limit int           // handshakes that may wait; 0: no limit
	last  time.Duration // the latest slot given away
	queue []place       // the oldest first
}

// slack is how far behind its schedule the reference server catches up; the slots of a longer freeze are lost.
const slack = 50 * time.Millisecond

func newRoom(perSecond float64, limit int) room {
	r := room{limit: limit}
	if perSecond > 0 {
		r.every = max(1, time.Duration(float64(time.Second)/perSecond))
		r.last = -r.every
	}
	return r
}

// pass lets a handshake through at once if nobody waits and a slot is free.
func (r *room) pass(now time.Duration) bool {
	if r.every == 0 {
		return true
	}
	if len(r.queue) > 0 || now < r.last+r.every {
		return false
	}
	r.last = now
	return true
}

// join adds a handshake, or reports that too many wait.
func (r *room) join(p place) bool {
	if r.limit > 0 && len(r.queue) >= r.limit {
		return false
	}
	r.queue = append(r.queue, p)
	return true
}

// next takes the oldest handshake if its slot has come, and otherwise says how long it has to wait; ok is false when
// nobody waits.
func (r *room) next(now time.Duration) (p place, wait time.Duration, ok bool) {
	if len(r.queue) == 0 {
		r.queue = nil // the array behind it is spent
		return p, 0, false
	}
	slot := r.last + r.every
	if now < slot {
		return p, slot - now, true
	}
	if now-slot > max(slack, r.every) {
		slot = now
	}
	r.last = slot
	p = r.queue[0]
	r.queue = r.queue[1:]
	return p, 0, true
}
