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
func crowd(t testing.TB, n int) *scenario.Plan { return crowdAt(t, n, "") }

func crowdAt(t testing.TB, n int, serve string) *scenario.Plan {
	p, err := plan(t, `
name: crowd
target: {serve: {`+serve+`}}
clients: [{count: 1000, profile: heartcheck}]
chaos: [{at: 15s, for: 20s, fault: blackhole}]
duration: 60s
`).Scaled(n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// BenchmarkTenMillion simulates ten million clients through a minute in which all lose the network:
//
//	go test ./internal/sim -run '^$' -bench TenMillion -benchtime 1x -timeout 5m
func BenchmarkTenMillion(b *testing.B) { benchmarkCrowd(b, crowd(b, 10_000_000)) }

// BenchmarkCrowd is the same for a hundred thousand:
//
//	go test ./internal/sim -run '^$' -bench Crowd
func BenchmarkCrowd(b *testing.B) { benchmarkCrowd(b, crowd(b, 100_000)) }

// BenchmarkMeeting is the same for a million that a limit of handshakes keeps waiting for each other:
//
//	go test ./internal/sim -run '^$' -bench Meeting -benchtime 1x
func BenchmarkMeeting(b *testing.B) {
	benchmarkCrowd(b, crowdAt(b, 1_000_000, "handshakes: 500000/s"))
}

// BenchmarkSettings is one setting of a search, 10,000 clients; two thousand of them ought to take less than a minute on
// two cores, which is 60 ms of CPU time each:
//
//	go test ./internal/sim -run '^$' -bench Settings
func BenchmarkSettings(b *testing.B) { benchmarkCrowd(b, crowd(b, 10_000)) }

// benchmarkCrowd reports what a run takes on the clock and of the CPU: on a machine that others use, too, the second says
// what the first would be on idle cores, divided by their number.
func benchmarkCrowd(b *testing.B, p *scenario.Plan) {
	before := cpuSeconds(b)
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
	cpu := (cpuSeconds(b) - before) / float64(b.N)
	b.ReportMetric(cpu, "cpu-s/run")
	b.ReportMetric(cpu/float64(sent)*1e9, "cpu-ns/beat")
	run := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(run, "s/run")
	b.ReportMetric(run/float64(sent)*1e9, "ns/beat")
	b.ReportMetric(float64(sent), "beats")
	b.ReportMetric(peakRSS(b)/(1<<20), "MiB-peak")
}

// cpuSeconds is the user and system time of this process, to a hundredth of a second (proc(5), /proc/pid/stat).
func cpuSeconds(b *testing.B) float64 {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0 // not Linux
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var user, system float64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		b.Fatal(err)
	}
	return (user + system) / 100
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
