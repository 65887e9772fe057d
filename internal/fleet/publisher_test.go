package fleet_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/report"
)

// TestFromServer: what the service behind the server publishes arrives at its client, or at everyone in a room, whatever
// breaks between, and the server's log has every message as often as it was acknowledged.
func TestFromServer(t *testing.T) {
	t.Parallel()
	r, w, log := deliver(t, server.Config{}, fmt.Sprintf(`
target: {url: URL, publish: {url: PUBLISH, connections: 4}}
clients:
  - {group: alone, count: 6, ramp: 100ms, %[1]s, traffic: {from: server, rate: 40/s, protocol: delivery, mode: at-least-once, start: 500ms, drain: 2500ms}}
  - {group: crowd, count: 4, ramp: 100ms, %[1]s, traffic: {from: server, rate: 10/s, arrivals: bursts, burst: 5, protocol: delivery, mode: effectively-once, to: "#lobby", join: lobby, start: 500ms, drain: 2500ms}}
  - {group: never, count: 4, ramp: 100ms, %[1]s, traffic: {from: server, rate: 20/s, protocol: delivery, start: 500ms, drain: 2500ms}}
duration: 6s
%[2]s
expect: [delivery.lost == 0 in alone, delivery.lost == 0 in crowd, delivery.duplicated == 0 in crowd, delivery.lost > 0 in never]
`, quick, faults))
	for _, o := range r.Outcomes {
		if o.State != report.Pass {
			t.Errorf("%s: %s, %v", o.Text, o.State, o.Measured)
		}
	}
	stored := len(log.of(t, "stored"))
	due := 0
	for i := range r.Groups {
		d := r.Groups[i].Delivery
		due += int(d.Due)
		if d.Sent != d.Due || d.Acked != d.Due || d.Resent != 0 || d.Strays != 0 {
			t.Errorf("%s: nothing hurt the way from the service to the server: %+v", r.Plan.Groups[i].Name, d)
		}
	}
	if lost := r.Groups[2].Delivery; lost.AckedLost != lost.Lost || len(lost.Lied) == 0 {
		t.Errorf("whoever is away and does not resume misses what the server has: %+v", lost)
	}
	if stored != due || due == 0 {
		t.Errorf("%d due, %d stored", due, stored)
	}
	for k, seqs := range w.published {
		if k[1] != 0 {
			t.Errorf("client %d published %d messages on its connection %d", k[0], len(seqs), k[1])
		}
	}
}

// hub is a server of somebody else: whoever connects to /N is client N, and what is posted goes to the clients that it is for.
type hub struct {
	mu      sync.Mutex
	clients map[string]*websocket.Conn
	answer  func(text string) int // the status of the answer; passedOn: the message goes its way nonetheless
}

const passedOn = http.StatusTeapot

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		text := string(body)
		f := strings.Fields(text)
		if err != nil || len(f) < 5 || r.URL.Path != "/say/"+f[1]+"/"+f[2] || r.Header.Get("X-Key") != "k" || r.Header.Get("Content-Type") != "text/odd" {
			http.Error(w, "who is that", http.StatusForbidden)
			return
		}
		code := h.answer(text)
		if code >= 300 && code != passedOn {
			http.Error(w, "not now", code)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if ws := h.clients[f[4]]; ws != nil {
			_ = ws.WriteMessage(websocket.TextMessage, body)
		}
		w.WriteHeader(code)
		return
	}
	ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	h.mu.Lock()
	h.clients[strings.TrimPrefix(r.URL.Path, "/")] = ws
	h.mu.Unlock()
	for {
		kind, data, err := ws.ReadMessage()
		if err != nil {
			return
		}
		h.mu.Lock()
		_ = ws.WriteMessage(kind, data)
		h.mu.Unlock()
	}
}

// TestPublishAnywhere: any server that takes messages by HTTP will do. One that refuses some of them loses those that are
// published at most once, and gets the others again.
func TestPublishAnywhere(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	refused := map[string]int{}
	h := &hub{clients: map[string]*websocket.Conn{}, answer: func(text string) int {
		f := strings.Fields(text)
		mu.Lock()
		defer mu.Unlock()
		if key := f[1] + ":" + f[2]; !seen[key] && strings.HasSuffix(f[2], "3") {
			seen[key] = true
			refused[f[1]]++
			return 503
		}
		return 200
	}}
	r := carry(t, h, strings.ReplaceAll(`
target: {url: "URL/{{.Client}}", publish: {url: "HTTP/say/{{.Client}}/{{.Seq}}", headers: {X-Key: k, Content-Type: text/odd}}}
clients:
  - {group: once, count: 2, ramp: 100ms, QUICK, traffic: {from: server, rate: 50/s, start: 500ms, drain: 1500ms}}
  - {group: again, count: 2, ramp: 100ms, QUICK, traffic: {from: server, rate: 50/s, mode: at-least-once, retransmit: 200ms, start: 500ms, drain: 1500ms}}
duration: 3s
expect: [delivery.lost == 0 in again, delivery.duplicated == 0, delivery.acked_lost == 0]
`, "QUICK", quick))
	for _, o := range r.Outcomes {
		if o.State != report.Pass {
			t.Errorf("%s: %s, %v", o.Text, o.State, o.Measured)
		}
	}
	once, again := r.Groups[0].Delivery, r.Groups[1].Delivery
	if n := int64(refused["0"] + refused["1"]); once.Due != 100 || once.Sent != 100 || once.Lost != n || once.Acked != 100-n || n == 0 {
		t.Errorf("once: refused %d, %+v", n, once)
	}
	if n := int64(refused["2"] + refused["3"]); again.Due != 100 || again.Acked != 100 || again.Resent != n || n == 0 {
		t.Errorf("again: refused %d, %+v", n, again)
	}
	warned := false
	for _, w := range r.Warnings {
		warned = warned || strings.Contains(w.Text, "requests that published failed") && strings.Contains(w.Text, "503 Service Unavailable not now")
	}
	if !warned {
		t.Errorf("what the server said is in none of %v", r.Warnings)
	}
}

// TestPublishNobodyAnswers: what waits for a connection for longer than a request may take never leaves, and the run ends.
func TestPublishNobodyAnswers(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	h := &hub{clients: map[string]*websocket.Conn{}, answer: func(string) int { <-release; return 500 }}
	time.AfterFunc(4*time.Second, func() { close(release) })
	const text = `
target: {url: "URL/{{.Client}}", publish: {url: "HTTP/say/{{.Client}}/{{.Seq}}", headers: {X-Key: k, Content-Type: text/odd}, timeout: 300ms, connections: 1}}
clients: [{count: 1, QUICK, traffic: {from: server, rate: 50/s, start: 500ms, drain: 500ms}}]
duration: 2s
`
	r := carry(t, h, strings.ReplaceAll(text, "QUICK", quick))
	if d := r.Groups[0].Delivery; d.Due != 50 || d.Lost != 50 || d.Acked != 0 || d.Sent == 0 || d.Sent > 8 {
		t.Errorf("one connection, 300 ms for each request, for a second: %+v", d)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := closed.Addr().String()
	closed.Close()
	r = carry(t, h, strings.ReplaceAll(strings.ReplaceAll(text, "QUICK", quick), "HTTP/", "http://"+addr+"/"))
	if d := r.Groups[0].Delivery; d.Due != 50 || d.Lost != 50 || d.Sent != 0 {
		t.Errorf("nobody listens: %+v", d)
	}
}

// TestServerFeedIsNoClients: a client acknowledges nothing of that by hearing it, and its own echoes are no messages of it.
func TestServerFeedIsNoClients(t *testing.T) {
	t.Parallel()
	h := &hub{clients: map[string]*websocket.Conn{}, answer: func(string) int { return passedOn }}
	r := carry(t, h, strings.ReplaceAll(`
target: {url: "URL/{{.Client}}", publish: {url: "HTTP/say/{{.Client}}/{{.Seq}}", headers: {X-Key: k, Content-Type: text/odd}}}
clients: [{count: 3, ramp: 100ms, QUICK, traffic: {from: server, rate: 50/s, start: 500ms, drain: 500ms}}]
duration: 2s
`, "QUICK", quick))
	if d := r.Groups[0].Delivery; d.Due != 150 || d.Sent != 150 || d.Acked != 0 || d.Received != 150 || d.Strays != 0 {
		t.Errorf("delivered and not acknowledged: %+v", d)
	}
}
