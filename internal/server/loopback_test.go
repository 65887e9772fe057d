package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/server/tlstest"
)

func TestEchoAndCounts(t *testing.T) {
	r := start(t, Config{})
	ws := r.dial()
	big := bytes.Repeat([]byte("0123456789"), 10_000) // many times every buffer
	for _, m := range []struct {
		kind int
		data []byte
	}{{websocket.TextMessage, []byte("123456789")}, {websocket.BinaryMessage, big}, {websocket.TextMessage, nil}} {
		if err := ws.WriteMessage(m.kind, m.data); err != nil {
			t.Fatal(err)
		}
		kind, data, err := ws.ReadMessage()
		if err != nil || kind != m.kind || !bytes.Equal(data, m.data) {
			t.Fatalf("sent %d bytes of kind %d, got %d of kind %d, %v", len(m.data), m.kind, len(data), kind, err)
		}
	}
	pong := make(chan string, 1)
	ws.SetPongHandler(func(data string) error { pong <- data; return nil })
	ws.WriteControl(websocket.PingMessage, []byte("p1"), time.Time{})
	ws.WriteMessage(websocket.TextMessage, []byte("after"))
	ws.ReadMessage() // passes the pong on the way
	if got := <-pong; got != "p1" {
		t.Errorf("pong %q", got)
	}
	ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Time{})
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		t.Errorf("the close frame is not answered: %v", err)
	}
	n := r.until("closed", func(s Stats) bool { return s.Open == 0 })
	if n.MessagesIn != 4 || n.MessagesOut != 4 || n.PingsIn != 1 || n.PongsOut != 1 || n.Closed["close_frame"] != 1 || n.UptimeSeconds <= 0 {
		t.Errorf("%+v", n)
	}
	balanced(t, n)
}

func TestReplyNone(t *testing.T) {
	r := start(t, Config{Reply: ReplyNone})
	ws := r.dial()
	for range 3 {
		ws.WriteMessage(websocket.TextMessage, []byte("x"))
	}
	n := r.until("three messages", func(s Stats) bool { return s.MessagesIn == 3 })
	if n.MessagesOut != 0 {
		t.Errorf("%+v", n)
	}
}

func TestTwoThousandClients(t *testing.T) {
	r := start(t, Config{Beat: time.Minute, Reap: time.Hour})
	const clients, workers = 2000, 50
	conns := make([]*websocket.Conn, clients)
	each := func(do func(i int) error) {
		t.Helper()
		var wait sync.WaitGroup
		var once sync.Once
		for w := range workers {
			wait.Go(func() {
				for i := w; i < clients; i += workers {
					if err := do(i); err != nil {
						once.Do(func() { t.Errorf("client %d: %v", i, err) })
						return
					}
				}
			})
		}
		wait.Wait()
		if t.Failed() {
			t.FailNow()
		}
	}
	each(func(i int) (err error) {
		d := websocket.Dialer{ReadBufferSize: 256, WriteBufferSize: 256}
		conns[i], _, err = d.Dial("ws://"+r.Addr, nil)
		return err
	})
	n := r.until("all open", func(s Stats) bool { return s.Open == clients })
	if per := float64(n.Goroutines) / clients; per > 1.1 {
		t.Errorf("%d goroutines for %d clients", n.Goroutines, clients)
	}
	each(func(i int) error {
		want := fmt.Sprint("client ", i)
		if err := conns[i].WriteMessage(websocket.TextMessage, []byte(want)); err != nil {
			return err
		}
		_, data, err := conns[i].ReadMessage()
		if err == nil && string(data) != want {
			err = fmt.Errorf("got %q", data)
		}
		return err
	})
	each(func(i int) error { return conns[i].Close() })
	n = r.until("all closed", func(s Stats) bool { return s.Open == 0 })
	if n.MessagesIn != clients || n.MessagesOut != clients || n.Handshakes != clients || n.Closed["eof"] != clients {
		t.Errorf("%+v", n)
	}
	balanced(t, n)
}

func TestMaxClients(t *testing.T) {
	r := start(t, Config{MaxClients: 2})
	first := r.dial()
	r.dial()
	_, resp, err := websocket.DefaultDialer.Dial("ws://"+r.Addr, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("the third client got %v, %v", resp, err)
	}
	first.Close()
	r.until("a place is free", func(s Stats) bool { return s.Open == 1 })
	r.dial()
	n := r.until("it is taken", func(s Stats) bool { return s.Open == 2 && s.Pending == 0 })
	if n.Rejected["max_clients"] != 1 {
		t.Errorf("%+v", n)
	}
	balanced(t, n)
}

// The rate holds for real too: of n handshakes the last cannot be done before n-1 slots have passed.
func TestHandshakeRate(t *testing.T) {
	r := start(t, Config{Handshakes: 50})
	began := time.Now()
	var wait sync.WaitGroup
	for range 11 {
		wait.Go(func() {
			ws, _, err := websocket.DefaultDialer.Dial("ws://"+r.Addr, nil)
			if err != nil {
				t.Error(err)
				return
			}
			ws.Close()
		})
	}
	wait.Wait()
	if took := time.Since(began); took < 10*20*time.Millisecond {
		t.Errorf("11 handshakes at 50/s within %v", took)
	}
}

// One header that promises a gigabyte is enough: the server says 1009 before a byte of it arrives.
func TestGigabyteFrame(t *testing.T) {
	r := start(t, Config{})
	ws := r.dial()
	head := []byte{0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}
	binary.BigEndian.PutUint64(head[2:], 1<<30)
	if _, err := ws.NetConn().Write(append(head, make([]byte, 1000)...)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("got %v, want close 1009", err)
	}
	ws.Close()
	n := r.until("closed", func(s Stats) bool { return s.Open == 0 })
	if n.Closed["too_big"] != 1 || n.MessagesIn != 0 {
		t.Errorf("%+v", n)
	}
}

func TestForbiddenFrame(t *testing.T) {
	r := start(t, Config{})
	ws := r.dial()
	ws.NetConn().Write([]byte{0x83, 0x80, 1, 2, 3, 4}) // opcode 3 is reserved
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseProtocolError) {
		t.Errorf("got %v, want close 1002", err)
	}
	ws.Close()
	if n := r.until("closed", func(s Stats) bool { return s.Open == 0 }); n.Closed["protocol"] != 1 {
		t.Errorf("%+v", n)
	}
}

// Somebody who sends without reading stops himself by back pressure; nobody else notices, beats and reaping and a drain
// included.
func TestFloodOfAClientThatDoesNotRead(t *testing.T) {
	r := start(t, Config{Beat: 20 * time.Millisecond, BeatFrame: BeatText, BeatText: "hb"})
	flood := r.dial()
	flood.SetWriteDeadline(time.Now().Add(time.Second))
	chunk := make([]byte, 256<<10)
	for i := 0; ; i++ {
		if err := flood.WriteMessage(websocket.BinaryMessage, chunk); err != nil {
			break
		}
		if i > 4000 {
			t.Fatal("a gigabyte was swallowed: there is no back pressure")
		}
	}
	other := r.dial()
	other.WriteMessage(websocket.TextMessage, []byte("hello"))
	beats := 0
	for echoed := false; !echoed || beats < 5; {
		_, data, err := other.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		echoed = echoed || string(data) == "hello"
		if string(data) == "hb" {
			beats++
		}
	}
	go func() {
		for {
			if _, _, err := other.ReadMessage(); err != nil {
				return
			}
		}
	}()
	if reply, err := r.Drain(context.Background(), DrainRequest{Notice: "bye"}); err != nil || reply.Clients != 2 {
		t.Fatal(reply, err)
	}
	n := r.until("both are gone", func(s Stats) bool { return s.Open == 0 })
	if n.Closed["drained"] != 2 {
		t.Errorf("%+v", n)
	}
}

func TestReapUnblocksAWriter(t *testing.T) {
	r := start(t, Config{Reap: 300 * time.Millisecond})
	ws := r.dial()
	ws.SetWriteDeadline(time.Now().Add(10 * time.Second))
	for ws.WriteMessage(websocket.BinaryMessage, make([]byte, 256<<10)) == nil {
	}
	if n := r.until("reaped", func(s Stats) bool { return s.Open == 0 }); n.Reaped != 1 {
		t.Errorf("%+v", n)
	}
}

func TestDrainByAddress(t *testing.T) {
	r := start(t, Config{})
	a, b := r.dial(), r.dial()
	r.until("both are listed", func(s Stats) bool { return s.Open == 2 })
	reply, err := r.Drain(context.Background(), DrainRequest{Addrs: []string{b.LocalAddr().String(), "127.0.0.1:1"}})
	if err != nil || reply.Clients != 1 {
		t.Fatal(reply, err)
	}
	if _, _, err := b.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the drained client read %v", err)
	}
	a.WriteMessage(websocket.TextMessage, []byte("x"))
	if _, _, err := a.ReadMessage(); err != nil {
		t.Errorf("the other client read %v", err)
	}
	for _, bad := range []DrainRequest{{Code: 1006}, {Code: 999}, {Code: 5000}, {Grace: -1}, {Clients: -1}} {
		if _, err := r.Drain(context.Background(), bad); err == nil || !strings.Contains(err.Error(), "refused: drain: ") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if n, _ := r.Stats(context.Background()); n.Drains != 1 {
		t.Errorf("%d drains, want 1", n.Drains)
	}
}

func TestPlainHTTPAndGarbage(t *testing.T) {
	r := start(t, Config{})
	resp, err := http.Get("http://" + r.Addr + "/")
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	conn, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Write([]byte("\x16\x03\x01 this is not HTTP\r\n\r\n"))
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for buf := make([]byte, 1024); err == nil; {
		_, err = conn.Read(buf)
	}
	conn.Close()
	n := r.until("both are counted", func(s Stats) bool { return s.Pending == 0 && s.Accepted == 2 })
	if n.Rejected["bad_request"] != 1 || n.Rejected["no_request"] != 1 {
		t.Errorf("%+v", n)
	}
	balanced(t, n)
}

func TestTLS(t *testing.T) {
	ca, cert, key := tlstest.Files(t)
	r := start(t, Config{CertFile: cert, KeyFile: key})
	if !r.TLS {
		t.Error("Info does not say TLS")
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	d := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: pool}, Subprotocols: []string{"v2", "v1"}}
	ws, _, err := d.Dial("wss://"+r.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if ws.Subprotocol() != "v2" {
		t.Errorf("subprotocol %q, want the first one offered", ws.Subprotocol())
	}
	ws.WriteMessage(websocket.TextMessage, []byte("x"))
	if _, data, err := ws.ReadMessage(); err != nil || string(data) != "x" {
		t.Error(data, err)
	}
	if _, _, err := websocket.DefaultDialer.Dial("wss://"+r.Addr, nil); err == nil {
		t.Error("an authority that nobody knows was accepted")
	}
}

func TestSecondServerOnThePort(t *testing.T) {
	r := start(t, Config{})
	err := Run(context.Background(), Config{Addr: r.Addr}, func(Info) { t.Error("ready") })
	want := "server: listen for clients on " + r.Addr + ": the address is in use by another process\nhint: stop that process, or give another address; port 0 takes a free one"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestShutdown(t *testing.T) {
	r := start(t, Config{Handshakes: 0.001})
	ctx := context.Background()
	if err := r.Healthy(ctx); err != nil {
		t.Fatal(err)
	}
	ws := r.dial()
	waits := make(chan error, 1)
	go func() {
		_, _, err := websocket.DefaultDialer.Dial("ws://"+r.Addr, nil)
		waits <- err
	}()
	r.until("one waits", func(s Stats) bool { return s.Queued == 1 && s.Open == 1 })
	if err := r.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the client read %v", err)
	}
	if err := <-waits; err == nil {
		t.Error("the handshake that waited went through")
	}
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	if err := r.Healthy(ctx); err == nil || !strings.HasPrefix(err.Error(), "server at "+r.Info.Control+": healthz: ") {
		t.Errorf("after the end: %v", err)
	}
}

func TestConfigFlagsRoundTrip(t *testing.T) {
	for _, want := range []Config{{}, {
		Addr: "127.0.0.1:80", Control: "[::1]:81", Reply: ReplyNone, Beat: time.Second, BeatFrame: BeatText, BeatText: "a b",
		Reap: 1500 * time.Millisecond, ReapClose: true, Handshakes: 2.5, Backlog: 3, MaxClients: 4, MaxMessage: 5,
		HandshakeTimeout: time.Minute, CertFile: "c", KeyFile: "k",
	}} {
		var got Config
		fs := flag.NewFlagSet("serve", flag.ContinueOnError)
		got.Flags(fs)
		if err := fs.Parse(want.Args()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}

func TestConfigMistakes(t *testing.T) {
	_, err := New(Config{
		Control: "0.0.0.0:0", Reply: "eco", BeatFrame: "pong", Beat: -1, Reap: -1, HandshakeTimeout: -1, Handshakes: -1,
		Backlog: -1, MaxClients: -1, MaxMessage: -1, CertFile: "c",
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, word := range []string{"control", "reply", "beat-frame", "beat", "reap", "handshake-timeout", "handshakes", "backlog", "max-clients", "max-message", "tls-cert"} {
		if !strings.Contains("\n"+strings.TrimPrefix(err.Error(), "server: "), "\n"+word) {
			t.Errorf("nothing about %s in: %v", word, err)
		}
	}
	for _, c := range []Config{{BeatText: strings.Repeat("x", 126)}, {Backlog: 1}, {Addr: "nowhere"}, {CertFile: "/none", KeyFile: "/none"}} {
		if err := Run(context.Background(), c, nil); err == nil || !strings.HasPrefix(err.Error(), "server: ") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestDrainRequestJSON(t *testing.T) {
	want := DrainRequest{Notice: "n", Grace: 1500 * time.Millisecond, Code: 1012, Clients: 7, Addrs: []string{"a"}}
	data, err := json.Marshal(want)
	if err != nil || string(data) != `{"notice":"n","grace":"1.5s","code":1012,"clients":7,"addrs":["a"]}` {
		t.Fatal(string(data), err)
	}
	var got DrainRequest
	if err := errors.Join(json.Unmarshal(data, &got), json.Unmarshal([]byte(`{}`), new(DrainRequest))); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := json.Unmarshal([]byte(`{"grace":"2"}`), &got); err == nil {
		t.Error("a duration without unit was accepted")
	}
}
