package packet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// ErrSendBufferFull is what Write of a client's connection returns when TCP's send buffer (1 MiB) takes no more: Write
// never waits.
var ErrSendBufferFull = errors.New("send buffer full: the path takes no more bytes")

// CloseFrameError is what Read returns after a kill by close: the peer's close frame as far as the client is concerned.
// The driver reports it as a close by the peer with Code, 1000 to 4999. It passes through crypto/tls and
// gorilla/websocket unchanged; find it with errors.As.
type CloseFrameError struct {
	Code int
}

func (e *CloseFrameError) Error() string {
	return fmt.Sprintf("closed by the peer with code %d", e.Code)
}

// CloseCode tells whether err, from a connection of this engine, stands for a close frame of the peer, and its code.
func (e *Engine) CloseCode(err error) (code int, ok bool) {
	var frame *CloseFrameError
	if errors.As(err, &frame) {
		return frame.Code, true
	}
	return 0, false
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

// errno is what a kernel would say instead of gVisor's error.
func errno(op string, err tcpip.Error) error {
	var no syscall.Errno
	switch err.(type) {
	case *tcpip.ErrConnectionReset:
		no = syscall.ECONNRESET
	case *tcpip.ErrConnectionRefused:
		no = syscall.ECONNREFUSED
	case *tcpip.ErrConnectionAborted:
		no = syscall.ECONNABORTED
	case *tcpip.ErrClosedForSend, *tcpip.ErrAborted, *tcpip.ErrNotConnected:
		no = syscall.EPIPE
	case *tcpip.ErrTimeout:
		no = syscall.ETIMEDOUT
	case *tcpip.ErrHostUnreachable:
		no = syscall.EHOSTUNREACH
	case *tcpip.ErrNetworkUnreachable:
		no = syscall.ENETUNREACH
	case *tcpip.ErrNoPortAvailable, *tcpip.ErrPortInUse:
		no = syscall.EADDRINUSE
	case *tcpip.ErrNoBufferSpace:
		no = syscall.ENOBUFS
	default:
		return errors.New(err.String())
	}
	return os.NewSyscallError(op, no)
}
