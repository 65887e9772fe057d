package packet

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

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
		s.link, s.path, s.dir = l.e.link, p, down
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
