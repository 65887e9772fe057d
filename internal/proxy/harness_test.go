package proxy

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/server"
)

// world is a proxy in front of an echo server on loopback.
type world struct {
	t      testing.TB
	proxy  *Proxy
	addr   string
	server server.Client
}

func start(t testing.TB, c Config, s server.Config) *world {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan server.Info, 1)
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, s, func(i server.Info) { ready <- i }) }()
	info := <-ready
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if c.Target.Addr == "" {
		scheme := "ws://"
		if s.CertFile != "" {
			scheme = "wss://"
		}
		var err error
		if c.Target, err = ParseTarget(scheme + info.Addr); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, server: server.Client{Control: info.Control}}
	w.listen(c)
	return w
}

func (w *world) listen(c Config) {
	w.t.Helper()
	var err error
	if w.proxy, err = New(c); err != nil {
		w.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- w.proxy.Serve(l) }()
	w.t.Cleanup(func() {
		if err := w.proxy.Close(); err != nil {
			w.t.Error(err)
		}
		if err := <-served; err != nil {
			w.t.Error(err)
		}
	})
}

func (w *world) dial(path string) *websocket.Conn {
	w.t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+w.addr+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { ws.Close() })
	return ws
}

// echoes sends a message and awaits it.
func (w *world) echoes(ws *websocket.Conn, text string) {
	w.t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		w.t.Fatal(err)
	}
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, got, err := ws.ReadMessage(); err != nil || string(got) != text {
		w.t.Fatalf("sent %.40q, received %.40q, %v", text, got, err)
	}
}

// until polls the Result.
func (w *world) until(what string, ok func(r *Result) bool) *Result {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		r := w.proxy.Result()
		if ok(r) {
			return r
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("never happened: %s; the result is %+v, faults %+v", what, r, r.Faults)
		}
	}
}

func (w *world) fault(line string) FaultInfo {
	w.t.Helper()
	f, err := chaos.ParseFault(line)
	if err != nil {
		w.t.Fatal(err)
	}
	info, err := w.proxy.Start(f)
	if err != nil {
		w.t.Fatal(err)
	}
	return info
}
