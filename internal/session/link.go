package session

import (
	"errors"
	"net"
	"sync"
	"time"
)

// link is the way to the NATS server, which can be cut without either end being told.
type link struct {
	mu   sync.Mutex
	open chan struct{} // closed while nothing is cut
}

func newLink() *link {
	l := &link{open: make(chan struct{})}
	close(l.open)
	return l
}

func (l *link) partition(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
		if on {
			l.open = make(chan struct{})
		}
	default:
		if !on {
			close(l.open)
		}
	}
}

// healed is closed as soon as bytes pass.
func (l *link) healed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

var errCut = errors.New("session: the way to the store is cut")

// Dial is nats.CustomDialer. A connection is not made while the way is cut.
func (l *link) Dial(network, address string) (net.Conn, error) {
	select {
	case <-l.healed():
	case <-time.After(linkTimeout):
		return nil, &net.OpError{Op: "dial", Net: network, Err: errCut}
	}
	c, err := net.DialTimeout(network, address, linkTimeout)
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: c, link: l, gone: make(chan struct{})}, nil
}

// cutConn holds back what passes while the way is cut: a reader waits, and writes wait in memory as in a socket's buffer.
// Otherwise a write waits for gather at most, so that those of a busy server leave together.
type cutConn struct {
	net.Conn
	link *link
	once sync.Once
	gone chan struct{} // closed by Close

	mu       sync.Mutex
	held     []byte
	flushing bool
	last     time.Time // of a write that left
}

// gather is the least time between two writes. At some thousand messages a second it halves what they cost the NATS server and
// all who follow its stream: each write wakes it, and it wakes them.
const gather = time.Millisecond

// holdMost is how much waits; a writer that has more gets an error, as after a long time it would of a dead peer.
const holdMost = 64 << 20

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.link.healed():
		return n, err
	case <-c.gone:
		return 0, net.ErrClosed
	}
}

func (c *cutConn) Write(p []byte) (int, error) {
	open := c.link.healed()
	c.mu.Lock()
	select {
	case <-open:
		if now := time.Now(); !c.flushing && now.Sub(c.last) >= gather {
			c.last = now
			c.mu.Unlock()
			return c.Conn.Write(p)
		}
	default:
	}
	defer c.mu.Unlock()
	if len(c.held)+len(p) > holdMost {
		return 0, errCut
	}
	c.held = append(c.held, p...)
	if !c.flushing {
		c.flushing = true
		go c.flush()
	}
	return len(p), nil
}

// flush writes what was held when it is time, and bytes pass.
func (c *cutConn) flush() {
	for {
		c.mu.Lock()
		wait := time.Until(c.last.Add(gather))
		c.mu.Unlock()
		time.Sleep(wait)
		select {
		case <-c.link.healed():
		case <-c.gone:
			return
		}
		c.mu.Lock()
		held := c.held
		c.held = nil
		if len(held) == 0 {
			c.flushing = false
			c.mu.Unlock()
			return
		}
		c.last = time.Now()
		c.mu.Unlock()
		if _, err := c.Conn.Write(held); err != nil {
			c.Close()
			return
		}
	}
}

func (c *cutConn) Close() error {
	c.once.Do(func() { close(c.gone) })
	return c.Conn.Close()
}
