package sim_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/dialect"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// pipeServer is a small reference server at the far ends of net.Pipes, for a synctest bubble: loopback TCP does not run
// in one. Like a kernel it takes whatever arrives, even while the process is frozen.
type pipeServer struct {
	cfg scenario.Serve

	mu     sync.Mutex
	thawed *sync.Cond
	frozen int
	open   map[*socket]func(kind int, data []byte) error
	wg     sync.WaitGroup
}

func newPipeServer(cfg *scenario.Serve) *pipeServer {
	s := &pipeServer{cfg: *cfg, open: map[*socket]func(int, []byte) error{}}
	s.thawed = sync.NewCond(&s.mu)
	return s
}

func (s *pipeServer) dial(context.Context, int, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	k := &socket{Conn: far, server: s, gone: make(chan struct{})}
	s.wg.Go(k.pump)
	s.wg.Go(func() { s.serve(k) })
	return &kernel{Conn: near}, nil
}

// kernel is the client's end. Like a kernel it takes what is written to a peer that has closed; that the connection is
// over shows in a read.
type kernel struct {
	net.Conn
	closed atomic.Bool
}

func (k *kernel) Write(b []byte) (int, error) {
	n, err := k.Conn.Write(b)
	if errors.Is(err, io.ErrClosedPipe) && !k.closed.Load() {
		return len(b), nil
	}
	return n, err
}

func (k *kernel) Close() error {
	k.closed.Store(true)
	return k.Conn.Close()
}

func (s *pipeServer) freeze(by int) {
	s.mu.Lock()
	s.frozen += by
	s.mu.Unlock()
	s.thawed.Broadcast()
}

// whenThawed waits until the process runs.
func (s *pipeServer) whenThawed() {
	s.mu.Lock()
	for s.frozen > 0 {
		s.thawed.Wait()
	}
	s.mu.Unlock()
}

// socket is the server's end of a connection with a receive buffer and a send queue without limits.
type socket struct {
	net.Conn
	server *pipeServer
	in     []byte // guarded by server.mu
	err    error  // guarded by server.mu
	gone   chan struct{}
}

func (k *socket) pump() {
	defer close(k.gone)
	buf := make([]byte, 4096)
	for {
		n, err := k.Conn.Read(buf)
		k.server.mu.Lock()
		k.in = append(k.in, buf[:n]...)
		k.err = err
		k.server.mu.Unlock()
		k.server.thawed.Broadcast()
		if err != nil {
			return
		}
	}
}

func (k *socket) Read(b []byte) (int, error) {
	s := k.server
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.frozen > 0 || len(k.in) == 0 && k.err == nil {
		s.thawed.Wait()
	}
	n := copy(b, k.in)
	k.in = k.in[n:]
	if n == 0 {
		return 0, k.err
	}
	return n, nil
}

// hijacker lets gorilla's Upgrader take over a plain connection.
type hijacker struct {
	http.ResponseWriter
	k *socket
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.k, bufio.NewReadWriter(bufio.NewReader(h.k), bufio.NewWriter(h.k)), nil
}

type message struct {
	kind int // 0: close the connection
	data []byte
}

// serve is one connection: this goroutine reads, one writes, so that neither end ever waits for the other.
func (s *pipeServer) serve(k *socket) {
	defer k.Close()
	r, err := http.ReadRequest(bufio.NewReader(k))
	if err != nil {
		return
	}
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := up.Upgrade(hijacker{k: k}, r, nil)
	if err != nil {
		return
	}
	queue := make(chan message, 1000)
	defer close(queue)
	s.wg.Go(func() {
		for m := range queue {
			if m.kind == 0 || ws.WriteMessage(m.kind, m.data) != nil {
				k.Close()
			}
		}
	})
	seen := time.Now()
	done := make(chan struct{})
	defer close(done)
	var mu sync.Mutex // guards seen
	touch := func() {
		mu.Lock()
		seen = time.Now()
		mu.Unlock()
	}
	if s.cfg.Reap > 0 {
		s.wg.Go(func() {
			for {
				mu.Lock()
				left := s.cfg.Reap - time.Since(seen)
				mu.Unlock()
				if left <= 0 {
					k.Close()
					return
				}
				select {
				case <-done:
					return
				case <-time.After(left):
					s.whenThawed()
				}
			}
		})
	}
	send := func(kind int, data []byte) error {
		select {
		case queue <- message{kind, append([]byte(nil), data...)}:
			return nil
		default:
			return errors.New("queue full")
		}
	}
	s.mu.Lock()
	s.open[k] = send
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.open, k)
		s.mu.Unlock()
	}()
	says, err := scenario.Dialect(cmp.Or(r.Header.Get(dialect.Header), scenario.EchoDialect))
	if err != nil {
		return
	}
	every, kind, text := s.cfg.Beat, websocket.PingMessage, []byte(s.cfg.BeatText)
	if s.cfg.BeatFrame == heartbeat.Text {
		kind = websocket.TextMessage
	}
	if says != nil {
		for _, m := range says.Hello {
			_ = send(frameKind[m.Frame], m.Payload)
		}
		if says.Beat != nil {
			every, kind, text = cmp.Or(every, says.Every), frameKind[says.Beat.Frame], says.Beat.Payload
		}
	}
	if every > 0 {
		beats, stopped := make(chan struct{}), make(chan struct{})
		defer func() { <-stopped }() // it must not send on the closed queue
		defer close(beats)
		due := time.Now().Add(every)
		s.wg.Go(func() {
			defer close(stopped)
			for {
				select {
				case <-beats:
					return
				case <-time.After(time.Until(due)):
				}
				s.whenThawed()
				_ = send(kind, text)
				due = due.Add((1 + time.Since(due)/every) * every)
			}
		})
	}
	ws.SetPingHandler(func(data string) error { touch(); return send(websocket.PongMessage, []byte(data)) })
	ws.SetPongHandler(func(string) error { touch(); return nil })
	ws.SetCloseHandler(func(code int, _ string) error {
		return send(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""))
	})
	for {
		kind, data, err := ws.ReadMessage()
		if err != nil {
			_ = send(0, nil)
			return
		}
		touch()
		if says == nil {
			if s.cfg.Reply != "none" {
				_ = send(kind, data)
			}
		} else if i, ref := says.Answer(data); i >= 0 {
			for _, m := range says.Replies[i].With {
				_ = send(frameKind[m.Frame], heartbeat.AppendRef(nil, m.Payload, ref))
			}
		}
	}
}

var frameKind = map[heartbeat.Frame]int{heartbeat.Text: websocket.TextMessage, heartbeat.Binary: websocket.BinaryMessage, heartbeat.Ping: websocket.PingMessage}

// freezer is the stall of a pipeServer.
type freezer struct{ s *pipeServer }

func (f freezer) Can(fault *chaos.Fault) error {
	if fault.Kind != chaos.Stall {
		return fmt.Errorf("the freezer only does stall")
	}
	return nil
}
func (f freezer) Begin(*chaos.Fault, chaos.Occurrence, *chaos.Set) error { f.s.freeze(1); return nil }
func (f freezer) End(*chaos.Fault, chaos.Occurrence, *chaos.Set) error   { f.s.freeze(-1); return nil }
func (f freezer) Close() error                                           { return nil }

// drainer is the drain of a pipeServer.
type drainer struct{ s *pipeServer }

func (d drainer) Can(fault *chaos.Fault) error {
	if fault.Kind != chaos.Drain {
		return fmt.Errorf("the drainer only does drain")
	}
	return nil
}

func (d drainer) Begin(f *chaos.Fault, _ chaos.Occurrence, _ *chaos.Set) error {
	var picked []*socket
	d.tell(func(k *socket, send func(int, []byte) error) {
		picked = append(picked, k)
		if f.Notice != "" {
			_ = send(websocket.TextMessage, []byte(f.Notice))
		}
	})
	d.s.wg.Go(func() {
		time.Sleep(f.Grace)
		d.tell(func(k *socket, send func(int, []byte) error) {
			if slices.Contains(picked, k) {
				_ = send(websocket.CloseMessage, websocket.FormatCloseMessage(f.Code, ""))
			}
		})
	})
	return nil
}

func (d drainer) tell(do func(k *socket, send func(int, []byte) error)) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	for k, send := range d.s.open {
		do(k, send)
	}
}

func (d drainer) End(*chaos.Fault, chaos.Occurrence, *chaos.Set) error { return nil }
func (d drainer) Close() error                                         { return nil }
