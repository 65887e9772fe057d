package html

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// bigScenario is 10,000 clients, ten minutes, 20 faults.
func bigScenario() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Ten thousand clients meet twenty faults in ten minutes.
name: big
seed: 3
target: {serve: {}}
clients:
  - {group: browsers, count: %d, ramp: 15s, profile: heartcheck, reconnect: {jitter: full}}
  - {group: counted, count: %d, ramp: 15s, profile: heartcheck-counted}
chaos:
`, 8000/raceFactor, 2000/raceFactor)
	for i := range 20 {
		at := 25 + 28*i
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "  - {name: hole%d, at: %ds, for: 12s, fault: blackhole, clients: 40%%}\n", i, at)
		case 1:
			fmt.Fprintf(&b, "  - {name: stall%d, at: %ds, for: 9s, fault: stall}\n", i, at)
		case 2:
			fmt.Fprintf(&b, "  - {name: kill%d, at: %ds, fault: kill, how: rst}\n", i, at)
		case 3:
			fmt.Fprintf(&b, "  - {name: slow%d, at: %ds, for: 10s, fault: delay, by: 50ms, jitter: 20ms}\n", i, at)
		}
	}
	b.WriteString("duration: 10m\nexpect:\n  - detection.undetected == 0\n  - recovery.lost == 0\n  - storm.peak < 20000/s\n")
	return b.String()
}

// big is the Result of bigScenario, simulated once for all tests.
var big = sync.OnceValues(func() (*report.Recorder, error) {
	f, err := scenario.Parse("big.yaml", []byte(bigScenario()))
	if err != nil {
		return nil, err
	}
	plan, err := f.Plan()
	if err != nil {
		return nil, err
	}
	rec := report.NewRecorder(plan, report.Options{Tool: "flatline test", Driver: "sim", Command: "flatline sim --seed 3 big.yaml",
		Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
	err = sim.Run(context.Background(), plan, sim.Options{Sink: rec, Model: sim.Model{Latency: 100 * time.Microsecond}})
	return rec, err
})

// A large run stays a small file and a small page, which is made at once.
func TestBig(t *testing.T) {
	rec, err := big()
	if err != nil {
		t.Fatal(err)
	}
	r := rec.Snapshot(10*time.Minute, report.SnapshotOptions{Final: true})
	file, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	p, page := render(t, Input{Result: r})
	took := time.Since(began)
	t.Logf("result %d KB, page %d KB, made in %v", len(file)/1000, len(page)/1000, took)
	if len(file) >= 5e6 || len(page) >= 3e6 || took > 3*time.Second*raceFactor {
		t.Errorf("too much: result %d bytes, page %d bytes, made in %v", len(file), len(page), took)
	}
	if len(p.Faults) != 15 || len(p.Lanes) != 20 {
		t.Errorf("%d faults that sever, %d lanes", len(p.Faults), len(p.Lanes))
	}
	if c := p.Timeline[0]; len(c.X) != 600 || c.Every != 1 {
		t.Errorf("%d points of every %v s", len(c.X), c.Every)
	}
}

// A run of a day is drawn in as many points as there are pixels, and keeps its peaks.
func TestLongRunsAreThinned(t *testing.T) {
	r := simulate(t, small)
	s := &r.Series
	const day = 24 * 3600
	grow := func(c []int64) []int64 { return append(c, make([]int64, day-len(c))...) }
	s.Attempts, s.Retries, s.Failed, s.Opens, s.Deaths = grow(s.Attempts), grow(s.Retries), grow(s.Failed), grow(s.Opens), grow(s.Deaths)
	s.RTTMax, s.LagMax = grow(s.RTTMax), grow(s.LagMax)
	for k := range s.States {
		s.States[k] = grow(s.States[k])
	}
	s.RTT = append(s.RTT, make([]report.Coarse, day-len(s.RTT))...)
	s.Retries[50_001], s.RTTMax[50_001], s.RTT[50_001] = 4321, 5_000_000, report.Coarse{{100, 1}}
	r.Elapsed = day * time.Second
	p, page := render(t, Input{Result: r})
	if len(page) > 1e6 {
		t.Errorf("%d bytes", len(page))
	}
	top := 0.0
	for _, v := range p.Timeline[1].Series[0].Y {
		top = math.Max(top, v)
	}
	if n := len(p.Timeline[1].X); n > maxPoints+1 || top != 4321 {
		t.Errorf("%d points, peak %v", n, top)
	}
}

func BenchmarkLive(b *testing.B) {
	rec, err := big()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			rec.Snapshot(10*time.Minute, report.SnapshotOptions{})
		}
	})
	r := rec.Snapshot(10*time.Minute, report.SnapshotOptions{})
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			if _, err := NewPage(Input{Result: r}); err != nil {
				b.Fatal(err)
			}
		}
	})
	p, err := NewPage(Input{Result: r})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			if _, err := parts(p); err != nil {
				b.Fatal(err)
			}
			if _, err := json.Marshal(p); err != nil {
				b.Fatal(err)
			}
		}
	})
}
