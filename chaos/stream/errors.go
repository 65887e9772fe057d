package stream

import (
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/flatline-dev/flatline/chaos"
)

// ErrOutboxFull is what Write returns when the path is held or the socket is full and [Engine.Outbox] bytes wait already.
var ErrOutboxFull = errors.New("outbox full: the path takes no more bytes")

func dialError(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: err}
}

func isTimeout(err error) bool {
	return err != nil && errors.Is(err, os.ErrDeadlineExceeded)
}

func (c *Conn) opError(op string, err error) error {
	local, remote := c.raw.LocalAddr(), c.raw.RemoteAddr()
	network := "tcp"
	if local != nil {
		network = local.Network()
	}
	return &net.OpError{Op: op, Net: network, Source: local, Addr: remote, Err: err}
}

// deathError is what op meets on a connection that a kill has ended.
func (c *Conn) deathError(op string) error {
	switch {
	case c.how == chaos.RST:
		return c.opError(op, os.NewSyscallError(op, syscall.ECONNRESET))
	default:
		return c.opError(op, os.NewSyscallError(op, syscall.EPIPE))
	}
}
