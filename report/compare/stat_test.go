package compare

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// simulate runs a scenario once for each seed.
func simulate(t testing.TB, text string, seeds ...uint64) []Input {
	t.Helper()
	out := make([]Input, len(seeds))
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, seed := range seeds {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			file, err := scenario.Parse("s.yaml", []byte(text))
			if err != nil {
				t.Error(err)
				return
			}
			file.Seed = &seed
			plan, err := file.Plan()
			if err != nil {
				t.Error(err)
				return
			}
			rec := report.NewRecorder(plan, report.Options{Tool: "flatline test", Driver: "sim", Target: "sim",
				Started: time.Date(2026, 1, 1, 0, 0, int(seed), 0, time.UTC)})
			if err := sim.Run(context.Background(), plan, sim.Options{Sink: rec, Model: sim.Model{Latency: 100 * time.Microsecond}}); err != nil {
				t.Error(err)
				return
			}
			out[i] = Input{Path: fmt.Sprintf("seed-%d.json", seed), Result: rec.Snapshot(plan.Duration, report.SnapshotOptions{Final: true})}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return out
}

func seeds(from, n uint64) (out []uint64) {
	for i := range n {
		out = append(out, from+i)
	}
	return out
}
