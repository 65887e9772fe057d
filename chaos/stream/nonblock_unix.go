//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package stream

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawConn is the descriptor of a connection that can be written without waiting, or nil.
func rawConn(raw net.Conn) syscall.RawConn {
	switch raw.(type) {
	case *net.TCPConn, *net.UnixConn:
		if sys, err := raw.(syscall.Conn).SyscallConn(); err == nil {
			return sys
		}
	}
	return nil
}

// tryWrite writes as much of b as the socket takes now. n < len(b) with a nil error means that it is full. The path is
// locked and nobody else writes.
func (c *Conn) tryWrite(b []byte) (n int, err error) {
	c.buf, c.sent, c.fail = b, 0, nil
	err = c.sys.Write(c.some)
	n = c.sent
	if err == nil && c.fail != nil {
		err = c.opError("write", os.NewSyscallError("write", c.fail))
	}
	c.buf, c.fail = nil, nil
	return n, err
}

// writeSome is what tryWrite does with the descriptor. It says true, done, even when the socket is full: to wait for
// the socket is the flusher's work.
func (c *Conn) writeSome(fd uintptr) bool {
	for c.sent < len(c.buf) {
		n, err := syscall.Write(int(fd), c.buf[c.sent:])
		if n > 0 {
			c.sent += n
		}
		switch err {
		case nil, syscall.EINTR:
		case syscall.EAGAIN:
			return true
		default:
			c.fail = err
			return true
		}
	}
	return true
}

// unread is the number of bytes that have arrived at the socket and wait to be read.
func (c *Conn) unread() (n int) {
	c.sys.Control(func(fd uintptr) {
		if v, err := unix.IoctlGetInt(int(fd), fionread); err == nil {
			n = v
		}
	})
	return n
}

// drain discards what the socket holds. A socket that is closed with unread bytes says RST (RFC 2525, section 2.17),
// but bytes that the path has kept from the client would not have been there to be unread.
func (c *Conn) drain() {
	if c.sys == nil {
		return
	}
	var sink [4096]byte
	c.sys.Control(func(fd uintptr) {
		for range 256 {
			if n, err := syscall.Read(int(fd), sink[:]); n <= 0 && err != syscall.EINTR {
				return
			}
		}
	})
}
