package packet

import (
	"errors"
	"net"
	"os"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// ErrSendBufferFull is what Write of a client's connection returns when TCP's send buffer (1 MiB) takes no more: Write
// never waits.
var ErrSendBufferFull = errors.New("send buffer full: the path takes no more bytes")

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
