package packet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// incoming answers a client's SYN as the target does.
func (e *Engine) incoming(r *tcp.ForwarderRequest) {
	id := r.ID()
	f, dial, ctx, fail := e.attempt(e.net.index(id.RemoteAddress), id.RemotePort)
	if f == nil {
		r.Complete(false) // an old SYN of a dial that has given up
		return
	}
	if !e.acquire() {
		r.Complete(true)
		return
	}
	target, err := dial(ctx)
	if err != nil {
		e.release()
		refused := errors.Is(err, syscall.ECONNREFUSED)
		r.Complete(refused)
		if !refused && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, syscall.ETIMEDOUT) &&
			!errors.Is(err, context.DeadlineExceeded) {
			select {
			case fail <- err:
			default:
			}
		}
		return
	}
	f.p.mu.Lock()
	f.local, f.remote = target.LocalAddr(), target.RemoteAddr()
	f.p.mu.Unlock()
	s := &splice{e: e, flow: f, target: target}
	s.near.writable = make(chan struct{}, 1)
	ep, terr := r.CreateEndpoint(&s.near.own)
	r.Complete(false)
	if terr != nil { // the client has given up
		target.Close()
		e.release()
		return
	}
	s.near.ep = ep
	s.near.init(nil, readEvents|writeEvents)
	e.joined(f, s)
	s.left.Store(2)
	go s.there()
	go s.back()
}

// attempt finds the dial that a SYN belongs to.
func (e *Engine) attempt(client int, port uint16) (f *flow, dial func(context.Context) (net.Conn, error), ctx context.Context, fail chan error) {
	if client < 0 || client >= len(e.paths) {
		return
	}
	p := &e.paths[client]
	p.mu.Lock()
	defer p.mu.Unlock()
	if f = p.flow(port); f == nil || f.dial == nil || f.clientGone {
		return nil, nil, nil, nil
	}
	return f, f.dial, f.ctx, f.fail
}

// joined records that the gateway's end is established.
func (e *Engine) joined(f *flow, far ender) {
	if e.join(f, far) {
		far.finish()
	}
}

func (e *Engine) join(f *flow, far ender) (finish bool) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	f.far, f.gatewayGone = far, false
	if !slices.Contains(f.p.flows, f) { // its dial gave up while the last packet of the handshake was on the way
		f.p.flows = append(f.p.flows, f)
	}
	f.strand(e.clock(), f.p.client, e.obs)
	return f.finish
}

// serverLeft records that the server has closed its end, and reports whether nobody is left to tell: the client has
// gone from a connection that carries nothing any more.
func (e *Engine) serverLeft(f *flow) (dead bool) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if !f.serverBye {
		f.serverBye = true
		// A server that closes once the goodbye is through answers it.
		f.rest(e.clock(), f.p.client, e.obs, !f.goodbye)
	}
	return f.cut && f.clientGone
}

// left records that the gateway has nothing of the connection any more.
func (e *Engine) left(f *flow) (cut bool) {
	e.serverLeft(f)
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	f.gatewayGone = true
	f.p.drop(f)
	return f.cut
}

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

// Listen lets a server in this process take the clients' connections from the private network itself, so that both ends
// lose packets. It must come before the first Dial. The listener ends with the engine.
func (e *Engine) Listen() (net.Listener, error) {
	l := &listener{e: e, ready: make(chan struct{}, 1), quit: make(chan struct{})}
	ep, terr := e.gateway.NewEndpoint(tcp.ProtocolNumber, e.net.protocol(), &l.wq)
	if terr != nil {
		return nil, fmt.Errorf("listen: %w", errno("socket", terr))
	}
	l.entry.Init(l, waiter.ReadableEvents|waiter.EventErr|waiter.EventHUp)
	l.wq.EventRegister(&l.entry)
	if terr := ep.Bind(tcpip.FullAddress{NIC: nic, Addr: e.net.gateway, Port: e.net.port}); terr != nil {
		ep.Close()
		return nil, fmt.Errorf("listen: %w", errno("bind", terr))
	}
	if terr := ep.Listen(backlog); terr != nil {
		ep.Close()
		return nil, fmt.Errorf("listen: %w", errno("listen", terr))
	}
	l.ep = ep
	return l, nil
}

// backlog is how many established connections wait for Accept, Linux's net.core.somaxconn.
const backlog = 4096

type listener struct {
	e     *Engine
	ep    tcpip.Endpoint
	wq    waiter.Queue
	entry waiter.Entry
	ready chan struct{}
	quit  chan struct{}
	once  sync.Once
}

// NotifyEvent implements [waiter.EventListener].
func (l *listener) NotifyEvent(waiter.EventMask) { signal(l.ready) }

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	for {
		select {
		case <-l.quit:
			return nil, l.opError(net.ErrClosed)
		default:
		}
		var from tcpip.FullAddress
		ep, wq, err := l.ep.Accept(&from)
		switch err.(type) {
		case nil:
			signal(l.ready) // for another Accept at work: there may be more
			return l.adopt(ep, wq, from), nil
		case *tcpip.ErrWouldBlock:
			select {
			case <-l.ready:
			case <-l.quit:
			}
		default:
			return nil, l.opError(errno("accept", err))
		}
	}
}

func (l *listener) adopt(ep tcpip.Endpoint, wq *waiter.Queue, from tcpip.FullAddress) net.Conn {
	s := &served{e: l.e, from: from, counted: l.e.acquire()}
	s.ep = ep
	s.writable = make(chan struct{}, 1)
	s.init(wq, readEvents|writeEvents)
	if i := l.e.net.index(from.Addr); i >= 0 && i < len(l.e.paths) {
		p := &l.e.paths[i]
		p.mu.Lock()
		s.flow = p.flow(from.Port)
		p.mu.Unlock()
		if s.flow != nil {
			l.e.joined(s.flow, s)
		}
	}
	return s
}

// Close implements [net.Listener].
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.quit)
		l.ep.Close()
	})
	return nil
}

// Addr implements [net.Listener].
func (l *listener) Addr() net.Addr { return l.e.net.addr(l.e.net.gateway, l.e.net.port) }

func (l *listener) opError(err error) error {
	return &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: err}
}

// served is a server's end of a connection in the private network. Write waits, as on any socket.
type served struct {
	socket
	e    *Engine
	flow *flow // nil: the client had gone before Accept
	from tcpip.FullAddress

	counted bool // as a user of the stacks
}

func (s *served) Read(b []byte) (int, error) {
	n, err := s.read(b)
	return n, s.opError("read", err)
}

func (s *served) Write(b []byte) (int, error) {
	n, err := s.write(b)
	return n, s.opError("write", err)
}

func (s *served) Close() error {
	if !s.shut() {
		return s.opError("close", net.ErrClosed)
	}
	if s.flow != nil && s.e.left(s.flow) {
		s.ep.Abort()
	}
	s.ep.Close()
	if s.counted {
		s.e.release()
	}
	return nil
}

// CloseWrite sends FIN and leaves the way in open.
func (s *served) CloseWrite() error {
	if s.flow != nil {
		s.e.serverLeft(s.flow)
	}
	if err := s.ep.Shutdown(tcpip.ShutdownWrite); err != nil {
		return s.opError("close", errno("shutdown", err))
	}
	return nil
}

// finish implements ender: the server reads EOF, the client gets FIN.
func (s *served) finish() {
	_ = s.ep.Shutdown(tcpip.ShutdownWrite | tcpip.ShutdownRead)
}

// abandon implements ender.
func (s *served) abandon() { s.ep.Abort() }

func (s *served) LocalAddr() net.Addr  { return s.e.net.addr(s.e.net.gateway, s.e.net.port) }
func (s *served) RemoteAddr() net.Addr { return s.e.net.addr(s.from.Addr, s.from.Port) }

func (s *served) SetDeadline(t time.Time) error {
	s.setReadDeadline(t)
	s.setWriteDeadline(t)
	return nil
}

func (s *served) SetReadDeadline(t time.Time) error {
	s.setReadDeadline(t)
	return nil
}

func (s *served) SetWriteDeadline(t time.Time) error {
	s.setWriteDeadline(t)
	return nil
}

func (s *served) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
}
