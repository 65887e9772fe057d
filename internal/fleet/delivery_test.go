package fleet_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/chaos/stream"
	"github.com/flatline-dev/flatline/internal/delivery"
	"github.com/flatline-dev/flatline/internal/fleet"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// postOffice speaks the delivery protocol: it stores what is published, replays what a client has not seen, and lies where it
// is told to. Its own log says what it did, so that the accounts can be held against it.
type postOffice struct {
	drop, double, swap func(client, seq int) bool // of a delivery: acknowledge and lose it; carry it out twice; hold it back behind the next
	unique             bool                       // store a message of a client only once

	mu      sync.Mutex
	inboxes map[int]*inbox
	rooms   map[string][]int
	stored  map[[2]int]bool
	highest map[int]int // by publisher: all up to it are stored

	dropped, doubled, swapped []delivery.ID
	seen                      map[[2]int]bool // (client, seq) that came in
}

type inbox struct {
	log  []string // by position, from 1
	conn *websocket.Conn
	held string // waits for the next
}

func newPostOffice() *postOffice {
	never := func(int, int) bool { return false }
	return &postOffice{drop: never, double: never, swap: never, inboxes: map[int]*inbox{}, rooms: map[string][]int{}, stored: map[[2]int]bool{},
		highest: map[int]int{}, seen: map[[2]int]bool{}}
}

func (p *postOffice) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	client := -1
	for {
		kind, data, err := c.ReadMessage()
		if err != nil {
			return
		}
		p.mu.Lock()
		client = p.read(c, client, kind, string(data))
		p.mu.Unlock()
	}
}

// read takes one frame. The lock is held.
func (p *postOffice) read(c *websocket.Conn, client, kind int, text string) int {
	say := func(format string, args ...any) {
		_ = c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...))
	}
	f := strings.SplitN(text, " ", 6)
	var n, seq int
	var sent int64
	switch f[0] {
	case "hello":
		last := 0
		fmt.Sscan(f[1], &client)
		resumes, _ := fmt.Sscan(f[2], &last)
		b := p.inbox(client)
		b.conn = c
		say("welcome %d %d", client, p.highest[client])
		if resumes > 0 {
			for _, line := range b.log[last:] {
				say("%s", line)
			}
		}
	case "join":
		for _, m := range p.rooms["#"+f[1]] {
			if m == client {
				return client
			}
		}
		p.rooms["#"+f[1]] = append(p.rooms["#"+f[1]], client)
	case "pub":
		fmt.Sscan(f[1], &n)
		fmt.Sscan(f[2], &seq)
		fmt.Sscan(f[3], &sent)
		p.seen[[2]int{n, seq}] = true
		again := p.stored[[2]int{n, seq}]
		p.stored[[2]int{n, seq}] = true
		for p.stored[[2]int{n, p.highest[n] + 1}] {
			p.highest[n]++
		}
		if !again || !p.unique {
			to := p.rooms[f[4]]
			if id := 0; f[4] != "-" && f[4][0] != '#' {
				fmt.Sscan(f[4], &id)
				to = []int{id}
			}
			for _, id := range to {
				p.deliver(n, id, seq, sent)
			}
		}
		say("ack %d %d", n, seq)
	case "got":
	default: // the heartbeat
		say("%s", text)
	}
	return client
}

func (p *postOffice) inbox(client int) *inbox {
	if p.inboxes[client] == nil {
		p.inboxes[client] = &inbox{}
	}
	return p.inboxes[client]
}

func (p *postOffice) deliver(from, to, seq int, sent int64) {
	b, id := p.inbox(to), delivery.ID{From: int32(from), To: int32(to), Seq: uint32(seq)}
	put := func(body string) {
		b.log = append(b.log, fmt.Sprintf("msg %d %s", len(b.log)+1, body))
		if b.conn != nil {
			_ = b.conn.WriteMessage(websocket.TextMessage, []byte(b.log[len(b.log)-1]))
		}
	}
	body := fmt.Sprintf("%d %d %d", from, seq, sent)
	if p.drop(from, seq) {
		p.dropped = append(p.dropped, id)
		return
	}
	if p.swap(from, seq) && b.held == "" {
		p.swapped = append(p.swapped, id)
		b.held = body
		return
	}
	put(body)
	if p.double(from, seq) {
		p.doubled = append(p.doubled, id)
		put(body)
	}
	if b.held != "" {
		put(b.held)
		b.held = ""
	}
}

// carry runs the plan against the handler, with chaos/stream, and returns the Result.
func carry(t *testing.T, h http.Handler, text string) *report.Result {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	f, err := scenario.Parse("test.yaml", []byte(strings.ReplaceAll(text, "URL", "ws"+strings.TrimPrefix(srv.URL, "http"))))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	clock := func() time.Duration { return time.Since(start) }
	rec := report.NewRecorder(p, report.Options{Driver: "fleet", Started: start})
	engine := stream.New(clock, rec, p.Seed, p.Clients)
	fl, err := fleet.New(p, fleet.Options{Sink: rec, Clock: clock, Path: engine, Engines: []chaos.Engine{engine}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fl.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return rec.Snapshot(clock(), report.SnapshotOptions{Final: true})
}

func value(t *testing.T, r *report.Result, metric string) int {
	t.Helper()
	m, err := r.Value(scenario.Expect{Metric: metric})
	if err != nil {
		t.Fatal(err)
	}
	return int(m.Value)
}

// TestLiarIsCaught: a server that acknowledges and loses one message in 10,000, delivers some twice and some behind the next
// is caught with the exact ids, and the counts are those of its own log.
func TestLiarIsCaught(t *testing.T) {
	t.Parallel()
	p := newPostOffice()
	p.unique = true
	p.drop = func(client, seq int) bool { return (client*1500+seq)%10_000 == 7 }
	p.double = func(client, seq int) bool { return (client*17+seq)%500 == 3 }
	p.swap = func(client, seq int) bool { return (client*13+seq)%400 == 5 && seq < 1500 } // the last has no next
	r := carry(t, p, `
target: {url: URL}
clients:
  - {count: 20, ramp: 100ms, profile: heartcheck, traffic: {rate: 500/s, protocol: delivery, mode: at-least-once, retransmit: 0s, start: 1s, drain: 3s}}
duration: 7s
expect: [delivery.lost == 0]
`)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.dropped) != 3 || len(p.doubled) < 10 || len(p.swapped) < 10 {
		t.Fatalf("the server was hardly a liar: %d, %d, %d", len(p.dropped), len(p.doubled), len(p.swapped))
	}
	d := r.Groups[0].Delivery
	var want []delivery.ID
	for client := range int32(20) {
		for _, id := range p.dropped {
			if id.From == client {
				want = append(want, id)
			}
		}
	}
	if diff := cmp.Diff(want[:min(len(want), report.ListedIDs)], d.Lied); diff != "" {
		t.Errorf("acknowledged and never delivered (-the server's log +the accounts):\n%s", diff)
	}
	got := []int{value(t, r, "delivery.acked_lost"), value(t, r, "delivery.lost"), value(t, r, "delivery.duplicated"), value(t, r, "delivery.reordered")}
	if diff := cmp.Diff([]int{len(p.dropped), len(p.dropped), len(p.doubled), len(p.swapped)}, got); diff != "" {
		t.Errorf("dropped, lost, doubled, behind the next (-the server's log +the accounts):\n%s", diff)
	}
	if due := value(t, r, "delivery.due"); due != 20*500*3 || r.Outcomes[0].State != report.Fail {
		t.Errorf("%d due, %+v", due, r.Outcomes[0])
	}
}

// faults are a storm of everything that the stream engine does to connections.
const faults = `
chaos:
  - {at: 1s, for: 700ms, fault: blackhole, clients: 50%}
  - {at: 1300ms, fault: kill, how: rst, clients: 60%}
  - {at: 1900ms, fault: kill, how: fin, clients: 60%}
  - {at: 2200ms, for: 600ms, fault: blackhole, direction: down}
  - {at: 3s, fault: kill, how: rst}
`

const quick = `beat: {interval: 300ms}, timeout: 200ms, reconnect: {kind: fixed, delay: 50ms}`

// TestAtLeastOnceLosesNothing: with resume, to the clients themselves and to a room, every delivery arrives, whatever breaks;
// effectively-once delivers none of them twice.
func TestAtLeastOnceLosesNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"at-least-once", "effectively-once"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPostOffice()
			p.unique = mode == "effectively-once"
			r := carry(t, p, fmt.Sprintf(`
target: {url: URL}
clients:
  - {group: alone, count: 6, ramp: 100ms, %[1]s, traffic: {rate: 40/s, protocol: delivery, mode: %[2]s, retransmit: 150ms, start: 500ms, drain: 2500ms}}
  - {group: crowd, count: 4, ramp: 100ms, %[1]s, traffic: {rate: 10/s, arrivals: bursts, burst: 5, protocol: delivery, mode: %[2]s, to: "#lobby", join: lobby, start: 500ms, drain: 2500ms}}
duration: 6s
%[3]s
expect: [delivery.lost == 0]
`, quick, mode, faults))
			if r.Outcomes[0].State != report.Pass {
				t.Errorf("%s: lost %d of %d, %v", mode, value(t, r, "delivery.lost"), value(t, r, "delivery.due"), r.Groups[0].Delivery.Lied)
			}
			if owed := r.Groups[1].Delivery; owed.Owed != 4*owed.Due || owed.Due == 0 {
				t.Errorf("%s: the room is owed %d for %d messages", mode, owed.Owed, owed.Due)
			}
			if resent := r.Groups[0].Delivery.Resent; resent == 0 {
				t.Errorf("%s: nothing was sent again: did anything break?", mode)
			}
			if n := value(t, r, "delivery.duplicated"); mode == "effectively-once" && n != 0 {
				t.Errorf("%s: %d duplicates", mode, n)
			}
		})
	}
}

// TestAtMostOnceAgainstTheLog: no more is received than the server's log has, and what the log lacks is lost. An
// acknowledgement on its way when the path dies makes the two differ, so the counts bound each other.
func TestAtMostOnceAgainstTheLog(t *testing.T) {
	t.Parallel()
	p := newPostOffice()
	r := carry(t, p, fmt.Sprintf(`
target: {url: URL}
clients:
  - {count: 10, ramp: 100ms, %s, traffic: {rate: 30/s, arrivals: poisson, protocol: delivery, to: server, start: 500ms, drain: 2500ms}}
duration: 6s
%s
`, quick, strings.ReplaceAll(faults, ", direction: down", "")))
	p.mu.Lock()
	defer p.mu.Unlock()
	d := r.Groups[0].Delivery
	if d.Lost == 0 || d.Sent == d.Due {
		t.Fatalf("nothing was lost: %+v", d)
	}
	// An acknowledgement on its way when the path dies is lost too: what arrived and is not known to have arrived.
	unknown := int64(len(p.seen)) - d.Received
	if unknown < 0 || d.Due-int64(len(p.seen)) > d.Lost {
		t.Errorf("the server has %d of %d messages; the accounts have %d received and %d lost", len(p.seen), d.Due, d.Received, d.Lost)
	}
}

// TestAnyEcho: without a protocol, whatever comes back is the delivery.
func TestAnyEcho(t *testing.T) {
	t.Parallel()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, data, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, data) != nil {
				return
			}
		}
	})
	r := carry(t, echo, fmt.Sprintf(`
target: {url: URL}
clients:
  - {group: once, count: 5, ramp: 100ms, %[1]s, traffic: {rate: 30/s, start: 500ms, drain: 2500ms, sizes: lognormal}}
  - {group: again, count: 5, ramp: 100ms, %[1]s, traffic: {rate: 30/s, start: 500ms, drain: 2500ms, mode: at-least-once, retransmit: 500ms, sizes: uniform, size_max: 5000, formats: {publish: '{"from":{{.Client}},"n":{{.Seq}},"at":{{.Sent}},"pad":"{{.Pad}}"}', message: '{"from":{{.Client}},"n":{{.Seq}},"at":{{.Sent}},"pad":"{{.Pad}}"}'}}}
duration: 6s
%[2]s
expect: [delivery.lost > 0 in once, delivery.lost == 0 in again, delivery.due == 450 in again]
`, quick, faults))
	for _, o := range r.Outcomes {
		if o.State != report.Pass {
			t.Errorf("%s: %s, measured %v %s", o.Text, o.State, o.Measured.Value, o.Note)
		}
	}
	if d := r.Groups[0].Delivery; d.Received != d.Acked || d.AckedLost != 0 || d.Strays != 0 {
		t.Errorf("an echo is delivery and acknowledgement: %+v", d)
	}
}
