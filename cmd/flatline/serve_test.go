//go:build linux

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/scenario"
)

func TestServe(t *testing.T) {
	t.Parallel()
	r, info := startServe(t, "--beat", "20ms", "--beat-frame", "text", "--beat-text", "tick", "--max-clients", "1")
	if info.PID != r.cmd.Process.Pid || info.Addr == "" || info.Control == "" {
		t.Errorf("ready line: %+v", info)
	}
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+info.Addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	ws.SetReadDeadline(time.Now().Add(patience))
	if _, text, err := ws.ReadMessage(); string(text) != "tick" {
		t.Errorf("the beat is %q, %v", text, err)
	}
	if _, resp, err := websocket.DefaultDialer.Dial("ws://"+info.Addr+"/", nil); err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a second client with --max-clients 1: %v", err)
	}

	resp, err := http.Get("http://" + info.Control + "/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var stats server.Stats
	if err := json.Unmarshal(text, &stats); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if stats.Open != 1 || stats.Handshakes != 1 || stats.Rejected["max_clients"] != 1 || stats.Beats < 1 {
		t.Errorf("stats: %s", text)
	}

	r.cmd.Process.Signal(syscall.SIGTERM)
	r.exit(exitPass)
	if n := strings.Count(r.stdout.String(), "\n"); n != 1 {
		t.Errorf("%d lines on standard output:\n%s", n, r.stdout.String())
	}
	if text := r.stderr.String(); text != "" {
		t.Errorf("standard error: %s", text)
	}
}

// What a scenario says about the embedded server is what its process is started with.
func TestServeArgs(t *testing.T) {
	for _, tt := range []struct {
		serve scenario.Serve
		want  string
	}{
		{scenario.Serve{}, "serve"},
		{scenario.Serve{Reply: "none", Reap: 9 * time.Second, MaxClients: 7}, "serve --max-clients=7 --reap=9s --reply=none"},
		{scenario.Serve{Handshakes: 250, Backlog: 100}, "serve --backlog=100 --handshakes=250"},
		{scenario.Serve{Beat: time.Second, BeatFrame: heartbeat.Ping}, "serve --beat=1s --beat-frame=ping"},
		{scenario.Serve{Beat: time.Second, BeatFrame: heartbeat.Text, BeatText: "a b"}, "serve --beat=1s --beat-frame=text --beat-text=a b"},
	} {
		if got := strings.Join(serveArgs(&tt.serve), " "); got != tt.want {
			t.Errorf("serveArgs(%+v) = %q, want %q", tt.serve, got, tt.want)
		}
	}
}

func TestParseReady(t *testing.T) {
	if info, err := parseReady(`{"addr":"127.0.0.1:1","control":"127.0.0.1:2","pid":3}`); err != nil || info.Addr != "127.0.0.1:1" || info.Control != "127.0.0.1:2" || info.PID != 3 {
		t.Errorf("%+v, %v", info, err)
	}
	for _, line := range []string{"", "listening", "{}", `{"addr":`} {
		if _, err := parseReady(line); err == nil || !strings.Contains(err.Error(), "instead of its address") {
			t.Errorf("parseReady(%q): %v", line, err)
		}
	}
}
