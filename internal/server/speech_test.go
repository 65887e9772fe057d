package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/dialect"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// parrot is a dialect with everything that a dialect can have.
func parrot(name string) (*dialect.Dialect, error) {
	switch name {
	case "parrot":
		beat := heartbeat.Message{Frame: heartbeat.Binary, Payload: []byte{9}}
		return &dialect.Dialect{
			Hello: []heartbeat.Message{{Payload: []byte("hello")}, {Frame: heartbeat.Binary, Payload: []byte{0, 1}}},
			Replies: []dialect.Reply{
				{To: heartbeat.Pattern{Kind: heartbeat.Prefix, Text: []byte("ask "), Ref: true},
					With: []heartbeat.Message{{Payload: []byte("first {{.Ref}}")}, {Payload: []byte("second {{.Ref}}")}}},
				{To: heartbeat.Pattern{Kind: heartbeat.Exact, Text: []byte("hush")}},
			},
			Beat: &beat, Every: time.Hour,
		}, nil
	case "echo":
		return nil, nil
	}
	return nil, fmt.Errorf("dialect %q is unknown", name)
}

func dialAs(t *testing.T, r *running, name string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	header := http.Header{}
	if name != "" {
		header.Set(dialect.Header, name)
	}
	ws, resp, err := websocket.DefaultDialer.Dial("ws://"+r.Addr, header)
	if err == nil {
		t.Cleanup(func() { ws.Close() })
	}
	return ws, resp, err
}

func wantMessage(t *testing.T, ws *websocket.Conn, kind int, text string) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	k, data, err := ws.ReadMessage()
	if err != nil || k != kind || string(data) != text {
		t.Fatalf("message %d %q (%v), want %d %q", k, data, err, kind, text)
	}
}

// TestDialect: a client that names a dialect is greeted, answered and beaten in it, with the server's own interval before
// the dialect's; one that names none gets what the server is set to, and one that names nonsense is turned away.
func TestDialect(t *testing.T) {
	r := start(t, Config{Dialects: parrot, Beat: 300 * time.Millisecond})
	ws, _, err := dialAs(t, r, "parrot")
	if err != nil {
		t.Fatal(err)
	}
	wantMessage(t, ws, websocket.TextMessage, "hello")
	wantMessage(t, ws, websocket.BinaryMessage, "\x00\x01")
	for _, text := range []string{"hush", "what is this", "ask 42"} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	var answers []string
	for beats := 0; beats == 0 || len(answers) < 2; { // the beat comes when it is due, in between or behind
		_ = ws.SetReadDeadline(time.Now().Add(10 * time.Second))
		k, data, err := ws.ReadMessage()
		if err != nil {
			t.Fatalf("after %q and %d beats: %v", answers, beats, err)
		}
		if k == websocket.BinaryMessage && string(data) == "\x09" {
			beats++
		} else {
			answers = append(answers, string(data))
		}
	}
	if strings.Join(answers, ", ") != "first 42, second 42" {
		t.Errorf("answers %q", answers)
	}

	plain, _, err := dialAs(t, r, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.WriteMessage(websocket.TextMessage, []byte("ask 42")); err != nil {
		t.Fatal(err)
	}
	if err := plain.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, data, err := plain.ReadMessage(); err != nil || string(data) != "ask 42" {
		t.Errorf("echo: %q, %v", data, err)
	}

	if _, resp, err := dialAs(t, r, "cuckoo"); err == nil || resp == nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown dialect: %v, %v", resp, err)
	}
}

// TestDefaultDialect is for clients that have never heard of flatline.
func TestDefaultDialect(t *testing.T) {
	r := start(t, Config{Dialects: parrot, Dialect: "parrot"})
	ws, _, err := dialAs(t, r, "")
	if err != nil {
		t.Fatal(err)
	}
	wantMessage(t, ws, websocket.TextMessage, "hello")
	echo, _, err := dialAs(t, r, "echo")
	if err != nil {
		t.Fatal(err)
	}
	if err := echo.WriteMessage(websocket.TextMessage, []byte("hush")); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, echo, websocket.TextMessage, "hush")

	if err := (Config{Dialects: parrot, Dialect: "cuckoo"}).Check(); err == nil || !strings.Contains(err.Error(), `"cuckoo" is unknown`) {
		t.Errorf("checked: %v", err)
	}
	if err := (Config{Dialect: "parrot"}).Check(); err == nil {
		t.Error("a server that knows no dialects takes one")
	}
}
