package html

import (
	"math"
	"strings"
	"testing"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

const cluster = `
name: cluster
seed: 3
target: {serve: {nodes: 3}}
clients: [{count: 300, ramp: 3s, profile: heartcheck, reconnect: {jitter: full}, traffic: {rate: 2/s, mode: at-least-once}}]
chaos:
  - {at: 10s, fault: kill, how: process, nodes: [1], restart: 4s}
  - {at: 20s, fault: kill, how: rst}
duration: 40s
`

// chart finds one on the page.
func chart(t *testing.T, p *Page, id string) *Chart {
	t.Helper()
	for i := range p.Timeline {
		if p.Timeline[i].ID == id {
			return &p.Timeline[i]
		}
	}
	t.Fatalf("no chart %s", id)
	return nil
}

// TestClusterCharts: where the clients of several nodes are, how unevenly, and what they send, second by second, are the
// figures of the report.
func TestClusterCharts(t *testing.T) {
	r := simulate(t, cluster)
	p, _ := render(t, Input{Result: r})
	nodes, uneven, messages := chart(t, p, "nodes"), chart(t, p, "uneven"), chart(t, p, "messages")
	if len(nodes.Series) != 3 || len(nodes.X) != 40 || len(uneven.X) != 40 {
		t.Fatalf("%d nodes over %d seconds, unevenness over %d", len(nodes.Series), len(nodes.X), len(uneven.X))
	}
	lowest, most := math.Inf(1), 0.0
	for k, x := range nodes.X {
		sum := 0.0
		for i := range nodes.Series {
			sum += nodes.Series[i].Y[k]
			if nodes.Series[i].Y[k] < 0 {
				t.Errorf("second %v: node %d has %v clients", x, i, nodes.Series[i].Y[k])
			}
		}
		open := r.Series.States["open"][k] + r.Series.States["suspect"][k]
		if sum != float64(open) {
			t.Errorf("second %v: %v clients on the nodes, and %d are open", x, sum, open)
		}
		if x > 11 && x < 20 {
			lowest = min(lowest, nodes.Series[1].Y[k])
		}
		most = max(most, uneven.Series[0].Y[k])
	}
	if lowest != 0 {
		t.Errorf("the node that was killed never had fewer than %v clients", lowest)
	}
	if want := value(t, r, "nodes.cv.max"); most <= report.EvenEnough || most > want+1e-9 {
		t.Errorf("unevenness %v at the end of a second, %v at most in the report", most, want)
	}
	var arrived float64
	for _, y := range messages.Series[1].Y[:len(messages.X)-1] {
		arrived += y
	}
	if want := value(t, r, "delivery.received"); arrived != want || want == 0 {
		t.Errorf("%v messages arrived in the chart, %v in the report", arrived, want)
	}

	two, _ := render(t, Input{Result: r}, Input{Result: simulate(t, cluster)})
	if c := chart(t, two, "messages"); len(c.Series) != 2 {
		t.Errorf("two runs: %d series", len(c.Series))
	}
}

// TestManyNodesHaveColors: each node that a target may have is drawn in a colour that the style sheet knows.
func TestManyNodesHaveColors(t *testing.T) {
	p, _ := render(t, Input{Result: simulate(t, strings.Replace(cluster, "nodes: 3", "nodes: 9", 1))})
	light, dark := colors(t, false), colors(t, true)
	seen := map[string]bool{}
	for _, s := range chart(t, p, "nodes").Series {
		_, a := light[s.Color]
		_, b := dark[s.Color]
		if !a || !b || seen[s.Color] {
			t.Errorf("%s is drawn in %s, which is unknown or taken", s.Name, s.Color)
		}
		seen[s.Color] = true
	}
	if len(seen) != 9 {
		t.Errorf("%d nodes", len(seen))
	}
}

func value(t *testing.T, r *report.Result, metric string) float64 {
	t.Helper()
	m, err := r.Value(scenario.Expect{Metric: metric})
	if err != nil {
		t.Fatal(err)
	}
	return float64(m.Value)
}
