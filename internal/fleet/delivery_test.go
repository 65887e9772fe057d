package fleet_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
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
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// serverLog is what the server under test says that it did.
type serverLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// of lists the messages with which the server did what, in order.
func (l *serverLog) of(t *testing.T, what string) (ids []delivery.ID) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		did, rest, _ := strings.Cut(line, " ")
		if did != what {
			continue
		}
		var id delivery.ID
		var to string
		if _, err := fmt.Sscan(rest, &id.From, &id.Seq, &to); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if _, err := fmt.Sscan(to, &id.To); err != nil {
			id.To = -1 // a room, or nobody
		}
		ids = append(ids, id)
	}
	return ids
}

// deliver runs the plan against the embedded server, with chaos/stream, and returns the Result, what the clients said and
// what the server noted.
func deliver(t *testing.T, cfg server.Config, text string) (*report.Result, *witness, *serverLog) {
	t.Helper()
	log := &serverLog{}
	cfg.Delivery, cfg.LogTo = true, log
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan server.Info, 1), make(chan error, 1)
	go func() { done <- server.Run(ctx, cfg, func(i server.Info) { ready <- i }) }()
	select {
	case err := <-done:
		cancel()
		t.Fatal(err)
	case i := <-ready:
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		r, w := carryTo(t, "ws://"+i.Addr, strings.ReplaceAll(text, "PUBLISH", server.Client{Control: i.Control}.PublishURL()))
		return r, w, log
	}
	return nil, nil, nil
}

// witness notes what clients did with messages, beside the recorder.
type witness struct {
	*report.Recorder
	mu sync.Mutex
	// By client and connection, in order.
	published, acked, delivered map[[2]uint32][]uint32
}

func (w *witness) Output(now time.Duration, client int, o *heartbeat.Output) {
	w.Recorder.Output(now, client, o)
	w.mu.Lock()
	defer w.mu.Unlock()
	k := [2]uint32{uint32(client), o.Epoch}
	switch o.Kind {
	case heartbeat.Published:
		w.published[k] = append(w.published[k], o.Seq)
	case heartbeat.Acked:
		w.acked[k] = append(w.acked[k], o.Seq)
	case heartbeat.Delivered:
		w.delivered[k] = append(w.delivered[k], o.Seq)
	}
}

// carry runs the plan against the handler, with chaos/stream, and returns the Result.
func carry(t *testing.T, h http.Handler, text string) *report.Result {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	r, _ := carryTo(t, "ws"+strings.TrimPrefix(srv.URL, "http"), text)
	return r
}

func carryTo(t *testing.T, url, text string) (*report.Result, *witness) {
	t.Helper()
	f, err := scenario.Parse("test.yaml", []byte(strings.NewReplacer("URL", url, "HTTP", "http"+strings.TrimPrefix(url, "ws")).Replace(text)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	clock := func() time.Duration { return time.Since(start) }
	w := &witness{Recorder: report.NewRecorder(p, report.Options{Driver: "fleet", Started: start}),
		published: map[[2]uint32][]uint32{}, acked: map[[2]uint32][]uint32{}, delivered: map[[2]uint32][]uint32{}}
	engine := stream.New(clock, w, p.Seed, p.Clients)
	fl, err := fleet.New(p, fleet.Options{Sink: w, Clock: clock, Path: engine, Engines: []chaos.Engine{engine}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fl.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return w.Snapshot(clock(), report.SnapshotOptions{Final: true}), w
}

func value(t *testing.T, r *report.Result, metric string) int {
	t.Helper()
	m, err := r.Value(scenario.Expect{Metric: metric})
	if err != nil {
		t.Fatal(err)
	}
	return int(m.Value)
}

// TestLiarIsCaught: a server that acknowledges and forgets one message in 10,000, stores some twice and delivers some behind
// the next is caught with the exact ids, and the counts are those of its own log.
func TestLiarIsCaught(t *testing.T) {
	t.Parallel()
	r, _, log := deliver(t, server.Config{DropAcked: 1e-4, Duplicate: 2e-3, Reorder: 3e-3}, `
target: {url: URL}
clients:
  - {count: 40, ramp: 100ms, profile: heartcheck, traffic: {rate: 250/s, protocol: delivery, mode: at-least-once, retransmit: 0s, start: 1s, drain: 3s}}
duration: 8s
expect: [delivery.lost == 0]
`)
	dropped, doubled, swapped := log.of(t, "dropped"), log.of(t, "duplicated"), log.of(t, "reordered")
	if len(dropped) < 2 || len(doubled) < 10 || len(swapped) < 10 {
		t.Fatalf("the server was hardly a liar: %d, %d, %d", len(dropped), len(doubled), len(swapped))
	}
	d := r.Groups[0].Delivery
	slices.SortFunc(dropped, func(a, b delivery.ID) int { return int(a.From-b.From)<<20 + int(a.Seq) - int(b.Seq) })
	if diff := cmp.Diff(dropped[:min(len(dropped), report.ListedIDs)], d.Lied); diff != "" {
		t.Errorf("acknowledged and never delivered (-the server's log +the accounts):\n%s", diff)
	}
	got := []int{value(t, r, "delivery.acked_lost"), value(t, r, "delivery.lost"), value(t, r, "delivery.duplicated")}
	if diff := cmp.Diff([]int{len(dropped), len(dropped), len(doubled)}, got); diff != "" {
		t.Errorf("dropped, lost, doubled (-the server's log +the accounts):\n%s", diff)
	}
	// What was stored twice and goes behind the next stands behind its own copy, if that is the next: it is late all the same,
	// unless the copy came first.
	twice := map[delivery.ID]bool{}
	for _, id := range doubled {
		twice[id] = true
	}
	both := 0
	for _, id := range swapped {
		if twice[id] {
			both++
		}
	}
	if n := value(t, r, "delivery.reordered"); n > len(swapped) || n < len(swapped)-both {
		t.Errorf("%d late, and the server delivered %d behind the next, of them %d stored twice", n, len(swapped), both)
	}
	if due := value(t, r, "delivery.due"); due != 40*250*4 || r.Outcomes[0].State != report.Fail {
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
			r, _, _ := deliver(t, server.Config{}, fmt.Sprintf(`
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
			again, dropped := value(t, r, "delivery.duplicated"), value(t, r, "delivery.dropped")
			if once := mode == "effectively-once"; once && again != 0 || !once && dropped != 0 || again+dropped == 0 {
				t.Errorf("%s: %d duplicates delivered, %d dropped", mode, again, dropped)
			}
		})
	}
}

// TestAtMostOnceAgainstTheLog: what is lost is counted exactly. On every connection what the server stored is what was
// published first, and what was acknowledged, or delivered, is what it stored first: bytes arrive in order until the path
// dies. So each lost message either is not in the server's log, or is among the last that this connection brought there.
func TestAtMostOnceAgainstTheLog(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"server", "self"} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			r, w, log := deliver(t, server.Config{}, fmt.Sprintf(`
target: {url: URL}
clients:
  - {count: 20, ramp: 100ms, %s, traffic: {rate: 50/s, arrivals: poisson, protocol: delivery, to: %s, start: 500ms, drain: 2500ms}}
duration: 6s
%s
`, quick, to, faults))
			d := r.Groups[0].Delivery
			if d.Lost == 0 || d.Sent == d.Due {
				t.Fatalf("nothing was lost: %+v", d)
			}
			stored := map[[2]uint32]bool{}
			for _, id := range log.of(t, "stored") {
				if k := [2]uint32{uint32(id.From), id.Seq}; stored[k] {
					t.Errorf("%v was stored twice, and sent once", k)
				} else {
					stored[k] = true
				}
			}
			came := w.acked
			if to == "self" {
				came = w.delivered
			}
			received, unheard, published := 0, 0, 0
			for k, all := range w.published {
				n := 0
				for n < len(all) && stored[[2]uint32{k[0], all[n]}] {
					n++
				}
				for _, seq := range all[n:] {
					if stored[[2]uint32{k[0], seq}] {
						t.Errorf("client %d, connection %d: %d was stored, and one before it was not", k[0], k[1], seq)
					}
				}
				if c := came[k]; len(c) > n || !slices.Equal(c, all[:len(c)]) {
					t.Errorf("client %d, connection %d: the server stored the first %d of %v, and the client heard of %v", k[0], k[1], n, all, c)
				}
				received += len(came[k])
				unheard += n - len(came[k])
				published += len(all)
			}
			if published != int(d.Sent) || received+unheard != len(stored) {
				t.Errorf("%d published, %d in the accounts; %d received, %d stored and not heard of, %d in the server's log", published, d.Sent, received, unheard, len(stored))
			}
			if int(d.Received) != received || int(d.Lost) != int(d.Due)-len(stored)+unheard {
				t.Errorf("accounts: %d of %d received, %d lost; by the log %d and %d", d.Received, d.Due, d.Lost, received, int(d.Due)-len(stored)+unheard)
			}
		})
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
