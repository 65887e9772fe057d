//go:build heavy

package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/scenario"
)

// cut is how a connection ended for one side, and when, counted from the opening.
type cut struct {
	how   chaos.How
	after time.Duration
}

// ending says how a WebSocket connection ended.
func ending(err error) chaos.How {
	var frame *websocket.CloseError
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		return chaos.RST
	case errors.As(err, &frame) && frame.Code != websocket.CloseAbnormalClosure:
		return chaos.Close
	case errors.As(err, &frame): // the library's word for an end of file between frames
		return chaos.FIN
	}
	return chaos.How(fmt.Sprint(err))
}

// witness is a WebSocket server of which every connection is told how it should behave, by its path, and then reports how it
// ended.
type witness struct {
	cuts chan cut
	addr string
}

// stay reads until the end and sends a message every so often; 0: never.
func stay(ws *websocket.Conn, every time.Duration) cut {
	opened := time.Now()
	over := make(chan struct{})
	var sender sync.WaitGroup
	if every > 0 {
		sender.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-over:
					return
				case <-tick.C:
					_ = ws.WriteMessage(websocket.TextMessage, []byte("123456789")) // the reader hears of the end
				}
			}
		})
	}
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			close(over)
			sender.Wait()
			ws.Close()
			return cut{ending(err), time.Since(opened)}
		}
	}
}

func newWitness(t *testing.T, talks time.Duration) *witness {
	w := &witness{cuts: make(chan cut, 100)}
	up := websocket.Upgrader{}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(rw, r, nil)
		if err != nil {
			return // the probe that waits for the proxy
		}
		every := time.Duration(0)
		if r.URL.Path == "/server-talks" {
			every = talks
		}
		w.cuts <- stay(ws, every)
	}))
	t.Cleanup(srv.Close)
	w.addr = srv.Listener.Addr().String()
	return w
}

// TestRealIdleCut holds the presets against the programs: nginx and HAProxy forget a connection that was quiet for their
// time-out, in either direction, in the way that the preset says; traffic in one direction alone keeps it.
func TestRealIdleCut(t *testing.T) {
	t.Parallel()
	const idle = 3 * time.Second
	presets := map[string]scenario.Preset{}
	for _, p := range scenario.Presets() {
		presets[p.Name] = p
	}
	for name, tc := range map[string]struct {
		start  func(*testing.T, int, time.Duration) int
		server chaos.How // what the server sees; the preset is about the client
	}{
		"nginx":   {nginx, chaos.FIN},
		"haproxy": {haproxy, chaos.RST},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWitness(t, idle/3)
			_, port, err := net.SplitHostPort(w.addr)
			if err != nil {
				t.Fatal(err)
			}
			var target int
			if _, err := fmt.Sscan(port, &target); err != nil {
				t.Fatal(err)
			}
			front := tc.start(t, target, idle)
			dial := func(path string) *websocket.Conn {
				ws, _, err := websocket.DefaultDialer.Dial(fmt.Sprintf("ws://127.0.0.1:%d%s", front, path), nil)
				if err != nil {
					t.Fatal(err)
				}
				return ws
			}
			// Somebody talks: alive after three time-outs.
			talking := map[string]*websocket.Conn{"/server-talks": dial("/server-talks"), "/client-talks": dial("/client-talks")}
			ended := make(chan string, len(talking))
			for path, ws := range talking {
				every := time.Duration(0)
				if path == "/client-talks" {
					every = idle / 3
				}
				go func() {
					c := stay(ws, every)
					ended <- fmt.Sprintf("%s: %s after %v", path, c.how, c.after)
				}()
			}
			const quiet = 10
			seen := make(chan cut, quiet)
			for range quiet {
				go func(ws *websocket.Conn) { seen <- stay(ws, 0) }(dial("/quiet"))
			}
			for range quiet {
				for side, want := range map[string]struct {
					from chan cut
					how  chaos.How
				}{"client": {seen, presets[name].How}, "server": {w.cuts, tc.server}} {
					select {
					case c := <-want.from:
						// HAProxy's clock ticks in milliseconds and nginx's too; the opening came before the last byte was through.
						if c.how != want.how || c.after < idle-100*time.Millisecond {
							t.Errorf("the %s saw %s after %v, want %s after %v", side, c.how, c.after, want.how, idle)
						}
					case <-time.After(idle + 10*time.Second):
						t.Fatalf("the %s was not told", side)
					}
				}
			}
			select {
			case what := <-ended:
				t.Errorf("cut although somebody talked: %s", what)
			case <-time.After(2 * idle):
			}
			for _, ws := range talking {
				ws.Close()
			}
		})
	}
}
