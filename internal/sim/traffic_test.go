package sim_test

import (
	"context"
	"strings"
	"testing"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
)

// TestRefusesWhatNoEchoAnswers: a server that echoes answers no other formats, and a simulation that left them out would call
// everything lost.
func TestRefusesWhatNoEchoAnswers(t *testing.T) {
	for _, traffic := range []string{
		"{rate: 1/s, protocol: delivery}",
		"{from: server, rate: 1/s}",
		"{rate: 1/s, protocol: delivery, to: '#lobby', join: lobby}",
		"{rate: 1/s, formats: {ack: 'ok {{.Seq}}'}}",
		"{rate: 1/s, formats: {message: 'got {{.Client}} {{.Seq}} {{.Sent}}'}}",
	} {
		publish := ""
		if strings.Contains(traffic, "from:") {
			publish = ", publish: {url: http://127.0.0.1:2/}"
		}
		p := plan(t, "target: {url: ws://127.0.0.1:1/"+publish+"}\nclients: [{count: 2, profile: heartcheck, traffic: "+traffic+"}]\nduration: 30s\n")
		_, err := sim.Simulate(context.Background(), p, sim.Many{})
		if err == nil || !strings.Contains(err.Error(), "clients[0].traffic") || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("%s: %v", traffic, err)
		}
	}
}

// TestTrafficIsTheSameForAnyWorkers: shards and workers change nothing of what arrived.
func TestTrafficIsTheSameForAnyWorkers(t *testing.T) {
	p := plan(t, `
target: {serve: {}}
clients: [{group: once, count: 5000, profile: heartcheck, traffic: {rate: 0.5/s, arrivals: poisson}}, {group: up, count: 200, profile: heartcheck, traffic: {rate: 1/s, to: server, mode: at-least-once}}]
chaos: [{at: 9s, for: 9s, fault: blackhole, clients: 30%}]
duration: 40s
expect: [delivery.lost > 0 in once, delivery.lost == 0 in up, delivery.lost == 0 during baseline, delivery.acked_lost == 0]
`)
	var first report.GroupDelivery
	for workers := 1; workers <= 3; workers += 2 {
		r, err := sim.Simulate(context.Background(), p, sim.Many{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range r.Outcomes {
			if o.State != report.Pass {
				t.Errorf("%s: %s, measured %v", o.Text, o.State, o.Measured.Value)
			}
		}
		if d := r.Groups[0].Delivery; workers == 1 {
			first = *d
		} else if d.Account != first.Account {
			t.Errorf("%d workers: %+v, one: %+v", workers, d.Account, first.Account)
		}
	}
}
