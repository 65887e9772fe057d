//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package stream

import (
	"net"
	"syscall"
)

// rawConn is nil: there is no portable write that does not wait.
func rawConn(net.Conn) syscall.RawConn { return nil }

// tryWrite is not reached without a rawConn.
func (c *Conn) tryWrite(b []byte) (int, error) { return c.raw.Write(b) }

func (c *Conn) writeSome(uintptr) bool { return true }

func (c *Conn) unread() int { return 0 }

func (c *Conn) drain() {}
