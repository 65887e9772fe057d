package sim

import (
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// server is the target: one process and its kernel.
type server struct {
	*sim
	cfg  scenario.Serve
	echo bool
	beat frame
	room room

	gen     uint16  // which process
	dead    bool    // between SIGKILL and restart
	stalls  []int   // occurrences that freeze the process
	waiting []event // what came in while it was frozen
	overdue []event // timers that ran out while it was frozen
	open    int     // upgraded connections
	drains  []drain
}

// linger is how long the reference server waits for the client's part of a goodbye.
const linger = time.Second

func (v *server) init(s *sim) {
	v.sim = s
	v.echo = true
	if t := s.plan.Target.Serve; t != nil {
		v.cfg = *t
		v.echo = t.Reply != "none"
	}
	v.room = newRoom(v.cfg.Handshakes, v.cfg.Backlog)
	v.beat = frame{wire: wPing, payload: s.payloads.intern([]byte(v.cfg.BeatText))}
	if v.cfg.BeatFrame == heartbeat.Text {
		v.beat.wire = wText
	}
}

func (v *server) frozen() bool { return len(v.stalls) > 0 }

// holds reports whether the present process has the connection.
func (v *server) holds(x *conn) bool {
	return x.gen == v.gen && (x.server == sKernel || x.server == sServed)
}

// syn is a SYN at the server's host: the kernel answers, whatever the process does.
func (v *server) syn(i int32) {
	x := v.conns.at(i)
	if x.left {
		return
	}
	if v.dead {
		v.fail(i, v.latency, heartbeat.Refused)
		return
	}
	x.server, x.gen = sKernel, v.gen
	v.push(v.now+v.latency, event{kind: evTCP, conn: i})
}

// handle is everything that the process does.
func (v *server) handle(e *event) {
	if e.kind == evRestart {
		v.dead = false
		return
	}
	if e.kind == evSlot && uint16(e.payload) != v.gen {
		return // of a process that is gone
	}
	if e.conn >= 0 {
		if x := v.conns.at(e.conn); !v.holds(x) { // the same, or of a connection that it has closed
			x.server = sClosed
			return
		}
	}
	if v.frozen() {
		if e.conn >= 0 {
			v.conns.at(e.conn).refs++
		}
		if e.kind == evUp {
			v.waiting = append(v.waiting, *e)
		} else {
			v.overdue = append(v.overdue, *e)
		}
		return
	}
	switch e.kind {
	case evUp:
		v.read(e.conn, e.frame)
	case evSlot:
		v.slots()
	case evBeat:
		v.send(e.conn, v.beat)
		late := (v.now - e.at) / v.cfg.Beat // beats of a frozen time are not made up for
		v.push(e.at+(1+late)*v.cfg.Beat, event{kind: evBeat, conn: e.conn})
	case evReap:
		if x := v.conns.at(e.conn); v.now-x.heard < v.cfg.Reap {
			v.push(x.heard+v.cfg.Reap, event{kind: evReap, conn: e.conn})
		} else {
			v.close(e.conn)
		}
	case evLinger:
		v.close(e.conn)
	case evBye:
		v.bye(int(e.client))
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
		if v.echo && !x.ending {
			v.send(i, f)
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
	switch {
	case v.full():
		v.reject(i)
	case v.room.pass(v.now):
		v.upgrade(i)
	case !v.room.join(i):
		v.reject(i)
	default:
		v.conns.at(i).refs++
		if len(v.room.queue) == 1 {
			v.slots()
		}
	}
}

func (v *server) full() bool { return v.cfg.MaxClients > 0 && v.open >= v.cfg.MaxClients }

// slots completes the handshakes whose slot has come. One whose client has left in the meantime has cost it.
func (v *server) slots() {
	for {
		i, wait, ok := v.room.next(v.now)
		if !ok {
			return
		}
		if wait > 0 {
			v.push(v.now+wait, event{kind: evSlot, conn: -1, frame: frame{payload: uint32(v.gen)}})
			return
		}
		if x := v.conns.at(i); v.holds(x) {
			v.upgrade(i)
		}
		v.release1(i)
	}
}

func (v *server) reject(i int32) {
	v.send(i, frame{wire: wReject})
	v.conns.at(i).server = sClosed
}

func (v *server) upgrade(i int32) {
	if v.full() {
		v.reject(i)
		return
	}
	x := v.conns.at(i)
	x.server, x.heard = sServed, v.now
	v.open++
	v.send(i, frame{wire: wAccept})
	if v.cfg.Beat > 0 {
		v.push(v.now+v.cfg.Beat, event{kind: evBeat, conn: i})
	}
	if v.cfg.Reap > 0 {
		v.push(v.now+v.cfg.Reap, event{kind: evReap, conn: i})
	}
}

func (v *server) send(i int32, f frame) {
	v.push(v.now+v.latency, event{kind: evDown, conn: i, frame: f})
}

// close ends the connection from the server.
func (v *server) close(i int32) {
	v.send(i, frame{wire: wFIN})
	v.forget(i)
}

// forget takes the connection out of the process.
func (v *server) forget(i int32) {
	x := v.conns.at(i)
	if x.server == sServed {
		v.open--
	}
	x.server = sClosed
}

func (v *server) stall(occ int) { v.stalls = append(v.stalls, occ) }

// resume thaws the process. Timers that ran out meanwhile fire before the sockets are read, as Go's scheduler does it:
// a process that was frozen for longer than its patience reaps clients whose bytes already wait.
func (v *server) resume(occ int) {
	for k, o := range v.stalls {
		if o == occ {
			v.stalls = append(v.stalls[:k], v.stalls[k+1:]...)
			break
		}
	}
	if !v.frozen() {
		v.catchUp()
	}
}

func (v *server) catchUp() {
	late, in := v.overdue, v.waiting
	v.overdue, v.waiting = nil, nil
	for _, q := range [][]event{late, in} {
		for k := range q {
			v.handle(&q[k])
			if q[k].conn >= 0 {
				v.release1(q[k].conn)
			}
		}
	}
}

// release1 gives one reference back.
func (v *server) release1(i int32) {
	v.conns.at(i).refs--
	v.conns.tidy(i)
}

// kill ends the process: its kernel sends a FIN on every connection and answers SYNs with RST until the restart.
func (v *server) kill(restart time.Duration) {
	for c := range v.clients {
		v.each(int32(c), func(i int32, x *conn) {
			if v.holds(x) {
				v.close(i)
			}
		})
	}
	v.gen++
	v.dead, v.stalls, v.open = true, nil, 0
	v.catchUp() // names what is gone, and so only gives it back
	for _, i := range v.room.queue {
		v.release1(i)
	}
	v.room = newRoom(v.cfg.Handshakes, v.cfg.Backlog)
	v.room.last = v.now - v.room.every
	v.push(v.now+restart, event{kind: evRestart, conn: -1})
}
