package scenario

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

func trafficPlan(t *testing.T, text string) (*File, *Plan) {
	t.Helper()
	f, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return f, p
}

const talking = `
target: {url: ws://127.0.0.1:1/}
clients:
  - {group: speakers, count: 3, ramp: 2s, profile: heartcheck, traffic: {rate: 1/s, protocol: delivery, mode: at-least-once, to: "#lobby"}}
  - {group: listeners, count: 2, ramp: 100/s, delay: 4s, profile: heartcheck, traffic: {protocol: delivery, join: lobby}}
  - {group: both, count: 2, profile: heartcheck, traffic: {rate: 1/s, join: lobby, protocol: delivery, start: 12s, drain: 5s}}
  - {group: quiet, count: 1, profile: heartcheck}
duration: 1m
`

// TestTrafficOfAPlan: who is owed what, and from when to when.
func TestTrafficOfAPlan(t *testing.T) {
	_, p := trafficPlan(t, talking)
	for client, want := range [][]int32{{3, 4, 5, 6}, {3, 4, 5, 6}, {3, 4, 5, 6}, nil, nil, {5}, {6}, nil} {
		if got := p.Receivers(client); !slices.Equal(got, want) {
			t.Errorf("client %d owes %v, want %v", client, got, want)
		}
	}
	speak, listen := p.Groups[0].Traffic, p.Groups[1].Traffic
	if speak.Start != 4020*time.Millisecond || speak.Stop != 50*time.Second { // the last group of all is there after 4.02 s
		t.Errorf("from %v to %v", speak.Start, speak.Stop)
	}
	if !speak.Resume || !speak.OnReconnect || speak.Retransmit != 5*time.Second || listen.Resume || listen.Retransmit != 0 {
		t.Errorf("%+v, %+v", speak, listen)
	}
	if speak.GotEvery != 10 || listen.GotEvery != 0 || listen.Rate != 0 || listen.Mode != heartbeat.AtMostOnce || p.Groups[3].Traffic != nil {
		t.Errorf("%+v, %+v", speak, listen)
	}
}

// TestResizeMovesTraffic: where the clients need longer to connect, their messages begin later too, and the written file stays.
func TestResizeMovesTraffic(t *testing.T) {
	f, p := trafficPlan(t, talking)
	big, err := f.Resize(8000)
	if err != nil {
		t.Fatal(err)
	}
	q, err := big.Plan()
	if err != nil {
		t.Fatal(err)
	}
	by := big.Shifted
	if by < 15*time.Second || q.Groups[2].Traffic.Start != p.Groups[2].Traffic.Start+by || q.Groups[2].Traffic.Stop != p.Groups[2].Traffic.Stop+by {
		t.Errorf("shifted by %v: from %v to %v", by, q.Groups[2].Traffic.Start, q.Groups[2].Traffic.Stop)
	}
	if again, err := f.Plan(); err != nil || again.Hash() != p.Hash() {
		t.Errorf("the file itself has changed: %v", err)
	}
}

// TestTrafficChangesTheHash: two plans that send other messages are other plans.
func TestTrafficChangesTheHash(t *testing.T) {
	seen := map[string]string{}
	for _, traffic := range []string{"rate: 1/s", "rate: 2/s", "rate: 1/s, arrivals: poisson", "rate: 1/s, size: 65", "rate: 1/s, to: server", "rate: 1/s, mode: at-least-once",
		"rate: 1/s, mode: effectively-once", "rate: 1/s, drain: 11s", "rate: 1/s, start: 9s", "rate: 1/s, frame: binary", "rate: 1/s, formats: {ack: 'ok {{.Seq}}'}", "rate: 1/s, from: server"} {
		publish := ""
		if strings.Contains(traffic, "from") {
			publish = ", publish: {url: http://127.0.0.1:2/}"
		}
		_, p := trafficPlan(t, "target: {url: ws://127.0.0.1:1/"+publish+"}\nclients: [{count: 2, profile: heartcheck, traffic: {"+traffic+"}}]\nduration: 1m\n")
		if first, again := seen[p.Hash()]; again {
			t.Errorf("%s has the hash of %s", traffic, first)
		}
		seen[p.Hash()] = traffic
	}
}

// TestPublishSurvivesAResult: a plan in a Result publishes as the scenario said, whose defaults are those of the documents.
func TestPublishSurvivesAResult(t *testing.T) {
	for target, want := range map[string]Publish{
		"{serve: {delivery: {}}}": {Timeout: 5 * time.Second, Connections: 32},
		"{url: ws://127.0.0.1:1/, publish: {url: ['http://127.0.0.1:2/{{.Client}}', http://127.0.0.1:3/], headers: {X-Key: k}, timeout: 1s, connections: 7}}": {
			Headers: map[string]string{"X-Key": "k"}, Timeout: time.Second, Connections: 7},
	} {
		_, p := trafficPlan(t, "target: "+target+"\nclients: [{count: 2, profile: heartcheck, traffic: {from: server, rate: 1/s, mode: at-least-once, protocol: delivery}}]\nduration: 1m\n")
		text, err := p.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var q Plan
		if err := q.UnmarshalJSON(text); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*Plan{p, &q} {
			got := *p.Target.Publish
			if n := len(got.URLs); n != 2*len(want.Headers) {
				t.Errorf("%s: %d addresses", target, n)
			}
			got.URLs = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", target, diff)
			}
			if tr := p.Groups[0].Traffic; !tr.FromServer || tr.Ack != nil || tr.OnReconnect || !tr.Resume {
				t.Errorf("%s: %+v", target, tr)
			}
		}
		if p.Hash() != q.Hash() {
			t.Errorf("%s: the hash has changed", target)
		}
		if r := p.Resources(); r.Descriptors < want.Connections+2 {
			t.Errorf("%s: %+v", target, r)
		}
	}
}
