package stream

import (
	"io"
	"math"
	"net"
	"os"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.rmu.Lock()
	if c.state.Load()&readBound != 0 {
		n, err := c.read(b)
		c.rmu.Unlock()
		return n, err
	}
	n, err := c.raw.Read(b)
	if err != nil || c.state.Load()&(readBound|isTimed) != 0 {
		n, err = c.readLate(b, n, err)
	}
	c.rmu.Unlock()
	return n, err
}

// readLate judges what the socket gave to a reader that had gone straight to it: a fault may have begun meanwhile.
func (c *Conn) readLate(b []byte, n int, err error) (int, error) {
	p := c.path
	p.mu.Lock()
	if c.state.Load()&readBound == 0 {
		c.heard(n, err)
		p.mu.Unlock()
		return n, err
	}
	c.slow()
	c.arrived(b[:n], err)
	p.mu.Unlock()
	return c.read(b)
}

// heard notes what a read of the socket says about the server.
func (c *Conn) heard(n int, err error) {
	if n > 0 && len(c.path.idle) > 0 {
		c.last = c.e.clock()
	}
	if err != nil && !isTimeout(err) {
		if !c.peerGone && !c.closed && c.e.peers != nil && c.downHeld() {
			c.e.peers.ServerGone(c.e.clock(), int(c.path.client))
		}
		c.peerGone = true
	}
}

// arrived puts what the socket gave on the way down.
func (c *Conn) arrived(b []byte, err error) {
	c.heard(len(b), err)
	s, now := c.s, c.e.clock()
	if len(b) > 0 && !c.cut {
		if c.killed {
			b = b[:min(len(b), c.left)]
			c.left -= len(b)
			s.in.push(0, b)
		} else {
			c.path.carry(&s.in, down, now, b)
		}
	}
	if err != nil && !isTimeout(err) && s.rerr == nil {
		s.rerr, s.rerrDue = err, max(s.in.last(), c.path.crossing(down, now))
		if c.killed {
			s.rerrDue = 0
		}
	}
	c.refresh()
}

const never = time.Duration(math.MaxInt64)

// read is the slow path. The reader's own goroutine takes bytes off the socket as they arrive, stamps them and hands
// them on when the path lets it; the socket's read deadline gets it back for the next chunk that falls due. It sees the
// server's FIN even while the path is held, and so knows whether a close leaves a zombie. Called with rmu held.
func (c *Conn) read(b []byte) (int, error) {
	p := c.path
	p.mu.Lock()
	defer p.mu.Unlock()
	s := c.slow()
	defer func() {
		if s.moved && !c.closed {
			s.moved = false
			c.raw.SetReadDeadline(c.readLine)
		}
		c.refresh()
	}()
	for {
		if c.closed {
			return 0, c.opError("read", net.ErrClosed)
		}
		if c.killed && c.how == chaos.RST {
			return 0, c.deathError("read")
		}
		if c.killed && c.left == 0 && s.rerr == nil {
			s.rerr = io.EOF
		}
		due := never
		if !c.downHeld() {
			now := c.e.clock()
			if n := s.in.take(b, now); n > 0 {
				return n, nil
			}
			if !s.in.empty() {
				due = s.in.first().due
			} else if s.rerr != nil {
				if due = s.rerrDue; due <= now {
					return 0, c.end(s.rerr)
				}
			}
		}
		if !c.readLine.IsZero() && !time.Now().Before(c.readLine) {
			return 0, c.opError("read", os.ErrDeadlineExceeded)
		}
		until := c.readLine
		if due != never {
			if t := time.Now().Add(max(due-c.e.clock(), 0)); until.IsZero() || t.Before(until) {
				until = t
			}
		}
		if s.rerr != nil || s.in.bytes >= c.e.Outbox {
			c.park(until)
			continue
		}
		s.moved = true
		c.raw.SetReadDeadline(until)
		s.reading = true
		p.mu.Unlock()
		n, err := c.raw.Read(b)
		p.mu.Lock()
		s.reading = false
		c.arrived(b[:n], err)
	}
}

// park waits for a kick or until the given time; the zero time is never.
func (c *Conn) park(until time.Time) {
	var late <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		late = t.C
	}
	c.s.parked = true
	c.path.mu.Unlock()
	select {
	case <-c.s.wakeup:
	case <-late:
	}
	c.path.mu.Lock()
	c.s.parked = false
}

// end is the reader's view of the end of the stream.
func (c *Conn) end(err error) error {
	if !c.killed {
		return err
	}
	if c.how == chaos.Close {
		return &chaos.CloseFrameError{Code: int(c.code)}
	}
	return io.EOF
}
