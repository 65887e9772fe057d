package packet

import (
	"io"
	"net"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// splice carries a connection on from the gateway to the target.
type splice struct {
	e      *Engine
	flow   *flow
	near   socket
	target net.Conn
	left   atomic.Int32 // directions at work
}

// buffers are for reading what has arrived; nobody holds one while he waits for a client.
var buffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// idleBuffer is what a quiet connection keeps for reading from the target.
const idleBuffer = 512

// there carries bytes from the client to the target.
func (s *splice) there() {
	defer s.done()
	for {
		if err := s.near.await(true); err != nil {
			s.abandon()
			return
		}
		b := buffers.Get().(*[]byte)
		n, err := s.near.read(*b)
		if n > 0 {
			_, werr := s.target.Write((*b)[:n])
			if err == nil {
				err = werr
			}
		}
		buffers.Put(b)
		switch {
		case err == io.EOF:
			closeWrite(s.target)
			return
		case err != nil:
			s.abandon()
			return
		}
	}
}

// back carries bytes from the target to the client.
func (s *splice) back() {
	defer s.done()
	idle := make([]byte, idleBuffer)
	for b := idle; ; {
		n, err := s.target.Read(b)
		if n > 0 {
			if _, werr := s.near.write(b[:n]); werr != nil {
				s.abandon()
				return
			}
		}
		switch {
		case err == io.EOF:
			if dead := s.e.serverLeft(s.flow); dead {
				s.abandon()
				return
			}
			_ = s.near.ep.Shutdown(tcpip.ShutdownWrite) // fails only where there is nobody to tell
			return
		case err != nil:
			s.e.serverLeft(s.flow)
			if isReset(err) {
				s.near.reset()
			}
			s.abandon()
			return
		}
		// A full buffer means that more is to come.
		if n == len(b) && len(b) == idleBuffer {
			b = make([]byte, 16<<10)
		} else if n < idleBuffer {
			b = idle
		}
	}
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
		return
	}
	c.Close()
}

// finish implements ender: both sides get FIN.
func (s *splice) finish() {
	closeWrite(s.target)
	_ = s.near.ep.Shutdown(tcpip.ShutdownWrite)
}

// abandon implements ender: the target gets RST, and both directions end.
func (s *splice) abandon() {
	if l, ok := s.target.(interface{ SetLinger(int) error }); ok {
		l.SetLinger(0)
	}
	s.target.Close()
	s.near.shut()
}

// done closes both sides when both directions have ended.
func (s *splice) done() {
	if s.left.Add(-1) > 0 {
		return
	}
	s.target.Close()
	aborted := !s.near.shut()
	if cut := s.e.left(s.flow); cut {
		s.near.ep.Abort()
	}
	if aborted {
		s.near.reset()
	} else {
		s.near.ep.Close()
	}
	s.e.release()
}
