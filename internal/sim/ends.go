package sim

import "github.com/flatline-dev/flatline/chaos"

// closeSocket is the client closing its end. The connection stays in the client's list until its FIN has left the path.
func (s *shard) closeSocket(i int32) {
	x := s.conns.at(i)
	if x.left {
		return
	}
	x.left = true
	if !x.tcp || x.over || x.server == sClosed {
		s.unlink(i)
		return
	}
	if !s.ended && (x.cut || s.clients[x.client].path.holds(up)) {
		s.beginZombie(i)
	}
	s.sendUp(i, frame{wire: wFIN})
}

func (s *shard) beginZombie(i int32) {
	x := s.conns.at(i)
	x.zombie = true
	s.sink.ZombieBegan(s.now, s.number(x.client))
}

func (s *shard) endZombie(i int32, reaped bool) {
	x := s.conns.at(i)
	x.zombie = false
	s.sink.ZombieEnded(s.now, s.number(x.client), reaped)
	s.unlink(i)
}

// sever ends the client's established connections at both ends, whatever holds their path: with a reset, a FIN or, at
// the client, a close frame. What a connection has lost already (a zombie, a silent cut) stays as it is.
func (s *shard) sever(client int32, how chaos.How, code int) {
	s.each(client, func(i int32, x *conn) {
		if x.tcp && !x.left && !x.cut {
			s.severOne(i, how, code)
		}
	})
}

func (s *shard) severOne(i int32, how chaos.How, code int) {
	x := s.conns.at(i)
	first, last := frame{wire: wRST}, frame{wire: wRST}
	if how != chaos.RST { // what has arrived is still read
		first, last = frame{wire: wFIN}, frame{wire: wFIN}
		if how == chaos.Close {
			first = frame{wire: wClose, code: uint16(code)}
		}
		if x.lanes != nil {
			for _, f := range x.lanes[down].queue {
				s.deliver(&event{kind: evDown, conn: i, frame: f.frame})
			}
		}
		if x.left {
			return
		}
	}
	x.over = true
	at, _ := s.cross(x, up, last.wire) // a RST and a FIN are never lost for good
	s.push(at, event{kind: evUp, conn: i, frame: last})
	s.deliver(&event{kind: evDown, conn: i, frame: first})
}

// awaitCut watches a connection for the quiet that lets the middlebox forget it.
func (s *shard) awaitCut(i int32, c cut) {
	x := s.conns.at(i)
	s.push(max(x.active, c.began)+c.fault.After, event{kind: evCut, conn: i, frame: frame{payload: uint32(c.occ)}})
}

func (s *shard) maybeCut(i int32, occ int) {
	x := s.conns.at(i)
	p := s.clients[x.client].path
	if x.left || x.cut || x.over || p == nil {
		return
	}
	for _, c := range p.cuts {
		if c.occ != occ {
			continue
		}
		if max(x.active, c.began)+c.fault.After > s.now {
			s.awaitCut(i, c)
			return
		}
		s.sink.PathCut(s.now, s.number(x.client), occ)
		if how := c.fault.Mode(); how == chaos.Silent {
			x.cut = true
		} else {
			s.severOne(i, how, 0)
		}
		return
	}
}
