package stream

import (
	"net"
	"time"
)

// Close implements [net.Conn]. It returns at once, wakes Read and Write, and lets the FIN follow the bytes that are still
// on the way. Where the way up is dead the connection stays as a zombie.
func (c *Conn) Close() error {
	p := c.path
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.closed {
		return c.opError("close", net.ErrClosed)
	}
	c.closed = true
	c.refresh()
	defer c.kick()
	now := c.e.clock()
	onTheWay := c.path.shaped(up) || c.s != nil && (c.s.flushing || !c.s.out.empty())
	switch {
	case c.killed || c.peerGone || c.e.closed.Load():
		return c.hangUp()
	case c.upHeld():
		c.slow().out.pushFIN(p.crossing(up, now))
		c.interruptWriter()
		c.becomeZombie(now)
	case onTheWay:
		c.slow().out.pushFIN(p.crossing(up, now))
		c.raw.SetReadDeadline(longAgo)
		if c.inWrite || c.s.flushing {
			c.raw.SetWriteDeadline(time.Now().Add(lingerTime))
		}
		c.push()
	default:
		if c.downHeld() {
			c.drain()
		}
		return c.hangUp()
	}
	c.refresh()
	return nil
}

// hangUp closes the socket. It waits for readers and writers to leave the socket, none of which holds the path's lock
// while it is inside.
func (c *Conn) hangUp() error {
	c.path.unlink(c)
	err := c.raw.Close()
	if c.killed {
		return nil // a kill may have closed it before
	}
	return err
}

// letGo sends the FIN of a connection that the client has closed, with whatever the socket took before.
func (c *Conn) letGo() {
	c.slow().finSent = true
	c.s.out.clear()
	c.drain()
	c.hangUp()
	c.refresh()
}

// becomeZombie keeps the socket of a closed connection, whose goodbye the path holds, and watches the server's side.
func (c *Conn) becomeZombie(now time.Duration) {
	if c.e.closed.Load() {
		c.letGo()
		return
	}
	c.s.zombie = true
	c.e.zombies.Add(1)
	c.e.wg.Add(1)
	c.raw.SetReadDeadline(longAgo) // gets the client's reader out
	c.e.obs.ZombieBegan(now, int(c.path.client))
	go c.watch()
}

// watch discards what the server sends until it closes its end or the fault's end lets the goodbye through.
func (c *Conn) watch() {
	defer c.e.wg.Done()
	c.rmu.Lock() // the client's reader has left the socket, and a later one finds the connection closed
	c.raw.SetReadDeadline(time.Time{})
	c.rmu.Unlock()
	var sink [512]byte
	for {
		if _, err := c.raw.Read(sink[:]); err != nil {
			break
		}
	}
	now := c.e.clock()
	c.path.mu.Lock()
	// A server that closes once the path has healed answers the goodbye that got through.
	reaped := c.upHeld() && !c.s.finSent
	if !c.s.finSent {
		c.s.out.clear()
		c.hangUp()
		c.refresh()
	}
	c.path.mu.Unlock()
	c.e.zombies.Add(-1)
	c.e.obs.ZombieEnded(now, int(c.path.client), reaped)
}
