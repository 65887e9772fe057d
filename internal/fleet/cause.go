package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// rejected is an HTTP answer that is no upgrade.
type rejected struct {
	status int
	err    error
}

func (r *rejected) Error() string {
	return fmt.Sprintf("the target answered HTTP %d %s instead of upgrading to WebSocket", r.status, http.StatusText(r.status))
}
func (r *rejected) Unwrap() error { return r.err }

// ending maps the error that ended a connection to a cause.
func (f *Fleet) ending(err error) (heartbeat.Cause, uint16) {
	var frame *websocket.CloseError
	if errors.As(err, &frame) && frame.Code != websocket.CloseAbnormalClosure {
		return heartbeat.PeerClose, uint16(frame.Code)
	}
	var forged *chaos.CloseFrameError
	if errors.As(err, &forged) {
		return heartbeat.PeerClose, uint16(forged.Code)
	}
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return heartbeat.TooBig, 0
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return heartbeat.Reset, 0
	case errors.Is(err, syscall.ETIMEDOUT):
		return heartbeat.Timeout, 0
	case frame != nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return heartbeat.EOF, 0
	}
	return heartbeat.Protocol, 0
}

// explain maps the error of an attempt to a cause, and keeps the first of each for the report.
func (f *Fleet) explain(err error) heartbeat.Cause {
	cause := attemptCause(err)
	f.keep(cause, err)
	return cause
}

func (f *Fleet) keep(cause heartbeat.Cause, err error) { f.examples[cause].CompareAndSwap(nil, &err) }

func attemptCause(err error) heartbeat.Cause {
	var (
		http   *rejected
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  tls.AlertError
	)
	switch {
	case errors.As(err, &http):
		return heartbeat.Rejected
	case errors.Is(err, syscall.ECONNREFUSED):
		return heartbeat.Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return heartbeat.Reset
	case errors.As(err, &cert), errors.As(err, &record), errors.As(err, &alert):
		return heartbeat.TLSError
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE),
		errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.EADDRINUSE):
		return heartbeat.LocalError
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return heartbeat.Timeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return heartbeat.EOF
	}
	return heartbeat.Protocol
}
