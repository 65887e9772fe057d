package fleet

import (
	"bufio"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// serveEnv makes the test binary an echo server in a process of its own, so that its cost is not the clients'.
const serveEnv = "FLATLINE_TEST_SERVE"

func TestMain(m *testing.M) {
	if os.Getenv(serveEnv) != "" {
		ctx, cancel := context.WithCancel(context.Background())
		go func() { // ends with the test, however that ends
			_, _ = bufio.NewReader(os.Stdin).ReadByte()
			cancel()
		}()
		err := server.Run(ctx, server.Config{}, func(i server.Info) { _ = json.NewEncoder(os.Stdout).Encode(i) })
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// echoServer starts the embedded server in another process and returns its address.
func echoServer(tb testing.TB) string {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	var info server.Info
	if err := json.NewDecoder(stdout).Decode(&info); err != nil {
		tb.Fatal(err)
	}
	return "ws://" + info.Addr
}

// tally is a Sink that counts.
type tally struct {
	mu       sync.Mutex
	outputs  [heartbeat.NumOutputs]int
	deaths   [heartbeat.NumCauses]int
	failures [heartbeat.NumCauses]int
	attempts int
	tcp      int
	states   map[int]heartbeat.State
	warnings []string
	early    int // timers that ran before they were due
}

func newTally() *tally { return &tally{states: map[int]heartbeat.State{}} }

func (s *tally) with(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *tally) Attempt(time.Duration, int, uint32) { s.with(func() { s.attempts++ }) }
func (s *tally) TCPConnected(time.Duration, int, uint32, time.Duration) {
	s.with(func() { s.tcp++ })
}
func (s *tally) Output(_ time.Duration, _ int, o *heartbeat.Output) {
	s.with(func() {
		s.outputs[o.Kind]++
		switch o.Kind {
		case heartbeat.Dead:
			s.deaths[o.Cause]++
		case heartbeat.AttemptFailed:
			s.failures[o.Cause]++
		}
	})
}
func (s *tally) State(_ time.Duration, c int, st heartbeat.State) {
	s.with(func() { s.states[c] = st })
}
func (s *tally) FaultBegan(time.Duration, int)         {}
func (s *tally) FaultInForce(time.Duration, int)       {}
func (s *tally) FaultEnded(time.Duration, int)         {}
func (s *tally) FaultFailed(time.Duration, int, error) {}
func (s *tally) Ended(time.Duration)                   {}
func (s *tally) Lag(now, due time.Duration) {
	if now < due {
		s.with(func() { s.early++ })
	}
}
func (s *tally) Target(time.Duration, report.TargetSample) {}
func (s *tally) Warn(_ time.Duration, text string) {
	s.with(func() { s.warnings = append(s.warnings, text) })
}
func (s *tally) PathCut(time.Duration, int, int)      {}
func (s *tally) ZombieBegan(time.Duration, int)       {}
func (s *tally) ZombieEnded(time.Duration, int, bool) {}
func (s *tally) count(k heartbeat.OutputKind) (n int) { s.with(func() { n = s.outputs[k] }); return }
func (s *tally) failed(c heartbeat.Cause) (n int)     { s.with(func() { n = s.failures[c] }); return }
func (s *tally) died(c heartbeat.Cause) (n int)       { s.with(func() { n = s.deaths[c] }); return }

func planOf(tb testing.TB, src string) *scenario.Plan {
	tb.Helper()
	file, err := scenario.Parse("test.yaml", []byte(src))
	if err != nil {
		tb.Fatal(err)
	}
	plan, err := file.Plan()
	if err != nil {
		tb.Fatal(err)
	}
	return plan
}

// start runs a fleet until the test stops it.
func start(tb testing.TB, plan *scenario.Plan, o Options) (f *Fleet, stop func()) {
	tb.Helper()
	began := time.Now()
	o.Clock = func() time.Duration { return time.Since(began) }
	f, err := New(plan, o)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		_ = f.Run(ctx) // it ends because it is cancelled
		close(done)
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			<-done
		})
	}
	tb.Cleanup(stop)
	return f, stop
}

const fast = `
target: {url: "ws://127.0.0.1:1"}
clients: [{count: %d, ramp: 100ms, profile: heartcheck, beat: {interval: 100ms}, timeout: 30s, reconnect: {delay: 100ms}}]
duration: 10m
`

// TestHeartbeats holds 300 clients against a server in another process: all open, all beat and hear their replies,
// nobody dies, one goroutine a client, and all of them gone when the run is over.
func TestHeartbeats(t *testing.T) {
	url := echoServer(t)
	before := runtime.NumGoroutine()
	sink := newTally()
	const n = 300
	f, stop := start(t, planOf(t, fmt.Sprintf(fast, n)), Options{Sink: sink, URL: url, Quantum: DefaultQuantum(n)})
	waitFor(t, func() bool { return sink.count(heartbeat.Replied) >= 5*n })
	if open := open(f); open != n {
		t.Errorf("%d clients are open, want %d", open, n)
	}
	if got := runtime.NumGoroutine() - before; got > n+20 {
		t.Errorf("%d goroutines for %d idle clients, want at most one each and a few", got, n)
	}
	stop()
	waitFor(t, func() bool { return runtime.NumGoroutine() <= before+2 })
	if sink.attempts != n || sink.tcp != n || sink.outputs[heartbeat.Opened] != n {
		t.Errorf("%d attempts, %d TCP connections, %d opens, want %d of each", sink.attempts, sink.tcp, sink.outputs[heartbeat.Opened], n)
	}
	if sink.outputs[heartbeat.Dead] != 0 || sink.outputs[heartbeat.AttemptFailed] != 0 {
		t.Errorf("deaths %v and failures %v on a healthy path", sink.deaths, sink.failures)
	}
	if sink.early != 0 {
		t.Errorf("%d timers ran before they were due", sink.early)
	}
	for c, s := range sink.states {
		if s != heartbeat.Stopped {
			t.Errorf("client %d ends in state %v", c, s)
		}
	}
}

// handler is an HTTP server on loopback and its ws:// address.
func handler(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// upgraded is a handler that upgrades and then hands the connection to do.
func upgraded(do func(*websocket.Conn, *http.Request)) http.HandlerFunc {
	u := websocket.Upgrader{Subprotocols: []string{"beat.v2"}}
	return func(w http.ResponseWriter, r *http.Request) {
		ws, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		do(ws, r)
	}
}

// hold reads until the client leaves, and answers nothing.
func hold(ws *websocket.Conn) {
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			return
		}
	}
}

// TestBadTargets: whatever a target does wrong has its own name.
func TestBadTargets(t *testing.T) {
	refused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "ws://" + refused.Addr().String()
	refused.Close()
	huge := func(ws *websocket.Conn, _ *http.Request) {
		// The header of a binary frame of 1 GiB, and as much of it as the client takes.
		_, _ = ws.NetConn().Write([]byte{0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0})
		chunk := make([]byte, 1<<16)
		for range 1 << 14 {
			if _, err := ws.NetConn().Write(chunk); err != nil {
				return
			}
		}
	}
	for _, tt := range []struct {
		name string
		url  string
		ok   func(*tally) bool
	}{
		{"down", dead, func(s *tally) bool { return s.failed(heartbeat.Refused) > 1 }},
		{"HTTP without WebSocket", handler(t, http.NotFound), func(s *tally) bool { return s.failed(heartbeat.Rejected) > 1 }},
		{"closes before the upgrade", handler(t, func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			c.Close()
		}), func(s *tally) bool { return s.failed(heartbeat.EOF)+s.failed(heartbeat.Reset) > 1 }},
		{"closes at once", handler(t, upgraded(func(*websocket.Conn, *http.Request) {})),
			func(s *tally) bool { return s.died(heartbeat.EOF)+s.died(heartbeat.Reset) > 1 }},
		{"says goodbye", handler(t, upgraded(func(ws *websocket.Conn, _ *http.Request) {
			_ = ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1012, ""), time.Now().Add(time.Second))
		})), func(s *tally) bool { return s.died(heartbeat.PeerClose) > 1 }},
		{"sends a frame of 1 GiB", handler(t, upgraded(huge)), func(s *tally) bool { return s.died(heartbeat.TooBig) > 1 }},
		{"breaks the protocol", handler(t, upgraded(func(ws *websocket.Conn, _ *http.Request) {
			_, _ = ws.NetConn().Write([]byte{0xff, 0xff, 0xff, 0xff})
			time.Sleep(50 * time.Millisecond)
		})), func(s *tally) bool { return s.died(heartbeat.Protocol) > 1 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sink := newTally()
			_, stop := start(t, planOf(t, fmt.Sprintf(fast, 3)), Options{Sink: sink, URL: tt.url})
			waitFor(t, func() bool { return tt.ok(sink) })
			stop()
		})
	}
}

// TestFlood: a target that never stops sending is named in the warnings, and the run still ends.
func TestFlood(t *testing.T) {
	url := handler(t, upgraded(func(ws *websocket.Conn, _ *http.Request) {
		for ws.WriteMessage(websocket.TextMessage, []byte("x")) == nil {
		}
	}))
	sink := newTally()
	_, stop := start(t, planOf(t, fmt.Sprintf(fast, 2)), Options{Sink: sink, URL: url})
	waitFor(t, func() bool {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		return len(sink.warnings) == 1 && strings.Contains(sink.warnings[0], "floods")
	})
	stop()
}

// TestRequest: path, headers and subprotocols reach the target, each client's own.
func TestRequest(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	url := handler(t, upgraded(func(ws *websocket.Conn, r *http.Request) {
		mu.Lock()
		seen[fmt.Sprintf("%s %s %s", r.URL.RequestURI(), r.Header.Get("X-Client"), ws.Subprotocol())] = true
		mu.Unlock()
		hold(ws)
	}))
	plan := planOf(t, `
target: {url: "ws://127.0.0.1:1"}
clients:
  - group: a
    count: 2
    ramp: 10ms
    profile: heartcheck
    path: "/room?c={{.Client}}"
    headers: {X-Client: "{{.Group}}-{{.Index}}"}
    subprotocols: [beat.v2]
duration: 10m
`)
	_, stop := start(t, plan, Options{Sink: newTally(), URL: url})
	defer stop()
	want := []string{"/room?c=0 a-0 beat.v2", "/room?c=1 a-1 beat.v2"}
	waitFor(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen[want[0]] && seen[want[1]]
	})
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 2 {
		t.Errorf("the target saw %v, want %v", seen, want)
	}
}

// TestTLS: an unknown authority is refused and named, the given one and the wish not to verify are taken.
func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(upgraded(func(ws *websocket.Conn, _ *http.Request) { hold(ws) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what this is about
	s.StartTLS()
	defer s.Close()
	url := "wss" + strings.TrimPrefix(s.URL, "https")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*scenario.Target)
		ok     func(*tally) bool
	}{
		{"unknown authority", func(*scenario.Target) {}, func(s *tally) bool { return s.failed(heartbeat.TLSError) > 0 }},
		{"given authority", func(t *scenario.Target) { t.CA = ca }, func(s *tally) bool { return s.count(heartbeat.Opened) == 3 }},
		{"insecure", func(t *scenario.Target) { t.Insecure = true }, func(s *tally) bool { return s.count(heartbeat.Opened) == 3 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := planOf(t, fmt.Sprintf(fast, 3))
			tt.change(&plan.Target)
			sink := newTally()
			_, stop := start(t, plan, Options{Sink: sink, URL: url})
			waitFor(t, func() bool { return tt.ok(sink) })
			stop()
		})
	}
	plan := planOf(t, fmt.Sprintf(fast, 3))
	plan.Target.CA = filepath.Join(t.TempDir(), "missing.pem")
	if _, err := New(plan, Options{Sink: newTally()}); err == nil {
		t.Error("a missing authority file is no error")
	}
}

// TestSources: clients leave from the addresses that they are given, in turn.
func TestSources(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux answers on all of 127.0.0.0/8 without being asked")
	}
	var mu sync.Mutex
	from := map[string]int{}
	url := handler(t, upgraded(func(ws *websocket.Conn, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		mu.Lock()
		from[host]++
		mu.Unlock()
		hold(ws)
	}))
	plan := planOf(t, fmt.Sprintf(fast, 30))
	plan.Groups[0].Sources = []string{"127.0.0.2", "127.0.0.3", "127.0.0.4"}
	f, stop := start(t, plan, Options{Sink: newTally(), URL: url})
	defer stop()
	waitFor(t, func() bool { return open(f) == 30 })
	mu.Lock()
	defer mu.Unlock()
	for _, a := range plan.Groups[0].Sources {
		if from[a] != 10 {
			t.Errorf("connections by source are %v, want 10 from each of %v", from, plan.Groups[0].Sources)
		}
	}
	if a := f.LocalAddr(1); !strings.HasPrefix(a, "127.0.0.3:") {
		t.Errorf("client 1 is connected from %q", a)
	}
}

// open counts the clients that are connected.
func open(f *Fleet) int {
	n := 0
	for i := range f.clients {
		c := &f.clients[i]
		c.mu.Lock()
		if c.links != nil && c.links.ws != nil {
			n++
		}
		c.mu.Unlock()
	}
	return n
}

// waitFor polls for at most a minute.
func waitFor(tb testing.TB, ok func() bool) {
	tb.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	tb.Fatal("did not happen within a minute")
}

// TestNoEngine: a fault that nothing carries out is refused before the run, not in the middle of it.
func TestNoEngine(t *testing.T) {
	plan := planOf(t, fmt.Sprintf(fast, 3)+"chaos: [{at: 1s, for: 1s, fault: blackhole}]\n")
	if _, err := New(plan, Options{Sink: newTally()}); err == nil || !strings.Contains(err.Error(), "blackhole") {
		t.Errorf("a blackhole without an engine: %v", err)
	}
}
