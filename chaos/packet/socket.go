package packet

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/waiter"
)

// socket is one end of a connection in one of the stacks. Unlike gVisor's own net.Conn it keeps the kernel's error
// numbers and makes nothing new for each call.
type socket struct {
	ep    tcpip.Endpoint
	link  *link // that carries what it sends in direction dir of path
	path  *path
	dir   int
	wq    *waiter.Queue
	own   waiter.Queue // what wq points to where nobody brought one
	entry waiter.Entry

	readable chan struct{}
	writable chan struct{} // nil where Write does not wait
	closed   atomic.Bool
	readBy   atomic.Int64 // the deadlines, Unix time in nanoseconds; 0: none
	writeBy  atomic.Int64

	rmu  sync.Mutex
	into tcpip.SliceWriter
	wmu  sync.Mutex
	from bytes.Reader

	mu    sync.Mutex
	fault error // the connection's end, for whoever asks; gVisor tells only the first
	timer *time.Timer
	late  *time.Timer
}

const (
	readEvents  = waiter.ReadableEvents | waiter.EventErr | waiter.EventHUp | waiter.EventRdHUp
	writeEvents = waiter.WritableEvents | waiter.EventErr | waiter.EventHUp
)

// init prepares a socket; wq may be nil, and ep is set when there is one.
func (s *socket) init(wq *waiter.Queue, mask waiter.EventMask) {
	if s.wq = wq; wq == nil {
		s.wq = &s.own
	}
	s.readable = make(chan struct{}, 1)
	s.entry.Init(s, mask)
	s.wq.EventRegister(&s.entry)
}

// NotifyEvent implements [waiter.EventListener].
func (s *socket) NotifyEvent(m waiter.EventMask) {
	signal(s.readable)
	if s.writable != nil && m&writeEvents != 0 {
		signal(s.writable)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// ended turns gVisor's error into the kernel's and remembers it.
func (s *socket) ended(op string, err tcpip.Error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		return s.fault
	}
	fault := errno(op, err)
	switch err.(type) {
	case *tcpip.ErrConnectionReset, *tcpip.ErrTimeout, *tcpip.ErrAborted, *tcpip.ErrConnectionAborted:
		s.fault = fault
	}
	return fault
}

func passed(deadline *atomic.Int64) bool {
	t := deadline.Load()
	return t != 0 && time.Now().UnixNano() >= t
}

// read fills b with what has arrived, or waits for it. Errors are bare: io.EOF, net.ErrClosed, os.ErrDeadlineExceeded or
// an error number.
func (s *socket) read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	s.rmu.Lock()
	defer s.rmu.Unlock()
	for {
		if err := s.await(false); err != nil {
			return 0, err
		}
		s.into = b
		res, err := s.ep.Read(&s.into, tcpip.ReadOptions{})
		s.into = nil
		switch err.(type) {
		case nil:
			return res.Count, nil
		case *tcpip.ErrWouldBlock:
			<-s.readable
		case *tcpip.ErrClosedForReceive:
			s.mu.Lock()
			fault := s.fault
			s.mu.Unlock()
			if fault != nil {
				return 0, fault
			}
			return 0, io.EOF
		default:
			return 0, s.ended("read", err)
		}
	}
}

// await returns what stops a reader; with wait it first waits until the endpoint has something to say.
func (s *socket) await(wait bool) error {
	for {
		if s.closed.Load() {
			return net.ErrClosed
		}
		if passed(&s.readBy) {
			return os.ErrDeadlineExceeded
		}
		if !wait || s.ep.Readiness(readEvents) != 0 {
			return nil
		}
		<-s.readable
	}
}

// write hands b to TCP. Where writable is nil it does not wait and fails with [ErrSendBufferFull].
func (s *socket) write(b []byte) (n int, err error) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	for n < len(b) {
		if s.closed.Load() {
			return n, net.ErrClosed
		}
		if passed(&s.writeBy) {
			return n, os.ErrDeadlineExceeded
		}
		s.from.Reset(b[n:])
		k, terr := s.send()
		s.from.Reset(nil)
		n += int(k)
		switch terr.(type) {
		case nil:
		case *tcpip.ErrWouldBlock:
			if s.writable == nil {
				return n, ErrSendBufferFull
			}
			<-s.writable
		default:
			return n, s.ended("write", terr)
		}
	}
	return n, nil
}

func (s *socket) send() (int64, tcpip.Error) {
	if s.path == nil {
		return s.ep.Write(&s.from, tcpip.WriteOptions{})
	}
	deepen()
	s.path.cork(s.dir)
	defer s.link.uncork(s.path, s.dir)
	return s.ep.Write(&s.from, tcpip.WriteOptions{})
}

// shut makes Read and Write fail, wakes whoever waits in them, and reports whether it was the first to do so.
func (s *socket) shut() bool {
	if s.closed.Swap(true) {
		return false
	}
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.late != nil {
		s.late.Stop()
	}
	s.mu.Unlock()
	s.wq.EventUnregister(&s.entry)
	signal(s.readable)
	if s.writable != nil {
		signal(s.writable)
	}
	return true
}

func (s *socket) setReadDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arm(&s.readBy, &s.timer, t, s.readable)
}

func (s *socket) setWriteDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arm(&s.writeBy, &s.late, t, s.writable)
}

// arm stores a deadline and has its passing wake whoever waits on c.
func arm(by *atomic.Int64, timer **time.Timer, t time.Time, c chan struct{}) {
	if *timer != nil {
		(*timer).Stop()
	}
	if t.IsZero() {
		by.Store(0)
		return
	}
	by.Store(max(t.UnixNano(), 1))
	if c == nil {
		return
	}
	wait := max(time.Until(t), 0)
	if *timer == nil {
		*timer = time.AfterFunc(wait, func() { signal(c) })
	} else {
		(*timer).Reset(wait)
	}
}

// reset ends the connection at once; the other end gets RST.
func (s *socket) reset() {
	s.ep.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: true})
	s.ep.Close()
}
