//go:build unix

package fleet

import (
	"context"
	"net"
	"runtime/debug"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/chaos/stream"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
)

// BenchmarkStorm measures how fast 10,000 reconnects leave when the policy asks for all of them at once: all clients are
// reset, wait 1 s, and come back. attempts/s counts from the first to the last attempt, opens/s to the last open
// connection; the server is another process on the same machine. bare is 10,000 goroutines that call
// gorilla/websocket's Dial. One op is one storm.
//
//	go test ./internal/fleet -run '^$' -bench Storm -benchtime 5x -count 3
func BenchmarkStorm(b *testing.B) {
	n := envInt("FLATLINE_BENCH_CLIENTS", benchClients)
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as flatline run sets it; for both loops
	b.Run("loop=bare", func(b *testing.B) { stormBare(b, n) })
	b.Run("loop=flatline", func(b *testing.B) { stormFleet(b, n) })
}

// times notes when attempts leave and connections open, beside a recorder that measures as in any run.
type times struct {
	*report.Recorder
	mu       sync.Mutex
	attempts []time.Duration
	opens    []time.Duration
}

func (s *times) Attempt(now time.Duration, client int, epoch uint32) {
	s.Recorder.Attempt(now, client, epoch)
	s.mu.Lock()
	s.attempts = append(s.attempts, now)
	s.mu.Unlock()
}

func (s *times) Output(now time.Duration, client int, o *heartbeat.Output) {
	s.Recorder.Output(now, client, o)
	if o.Kind == heartbeat.Opened {
		s.mu.Lock()
		s.opens = append(s.opens, now)
		s.mu.Unlock()
	}
}

// take returns the rates of what was noted since the last call.
func (s *times) take() (attempts, opens float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	attempts, opens = rates(s.attempts, s.opens)
	s.attempts, s.opens = s.attempts[:0], s.opens[:0]
	return attempts, opens
}

func rates(attempts, opens []time.Duration) (float64, float64) {
	if len(attempts) < 2 || len(opens) < 2 {
		return 0, 0
	}
	sort.Slice(attempts, func(i, k int) bool { return attempts[i] < attempts[k] })
	sort.Slice(opens, func(i, k int) bool { return opens[i] < opens[k] })
	first := attempts[0]
	return float64(len(attempts)) / (attempts[len(attempts)-1] - first).Seconds(), float64(len(opens)) / (opens[len(opens)-1] - first).Seconds()
}

func stormFleet(b *testing.B, n int) {
	url := echoServer(b)
	plan := benchPlan(b, n, time.Hour)
	plan.Groups[0].Config.Reconnect.Delay = time.Second
	start := time.Now()
	clock := func() time.Duration { return time.Since(start) }
	sink := &times{Recorder: report.NewRecorder(plan, report.Options{})}
	path := stream.New(clock, sink, plan.Seed, plan.Clients)
	f, err := New(plan, Options{Sink: sink, Clock: clock, URL: url, Path: path, Quantum: DefaultQuantum(n)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	var all chaos.Set
	for i := range n {
		all.Add(i)
	}
	waitFor(b, func() bool { return open(f) == n })
	kill := &chaos.Fault{Kind: chaos.Kill, How: chaos.RST}
	var attempts, opens, storms float64
	for b.Loop() {
		time.Sleep(time.Second)
		sink.take()
		if err := path.Begin(kill, chaos.Occurrence{}, &all); err != nil {
			b.Fatal(err)
		}
		waitFor(b, func() bool {
			sink.mu.Lock()
			defer sink.mu.Unlock()
			return len(sink.opens) >= n
		})
		a, o := sink.take()
		attempts, opens, storms = attempts+a, opens+o, storms+1
	}
	b.ReportMetric(attempts/storms, "attempts/s")
	b.ReportMetric(opens/storms, "opens/s")
	b.ReportMetric(0, "ns/op")
	cancel()
	<-done
}

func stormBare(b *testing.B, n int) {
	url := echoServer(b)
	var attempts, opens, storms float64
	for b.Loop() {
		var mu sync.Mutex
		var left, opened []time.Duration
		var conns []*websocket.Conn
		began := time.Now()
		d := websocket.Dialer{
			ReadBufferSize: readBuffer, WriteBufferSize: writeBuffer, WriteBufferPool: &writeBuffers,
			NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				mu.Lock()
				left = append(left, time.Since(began))
				mu.Unlock()
				return (&net.Dialer{}).DialContext(ctx, network, addr)
			},
		}
		var dials sync.WaitGroup
		for range n {
			dials.Go(func() {
				ws, _, err := d.Dial(url, nil)
				if err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				conns, opened = append(conns, ws), append(opened, time.Since(began))
				mu.Unlock()
			})
		}
		dials.Wait()
		a, o := rates(left, opened)
		attempts, opens, storms = attempts+a, opens+o, storms+1
		for _, c := range conns {
			_ = c.NetConn().(*net.TCPConn).SetLinger(0) // no TIME_WAIT: the next storm needs the ports
			c.Close()
		}
		time.Sleep(time.Second)
	}
	b.ReportMetric(attempts/storms, "attempts/s")
	b.ReportMetric(opens/storms, "opens/s")
	b.ReportMetric(0, "ns/op")
}
