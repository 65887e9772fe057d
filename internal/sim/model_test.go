package sim_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
)

const ms = time.Millisecond

// events keeps the outputs of one kind of machine: what a model does to beats and connections.
type events struct {
	null
	kinds map[heartbeat.OutputKind]bool
	all   []seen
}

type seen struct {
	at     time.Duration
	client int
	heartbeat.Output
}

func collect(t testing.TB, text string, m sim.Model, kinds ...heartbeat.OutputKind) []seen {
	t.Helper()
	e := &events{kinds: map[heartbeat.OutputKind]bool{}}
	for _, k := range kinds {
		e.kinds[k] = true
	}
	if err := sim.Run(t.Context(), plan(t, text), sim.Options{Sink: e, Model: m}); err != nil {
		t.Fatal(err)
	}
	return e.all
}

func (e *events) Output(now time.Duration, client int, o *heartbeat.Output) {
	if e.kinds[o.Kind] {
		e.all = append(e.all, seen{now, client, *o})
	}
}

// near fails unless got is within tolerance, a share, of want.
func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*math.Abs(want) {
		t.Errorf("%s: %v, want %v within %v %%", what, got, want, 100*tolerance)
	}
}

func TestDistributions(t *testing.T) {
	recorded := &report.Hist{}
	for i := range 1000 {
		recorded.Record(time.Duration(i) * ms)
	}
	seenBefore, err := sim.Empirical(recorded, "x.result.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		d             sim.Dist
		text          string
		mean, median  time.Duration
		deviation, p9 time.Duration
	}{
		{sim.Constant(5 * ms), "5ms", 5 * ms, 5 * ms, 0, 5 * ms},
		{sim.Normal(50*ms, 10*ms), "normal(50ms,10ms)", 50 * ms, 50 * ms, 10 * ms, 62816 * time.Microsecond},
		{sim.Exponential(20 * ms), "exponential(20ms)", 20 * ms, 13863 * time.Microsecond, 20 * ms, 46052 * time.Microsecond},
		// Mean 10 exp(0.125), deviation mean x sqrt(exp(0.25) - 1), 90th percentile 10 exp(0.5 x 1.2816).
		{sim.LogNormal(10*ms, 0.5), "lognormal(10ms,0.5)", 11331 * time.Microsecond, 10 * ms, 6039 * time.Microsecond, 18979 * time.Microsecond},
		{seenBefore, "", 499500 * time.Microsecond, 500 * ms, 288675 * time.Microsecond, 900 * ms},
	} {
		t.Run(c.d.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			const n = 200_000
			draws := make([]float64, n)
			var sum, squares float64
			for i := range draws {
				draws[i] = float64(c.d.Quantile(rng.Float64()))
				sum += draws[i]
			}
			slices.Sort(draws)
			for _, x := range draws {
				squares += (x - sum/n) * (x - sum/n)
			}
			near(t, "mean", sum/n, float64(c.mean), 0.01)
			near(t, "deviation", math.Sqrt(squares/n), float64(c.deviation), 0.02)
			near(t, "median", draws[n/2], float64(c.median), 0.01)
			near(t, "90th percentile", draws[n*9/10], float64(c.p9), 0.01)
			if c.text == "" {
				return
			}
			back, err := sim.ParseDist(c.text)
			if err != nil || back.String() != c.text || c.d.String() != c.text {
				t.Errorf("%q comes back as %q: %v", c.text, back.String(), err)
			}
		})
	}
	for text, want := range map[string]string{
		"gamma(1ms)": `no distribution "gamma"`, "normal(1ms)": "takes 2 numbers, not 1", "normal(1ms,2ms": "no closing parenthesis",
		"5": `"5" is not a duration`, "lognormal(1ms,x)": `"x" is not a number`, "-5ms": "not within 0 and 24h", "lognormal(1ms,99)": "sigma",
	} {
		if _, err := sim.ParseDist(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := sim.Empirical(&report.Hist{}, "none.json"); err == nil || !strings.Contains(err.Error(), "none.json holds no round trips") {
		t.Errorf("nothing recorded: %v", err)
	}
}

// ticking is a scenario of clients that beat whatever comes back.
func ticking(clients int, serve, more string) string {
	return fmt.Sprintf(`
name: ticking
target: {serve: {%s}}
clients: [{count: %d, ramp: 1s, beat: {frame: ping, interval: 1s, after: beat, first: 100%%}, misses: 0, reconnect: {kind: fixed, delay: 1s}}]
%s
duration: 60s
`, serve, clients, more)
}

// TestRoundTripsAsRecorded: a Result's round trips, given to the model, come back.
func TestRoundTripsAsRecorded(t *testing.T) {
	recorded := &report.Hist{}
	rng := rand.New(rand.NewPCG(2, 2))
	for range 10_000 {
		recorded.Record(time.Duration(20+30*rng.ExpFloat64()) * ms)
	}
	d, err := sim.Empirical(recorded, "recorded")
	if err != nil {
		t.Fatal(err)
	}
	again := &report.Hist{}
	for _, e := range collect(t, ticking(1000, "", ""), sim.Model{RTT: &d}, heartbeat.Replied) {
		again.Record(e.Dur)
	}
	for _, q := range []float64{0.1, 0.5, 0.9, 0.99} {
		near(t, fmt.Sprintf("quantile %v of %d", q, again.N()), again.Quantile(q).Seconds(), recorded.Quantile(q).Seconds(), 0.03)
	}
}

// TestLostMessagesAreSentAgain: with loss p the exchange needs no retransmission with probability (1-p)²; each one waits for
// 200 ms and a round trip, then for twice as long.
func TestLostMessagesAreSentAgain(t *testing.T) {
	const p, rtt = 0.1, 20 * ms
	once, all := 0, collect(t, ticking(2000, "", ""), sim.Model{Latency: rtt / 2, Loss: p}, heartbeat.Replied)
	odd := map[time.Duration]bool{}
	for up := range 5 {
		for down := range 5 {
			odd[rtt+220*ms*time.Duration(1<<up-1+1<<down-1)] = true
		}
	}
	explained := 0
	for _, e := range all {
		if e.Dur == rtt {
			once++
		}
		if odd[e.Dur] {
			explained++
		}
	}
	if len(all) < 90_000 {
		t.Fatalf("%d replies", len(all))
	}
	near(t, "at once", float64(once)/float64(len(all)), (1-p)*(1-p), 0.01)
	// The rest waited behind a message that was sent again (head-of-line blocking).
	if share := float64(explained) / float64(len(all)); share < 0.97 || share == 1 {
		t.Errorf("%v of the round trips are sums of retransmissions, want nearly all", share)
	}
}

// TestDatagramsAreLost: an exchange is answered with probability (1-p)²; in bursts, losses follow each other.
func TestDatagramsAreLost(t *testing.T) {
	for _, burst := range []float64{0, 4} {
		all := collect(t, ticking(1000, "", ""), sim.Model{Loss: 0.2, Burst: burst, Datagram: true}, heartbeat.Send, heartbeat.Replied)
		sent, answered, failed, again := 0, 0, 0, 0
		was := map[int]bool{} // the client's last beat went unanswered
		for i, e := range all {
			if e.Kind != heartbeat.Send {
				continue
			}
			sent++
			ok := i+1 < len(all) && all[i+1].Kind == heartbeat.Replied && all[i+1].client == e.client
			if ok {
				answered++
			} else {
				if failed++; was[e.client] {
					again++
				}
			}
			was[e.client] = !ok
		}
		if burst == 0 {
			near(t, "answered", float64(answered)/float64(sent), 0.64, 0.01)
			near(t, "lost after a loss", float64(again)/float64(failed), 0.36, 0.03)
		} else {
			near(t, "answered in bursts", float64(answered)/float64(sent), 0.64, 0.05)
			if share := float64(again) / float64(failed); share < 0.6 {
				t.Errorf("bursts of 4: %v of the losses follow a loss", share)
			}
		}
	}
}

// TestWorkQueues: a node that takes exponential times of mean 1/mu for Poisson arrivals at rate lambda keeps a message for
// 1/(mu-lambda) on average (M/M/1). Many clients with their own phases come close to Poisson.
func TestWorkQueues(t *testing.T) {
	var sum time.Duration
	all := collect(t, ticking(1000, "", ""), sim.Model{Server: sim.Server{Message: sim.Exponential(500 * time.Microsecond)}}, heartbeat.Replied)
	for _, e := range all {
		sum += e.Dur
	}
	if len(all) < 55_000 {
		t.Fatalf("%d replies", len(all))
	}
	near(t, "mean stay", (sum / time.Duration(len(all))).Seconds(), 0.001, 0.1)

	// Handshakes of 10 ms are done one after the other: 100 a second.
	opened := collect(t, ticking(50, "", "chaos: [{at: 10s, fault: kill, how: rst}]"), sim.Model{Server: sim.Server{Handshake: sim.Constant(10 * ms)}}, heartbeat.Opened)
	again := opened[50:]
	slices.SortFunc(again, func(a, b seen) int { return int(a.at - b.at) })
	for i, e := range again {
		if want := 11*time.Second + time.Duration(i+1)*10*ms; e.at != want {
			t.Fatalf("the %dth is open at %v, want %v", i+1, e.at, want)
		}
	}
}

// TestBalancers kills one of three nodes, which starts again after 3 s (2 s and a boot of 1 s): who was there, and where
// the others' connections go, shows in who is lost when another one is killed.
func TestBalancers(t *testing.T) {
	text := ticking(300, "", "chaos: [{at: 10s, fault: kill, how: process, restart: 2s}, {at: 30s, fault: kill, how: process}]")
	for _, c := range []struct {
		balancer sim.Balancer
		second   int // connections on node 2 after all of node 1 came back by node 0 and 2
	}{
		{sim.RoundRobin, 150},
		{sim.Least, 150},
		{sim.Sticky, 0},
	} {
		p := plan(t, text)
		p.Faults[0].Nodes, p.Faults[1].Nodes = []int{1}, []int{2}
		e := &events{kinds: map[heartbeat.OutputKind]bool{heartbeat.Dead: true, heartbeat.AttemptFailed: true}}
		m := sim.Model{Latency: ms, Server: sim.Server{Nodes: 3, Balancer: c.balancer, Boot: time.Second}}
		if err := sim.Run(t.Context(), p, sim.Options{Sink: e, Model: m}); err != nil {
			t.Fatal(err)
		}
		first, second := map[int]bool{}, map[int]bool{}
		for _, d := range e.all {
			switch {
			case d.Kind != heartbeat.Dead:
				t.Errorf("%s: an attempt of client %d failed, with two nodes left", c.balancer, d.client)
			case d.at < 20*time.Second:
				first[d.client] = true
			default:
				second[d.client] = true
			}
		}
		if c.balancer == sim.Sticky {
			near(t, "hash: first", float64(len(first)), 100, 0.3)
			// Node 1 was away for as long as its clients needed to come back, and they took the next one.
			near(t, "hash: second", float64(len(second)), 200, 0.3)
			for id := range first {
				if !second[id] {
					t.Errorf("hash: client %d of node 1 is not on node 2, the next one", id)
				}
			}
			continue
		}
		if len(first) != 100 || len(second) != c.second {
			t.Errorf("%s: lost %d and then %d, want 100 and %d", c.balancer, len(first), len(second), c.second)
		}
	}
}

// TestFrozenNode: of three nodes one freezes; its clients alone notice.
func TestFrozenNode(t *testing.T) {
	p := plan(t, strings.Replace(ticking(30, "", "chaos: [{at: 10s, for: 20s, fault: stall}]"), "misses: 0", "timeout: 2s", 1))
	p.Faults[0].Nodes = []int{2}
	e := &events{kinds: map[heartbeat.OutputKind]bool{heartbeat.Dead: true}}
	if err := sim.Run(t.Context(), p, sim.Options{Sink: e, Model: sim.Model{Latency: ms, Server: sim.Server{Nodes: 3, Backlog: 4}}}); err != nil {
		t.Fatal(err)
	}
	clients := map[int]int{}
	for _, d := range e.all {
		clients[d.client]++
	}
	if len(clients) != 10 {
		t.Errorf("%d clients noticed, want the 10 of one node of three", len(clients))
	}
}

// TestBacklog: the kernel of a frozen process accepts only so many connections; who comes later sends another SYN after
// 1, 3 and 7 s.
func TestBacklog(t *testing.T) {
	tcp := simulate(t, plan(t, `
name: backlog
target: {serve: {}}
clients: [{count: 10, ramp: 0s, delay: 5s, profile: heartcheck}]
chaos: [{at: 1s, for: 8s, fault: stall}]
duration: 30s
`), sim.Model{Latency: 10 * ms, Server: sim.Server{Backlog: 4}}).lines(only("tcp"))
	want(t, tcp, `
5.02s client 0: tcp 1 after 20ms
5.02s client 1: tcp 1 after 20ms
5.02s client 2: tcp 1 after 20ms
5.02s client 3: tcp 1 after 20ms
12.02s client 4: tcp 1 after 7.02s
12.02s client 5: tcp 1 after 7.02s
12.02s client 6: tcp 1 after 7.02s
12.02s client 7: tcp 1 after 7.02s
12.02s client 8: tcp 1 after 7.02s
12.02s client 9: tcp 1 after 7.02s`)
}

// TestHandshakeTimeout: a request that is held up is waited for only so long.
func TestHandshakeTimeout(t *testing.T) {
	lines := simulate(t, plan(t, one("", "{at: 15ms, for: 9s, fault: blackhole, direction: up}", "20s")),
		sim.Model{Latency: 10 * ms, Server: sim.Server{HandshakeTimeout: 5 * time.Second}}).lines(only("attempt,opened,tcp"))
	want(t, lines, `
0s client 0: attempt 1
20ms client 0: tcp 1 after 20ms
5.02s client 0: attempt-failed 1 eof
9.02s client 0: attempt 2
9.04s client 0: tcp 2 after 20ms
9.06s client 0: opened 2`)
}

// TestDropFault: the words of a scenario lose messages too, on the way that they name and while they last.
func TestDropFault(t *testing.T) {
	all := collect(t, ticking(1000, "", "chaos: [{at: 10s, for: 30s, fault: drop, rate: 10%, direction: up}]"), sim.Model{Latency: ms}, heartbeat.Replied)
	in, late, outside := 0, 0, 0
	for _, e := range all {
		switch slow := e.Dur > 2*ms; {
		case e.Due >= 10*time.Second && e.Due < 40*time.Second:
			if in++; slow {
				late++
			}
		case slow && e.Due < 10*time.Second:
			outside++
		}
	}
	near(t, "late", float64(late)/float64(in), 0.1, 0.1)
	if outside > 0 {
		t.Errorf("%d beats before the fault came late", outside)
	}
}
