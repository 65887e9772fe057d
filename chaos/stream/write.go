package stream

import (
	"net"
	"os"
	"time"
)

// lingerTime is how long a connection that the client has closed may take for the bytes before its FIN.
const lingerTime = 5 * time.Second

// Write implements [net.Conn]. It does not wait for the socket: what the socket does not take follows from a goroutine
// of its own, in order. Where the system cannot write without waiting it blocks as the wrapped connection does.
func (c *Conn) Write(b []byte) (int, error) {
	p := c.path
	p.mu.Lock()
	if c.sys != nil && c.state.Load()&writeBound == 0 {
		n, err := c.tryWrite(b)
		if n < len(b) {
			n, err = c.writeRest(b, n, err)
		}
		p.mu.Unlock()
		return n, err
	}
	n, err := c.write(b)
	p.mu.Unlock()
	return n, err
}

// write is the slow path; the path is locked on entry and on return.
func (c *Conn) write(b []byte) (int, error) {
	switch {
	case c.closed:
		return 0, c.opError("write", net.ErrClosed)
	case c.killed:
		return 0, c.deathError("write")
	case c.late:
		return 0, c.opError("write", os.ErrDeadlineExceeded)
	case c.s != nil && c.s.werr != nil:
		return 0, c.s.werr
	case len(b) == 0:
		return 0, nil
	}
	if c.fresh {
		c.fresh, c.tls = false, b[0] == 22 // RFC 8446, section 5.1: content type handshake
		c.refresh()
	}
	if len(c.path.idle) > 0 {
		c.last = c.e.clock()
	}
	if c.cut {
		return len(b), nil
	}
	busy := c.inWrite || c.s != nil && (c.s.flushing || !c.s.out.empty())
	if busy || c.upHeld() || c.path.shaped(up) {
		if err := c.enqueue(b); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	if c.sys != nil {
		n, err := c.tryWrite(b)
		if n < len(b) {
			n, err = c.writeRest(b, n, err)
		}
		return n, err
	}
	return c.writeBlocking(b)
}

// enqueue puts b on the way up.
func (c *Conn) enqueue(b []byte) error {
	s := c.slow()
	if s.out.bytes+len(b) > c.e.Outbox {
		return c.opError("write", ErrOutboxFull)
	}
	c.path.carry(&s.out, up, c.e.clock(), b)
	c.refresh()
	c.push()
	return nil
}

// writeRest goes on after a write that took only n bytes: it failed, or the socket is full.
func (c *Conn) writeRest(b []byte, n int, err error) (int, error) {
	if err != nil {
		c.peerGone = true
		return n, err
	}
	s := c.slow()
	if s.out.bytes+len(b)-n > c.e.Outbox {
		return n, c.opError("write", ErrOutboxFull)
	}
	s.out.push(0, b[n:])
	c.startFlusher()
	return len(b), nil
}

// writeBlocking writes in the caller's goroutine. Only it touches the socket meanwhile; further writes queue up.
func (c *Conn) writeBlocking(b []byte) (int, error) {
	c.inWrite = true
	c.refresh()
	c.path.mu.Unlock()
	n, err := c.raw.Write(b)
	c.path.mu.Lock()
	c.inWrite = false
	interrupted := c.interrupted
	if c.interrupted = false; interrupted && !c.closed && !c.killed {
		c.raw.SetWriteDeadline(c.writeLine)
	}
	defer c.refresh()
	switch {
	case n == len(b):
		c.push()
		return n, nil
	case c.killed:
		return n, c.deathError("write")
	case c.closed:
		c.push() // the FIN, if it waits behind other writes
		return n, c.opError("write", net.ErrClosed)
	case interrupted && isTimeout(err):
		c.slow().out.unshift(b[n:])
		c.push()
		return len(b), nil
	case isTimeout(err):
		c.push()
		return n, err
	}
	c.peerGone = true
	return n, err
}

// push lets out what is due, as far as the path and the socket take it. The path is locked.
func (c *Conn) push() {
	s := c.s
	if s == nil || s.flushing || c.inWrite || c.killed || c.upHeld() {
		return
	}
	for !s.out.empty() {
		head := s.out.first()
		if head.due > c.e.clock() {
			if !s.pushSet {
				s.pushSet = true
				c.e.sched.add(head.due, c, pushOut)
			}
			break
		}
		if head.fin {
			c.letGo()
			return
		}
		if c.sys == nil {
			c.startFlusher()
			return
		}
		size := len(head.data)
		n, err := c.tryWrite(head.data)
		s.out.advance(n)
		if err != nil {
			c.giveUp(err)
			return
		}
		if n < size {
			c.startFlusher()
			return
		}
	}
	c.refresh()
}

// startFlusher writes the out queue from a goroutine that may wait for the socket.
func (c *Conn) startFlusher() {
	c.s.flushing = true
	c.refresh()
	go c.flush()
}

func (c *Conn) flush() {
	p := c.path
	p.mu.Lock()
	defer p.mu.Unlock()
	s := c.s
	for !c.killed && !c.upHeld() && !s.out.empty() && s.werr == nil {
		head := s.out.first()
		if head.fin || head.due > c.e.clock() {
			break
		}
		var limit time.Time
		if c.closed {
			limit = time.Now().Add(lingerTime)
		}
		c.raw.SetWriteDeadline(limit)
		data := head.data
		p.mu.Unlock()
		n, err := c.raw.Write(data)
		p.mu.Lock()
		interrupted := c.interrupted
		c.interrupted = false
		if s.out.empty() {
			break // a kill or a cut has emptied it
		}
		s.out.advance(n)
		if err != nil && !(interrupted && isTimeout(err)) {
			c.giveUp(err)
		}
	}
	s.flushing = false
	if !c.killed && s.werr == nil {
		c.raw.SetWriteDeadline(c.writeLine)
	}
	c.refresh()
	c.push()
}

// giveUp ends the way up after the socket refused it.
func (c *Conn) giveUp(err error) {
	c.s.werr = err
	c.s.out.clear()
	if c.closed {
		c.hangUp()
	} else {
		c.peerGone = true
	}
	c.refresh()
}
