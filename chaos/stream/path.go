package stream

import (
	"sync"
	"time"
)

// path is one client's way to the server. One lock covers it and all of the client's connections, of which there is one
// and now and then a zombie. What is done under the lock never blocks for long.
type path struct {
	mu     sync.Mutex
	conns  *Conn // every connection whose socket is open
	shape  *shaping
	idle   []idleRule
	ups    uint16 // blackholes in force, by direction
	downs  uint16
	refuse uint16
	client int32
}

// dead reports whether a connection cannot be made now.
func (p *path) dead() bool { return p.ups > 0 || p.downs > 0 }

func (p *path) link(c *Conn) {
	if c.next = p.conns; c.next != nil {
		c.next.prev = c
	}
	p.conns, c.linked = c, true
}

func (p *path) unlink(c *Conn) {
	if !c.linked {
		return
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		p.conns = c.next
	}
	c.next, c.prev, c.linked = nil, nil, false
}

// each calls do for every connection; do may unlink the one it is given.
func (p *path) each(do func(c *Conn)) {
	for c := p.conns; c != nil; {
		next := c.next
		do(c)
		c = next
	}
}

// changed brings every connection in line with the path after a fault began or ended.
func (p *path) changed(now time.Duration) {
	p.each(func(c *Conn) { c.changed(now) })
}
