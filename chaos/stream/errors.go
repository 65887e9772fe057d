package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/flatline-dev/flatline/chaos"
)

// ErrOutboxFull is what Write returns when the path is held or the socket is full and [Engine.Outbox] bytes wait already.
var ErrOutboxFull = errors.New("outbox full: the path takes no more bytes")

// CloseFrameError is what Read returns after a kill by close: the peer's close frame as far as the client is concerned.
// The driver reports it as a close by the peer with Code, 1000 to 4999. It passes through crypto/tls and
// gorilla/websocket unchanged; find it with errors.As.
type CloseFrameError struct {
	Code int
}

func (e *CloseFrameError) Error() string {
	return fmt.Sprintf("closed by the peer with code %d", e.Code)
}

// dialTimeout is a timeout under every name that callers look for.
type dialTimeout struct{}

func (dialTimeout) Error() string   { return "i/o timeout" }
func (dialTimeout) Timeout() bool   { return true }
func (dialTimeout) Temporary() bool { return true }
func (dialTimeout) Is(target error) bool {
	return target == os.ErrDeadlineExceeded || target == context.DeadlineExceeded
}

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

// CloseCode tells whether err, from a connection of this engine, stands for a close frame of the peer, and its code.
func (e *Engine) CloseCode(err error) (code int, ok bool) {
	var frame *CloseFrameError
	if errors.As(err, &frame) {
		return frame.Code, true
	}
	return 0, false
}
