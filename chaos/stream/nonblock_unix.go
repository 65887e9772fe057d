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
