package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// crowd is a run of n heartcheck clients of whom all lose the network and come back.
func crowd(t testing.TB, n int) *scenario.Plan {
	p := plan(t, `
name: crowd
target: {serve: {}}
clients: [{count: 1000, profile: heartcheck}]
chaos: [{at: 15s, for: 20s, fault: blackhole}]
duration: 60s
`)
	p.Clients, p.Groups[0].Count = n, n
	return p
}

// BenchmarkTenMillion simulates ten million clients through a minute in which all lose the network:
//
//	go test ./internal/sim -run '^$' -bench TenMillion -benchtime 1x -timeout 5m
func BenchmarkTenMillion(b *testing.B) { benchmarkCrowd(b, 10_000_000) }

// BenchmarkCrowd is the same for a hundred thousand:
//
//	go test ./internal/sim -run '^$' -bench Crowd
func BenchmarkCrowd(b *testing.B) { benchmarkCrowd(b, 100_000) }

func benchmarkCrowd(b *testing.B, n int) {
	p := crowd(b, n)
	var res *report.Result
	for b.Loop() {
		var err error
		if res, err = sim.Simulate(context.Background(), p, sim.Many{Model: sim.Model{Latency: time.Millisecond}}); err != nil {
			b.Fatal(err)
		}
	}
	var sent int64
	for _, s := range res.Segments {
		sent += s.Groups[0].Sent
	}
	run := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(run, "s/run")
	b.ReportMetric(run/float64(sent)*1e9, "ns/beat")
	b.ReportMetric(float64(sent), "beats")
	b.ReportMetric(peakRSS(b)/(1<<20), "MiB-peak")
}

// peakRSS is the most memory that this process has had, in bytes.
func peakRSS(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0 // not Linux
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kib); err == nil {
			return kib * 1024
		}
	}
	b.Error("no VmHWM in /proc/self/status")
	return 0
}

// asJSON is a Result's file but for its date.
func asJSON(t testing.TB, r *report.Result) string {
	t.Helper()
	r.Started = time.Time{}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
