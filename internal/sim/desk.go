package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// desk is what all clients share of the server: the handshake slots, the places and the work of each node, and whose
// turn it is at the balancer.
type desk struct {
	nodes  []counter
	slotAt time.Duration // when some node has a slot for whoever has waited longest; heartbeat.None: nobody waits
	turn   int           // of the balancer
	max    int           // upgraded connections of a node; 0: no limit
	counts bool          // open and load are needed
}

// counter is one node of it.
type counter struct {
	room
	slotAt   time.Duration
	late     bool          // a slot came while the process was frozen
	open     int           // upgraded connections
	load     int           // connections
	accepted int           // by its kernel, since its process is frozen
	free     time.Duration // when it has done all work that it was given
}

// place is a handshake that waits.
type place struct {
	shard        *shard
	conn, client int32
}

func newDesk(w *world) *desk {
	d := &desk{slotAt: heartbeat.None, nodes: make([]counter, max(w.model.Nodes, 1))}
	for i := range d.nodes {
		d.nodes[i].slotAt = heartbeat.None
		if t := w.plan.Target.Serve; t != nil {
			d.nodes[i].room = newRoom(t.Handshakes, t.Backlog)
			d.max = t.MaxClients
		}
	}
	d.counts = d.max > 0 || len(d.nodes) > 1 && w.model.Balancer == Least
	return d
}

// waits notes when a node's next slot comes.
func (d *desk) waits(node int, at time.Duration) {
	d.nodes[node].slotAt = at
	d.slotAt = heartbeat.None
	for i := range d.nodes {
		d.slotAt = min(d.slotAt, d.nodes[i].slotAt)
	}
}

// join adds a handshake, or reports that too many wait.
func (d *desk) join(now time.Duration, node int, p place) bool {
	n := &d.nodes[node]
	if !n.join(p) {
		return false
	}
	if len(n.queue) == 1 {
		d.waits(node, max(now, n.last+n.every))
	}
	return true
}

// slots completes the handshakes of a node whose slot has come and returns whose.
func (d *desk) slots(now time.Duration, node int) (called []place) {
	d.waits(node, heartbeat.None)
	for {
		p, wait, ok := d.nodes[node].next(now)
		if !ok {
			return called
		}
		if wait > 0 {
			d.waits(node, now+wait)
			return called
		}
		p.shard.now = now
		p.shard.server.called(p.conn)
		called = append(called, p)
	}
}

// reset is a new process: nobody waits and nobody is there.
func (d *desk) reset(now time.Duration, node int) {
	n := &d.nodes[node]
	for _, p := range n.queue {
		p.shard.clients[p.client].waits--
		p.shard.server.release1(p.conn)
	}
	n.queue, n.late, n.open, n.load, n.accepted, n.free = nil, false, 0, 0, 0, now
	n.last = now - n.every
	d.waits(node, heartbeat.None)
}

// work gives a node something to do and returns when it has done it: behind everything that it was given before.
func (d *desk) work(now time.Duration, node int, takes time.Duration) time.Duration {
	n := &d.nodes[node]
	n.free = max(n.free, now) + takes
	return n.free
}

// slots gives the handshakes of a node their slots at now, and takes their clients on up to t.
func (r *run) slots(node int, now, t time.Duration) {
	if r.shards[0].server.frozen(node) {
		r.desk.nodes[node].late = true
		r.desk.waits(node, heartbeat.None)
		return
	}
	for _, p := range r.desk.slots(now, node) {
		r.proceed(turn{0, p.shard.index, p.client}, t)
	}
}

// thaw lets a process that is frozen no longer, or that is gone, see what came in meanwhile. Timers that ran out fire
// before the sockets are read, as Go's scheduler does it: a process that was frozen for longer than its patience reaps
// clients whose bytes already wait.
func (r *run) thaw(node int) {
	if r.shards[0].server.frozen(node) {
		return
	}
	type late struct {
		event
		shard *shard
	}
	var in []late
	for _, s := range r.shards {
		n := &s.server.nodes[node]
		for _, e := range n.waiting {
			in = append(in, late{e, s})
		}
		overdue := n.overdue
		n.waiting, n.overdue = nil, nil
		for k := range overdue {
			s.server.again(&overdue[k])
		}
	}
	c := &r.desk.nodes[node]
	c.accepted = 0
	if c.late {
		c.late = false
		r.desk.slots(r.clock, node)
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
