package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// desk is what all clients share of the server: its handshake slots and its places.
type desk struct {
	room
	slotAt time.Duration // when a slot comes for whoever has waited longest; heartbeat.None: nobody waits
	late   bool          // it came while the process was frozen
	max    int           // upgraded connections; 0: no limit
	open   int           // counted only if there is a limit
}

// place is a handshake that waits.
type place struct {
	shard        *shard
	conn, client int32
}

func newDesk(w *world) *desk {
	d := &desk{slotAt: heartbeat.None}
	if t := w.plan.Target.Serve; t != nil {
		d.room = newRoom(t.Handshakes, t.Backlog)
		d.max = t.MaxClients
	}
	return d
}

// join adds a handshake, or reports that too many wait.
func (d *desk) join(now time.Duration, p place) bool {
	if !d.room.join(p) {
		return false
	}
	if len(d.queue) == 1 {
		d.slotAt = max(now, d.last+d.every)
	}
	return true
}

// slots completes the handshakes whose slot has come and returns whose.
func (d *desk) slots(now time.Duration) (called []place) {
	d.slotAt = heartbeat.None
	for {
		p, wait, ok := d.next(now)
		if !ok {
			return called
		}
		if wait > 0 {
			d.slotAt = now + wait
			return called
		}
		p.shard.now = now
		p.shard.server.called(p.conn)
		called = append(called, p)
	}
}

// reset is a new process: nobody waits and nobody is there.
func (d *desk) reset(now time.Duration) {
	for _, p := range d.queue {
		p.shard.clients[p.client].waits--
		p.shard.server.release1(p.conn)
	}
	d.queue, d.slotAt, d.late, d.open = nil, heartbeat.None, false, 0
	d.last = now - d.every
}

// thaw lets a process that is frozen no longer, or that is gone, see what came in meanwhile. Timers that ran out fire
// before the sockets are read, as Go's scheduler does it: a process that was frozen for longer than its patience reaps
// clients whose bytes already wait.
func (r *run) thaw() {
	if r.shards[0].server.frozen() {
		return
	}
	type late struct {
		event
		shard *shard
	}
	var in []late
	for _, s := range r.shards {
		for _, e := range s.server.waiting {
			in = append(in, late{e, s})
		}
		overdue := s.server.overdue
		s.server.waiting, s.server.overdue = nil, nil
		for k := range overdue {
			s.server.again(&overdue[k])
		}
	}
	if r.desk.late {
		r.desk.late = false
		r.desk.slots(r.clock)
	}
	slices.SortStableFunc(in, func(a, b late) int { return cmp.Compare(a.at, b.at) })
	for k := range in {
		in[k].shard.server.again(&in[k].event)
	}
}

// again handles an event that was put off.
func (v *server) again(e *event) {
	v.handle(e)
	if e.conn >= 0 {
		v.release1(e.conn)
	}
}
