package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// path is what the engine keeps of one client.
type path struct {
	mu    sync.Mutex
	conns *conn
	dead  atomic.Int32 // faults that let nothing up
	lossy atomic.Int32 // faults that lose packets on the way up, including those
}

// conn is a client's connection. It is the kernel's socket and nothing between, known to the engine until it is closed.
type conn struct {
	*net.TCPConn
	e      *Engine
	client int32
	closed bool // guarded by the path's lock, as the links
	next   *conn
	prev   *conn
}

// DialTCP makes a TCP connection from which the engine knows the client: from its own loopback address, or with its own
// mark. network is "tcp". Errors are net.Dialer's.
func (e *Engine) DialTCP(ctx context.Context, client int, network, addr string) (net.Conn, error) {
	if client < 0 || client >= len(e.paths) {
		return nil, fmt.Errorf("dial: client %d of %d", client, len(e.paths))
	}
	// Keep-alive probes would be a heartbeat that the client under test does not have.
	d := net.Dialer{KeepAlive: -1}
	if e.by == byAddress {
		d.LocalAddr = &net.TCPAddr{IP: Address(client, e.cfg.Target).AsSlice()}
		d.Control = func(_, _ string, c syscall.RawConn) error {
			// The local port then has to be unique only together with the destination (ip(7)).
			return setOption(c, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		}
	} else {
		if e.cfg.Source != nil {
			if ip := e.cfg.Source(client); ip != nil {
				d.LocalAddr = &net.TCPAddr{IP: ip}
			}
		}
		bound := d.LocalAddr != nil
		d.Control = func(_, _ string, c syscall.RawConn) error {
			if bound {
				if err := setOption(c, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
					return err
				}
			}
			return setOption(c, unix.SOL_SOCKET, unix.SO_MARK, MarkBase+client)
		}
	}
	raw, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	t, ok := raw.(*net.TCPConn)
	if !ok {
		raw.Close()
		return nil, fmt.Errorf("dial %s %s: engine kernel knows only TCP", network, addr)
	}
	return e.adopt(client, t), nil
}

func setOption(c syscall.RawConn, level, name, value int) error {
	var opt error
	if err := c.Control(func(fd uintptr) { opt = unix.SetsockoptInt(int(fd), level, name, value) }); err != nil {
		return err
	}
	return opt
}

func (e *Engine) adopt(client int, t *net.TCPConn) *conn {
	p := &e.paths[client]
	c := &conn{TCPConn: t, e: e, client: int32(client)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.next = p.conns; c.next != nil {
		c.next.prev = c
	}
	p.conns = c
	return c
}

// unlink forgets the connection and reports whether it was known. The path's lock is held.
func (p *path) unlink(c *conn) bool {
	if c.closed {
		return false
	}
	c.closed = true
	if c.next != nil {
		c.next.prev = c.prev
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		p.conns = c.next
	}
	c.next, c.prev = nil, nil
	return true
}

// Close implements [net.Conn]. Where the way up is dead and the server's end can be seen, it stays as a zombie.
func (c *conn) Close() error {
	p := &c.e.paths[c.client]
	p.mu.Lock()
	known := p.unlink(c)
	p.mu.Unlock()
	if known && p.dead.Load() > 0 {
		c.e.zombies.consider(int(c.client), c.peer())
	}
	return c.TCPConn.Close()
}

// Read implements [net.Conn]. A reset that a Write has already been told of is a reset for Read too: to the kernel, a
// socket is merely not connected after that.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	if err != nil && errors.Is(err, unix.ENOTCONN) {
		err = &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", unix.ECONNRESET)}
	}
	return n, err
}

// peer is the server's end of the connection.
func (c *conn) peer() ends {
	return ends{local: addrPort(c.RemoteAddr()), remote: addrPort(c.LocalAddr())}
}

func addrPort(a net.Addr) netip.AddrPort {
	p := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}
