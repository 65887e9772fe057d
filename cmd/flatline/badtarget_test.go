package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rogpeppe/go-internal/testscript"
)

// badTargets are servers as nobody wants them. Each gets a connection that asked for an upgrade, upgraded already if
// the name begins with ws.
var badTargets = map[string]func(w http.ResponseWriter, r *http.Request){
	"http": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") },
	"busy": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "later", http.StatusServiceUnavailable) },
	"mute": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"slam": func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			c.Close()
		}
	},
	"ws-slam": upgraded(func(ws *websocket.Conn) {}),
	"ws-bye": upgraded(func(ws *websocket.Conn) {
		bye := websocket.FormatCloseMessage(websocket.ClosePolicyViolation, "no \x1b[31mtoken")
		ws.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
		ws.ReadMessage() // the close in return
	}),
	"ws-flood": upgraded(func(ws *websocket.Conn) {
		for text := make([]byte, 1<<10); ws.WriteMessage(websocket.BinaryMessage, text) == nil; {
		}
	}),
	// One frame of a gigabyte: the header is honest, the payload comes.
	"ws-giant": upgraded(func(ws *websocket.Conn) {
		if _, err := ws.NetConn().Write([]byte{0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0}); err != nil {
			return
		}
		zeros := make([]byte, 64<<10)
		for range (1 << 30) / len(zeros) {
			if _, err := ws.NetConn().Write(zeros); err != nil {
				return
			}
		}
	}),
	// Not a frame: reserved bits, an unknown opcode, a mask where none may be.
	"ws-noise": upgraded(func(ws *websocket.Conn) {
		time.Sleep(500 * time.Millisecond) // after the probe
		ws.NetConn().Write([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		ws.ReadMessage()
	}),
	"ws-echo": upgraded(func(ws *websocket.Conn) {
		for {
			kind, p, err := ws.ReadMessage()
			if err != nil || ws.WriteMessage(kind, p) != nil {
				return
			}
		}
	}),
}

func upgraded(then func(ws *websocket.Conn)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		up := websocket.Upgrader{}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		then(ws)
	}
}

// badTarget starts a server of one of the kinds; close ends it and its connections.
func badTarget(kind string) (addr string, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: http.HandlerFunc(badTargets[kind]), ErrorLog: log.New(io.Discard, "", 0)}
	go s.Serve(l)
	return l.Addr().String(), func() { s.Close() }, nil
}

func startBadTarget(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 || args[0] != "free" && badTargets[args[0]] == nil {
		ts.Fatalf("usage: target KIND")
	}
	if args[0] == "free" { // nothing at all: an address that nobody has
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		l.Close()
		ts.Setenv("TARGET", l.Addr().String())
		return
	}
	addr, end, err := badTarget(args[0])
	ts.Check(err)
	ts.Defer(end)
	ts.Setenv("TARGET", addr)
}
