package sim

import (
	"slices"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// server is the target: one process and its kernel.
type server struct {
	*shard
	cfg      scenario.Serve
	speeches []speech // by group
	desk     *desk

	nodes  []node
	drains []drain
}

// node is one process of the target and its kernel, as one shard sees it.
type node struct {
	gen     uint16  // which process
	dead    bool    // between SIGKILL and restart
	stalls  []int   // occurrences that freeze the process
	waiting []event // what came in while it was frozen
	overdue []event // timers that ran out while it was frozen
}

// linger is how long the reference server waits for the client's part of a goodbye.
const linger = time.Second

func (v *server) init(s *shard, d *desk) {
	v.shard, v.desk = s, d
	v.nodes = make([]node, len(d.nodes))
	if t := s.plan.Target.Serve; t != nil {
		v.cfg = *t
	}
	for i := range s.plan.Groups {
		v.speeches = append(v.speeches, s.newSpeech(&v.cfg, s.plan.Groups[i].Speaks()))
	}
}

func (v *server) frozen(node int) bool { return len(v.nodes[node].stalls) > 0 }

// hits reports whether a fault of the server touches the node.
func hits(f *chaos.Fault, node int) bool { return len(f.Nodes) == 0 || slices.Contains(f.Nodes, node) }

// holds reports whether the present process has the connection.
func (v *server) holds(x *conn) bool {
	return x.gen == v.nodes[x.node].gen && (x.server == sKernel || x.server == sServed)
}

// syn is a SYN at the server's host: the kernel answers, whatever the process does.
func (v *server) syn(i int32) {
	x := v.conns.at(i)
	if x.left {
		return
	}
	n := v.choose(x.client)
	if n < 0 {
		v.fail(i, v.crossing(x, down), heartbeat.Refused)
		return
	}
	c := &v.desk.nodes[n]
	if v.model.Backlog > 0 && v.frozen(n) {
		if c.accepted >= v.model.Backlog {
			v.retry(i)
			return
		}
		c.accepted++
	}
	x.server, x.node, x.gen = sKernel, uint8(n), v.nodes[n].gen
	if v.routes != nil {
		v.routes.Routed(v.now, v.number(x.client), x.epoch, n)
	}
	if v.desk.counts {
		c.load++
	}
	if v.model.HandshakeTimeout > 0 {
		v.push(v.now+v.model.HandshakeTimeout, event{kind: evPatience, conn: i})
	}
	v.push(v.now+v.crossing(x, down), event{kind: evTCP, conn: i})
}

// choose is the balancer: the node that a new connection of the client goes to, or -1 if none is there.
func (v *server) choose(client int32) int {
	n, first := len(v.nodes), 0
	if n > 1 {
		switch v.model.Balancer {
		case Sticky: // Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4)
			first = int(uint64(v.number(client)) * 0x9e3779b97f4a7c15 >> 32 % uint64(n))
		case Least:
			best := -1
			for i := range v.nodes {
				if !v.nodes[i].dead && (best < 0 || v.desk.nodes[i].load < v.desk.nodes[best].load) {
					best = i
				}
			}
			return best
		default:
			first = v.desk.turn
		}
	}
	for k := range n {
		if i := (first + k) % n; !v.nodes[i].dead {
			if n > 1 && v.model.Balancer != Sticky {
				v.desk.turn = (i + 1) % n
			}
			return i
		}
	}
	return -1
}

// handle is everything that the process does.
func (v *server) handle(e *event) {
	if e.kind == evRestart {
		v.nodes[e.payload].dead = false
		return
	}
	if e.conn >= 0 {
		if x := v.conns.at(e.conn); !v.holds(x) { // the same, or of a connection that it has closed
			x.server = sClosed
			return
		}
	}
	if e.kind == evBye {
		v.bye(e.payload)
		return
	}
	x := v.conns.at(e.conn)
	if n := &v.nodes[x.node]; len(n.stalls) > 0 {
		x.refs++
		if e.kind == evUp {
			n.waiting = append(n.waiting, *e)
		} else {
			n.overdue = append(n.overdue, *e)
		}
		return
	}
	switch e.kind {
	case evUp:
		if v.works {
			if at := v.desk.work(v.now, int(x.node), v.takes(x, e.wire)); at > v.now {
				v.push(at, event{kind: evDone, conn: e.conn, frame: e.frame})
				return
			}
		}
		v.read(e.conn, e.frame)
	case evDone:
		v.read(e.conn, e.frame)
	case evGoodbye:
		v.goodbye(e.conn, e.code)
	case evPatience:
		if x.server == sKernel && !x.asked {
			v.close(e.conn)
		}
	case evBeat:
		says := v.says(e.conn)
		v.send(e.conn, says.beat)
		late := (v.now - e.at) / says.every // beats of a frozen time are not made up for
		v.push(e.at+(1+late)*says.every, event{kind: evBeat, conn: e.conn})
	case evReap:
		if x := v.conns.at(e.conn); v.now-x.heard < v.cfg.Reap {
			v.push(x.heard+v.cfg.Reap, event{kind: evReap, conn: e.conn})
		} else {
			v.close(e.conn)
		}
	case evLinger:
		v.close(e.conn)
	}
}

// read is one unit from a client.
func (v *server) read(i int32, f frame) {
	x := v.conns.at(i)
	x.heard = v.now
	switch f.wire {
	case wUpgrade:
		v.request(i)
	case wText, wBinary:
		if !x.ending {
			v.answer(i, f)
		}
	case wPing:
		v.send(i, frame{wire: wPong, payload: f.payload})
	case wClose:
		if !x.ending {
			v.send(i, f)
		}
		v.close(i)
	case wFIN, wRST:
		v.forget(i)
	}
}

// request is an upgrade request: it is turned away, waits for its slot or passes at once.
func (v *server) request(i int32) {
	v.conns.at(i).asked = true
	switch {
	case v.full(i):
		v.reject(i)
	case v.desk.nodes[v.conns.at(i).node].pass(v.now):
		v.upgrade(i)
	default:
		x := v.conns.at(i)
		if !v.desk.join(v.now, int(x.node), place{v.shard, i, x.client}) {
			v.reject(i)
			return
		}
		x.refs++
		v.clients[x.client].waits++
	}
}

// meets reports whether what the event does depends on other clients, or theirs on it.
func (v *server) meets(e *event) bool {
	switch e.kind {
	case evArrived:
		return v.balances || v.desk.counts
	case evTCP:
		return v.desk.counts
	case evUp:
		return v.works || e.wire == wUpgrade || v.desk.counts && (e.wire >= wFIN || e.wire == wClose)
	case evDone:
		return e.wire == wUpgrade || v.desk.counts && (e.wire >= wFIN || e.wire == wClose)
	case evReap, evLinger, evPatience:
		return v.desk.counts
	}
	return false
}

// takes draws the work of a frame.
func (v *server) takes(x *conn, w wire) time.Duration {
	switch {
	case w == wUpgrade:
		return v.model.Handshake.draw(&v.clients[x.client].rng)
	case w <= wPing:
		return v.model.Message.draw(&v.clients[x.client].rng)
	}
	return 0
}

func (v *server) full(i int32) bool {
	return v.desk.max > 0 && v.desk.nodes[v.conns.at(i).node].open >= v.desk.max
}

// called is the slot of a handshake that has waited. If its client has left in the meantime it was for nothing.
func (v *server) called(i int32) {
	if x := v.conns.at(i); v.holds(x) {
		v.upgrade(i)
	}
	v.clients[v.conns.at(i).client].waits--
	v.release1(i)
}

func (v *server) reject(i int32) {
	v.send(i, frame{wire: wReject})
	v.forget(i)
}

func (v *server) upgrade(i int32) {
	if v.full(i) {
		v.reject(i)
		return
	}
	x := v.conns.at(i)
	x.server, x.heard = sServed, v.now
	if v.desk.counts {
		v.desk.nodes[x.node].open++
	}
	v.send(i, frame{wire: wAccept})
	says := v.says(i)
	for _, f := range says.hello {
		v.send(i, f)
	}
	if says.every > 0 {
		v.push(v.now+says.every, event{kind: evBeat, conn: i})
	}
	if v.cfg.Reap > 0 {
		v.push(v.now+v.cfg.Reap, event{kind: evReap, conn: i})
	}
}

func (v *server) send(i int32, f frame) {
	if at, ok := v.cross(v.conns.at(i), down, f.wire); ok {
		v.push(at, event{kind: evDown, conn: i, frame: f})
	}
}

// close ends the connection from the server.
func (v *server) close(i int32) {
	v.send(i, frame{wire: wFIN})
	v.forget(i)
}

// forget takes the connection out of the process.
func (v *server) forget(i int32) {
	x := v.conns.at(i)
	if n := &v.desk.nodes[x.node]; v.desk.counts && v.holds(x) {
		n.load--
		if x.server == sServed {
			n.open--
		}
	}
	x.server = sClosed
}

func (v *server) stall(f *chaos.Fault, occ int) {
	for i := range v.nodes {
		if hits(f, i) {
			v.nodes[i].stalls = append(v.nodes[i].stalls, occ)
		}
	}
}

// resume ends a stall; see run.thaw for what follows.
func (v *server) resume(occ int) {
	for i := range v.nodes {
		n := &v.nodes[i]
		n.stalls = slices.DeleteFunc(n.stalls, func(o int) bool { return o == occ })
	}
}

// due handles the server's events whose time has come.
func (v *server) due() {
	kept := v.later[:0]
	var now []event
	for _, e := range v.later {
		if e.at <= v.now {
			now = append(now, e)
		} else {
			kept = append(kept, e)
		}
	}
	v.later = kept
	for i := range now {
		v.handle(&now[i])
	}
}

// release1 gives one reference back.
func (v *server) release1(i int32) {
	v.conns.at(i).refs--
	v.conns.tidy(i)
}

// kill ends the processes of the nodes that the fault hits: their kernels send a FIN on every connection and answer SYNs
// with RST until the restart.
func (v *server) kill(f *chaos.Fault) {
	for c := range v.clients {
		v.each(int32(c), func(i int32, x *conn) {
			if v.holds(x) && hits(f, int(x.node)) {
				v.close(i)
			}
		})
	}
	for i := range v.nodes {
		if n := &v.nodes[i]; hits(f, i) {
			n.gen++
			n.dead, n.stalls = true, nil
			v.pushServer(v.now+f.Restart+v.model.Boot, event{kind: evRestart, frame: frame{payload: uint32(i)}})
		}
	}
}
