//go:build unix

package fleet

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// benchClients is the size of the side-by-side benchmarks. FLATLINE_BENCH_CLIENTS overrides it.
const benchClients = 10_000

const benchCycle = 3 * time.Second

// BenchmarkBeat measures what a heartbeat costs the client process: 10,000 clients, one text beat each every 3 s, echoed
// by a server in another process. flatline runs with recorder and chaos layer on; bare is a plain gorilla/websocket
// loop with one reader goroutine a client and one timing wheel of 10 ms for all beats. One op is one cycle of 3 s.
//
//	go test ./internal/fleet -run '^$' -bench Beat -benchtime 5x -count 3
func BenchmarkBeat(b *testing.B) {
	n := envInt("FLATLINE_BENCH_CLIENTS", benchClients)
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as flatline run sets it; for both loops
	b.Run("loop=bare", func(b *testing.B) { benchBare(b, n) })
	b.Run("loop=flatline", func(b *testing.B) { benchFleet(b, n, streamNet) })
}

// lags is a Recorder that also keeps how late the harness's timers ran.
type lags struct {
	*report.Recorder
	mu   sync.Mutex
	late []time.Duration
}

func (l *lags) Lag(now, due time.Duration) {
	l.Recorder.Lag(now, due)
	l.mu.Lock()
	l.late = append(l.late, now-due)
	l.mu.Unlock()
}

func (l *lags) forget() {
	l.mu.Lock()
	l.late = l.late[:0]
	l.mu.Unlock()
}

// p99 is the 99th percentile in milliseconds.
func (l *lags) p99() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.late) == 0 {
		return 0
	}
	slices.Sort(l.late)
	return float64(l.late[len(l.late)*99/100].Microseconds()) / 1000
}

func envInt(name string, or int) int {
	var n int
	if _, err := fmt.Sscan(os.Getenv(name), &n); err == nil && n > 0 {
		return n
	}
	return or
}

// cpu is what this process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memory is what the Go runtime holds for live objects and stacks, in bytes. What it holds beyond that goes back to the
// system.
func memory() int64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// resident is this process's resident set, in bytes; 0 where the system does not tell.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// measure lets the clients beat for one cycle an op and reports what that costs. before and rss are what the process held
// without them.
func measure(b *testing.B, n int, before, rss int64, replies *atomic.Int64) {
	held := memory() - before
	r, c := replies.Load(), cpu()
	for b.Loop() {
		time.Sleep(benchCycle)
	}
	beats, used := replies.Load()-r, cpu()-c
	b.ReportMetric(float64(used.Microseconds())/float64(beats), "cpu-µs/beat")
	b.ReportMetric(float64(held)/float64(n)/1024, "live-KiB/client")
	b.ReportMetric(float64(resident()-rss)/float64(n)/1024, "rss-KiB/client")
	b.ReportMetric(float64(beats)/float64(b.N)/float64(n), "beats/client-cycle")
	b.ReportMetric(0, "ns/op")
}

func benchFleet(b *testing.B, n int, through benchNet) {
	url := echoServer(b)
	before, rss := memory(), resident()
	r := connected(b, n, url, through)
	ramp, dials := r.lag.p99(), cpu()-r.began
	time.Sleep(benchCycle)
	r.lag.forget()
	measure(b, n, before, rss, &r.fleet.received)
	b.ReportMetric(float64(dials.Microseconds())/float64(n), "ramp-cpu-µs/client")
	b.ReportMetric(ramp, "ramp-lag-p99-ms")
	b.ReportMetric(r.lag.p99(), "lag-p99-ms")
	r.stop()
}

// running is a fleet whose clients have all connected.
type running struct {
	fleet *Fleet
	lag   *lags
	began time.Duration // CPU used before
	stop  func()
}

func connected(b *testing.B, n int, url string, through benchNet) running {
	plan := benchPlan(b, n, time.Hour)
	start := time.Now()
	lag := &lags{Recorder: report.NewRecorder(plan, report.Options{})}
	o := Options{Sink: lag, Clock: func() time.Duration { return time.Since(start) }, URL: url, Quantum: DefaultQuantum(n)}
	end := through(b, &o, plan)
	f, err := New(plan, o)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	r := running{fleet: f, lag: lag, began: cpu(), stop: func() {
		cancel()
		<-done
		if err := end(); err != nil {
			b.Error(err)
		}
	}}
	go func() { done <- f.Run(ctx) }()
	waitFor(b, func() bool { return open(f) == n })
	return r
}

func benchPlan(tb testing.TB, n int, duration time.Duration) *scenario.Plan {
	tb.Helper()
	src := fmt.Sprintf("name: bench\ntarget: {serve: {}}\nclients: [{count: %d, ramp: 3s, profile: heartcheck}]\nduration: %s\n", n, duration)
	file, err := scenario.Parse("bench.yaml", []byte(src))
	if err != nil {
		tb.Fatal(err)
	}
	plan, err := file.Plan()
	if err != nil {
		tb.Fatal(err)
	}
	return plan
}

// bare is the loop that anybody would write first: nothing is measured, nothing can fail.
type bare struct {
	replies atomic.Int64
	mu      sync.Mutex
	slots   [][]*bareClient
	slot    int
}

type bareClient struct {
	mu sync.Mutex
	ws *websocket.Conn
}

const bareTick = 10 * time.Millisecond

func benchBare(b *testing.B, n int) {
	url := echoServer(b)
	before, rss := memory(), resident()
	w := &bare{slots: make([][]*bareClient, int(benchCycle/bareTick)+1)}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	d := websocket.Dialer{ReadBufferSize: readBuffer, WriteBufferSize: writeBuffer, WriteBufferPool: &writeBuffers}
	go w.run(ctx)
	clients := make([]*bareClient, n)
	var readers sync.WaitGroup
	var dials errgroup.Group
	dials.SetLimit(64)
	began := time.Now()
	for i := range clients {
		// The same spread of phases as flatline's ramp.
		time.Sleep(time.Until(began.Add(benchCycle * time.Duration(i) / time.Duration(n))))
		dials.Go(func() error {
			ws, _, err := d.Dial(url, nil)
			if err != nil {
				return err
			}
			c := &bareClient{ws: ws}
			clients[i] = c
			w.arm(c)
			readers.Add(1)
			go func() { defer readers.Done(); w.read(c) }()
			return nil
		})
	}
	if err := dials.Wait(); err != nil {
		b.Fatal(err)
	}
	time.Sleep(benchCycle)
	measure(b, n, before, rss, &w.replies)
	cancel()
	for _, c := range clients {
		c.ws.Close()
	}
	readers.Wait()
}

func (w *bare) arm(c *bareClient) {
	w.mu.Lock()
	s := (w.slot + int(benchCycle/bareTick)) % len(w.slots)
	w.slots[s] = append(w.slots[s], c)
	w.mu.Unlock()
}

func (w *bare) run(ctx context.Context) {
	t := time.NewTicker(bareTick)
	defer t.Stop()
	var due []*bareClient
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		w.mu.Lock()
		w.slot = (w.slot + 1) % len(w.slots)
		due = append(due[:0], w.slots[w.slot]...)
		w.slots[w.slot] = w.slots[w.slot][:0]
		w.mu.Unlock()
		for _, c := range due {
			c.mu.Lock()
			_ = c.ws.WriteMessage(websocket.TextMessage, []byte("123456789"))
			c.mu.Unlock()
		}
	}
}

func (w *bare) read(c *bareClient) {
	buf := make([]byte, 64)
	for {
		_, r, err := c.ws.NextReader()
		if err != nil {
			return
		}
		for err == nil {
			_, err = r.Read(buf)
		}
		w.replies.Add(1)
		w.arm(c)
	}
}
