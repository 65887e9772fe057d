//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// measured reads a metric of a finished run.
func measured(t *testing.T, r *report.Result, metric, during string) float64 {
	t.Helper()
	m, err := r.Value(scenario.Expect{Metric: metric, During: during})
	if err != nil {
		t.Fatal(err)
	}
	return float64(m.Value)
}

// left waits for the run and reads what it left.
func (r *running) left() *report.Result {
	r.t.Helper()
	<-r.ended
	return r.result()
}

// TestNodes: three servers share their sessions. One is killed, another cut off from the rest: only the first one's clients
// lose their connections, exactly as many as it held, and nobody loses a message.
func TestNodes(t *testing.T) {
	t.Parallel()
	res := flatline(t, `
target: {serve: {nodes: 3, delivery: {}}, balancer: {policy: least}}
clients:
  - {count: 150, ramp: 500ms, beat: {interval: 500ms}, timeout: 4s, reconnect: {kind: fixed, delay: 300ms},
     traffic: {rate: 10/s, protocol: delivery, mode: at-least-once, retransmit: 1s, drain: 5s}}
chaos:
  - {name: killed, at: 2s, fault: kill, how: process, nodes: [1], restart: 500ms}
  - {name: split, at: 4s, for: 2s, fault: partition, nodes: [0]}
duration: 12s
`, "run", "-q", "s.yaml").left()
	_, _, held := res.Nodes[1].Open.Levels(0, res.Occurrences[0].Began-report.Tick)
	if n := measured(t, res, "detection.count", "killed"); n != float64(held) || held != 50 {
		t.Errorf("%v noticed that node 1 was killed, and %d were connected to it", n, held)
	}
	if n := res.Nodes[0].Deaths + res.Nodes[2].Deaths; n > 0 {
		t.Errorf("%d deaths on the other nodes", n)
	}
	for _, x := range []struct {
		metric, during string
		want           float64
	}{{"delivery.lost", "", 0}, {"delivery.acked_lost", "", 0}, {"recovery.lost", "", 0}, {"nodes.hit_twice", "", 0}, {"clients.open", "", 150}} {
		if n := measured(t, res, x.metric, x.during); n != x.want {
			t.Errorf("%s: %v, want %v", x.metric, n, x.want)
		}
	}
	if p := measured(t, res, "delivery.latency.max", "split"); p < 1 {
		t.Errorf("through a node that is cut off from the store a message took %v s at most", p)
	}
	if res.Status != report.Complete {
		t.Errorf("%s: %s", res.Status, res.Reason)
	}
	sockets := 0 // that the target listens on: two of each node, and one at least of their store
	for i := range res.Target {
		sockets = max(sockets, len(res.Target[i].Listeners))
	}
	if runtime.GOOS == "linux" && sockets < 3*2+1 {
		t.Errorf("the target listens on %d sockets: a node or the store is not in what it uses", sockets)
	}
}

// TestLyingNode: the whole way from the words of a scenario to the ids in the report, against the server's own log.
func TestLyingNode(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "server.log")
	res := flatline(t, fmt.Sprintf(`
target: {serve: {delivery: {drop_acked: 0.2%%, duplicate: 1%%, log: %s}}}
clients:
  - {count: 20, ramp: 200ms, beat: {interval: 1s}, timeout: 1s, reconnect: {kind: fixed, delay: 1s},
     traffic: {rate: 50/s, protocol: delivery, mode: at-least-once, retransmit: 0s, drain: 2s}}
duration: 6s
expect: [delivery.lost == 0]
`, log), "run", "-q", "s.yaml").left()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	dropped, doubled := map[string]bool{}, 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch f[0] {
		case "dropped":
			dropped[f[1]+":"+f[2]] = true
		case "duplicated":
			doubled++
		}
	}
	named := map[string]bool{}
	for _, id := range res.Groups[0].Delivery.Lied {
		named[fmt.Sprintf("%d:%d", id.From, id.Seq)] = true
	}
	if diff := cmp.Diff(dropped, named); diff != "" || len(dropped) == 0 {
		t.Errorf("%d dropped (-the server's log +the report):\n%s", len(dropped), diff)
	}
	if n := measured(t, res, "delivery.duplicated", ""); n != float64(doubled) {
		t.Errorf("%v arrived twice, and the server stored %d twice", n, doubled)
	}
	if res.Outcomes[0].State != report.Fail {
		t.Errorf("delivery.lost == 0: %s", res.Outcomes[0].State)
	}
}
