package tune

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/flatline-dev/flatline/scenario"
)

// BenchmarkSearch searches 2,000 settings of 10,000 clients: a minute in which everybody loses the network and comes back.
//
//	go test ./internal/tune -run '^$' -bench Search -benchtime 1x
func BenchmarkSearch(b *testing.B) {
	f, err := scenario.Parse("bench.yaml", []byte(`
name: bench
target: {serve: {}}
clients: [{count: 10000, ramp: 3s, profile: heartcheck}]
chaos: [{at: 10s, for: 20s, fault: blackhole}]
duration: 60s
tune:
  interval: 1s..10s by 1s
  timeout: 1s..10s by 500ms
  misses: [1]
  reconnect:
    - {kind: fixed, delay: 1s}
    - {kind: fixed, delay: 4s}
    - {kind: fixed, delay: 4s, jitter: full}
    - {kind: fixed, delay: 10s, jitter: full}
    - {kind: exponential, delay: 1s, cap: 30s}
    - {kind: exponential, delay: 1s, cap: 30s, jitter: equal}
    - {kind: exponential, delay: 1s, cap: 30s, jitter: full}
    - {kind: exponential, delay: 1s, cap: 60s, jitter: full}
    - {kind: exponential, delay: 1s, cap: 30s, jitter: decorrelated}
    - {kind: exponential, delay: 100ms, cap: 30s, jitter: full}
    - {kind: list, delays: [0s, 1s, 2s, 5s, 10s]}
`))
	if err != nil {
		b.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as the command does
	for b.Loop() {
		st, err := Search(context.Background(), f, f.Tune, Options{Workers: runtime.GOMAXPROCS(0), Minimize: Objectives})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(st.Candidates)), "settings")
	}
}
