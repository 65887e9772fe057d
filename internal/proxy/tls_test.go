package proxy

import (
	"crypto/tls"
	"errors"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/internal/server/tlstest"
)

// secure dials wss through the proxy.
func (w *world) secure() *websocket.Conn {
	w.t.Helper()
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	ws, _, err := d.Dial("wss://"+w.addr+"/?client=me", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { ws.Close() })
	return ws
}

// wss passes through unread, and faults hit it all the same.
func TestTLSPassesThrough(t *testing.T) {
	_, cert, key := tlstest.Files(t)
	w := start(t, Config{}, server.Config{CertFile: cert, KeyFile: key})
	ws := w.secure()
	w.echoes(ws, "secret")
	r := w.proxy.Result()
	if r.Reads || r.Messages.Up != 0 || r.Connections.Open != 1 || r.Bytes.Up == 0 {
		t.Errorf("reads %v, messages %+v, connections %+v", r.Reads, r.Messages, r.Connections)
	}
	w.fault("kill rst at 0s")
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, _, err := ws.ReadMessage(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client sees %v, want a reset", err)
	}
	if _, err := New(Config{Target: Target{URL: "wss://x", Secure: true, Clear: true}, Key: Key{"query", "client"}}); err == nil {
		t.Error("a key in a request that is encrypted was taken")
	}
}

// With a certificate of its own the proxy reads what passes, and knows clients by their requests.
func TestTLSEndsHere(t *testing.T) {
	_, cert, key := tlstest.Files(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, Config{Key: Key{"query", "client"}, Terminate: &tls.Config{Certificates: []tls.Certificate{pair}},
		Upstream: &tls.Config{InsecureSkipVerify: true}}, server.Config{CertFile: cert, KeyFile: key})
	ws := w.secure()
	w.echoes(ws, "not secret here")
	r := w.until("read", func(r *Result) bool { return r.Messages.Up == 1 && r.Messages.Down == 1 })
	if c := w.proxy.clientList(); !r.Reads || len(c) != 1 || c[0].Key != "me" {
		t.Errorf("reads %v, clients %+v", r.Reads, c)
	}
	w.fault("blackhole at 0s for 200ms")
	w.echoes(ws, "held, then let through")
	w.fault("kill close(4001) at 0s")
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 4001) {
		t.Errorf("the client sees %v, want a close with 4001", err)
	}

	// A certificate that nobody vouches for ends the attempt.
	target, err := url.Parse(w.proxy.config.Target.URL)
	if err != nil {
		t.Fatal(err)
	}
	strict := &world{t: t}
	strict.listen(Config{Target: w.proxy.config.Target, Terminate: w.proxy.config.Terminate, Upstream: &tls.Config{ServerName: target.Hostname()}})
	d := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if _, _, err := d.Dial("wss://"+strict.addr+"/", nil); err == nil {
		t.Error("an unknown authority was believed")
	}
	strict.until("counted", func(r *Result) bool { return r.Failed[failOther] == 1 })
}
