package sim

import (
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// server is the target: one process and its kernel.
type server struct {
	*shard
	cfg  scenario.Serve
	echo bool
	beat frame
	desk *desk

	gen     uint16  // which process
	dead    bool    // between SIGKILL and restart
	stalls  []int   // occurrences that freeze the process
	waiting []event // what came in while it was frozen
	overdue []event // timers that ran out while it was frozen
	drains  []drain
}

// linger is how long the reference server waits for the client's part of a goodbye.
const linger = time.Second

func (v *server) init(s *shard, d *desk) {
	v.shard, v.desk = s, d
	v.echo = true
	if t := s.plan.Target.Serve; t != nil {
		v.cfg = *t
		v.echo = t.Reply != "none"
	}
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
		v.bye(int(e.payload))
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
	case v.desk.pass(v.now):
		v.upgrade(i)
	default:
		x := v.conns.at(i)
		if !v.desk.join(v.now, place{v.shard, i, x.client}) {
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
	case evUp:
		return e.wire == wUpgrade || v.desk.max > 0 && e.wire >= wFIN || v.desk.max > 0 && e.wire == wClose
	case evReap, evLinger:
		return v.desk.max > 0
	}
	return false
}

func (v *server) full() bool { return v.desk.max > 0 && v.desk.open >= v.desk.max }

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
	v.conns.at(i).server = sClosed
}

func (v *server) upgrade(i int32) {
	if v.full() {
		v.reject(i)
		return
	}
	x := v.conns.at(i)
	x.server, x.heard = sServed, v.now
	if v.desk.max > 0 {
		v.desk.open++
	}
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
	if x.server == sServed && v.desk.max > 0 {
		v.desk.open--
	}
	x.server = sClosed
}

func (v *server) stall(occ int) { v.stalls = append(v.stalls, occ) }

// resume ends a stall; see run.thaw for what follows.
func (v *server) resume(occ int) {
	for k, o := range v.stalls {
		if o == occ {
			v.stalls = append(v.stalls[:k], v.stalls[k+1:]...)
			break
		}
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
	v.dead, v.stalls = true, nil
	v.pushServer(v.now+restart, event{kind: evRestart})
}
