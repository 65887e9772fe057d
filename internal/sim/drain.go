package sim

import (
	"math"

	"github.com/flatline-dev/flatline/chaos"
)

// drain is a goodbye in its grace.
type drain struct {
	code  uint16
	conns []told
}

// told is a connection that has heard the notice. Its number alone could be in use again when the grace is over.
type told struct {
	conn   int32
	client int32
	epoch  uint32
}

// drain lets the server say goodbye to the victims' connections: the notice now, the close frame after the grace. The
// server goes on accepting, and a connection that an earlier drain has picked is not picked again.
func (v *server) drain(f *chaos.Fault, occ int) {
	d := drain{code: uint16(f.Code)}
	for n := range v.victims(occ) {
		v.each(int32(n-v.base), func(i int32, x *conn) {
			if x.server != sServed || !v.holds(x) || x.leaving || !hits(f, int(x.node)) {
				return
			}
			x.leaving = true
			d.conns = append(d.conns, told{i, x.client, x.epoch})
			if f.Notice != "" {
				text := chaos.Goodbye(f.Notice, f.Spread, nil, spreadOf(n, occ))
				v.send(i, frame{wire: wText, payload: v.payloads.intern([]byte(text))})
			}
		})
	}
	v.drains = append(v.drains, d)
	e := event{kind: evBye, conn: -1, frame: frame{payload: uint32(len(v.drains) - 1)}}
	if f.Grace > 0 {
		v.pushServer(v.now+f.Grace, e)
	} else {
		v.handle(&e)
	}
}

// spreadOf is the draw of a client's goodbye, from [0, 1): the golden ratio's multiples are spread evenly.
func spreadOf(client, occ int) float64 {
	_, frac := math.Modf((float64(client) + 0.5*float64(occ)) * (math.Sqrt(5) - 1) / 2)
	return frac
}

// bye closes the connections that are still there when the grace is over. A frozen node does it when it thaws.
func (v *server) bye(n uint32) {
	d := v.drains[n]
	v.drains[n].conns = nil
	for _, t := range d.conns {
		x := v.conns.at(t.conn)
		if x.client == t.client && x.epoch == t.epoch && x.server == sServed && v.holds(x) {
			v.handle(&event{at: v.now, kind: evGoodbye, conn: t.conn, frame: frame{code: d.code}})
		}
	}
}

// goodbye sends a close frame and lets the client answer it for a while.
func (v *server) goodbye(i int32, code uint16) {
	v.conns.at(i).ending = true
	v.send(i, frame{wire: wClose, code: code})
	v.push(v.now+linger, event{kind: evLinger, conn: i})
}
