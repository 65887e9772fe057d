package stream

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// The bits of Conn.state: why Read or Write cannot go straight to the socket. It is written with the path locked.
const (
	isClosed  uint32 = 1 << iota // by the client
	isKilled                     // by a kill, or a cut that both ends see
	isCut                        // silently
	upBound                      // the way up is held or shaped
	downBound                    // the way down is held or shaped
	outWaits                     // bytes in the out queue, or a writer at work
	inWaits                      // bytes or an error in the in queue
	isTimed                      // an idle-cut watches: activity counts
	isFresh                      // nothing was written yet
	isLate                       // the write deadline has passed

	readBound  = isClosed | isKilled | isCut | downBound | inWaits
	writeBound = isClosed | isKilled | isCut | upBound | outWaits | isTimed | isFresh | isLate
)

// Conn is a client's connection as its faulted path lets it be. It implements [net.Conn]; all methods may be called
// concurrently. It is made by [Engine.Dial].
type Conn struct {
	state atomic.Uint32
	rmu   sync.Mutex // held by the one goroutine that reads the socket
	e     *Engine
	path  *path
	raw   net.Conn

	// A write that does not wait: the closure is made once, its arguments pass through the fields. sys is nil where the
	// system or the connection cannot do that.
	sys  syscall.RawConn
	some func(fd uintptr) bool
	buf  []byte
	sent int
	fail error

	// The rest is guarded by path.mu.

	next, prev  *Conn         // in path.conns
	s           *slow         // what only a faulted connection needs
	last        time.Duration // when bytes last passed; kept while an idle-cut watches
	idleAt      time.Duration // when the scheduled check comes up
	readLine    time.Time     // the caller's deadlines
	writeLine   time.Time
	how         chaos.How
	code        uint16
	left        int // killed: bytes in the socket that arrived before the kill
	linked      bool
	closed      bool
	killed      bool
	cut         bool
	fresh       bool
	late        bool
	tls         bool // the first byte written opened a TLS record
	peerGone    bool // the socket has said that the server's end is closed
	inWrite     bool // a Write is inside raw.Write; only without sys
	interrupted bool // the writer's raw deadline was moved to the past to get it out
	idleSet     bool // an idle check is scheduled
}

// slow is the state of a connection that a fault has touched.
type slow struct {
	in, out  queue
	rerr     error         // what the socket's last read said; follows the bytes of in
	rerrDue  time.Duration // when it may be told
	werr     error         // what made the flusher give up
	wakeup   chan struct{} // wakes a parked reader
	room     chan struct{} // closed when out takes bytes again; nil while nobody waits for that
	parked   bool          // the reader waits for wakeup, not for the socket
	reading  bool          // the reader is inside raw.Read with a deadline that may be moved
	moved    bool          // the socket's read deadline is not the caller's
	flushing bool          // a flusher is at work
	pushSet  bool          // a pushOut is scheduled
	finSent  bool          // the end of the stream has been let through
	zombie   bool
}

// adopt wraps raw and makes it a connection of the client's path.
func (e *Engine) adopt(p *path, raw net.Conn) *Conn {
	c := &Conn{e: e, path: p, raw: raw, sys: rawConn(raw), fresh: true}
	if c.sys != nil {
		c.some = c.writeSome
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link(c)
	c.refresh()
	if len(p.idle) > 0 {
		c.last = e.clock()
		c.timeIdle()
	}
	return c
}

func (c *Conn) slow() *slow {
	if c.s == nil {
		c.s = &slow{wakeup: make(chan struct{}, 1)}
	}
	return c.s
}

func (c *Conn) upHeld() bool   { return c.path.ups > 0 || c.cut }
func (c *Conn) downHeld() bool { return (c.path.downs > 0 || c.cut) && !c.killed }

// refresh makes state say what the fields say.
func (c *Conn) refresh() {
	var st uint32
	set := func(on bool, bit uint32) {
		if on {
			st |= bit
		}
	}
	set(c.closed, isClosed)
	set(c.killed, isKilled)
	set(c.cut, isCut)
	set(c.path.ups > 0 || c.path.shaped(up), upBound)
	set(c.path.downs > 0 || c.path.shaped(down), downBound)
	set(len(c.path.idle) > 0, isTimed)
	set(c.fresh, isFresh)
	set(c.late, isLate)
	set(c.inWrite, outWaits)
	if s := c.s; s != nil {
		set(!s.out.empty() || s.flushing || s.werr != nil, outWaits)
		set(!s.in.empty() || s.rerr != nil, inWaits)
	}
	c.state.Store(st)
	c.makeRoom()
}

// changed follows a change of the path; the path is locked.
func (c *Conn) changed(now time.Duration) {
	c.refresh()
	if c.upHeld() {
		if c.closed && !c.slow().zombie && !c.s.finSent {
			c.becomeZombie(now) // its goodbye was on the way
		}
		c.interruptWriter()
	} else {
		c.push()
	}
	c.kick()
}

// kick makes a reader in the slow path look again.
func (c *Conn) kick() {
	if s := c.s; s != nil {
		if s.reading {
			s.moved = true
			c.raw.SetReadDeadline(longAgo)
		}
		if s.parked {
			select {
			case s.wakeup <- struct{}{}:
			default:
			}
		}
	}
}

// interruptWriter gets whoever is inside raw.Write out of it: what it has not written yet is held from now on.
func (c *Conn) interruptWriter() {
	if c.inWrite || c.s != nil && c.s.flushing {
		c.interrupted = true
		c.raw.SetWriteDeadline(longAgo)
	}
}

// longAgo is a deadline in the past.
var longAgo = time.Unix(1, 0)

// wake runs a scheduled task.
func (c *Conn) wake(do task, at time.Duration) {
	c.path.mu.Lock()
	defer c.path.mu.Unlock()
	switch do {
	case pushOut:
		c.s.pushSet = false
		c.push()
	case checkIdle:
		if c.idleSet && c.idleAt == at { // else an earlier check has taken its place
			c.idleSet = false
			c.checkIdle()
		}
	}
}

// kill ends the connection at both ends, as the client and the server see it. The path is locked.
func (c *Conn) kill(how chaos.How, code int) {
	if c.closed || c.killed || c.cut {
		return
	}
	clean := !c.inWrite && !c.tls && !c.fresh
	if c.s != nil {
		clean = clean && c.s.out.empty() && !c.s.flushing
		c.s.out.clear()
		c.s.in.hurry()
		c.s.rerrDue = 0
	}
	c.killed, c.how, c.code = true, how, uint16(code)
	c.refresh() // before the socket wakes the reader
	defer c.kick()
	if how == chaos.RST {
		if c.reset() {
			return
		}
		if l, ok := c.raw.(interface{ SetLinger(int) error }); ok {
			l.SetLinger(0) // close sends RST
		}
		c.raw.Close()
		return
	}
	half, ok := c.raw.(interface {
		CloseRead() error
		CloseWrite() error
	})
	if ok && c.sys != nil {
		// What the server still sends, its answer to the close frame for one, comes after the end.
		c.left = c.unread()
		if how == chaos.Close && clean {
			c.tryWrite(closeFrame(c.code))
		}
		half.CloseWrite()
		half.CloseRead() // wakes the reader
		return
	}
	// Without half-closing the reader gets its EOF from here, for the socket cannot say it.
	s := c.slow()
	if s.rerr == nil {
		s.rerr = io.EOF
	}
	c.refresh()
	if how == chaos.Close && clean {
		c.raw.SetReadDeadline(longAgo)
		c.raw.SetWriteDeadline(time.Now().Add(lingerTime))
		go func() {
			c.raw.Write(closeFrame(c.code))
			c.raw.Close()
		}()
		return
	}
	c.raw.Close()
}

// LocalAddr implements [net.Conn].
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr implements [net.Conn].
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements [net.Conn]. It holds under every fault.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.path.mu.Lock()
	defer c.path.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.readLine = t
	if c.s != nil && c.s.reading {
		c.kick() // the reader chooses between this deadline and the next chunk's
		return nil
	}
	c.kick()
	if c.killed {
		return nil
	}
	return c.raw.SetReadDeadline(t)
}

// SetWriteDeadline implements [net.Conn]. Where Write does not wait, only a deadline in the past has an effect: Write
// fails.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.path.mu.Lock()
	defer c.path.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	if late := !t.IsZero() && !t.After(time.Now()); late != c.late {
		c.late = late
		c.refresh()
	}
	if c.sys != nil || c.killed {
		return nil
	}
	c.writeLine = t
	if c.interrupted || c.s != nil && c.s.flushing {
		return nil // restored by the writer when it has left raw.Write
	}
	return c.raw.SetWriteDeadline(t)
}
