package report

import (
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// three is a run against three nodes: client i is open on node i%3 from 1 s on; node 1 is killed at 10 s and node 2 stalls
// from 20 s to 30 s.
func three(t *testing.T) (*Recorder, func(Measure, error) float64) {
	t.Helper()
	f, err := scenario.Parse("three.yaml", []byte(`
target: {serve: {nodes: 3}}
clients: [{count: 9, profile: heartcheck, ramp: 1s}]
chaos:
  - {at: 10s, fault: kill, how: process, nodes: [1]}
  - {at: 20s, for: 10s, fault: stall, nodes: [2]}
duration: 60s
`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	r := NewRecorder(p, Options{})
	for i := range 9 {
		connect(r, time.Second, i, 1, i%3)
	}
	return r, func(m Measure, err error) float64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return float64(m.Value)
	}
}

func connect(r *Recorder, at time.Duration, client int, epoch uint32, node int) {
	r.Routed(at, client, epoch, node)
	r.Attempt(at, client, epoch)
	r.Output(at+time.Millisecond, client, &heartbeat.Output{Kind: heartbeat.Opened, Epoch: epoch})
}

func die(r *Recorder, at, heard time.Duration, client int, epoch uint32, cause heartbeat.Cause) {
	r.Output(at, client, &heartbeat.Output{Kind: heartbeat.Dead, Epoch: epoch, Cause: cause, LastHeard: heard})
}

// TestFaultOfANode: a fault of one node explains the deaths of connections to that node, and excuses none to another.
func TestFaultOfANode(t *testing.T) {
	r, value := three(t)
	r.FaultBegan(10*time.Second, 0)
	for i := range 9 {
		if i%3 == 1 {
			die(r, 10*time.Second+time.Millisecond, 9*time.Second, i, 1, heartbeat.Reset)
		}
	}
	r.FaultInForce(10*time.Second+2*time.Millisecond, 0)
	die(r, 11*time.Second, 9*time.Second, 0, 1, heartbeat.Reset) // on node 0, that nothing has hit
	for i, node := range map[int]int{0: 0, 1: 0, 4: 2, 7: 2} {
		connect(r, 14*time.Second, i, 2, node)
	}
	r.FaultBegan(20*time.Second, 1)
	r.FaultInForce(20*time.Second, 1)
	die(r, 27*time.Second, 19*time.Second, 2, 1, heartbeat.Timeout) // on node 2
	die(r, 27*time.Second, 19*time.Second, 4, 2, heartbeat.Timeout) // on node 2 since its own node was killed
	die(r, 27*time.Second, 19*time.Second, 3, 1, heartbeat.Timeout) // on node 0: a mistake
	r.FaultEnded(30*time.Second, 1)
	for i, node := range map[int]int{2: 1, 3: 1, 4: 1} {
		connect(r, 31*time.Second, i, 3, node)
	}
	r.Ended(60 * time.Second)
	res := r.Snapshot(60*time.Second, SnapshotOptions{Final: true})

	for _, x := range []struct {
		metric, during string
		want           float64
	}{
		{"detection.count", "kill", 3}, {"detection.count", "stall", 2}, {"false_positives", "", 2},
		{"recovery.lost", "kill", 0}, {"recovery.lost", "stall", 0}, {"nodes.hit_twice", "", 1.0 / 9},
		{"nodes.cv.end", "", 0}, {"nodes.max_share", "stall", 5.0 / 9},
	} {
		if got := value(res.Value(scenario.Expect{Metric: x.metric, During: x.during})); got != x.want {
			t.Errorf("%s during %q: %v, want %v", x.metric, x.during, got, x.want)
		}
	}
	if n := len(res.Nodes); n != 3 || res.Nodes[1].Deaths != 3 || res.Nodes[2].Deaths != 2 || res.Nodes[0].Deaths != 2 {
		t.Errorf("%d nodes: %+v", n, res.Nodes)
	}
	if v := res.Occurrences[1].Victims; v != 5 {
		t.Errorf("the stall found %d clients on node 2, want 5", v)
	}
	// After the kill the nodes never were even before the stall began; after the stall they were when three had gone to node 1.
	if m, err := res.Value(scenario.Expect{Metric: "nodes.even", During: "stall"}); err != nil || m.Value < 1 || m.Value > 1.1 {
		t.Errorf("even again after the stall: %+v, %v", m, err)
	}
	if m, err := res.Value(scenario.Expect{Metric: "nodes.even"}); err != nil || !(float64(m.Value) > 1e9) {
		t.Errorf("even again, at the slowest: %+v, %v", m, err)
	}
}

// TestOneNode: a target of one node has none of these figures, and says so.
func TestOneNode(t *testing.T) {
	f, err := scenario.Parse("one.yaml", []byte("target: {serve: {}}\nclients: [{count: 1, profile: heartcheck}]\nduration: 10s"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	res := NewRecorder(p, Options{}).Snapshot(10*time.Second, SnapshotOptions{Final: true})
	if _, err := res.Value(scenario.Expect{Metric: "nodes.cv.max"}); err == nil {
		t.Error("a variation of one node")
	}
}
