package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

// Info is where a server that has just become ready can be reached.
type Info struct {
	Addr    string `json:"addr"`    // host:port for clients
	Control string `json:"control"` // host:port of the control API
	PID     int    `json:"pid"`
	TLS     bool   `json:"tls,omitempty"` // clients use wss://
}

// Server is the reference target. [Run] makes one with listeners and control API; tests give it a listener of their
// own.
type Server struct {
	cfg      Config
	began    time.Time
	n        counters
	queue    *queue
	alarms   *alarms
	pending  pending
	upgrader websocket.Upgrader
	speeches speeches
	office   *office // nil: it does not deliver

	mu          sync.Mutex
	first, last *client // open clients in order of connecting
	closed      bool
	readers     sync.WaitGroup // the clients' goroutines
	pumps       sync.WaitGroup // of mailboxes
	work        sync.WaitGroup // queue, alarms and drains
	ctx         context.Context
	cancel      context.CancelFunc
}

// New checks cfg, fills in its defaults and starts the server's timers. The caller calls Close.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.filled()
	if err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	s := &Server{cfg: cfg, began: time.Now()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.queue = newQueue(cfg.Handshakes, cfg.Backlog, s.now)
	s.alarms = newAlarms(s.now)
	s.upgrader = websocket.Upgrader{
		HandshakeTimeout: cfg.HandshakeTimeout,
		ReadBufferSize:   512,
		WriteBufferSize:  4096,
		WriteBufferPool:  &sync.Pool{},
		CheckOrigin:      func(*http.Request) bool { return true },
	}
	if _, err := s.speech(""); err != nil {
		return nil, fmt.Errorf("server: %w", err)
	}
	if cfg.Delivery {
		if s.office, err = newOffice(s.ctx, &s.cfg, s.now); err != nil {
			return nil, fmt.Errorf("server: %w", err)
		}
	}
	s.work.Go(func() { s.queue.run(s.ctx) })
	s.work.Go(func() { s.alarms.run(s.ctx, s.fire) })
	return s, nil
}

// now is the time since the server was made.
func (s *Server) now() time.Duration { return time.Since(s.began) }

// fire does what an alarm is for. A beat that is late by periods, because the process was frozen, is not made up for.
func (s *Server) fire(a *alarm, now time.Duration) time.Duration {
	if a.reap {
		if due := time.Duration(a.c.seen.Load()) + s.cfg.Reap; due > now {
			return due
		}
		go s.reap(a.c)
		return -1
	}
	// A goroutine, since a write to a client that does not read blocks, and there is one timer for all.
	go a.c.sendBeat()
	return a.due + (1+(now-a.due)/a.c.says.every)*a.c.says.every
}

func (s *Server) reap(c *client) {
	if c.end(reaped) != reaped {
		return
	}
	if s.cfg.ReapClose {
		c.goodbye(websocket.CloseGoingAway)
	} else {
		c.ws.Close()
	}
}

// register adds c to the open clients; false means that the server is closing.
func (s *Server) register(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.readers.Add(1)
	if c.prev = s.last; c.prev != nil {
		c.prev.next = c
	} else {
		s.first = c
	}
	s.last = c
	return true
}

func (s *Server) unregister(c *client) {
	s.n.open.Add(-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		s.last = c.prev
	}
}

// Serve accepts clients on ln until Close is called or ln fails.
func (s *Server) Serve(ln net.Listener) error {
	if s.office != nil {
		ln = corkListener{ln}
	}
	web := http.Server{
		Handler:           http.HandlerFunc(s.handshake),
		ReadHeaderTimeout: s.cfg.HandshakeTimeout,
		MaxHeaderBytes:    16 << 10,
		ConnState:         s.connState,
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ErrorLog:          log.New(io.Discard, "", 0),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2: it has no upgrade
	}
	stop := context.AfterFunc(s.ctx, func() { web.Close() })
	defer stop()
	defer web.Close()
	if err := web.Serve(ln); s.ctx.Err() == nil {
		return fmt.Errorf("server: accept on %v: %w", ln.Addr(), err)
	}
	return nil
}

// Close says goodbye to every client (1001), ends all connections and waits until nothing is left. Serve returns.
func (s *Server) Close() {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	var wait sync.WaitGroup
	for c := s.first; c != nil; c = c.next {
		wait.Go(func() {
			if c.end(shutdown) == shutdown {
				c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(linger/5))
			}
			c.ws.Close()
		})
	}
	s.mu.Unlock()
	wait.Wait()
	s.readers.Wait()
	s.pumps.Wait()
	s.work.Wait()
	if s.office != nil {
		s.office.close()
	}
}

// Run listens, calls ready once clients can connect, and serves until ctx is done or the control API asks for the end,
// both of which are a nil error.
func Run(ctx context.Context, cfg Config, ready func(Info)) error {
	s, err := New(cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	info := Info{PID: os.Getpid()}
	var pair *tls.Config
	if s.cfg.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(s.cfg.CertFile, s.cfg.KeyFile)
		if err != nil {
			return fmt.Errorf("server: read the certificate: %w", err)
		}
		pair = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
		info.TLS = true
	}
	ln, err := listen("clients", s.cfg.Addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	info.Addr = ln.Addr().String()
	if pair != nil {
		ln = tls.NewListener(ln, pair)
	}
	ctl, err := listen("control", s.cfg.Control)
	if err != nil {
		return err
	}
	defer ctl.Close()
	info.Control = ctl.Addr().String()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api := http.Server{Handler: s.controlAPI(cancel), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- s.Serve(ln) }()
	go func() { failed <- api.Serve(ctl) }()
	if ready != nil {
		ready(info)
	}
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.Close() // before the API ends, so that who asked for the end gets an answer
	stopped, done := context.WithTimeout(context.Background(), linger)
	defer done()
	api.Shutdown(stopped)
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}

func listen(what, addr string) (net.Listener, error) {
	// No TCP keep-alive: a client that falls silent is ended by Config.Reap or not at all.
	lc := net.ListenConfig{KeepAlive: -1, KeepAliveConfig: net.KeepAliveConfig{Enable: false}}
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("server: listen for %s on %s: the address is in use by another process\nhint: stop that process, or give another address; port 0 takes a free one", what, addr)
	}
	if err != nil {
		return nil, fmt.Errorf("server: listen for %s: %w", what, err)
	}
	return ln, nil
}
