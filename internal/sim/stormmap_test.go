//go:build !race

// One goroutine that computes: the race detector would find nothing and take minutes.

package sim_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

var updateMap = flag.Bool("update", false, "write docs/storm-map.md anew")

// The storm map: every client of N loses its connection in one instant, and the server completes mu handshakes a second,
// the oldest first, those of clients that have given up included.
const (
	mapPage    = "../../docs/storm-map.md"
	mapBegin   = "<!-- map: begin -->\n"
	mapEnd     = "<!-- map: end -->"
	mapRate    = 20               // handshakes per second, mu
	mapHorizon = 20 * time.Minute // after the kill
)

// mapWork are the columns: how long the server needs for everybody if no handshake is wasted, N/mu.
var mapWork = []time.Duration{2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second}

// mapRow is a reconnect policy and how long it waits for an attempt, H.
type mapRow struct {
	name     string
	patience time.Duration
	policy   heartbeat.Reconnect
	backlog  int // handshakes that may wait at the server, further ones are refused; 0: all
}

func mapRows(t *testing.T) []mapRow {
	fixed := heartbeat.Reconnect{Kind: heartbeat.Fixed, Delay: 4 * time.Second, Lock: true}
	expo := heartbeat.Reconnect{Kind: heartbeat.Exponential, Delay: time.Second, Factor: 2, Cap: 30 * time.Second, Lock: true, ResetAfter: 5 * time.Second}
	with := func(r heartbeat.Reconnect, j heartbeat.Jitter) heartbeat.Reconnect { r.Jitter = j; return r }
	hasty, patient := fixed, with(expo, heartbeat.Full)
	hasty.Delay, patient.Cap = time.Second, 5*time.Minute
	rows := []mapRow{
		{name: "fixed 1 s", patience: 5 * time.Second, policy: hasty},
		{name: "fixed 4 s", patience: 5 * time.Second, policy: fixed},
		{name: "fixed 4 s, full jitter", patience: 5 * time.Second, policy: with(fixed, heartbeat.Full)},
		{name: "1 s doubled to 30 s, no jitter", patience: 5 * time.Second, policy: expo},
		{name: "1 s doubled to 30 s, equal jitter", patience: 5 * time.Second, policy: with(expo, heartbeat.Equal)},
		{name: "1 s doubled to 30 s, full jitter", patience: 5 * time.Second, policy: with(expo, heartbeat.Full)},
		{name: "1 s to 30 s, decorrelated jitter", patience: 5 * time.Second, policy: with(expo, heartbeat.Decorrelated)},
		{name: "1 s doubled to 5 min, full jitter", patience: 5 * time.Second, policy: patient},
		{name: "fixed 4 s", patience: 60 * time.Second, policy: fixed},
		{name: "1 s doubled to 30 s, full jitter", patience: 60 * time.Second, policy: with(expo, heartbeat.Full)},
		{name: "fixed 4 s, and the server refuses when 80 wait", patience: 5 * time.Second, policy: fixed, backlog: 80},
		{name: "1 s doubled to 30 s, full jitter, and the server refuses when 80 wait", patience: 5 * time.Second, policy: with(expo, heartbeat.Full), backlog: 80},
	}
	for _, name := range scenario.Profiles() {
		cfg, _, err := scenario.Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Reconnect.Kind != heartbeat.Never {
			rows = append(rows, mapRow{name: "`" + name + "`", patience: cfg.Opening.Timeout, policy: cfg.Reconnect})
		}
	}
	return rows
}

// TestStormMap simulates the map and compares it with the page; go test ./internal/sim -run StormMap -update writes it.
func TestStormMap(t *testing.T) {
	all := mapRows(t)
	head, rule := "| reconnect policy | H |", "|---|---:|"
	for _, w := range mapWork {
		head += " N/μ = " + report.FormatSeconds(w.Seconds()) + " |"
		rule += "---:|"
	}
	rows := []string{head, rule}
	cells := make([]string, len(all)*len(mapWork))
	var wg sync.WaitGroup
	gate := make(chan struct{}, 2)
	for i := range cells {
		wg.Add(1)
		go func() {
			defer wg.Done()
			gate <- struct{}{}
			defer func() { <-gate }()
			cells[i] = mapCell(t, &all[i/len(mapWork)], mapWork[i%len(mapWork)])
		}()
	}
	wg.Wait()
	for i, r := range all {
		rows = append(rows, fmt.Sprintf("| %s | %v | ", r.name, patience(r.patience))+strings.Join(cells[i*len(mapWork):(i+1)*len(mapWork)], " | ")+" |")
	}
	table := strings.Join(rows, "\n") + "\n"
	page, err := os.ReadFile(mapPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), mapBegin)
	was, after, ok2 := strings.Cut(rest, mapEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the map", mapPage)
	}
	if *updateMap {
		if err := os.WriteFile(mapPage, []byte(before+mapBegin+table+mapEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(was, table); diff != "" {
		t.Errorf("%s is not what the simulation says (-page +simulation); -update writes it anew:\n%s", mapPage, diff)
	}
}

// mapCell is how long until 99 % were back, or the share that was when the horizon ended.
func mapCell(t *testing.T, row *mapRow, work time.Duration) string {
	n := int(mapRate * work.Seconds())
	ramp := work + 5*time.Second // a little slower than the server
	kill := ramp + 10*time.Second
	backlog := ""
	if row.backlog > 0 {
		backlog = fmt.Sprintf(", backlog: %d", row.backlog)
	}
	p := plan(t, fmt.Sprintf(`
name: storm
seed: 1
target: {serve: {handshakes: %d/s%s}}
clients: [{count: %d, ramp: %v, profile: ping-pong}]
chaos: [{at: %v, fault: kill, how: rst}]
duration: %v
`, mapRate, backlog, n, ramp, kill, kill+mapHorizon))
	cfg := &p.Groups[0].Config
	cfg.Reconnect, cfg.Opening.Timeout = row.policy, row.patience
	cfg.Beat.By, cfg.Timeout = heartbeat.Nobody, 0 // a reset is noticed at once, and beats cost time
	rec := report.NewRecorder(p, report.Options{Driver: "sim"})
	if err := sim.Run(context.Background(), p, sim.Options{Sink: rec, Model: sim.Model{Latency: 25 * time.Millisecond}}); err != nil {
		t.Error(err)
		return ""
	}
	r := rec.Snapshot(p.Duration, report.SnapshotOptions{Final: true})
	v := func(metric string) float64 {
		m, err := r.Value(scenario.Expect{Metric: metric})
		if err != nil {
			t.Error(metric, err)
		}
		return float64(m.Value)
	}
	if back := v("recovery.p99"); !math.IsInf(back, 0) {
		return report.FormatSeconds(back)
	}
	return fmt.Sprintf("**%.0f %%**", 100*v("clients.open")/float64(n))
}

// patience is how long a client waits for an attempt; some wait for ever.
func patience(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return d.String()
}
