package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestNodes: what a scenario says of several nodes, and what it leaves out.
func TestNodes(t *testing.T) {
	for _, x := range []struct {
		target string
		nodes  int
		want   Balancer
		store  string
	}{
		{"{serve: {}}", 1, Balancer{}, ""},
		{"{serve: {delivery: {}}}", 1, Balancer{}, "memory"},
		{"{serve: {nodes: 3, delivery: {}}}", 3, Balancer{RoundRobin, 5 * time.Second}, "jetstream"},
		{"{serve: {nodes: 2}, balancer: {policy: least, eject: 3s}}", 2, Balancer{Least, 3 * time.Second}, ""},
		{"{url: ws://127.0.0.1:1/}", 1, Balancer{}, ""},
		{"{url: [ws://127.0.0.1:1/, ws://127.0.0.1:2/], balancer: {policy: sticky}}", 2, Balancer{Sticky, 5 * time.Second}, ""},
	} {
		f, err := Parse("t.yaml", []byte("target: "+x.target+"\nclients: [{count: 3, profile: heartcheck}]\nduration: 30s\n"))
		if err != nil {
			t.Fatalf("%s: %v", x.target, err)
		}
		p, err := f.Plan()
		if err != nil {
			t.Fatalf("%s: %v", x.target, err)
		}
		store := ""
		if s := p.Target.Serve; s != nil && s.Delivery != nil {
			store = s.Delivery.Store
		}
		if p.Target.Nodes() != x.nodes || p.Target.Balancer != x.want || store != x.store {
			t.Errorf("%s: %d nodes, %+v, store %q", x.target, p.Target.Nodes(), p.Target.Balancer, store)
		}
		again, err := p.canonical().Plan()
		if err != nil {
			t.Fatalf("%s, written out: %v", x.target, err)
		}
		if diff := cmp.Diff(p.Target, again.Target); diff != "" {
			t.Errorf("%s, written out (-plan +again):\n%s", x.target, diff)
		}
	}
}

// TestNodeMistakes: each has its place and a hint.
func TestNodeMistakes(t *testing.T) {
	const three, one = "{serve: {nodes: 3, delivery: {}}}", "{serve: {}}"
	for _, x := range []struct{ target, fault, want string }{
		{one, "{at: 1s, fault: stall, for: 1s, nodes: [0]}", "the target has one node only"},
		{three, "{at: 1s, fault: stall, for: 1s, nodes: [0, 3]}", "the target has no node 3"},
		{three, "{at: 1s, fault: stall, for: 1s, nodes: [1, 1]}", "node 1 stands twice"},
		{three, "{at: 1s, fault: partition, for: 1s}", "missing key \"nodes\""},
		{three, "{at: 1s, fault: partition, for: 1s, nodes: [1], clients: 5}", "hits the server and with it every client"},
		{"{serve: {nodes: 2}}", "{at: 1s, fault: partition, for: 1s, nodes: [1]}", "this target shares none"},
		{three, "{at: 1s, fault: suspend, for: 1s, nodes: [1]}", "a suspend hits devices"},
		{three, "{at: 1s, fault: drop, rate: 5%, for: 1s}", "does not know 3 nodes"},
		{three, "{at: 1s, fault: drain, notice: 'in {{.Retry}} ms'}", "missing key \"spread\""},
		{three, "{at: 1s, fault: drain, notice: bye, spread: 3s}", "no notice names a time to spread"},
		{three, "{at: 1s, fault: drain, notice: 'to {{.Node}}'}", "names a node that is not drained, and there is none"},
		{"{serve: {nodes: 3, delivery: {store: memory}}}", "{at: 1s, fault: kill}", "3 nodes cannot share the memory of one"},
		{"{serve: {}, balancer: {policy: least}}", "{at: 1s, fault: kill}", "there is one node and nothing to balance"},
		{"{url: [ws://a/, http://b/]}", "{at: 1s, fault: kill}", "url scheme http is not WebSocket"},
		{"{url: [ws://a/, ws://b/], command: [x]}", "{at: 1s, fault: kill}", "command is one server, and url lists 2"},
	} {
		f, err := Parse("t.yaml", []byte("target: "+x.target+"\nclients: [{count: 30, profile: heartcheck}]\nchaos: ["+x.fault+"]\nduration: 30s\n"))
		if err == nil {
			_, err = f.Plan()
		}
		if err == nil || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), "t.yaml:") {
			t.Errorf("%s with %s: %v", x.fault, x.target, err)
		}
	}
}
