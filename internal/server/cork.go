package server

import (
	"net"
	"sync"
)

// corkSize is how much a corked connection holds back, in bytes.
const corkSize = 16 << 10

var corks = sync.Pool{New: func() any { b := make([]byte, 0, corkSize); return &b }}

// corked is a connection that can hold back what is written to it, so that several frames become one packet, and one
// wake-up of whoever reads them.
type corked struct {
	net.Conn
	mu   sync.Mutex
	held *[]byte // nil: nothing is held back
}

// corkListener accepts connections that can be corked.
type corkListener struct{ net.Listener }

func (l corkListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &corked{Conn: c}, nil
}

func (c *corked) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		return c.Conn.Write(p)
	}
	if len(*c.held)+len(p) > corkSize {
		if err := c.flush(); err != nil {
			return 0, err
		}
		if len(p) > corkSize {
			return c.Conn.Write(p)
		}
	}
	*c.held = append(*c.held, p...)
	return len(p), nil
}

// flush writes what is held back. The lock is held, and so is whoever else writes: frames stay in order.
func (c *corked) flush() error {
	if len(*c.held) == 0 {
		return nil
	}
	_, err := c.Conn.Write(*c.held)
	*c.held = (*c.held)[:0]
	return err
}

// cork holds back what is written from now on, up to corkSize.
func (c *corked) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = corks.Get().(*[]byte)
	}
}

// uncork writes it.
func (c *corked) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		return nil
	}
	err := c.flush()
	corks.Put(c.held)
	c.held = nil
	return err
}

// CloseWrite passes on what net.Conn does not name.
func (c *corked) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
