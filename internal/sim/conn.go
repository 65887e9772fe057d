package sim

import "time"

// side is how far the server is with a connection.
type side uint8

const (
	sNone   side = iota // the SYN has not arrived
	sKernel             // the kernel has accepted it; no upgrade yet
	sServed             // upgraded
	sClosed
)

// conn is one TCP connection or attempt, both ends of it.
type conn struct {
	client int32
	next   int32 // next older connection of the client
	epoch  uint32
	refs   int32 // events that name this conn

	dialed time.Duration
	active time.Duration // when the client's end last sent or received something
	heard  time.Duration // when the server last received something
	lanes  *[2]lane      // nil until a fault slows or holds something

	last [2]time.Duration // when the last frame of each direction arrives, where that can differ
	half time.Duration    // what a crossing takes, where the round trip was drawn

	gen    uint16 // the server process that holds it
	node   uint8
	server side

	listed bool // in the client's list
	tcp    bool // the client's end is connected
	open   bool // upgraded
	left   bool // the client has closed its end
	zombie bool // and the server does not know
	cut    bool // a middlebox has forgotten it: nothing passes any more
	over   bool // a fault has ended it at both ends
	used   bool

	asked   bool // the server has read its upgrade request
	leaving bool // the server: a drain has picked it
	ending  bool // the server has sent its close frame
}

// lane is what one direction of the path holds of a connection, in order.
type lane struct {
	queue []slowFrame
}

type slowFrame struct {
	frame
	due time.Duration // when it has passed the slow part; a blackhole holds it beyond that
}

func (c *conn) lane(d int) *lane {
	if c.lanes == nil {
		c.lanes = new([2]lane)
	}
	return &c.lanes[d]
}

// conns hands out connections by number. Numbers of ended ones are used again once no event names them.
type conns struct {
	chunks [][]conn
	free   []int32
	n      int32
}

const chunk = 1024

func (s *conns) at(i int32) *conn { return &s.chunks[uint32(i)/chunk][uint32(i)%chunk] }

func (s *conns) get() int32 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		return i
	}
	if int(s.n) == len(s.chunks)*chunk {
		s.chunks = append(s.chunks, make([]conn, chunk))
	}
	s.n++
	return s.n - 1
}

// reset takes all back.
func (s *conns) reset() {
	for _, c := range s.chunks {
		clear(c)
	}
	s.free, s.n = s.free[:0], 0
}

// tidy takes back a connection that is over for everybody.
func (s *conns) tidy(i int32) {
	c := s.at(i)
	if c.used && c.refs == 0 && !c.listed && (c.server == sNone || c.server == sClosed) {
		*c = conn{}
		s.free = append(s.free, i)
	}
}

// link puts a new connection in front of the client's list.
func (s *shard) link(client int32, epoch uint32) int32 {
	i := s.conns.get()
	c := &s.clients[client]
	*s.conns.at(i) = conn{client: client, next: c.conns, epoch: epoch, dialed: s.now, listed: true, used: true}
	c.conns = i
	return i
}

func (s *shard) unlink(i int32) {
	x := s.conns.at(i)
	if !x.listed {
		return
	}
	x.listed = false
	for p := &s.clients[x.client].conns; *p >= 0; p = &s.conns.at(*p).next {
		if *p == i {
			*p = x.next
			break
		}
	}
	s.conns.tidy(i)
}

// find is the client's present connection of that epoch, or -1.
func (s *shard) find(client int32, epoch uint32) int32 {
	i := s.clients[client].conns
	for i >= 0 {
		x := s.conns.at(i)
		if x.epoch == epoch && !x.left {
			return i
		}
		i = x.next
	}
	return -1
}

// each calls f for the client's connections, newest first. f may end any of them and begin others, which it is not
// called for.
func (s *shard) each(client int32, f func(i int32, x *conn)) {
	var few [8]told
	all := few[:0]
	for i := s.clients[client].conns; i >= 0; i = s.conns.at(i).next {
		all = append(all, told{i, client, s.conns.at(i).epoch})
	}
	for _, t := range all {
		if x := s.conns.at(t.conn); x.listed && x.client == t.client && x.epoch == t.epoch {
			f(t.conn, x)
		}
	}
}
