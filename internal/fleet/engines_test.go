package fleet

import (
	"context"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/chaos/packet"
	"github.com/flatline-dev/flatline/chaos/stream"
	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// engine is a network that also carries out faults.
type engine interface {
	Path
	chaos.Engine
}

// measured runs the plan to its end through the engine, and returns what a metric is in it.
func measured(t *testing.T, plan *scenario.Plan, url string, through func(Options) engine) func(metric string) float64 {
	t.Helper()
	rec := report.NewRecorder(plan, report.Options{})
	began := time.Now()
	o := Options{Sink: rec, URL: url, Clock: func() time.Duration { return time.Since(began) }}
	e := through(o)
	o.Path, o.Engines = e, []chaos.Engine{e}
	f, err := New(plan, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	r := rec.Snapshot(plan.Duration, report.SnapshotOptions{Final: true})
	return func(metric string) float64 {
		t.Helper()
		expect, err := scenario.ParseExpect(metric)
		if err != nil {
			t.Fatal(err)
		}
		m, err := r.Value(expect)
		if err != nil {
			t.Fatal(err)
		}
		return float64(m.Value)
	}
}

// Every engine's blackhole is noticed by the same closed form, uniform on (T, I + T], and while it lasts a new attempt
// ends by the client's patience and not by an answer. cmd/flatline has the kernel's engine, which needs root.
func TestBlackholeByEngine(t *testing.T) {
	const clients = 60
	plan := planOf(t, `
target: {serve: {}}
clients:
  - {count: 60, ramp: 400ms, profile: heartcheck, beat: {interval: 400ms}, timeout: 800ms, opening: {timeout: 700ms}, reconnect: {delay: 300ms}}
chaos: [{at: 2s, for: 5s, fault: blackhole}]
duration: 10s
`)
	for name, through := range map[string]func(*testing.T, Options) engine{
		"stream": func(_ *testing.T, o Options) engine { return stream.New(o.Clock, o.Sink, 1, clients) },
		"packet": func(t *testing.T, o Options) engine { return newPacket(t, o, clients) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			is := measured(t, plan, echoServer(t), func(o Options) engine { return through(t, o) })
			if n := is("detection.count == 0 by timeout during blackhole"); n != clients {
				t.Errorf("%v clients noticed by timeout, want all %d", n, clients)
			}
			if n := is("detection.count == 0"); n != clients {
				t.Errorf("%v clients noticed, want each once", n)
			}
			if n := is("false_positives == 0"); n != 0 {
				t.Errorf("%v false positives", n)
			}
			late := is("harness.lag.max < 1s")
			if p50 := is("detection.p50 < 1s"); p50 < 0.8-0.1 || p50 > 1.2+late {
				t.Errorf("half noticed within %.3f s, want 0.8 s to 1.2 s and %.3f s of our own lag", p50, late)
			}
			if worst := is("detection.max < 1s"); worst > 1.2+late+0.1 {
				t.Errorf("the last noticed after %.3f s, want 1.2 s and %.3f s of our own lag", worst, late)
			}
			// Left are 3.5 s at least, in which an attempt takes 0.7 s and its wait 0.3 s.
			failed, timeouts := is("connect.failed == 0 during blackhole"), is("connect.failed == 0 by timeout during blackhole")
			if timeouts < 2*clients || timeouts != failed {
				t.Errorf("%v attempts failed and %v of them by timeout, want all of at least %d", failed, timeouts, 2*clients)
			}
			if lost := is("recovery.lost == 0 during blackhole"); lost != 0 {
				t.Errorf("%v clients never came back", lost)
			}
			if n := is("clients.open == 0"); n != clients {
				t.Errorf("%v clients are open at the end, want %d", n, clients)
			}
		})
	}
}

func newPacket(t *testing.T, o Options, clients int) *packet.Engine {
	t.Helper()
	e, err := packet.New(o.Clock, o.Sink, 1, clients, packet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// The embedded server listens in the private network itself, with no socket of the system between it and the clients. Both
// ends lose packets then, each to its own side: what TCP sends again up is the clients', and down the server's.
func TestServedInThePrivateNetwork(t *testing.T) {
	for _, tt := range []struct {
		direction string
		up, down  bool
	}{{"both", true, true}, {"up", true, false}, {"down", false, true}} {
		t.Run(tt.direction, func(t *testing.T) {
			t.Parallel()
			const clients = 40
			plan := planOf(t, `
target: {serve: {}}
clients: [{count: 40, ramp: 500ms, profile: heartcheck, beat: {interval: 50ms}, timeout: 30s}]
chaos: [{at: 1s, for: 5s, fault: drop, rate: 20%, direction: `+tt.direction+`}]
duration: 7s
`)
			s, err := server.New(server.Config{})
			if err != nil {
				t.Fatal(err)
			}
			var e *packet.Engine
			is := measured(t, plan, "ws://target.invalid/", func(o Options) engine {
				e = newPacket(t, o, clients)
				ln, err := e.Listen()
				if err != nil {
					t.Fatal(err)
				}
				served := make(chan error, 1)
				go func() { served <- s.Serve(ln) }()
				t.Cleanup(func() {
					s.Close()
					ln.Close()
					<-served
				})
				return e
			})
			stats := e.Stats()
			if stats.Dropped == 0 {
				t.Fatal("no packet was lost")
			}
			if tt.up && stats.ResentUp == 0 || tt.down && stats.ResentDown == 0 {
				t.Errorf("of %d lost packets %d were sent again up and %d down", stats.Dropped, stats.ResentUp, stats.ResentDown)
			}
			if n := is("heartbeat.sent > 0"); n < 10*clients {
				t.Errorf("%v beats, want 10 a client and more", n)
			}
			if slow := is("heartbeat.rtt.p99 < 1s during drop"); slow < 0.19 {
				t.Errorf("p99 of the round trips is %.3f s, want a retransmission timeout of 0.2 s in it", slow)
			}
			if n := is("false_positives == 0"); n != 0 {
				t.Errorf("%v healthy peers declared dead", n)
			}
			if n := is("clients.open == 0"); n != clients {
				t.Errorf("%v clients are open at the end, want %d", n, clients)
			}
		})
	}
}
