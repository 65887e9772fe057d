package server

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// running is a server on loopback with its control client.
type running struct {
	Info
	Client
	t    *testing.T
	done chan error // Run's result
}

func start(t *testing.T, cfg Config) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, done: make(chan error, 1)}
	ready := make(chan Info, 1)
	go func() {
		r.done <- Run(ctx, cfg, func(i Info) { ready <- i })
		close(r.done)
	}()
	select {
	case r.Info = <-ready:
	case err := <-r.done:
		cancel()
		t.Fatal(err)
	}
	r.Client = Client{Control: r.Info.Control}
	t.Cleanup(func() {
		cancel()
		for err := range r.done {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return r
}

func (r *running) dial() *websocket.Conn {
	r.t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+r.Addr+"/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { ws.Close() })
	return ws
}

// until polls the counts until they satisfy ok.
func (r *running) until(what string, ok func(Stats) bool) Stats {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		s, err := r.Stats(context.Background())
		if err != nil {
			r.t.Fatal(err)
		}
		if ok(s) {
			return s
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("never happened: %s; counts are %+v", what, s)
		}
	}
}

// balanced checks the sums that Stats promises for a server at rest.
func balanced(t *testing.T, s Stats) {
	t.Helper()
	var rejected, closed uint64
	for _, n := range s.Rejected {
		rejected += n
	}
	for _, n := range s.Closed {
		closed += n
	}
	if s.Accepted != uint64(s.Pending)+rejected+s.Handshakes || s.Handshakes != uint64(s.Open)+closed {
		t.Errorf("counts do not add up: %+v", s)
	}
}

// pipes is a listener without a network, for tests in virtual time.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

func (p *pipes) connect() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

func (p *pipes) dial(t *testing.T) *websocket.Conn {
	t.Helper()
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return p.connect(), nil }}
	ws, _, err := d.Dial("ws://pipe/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// virtual starts a server over pipes; the caller calls stop before its bubble ends.
func virtual(t *testing.T, cfg Config) (s *Server, p *pipes, stop func()) {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p = newPipes()
	served := make(chan error, 1)
	go func() { served <- s.Serve(p) }()
	return s, p, func() {
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}
