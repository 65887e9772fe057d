package proxy

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/server"
)

// A path that takes nothing slows the sender down; nothing is lost and memory stays bounded.
func TestBackPressure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	target, err := ParseTarget("tcp://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	w.listen(Config{Target: target})
	const total = 32 << 20
	var got int64
	var reader sync.WaitGroup
	release := make(chan struct{})
	reader.Go(func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		<-release
		got, _ = io.Copy(io.Discard, c)
	})
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, total))
		c.Close()
		sent <- err
	}()
	select {
	case <-sent:
		t.Fatalf("%d bytes went into a target that reads nothing: there is no back pressure", total)
	case <-time.After(200 * time.Millisecond):
	}
	close(release)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	reader.Wait()
	if got != total {
		t.Errorf("%d of %d bytes arrived", got, total)
	}
}

func TestLimit(t *testing.T) {
	var mu sync.Mutex
	var warnings []string
	w := start(t, Config{Connections: 3, Warn: func(s string) { mu.Lock(); defer mu.Unlock(); warnings = append(warnings, s) }}, server.Config{})
	for range 3 {
		w.echoes(w.dial("/"), "in")
	}
	for range 2 {
		if ws, _, err := websocket.DefaultDialer.Dial("ws://"+w.addr+"/", nil); err == nil {
			ws.Close()
			t.Error("a fourth connection was taken")
		}
	}
	w.until("counted", func(r *Result) bool { return r.Failed[failLimit] == 2 })
	mu.Lock()
	defer mu.Unlock()
	if len(warnings) != 1 || !strings.Contains(warnings[0], "--connections") {
		t.Errorf("warnings %q, want one with its fix", warnings)
	}
}

// Numbers in the engine are used again, clean, whatever faults their last owners had.
func TestSlotsAreUsedAgain(t *testing.T) {
	w := start(t, Config{Connections: 4}, server.Config{})
	w.fault("delay by 1ms at 0s clients c2")
	for range 40 {
		ws := w.dial("/")
		w.echoes(ws, "hello")
		ws.Close()
		w.until("gone", func(r *Result) bool { return r.Connections.Open == 0 && len(w.proxy.connections()) == 0 })
	}
	if r := w.proxy.Result(); r.Clients != 1 || r.Connections.Opened != 40 {
		t.Errorf("%d clients, %d opened: one client came back 39 times", r.Clients, r.Connections.Opened)
	}
}

func TestTargetDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target, err := ParseTarget("ws://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	w := &world{t: t}
	w.listen(Config{Target: target})
	if _, _, err := websocket.DefaultDialer.Dial("ws://"+w.addr+"/", nil); err == nil {
		t.Fatal("upgraded by a target that is not there")
	}
	w.until("counted", func(r *Result) bool { return r.Failed[failRefused] == 1 })
}

func TestRejected(t *testing.T) {
	w := start(t, Config{}, server.Config{MaxClients: 1})
	w.dial("/")
	_, resp, err := websocket.DefaultDialer.Dial("ws://"+w.addr+"/", nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%v, %v: the target's 503 must pass", resp, err)
	}
	w.until("counted", func(r *Result) bool { return r.Failed[failRejected] == 1 })
}
