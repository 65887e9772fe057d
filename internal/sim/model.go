package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// Model is the world that the clients live in. The zero Model is a network and a server that take no time at all.
type Model struct {
	// Latency is the one-way latency of every path, >= 0: a TCP connection takes two of them, the upgrade two more, a
	// beat and its reply two.
	Latency time.Duration
	// Spread is drawn for each crossing and added to Latency.
	Spread Dist
	// RTT, if it is set, is drawn for each frame that the client sends: the frame takes half of it, and so does every
	// answer until the client's next frame. Round trips then have this distribution. Neither Latency nor Spread is added.
	RTT *Dist
	// Loss is the probability in [0, 1) that a message, or a retransmission, is lost in either direction.
	Loss float64
	// Burst is the mean number of losses in a row (Gilbert-Elliott); 0 and 1: independent losses.
	Burst float64
	// Datagram: WebSocket frames are datagrams. A lost one is lost, and none waits for another. What opens and ends a
	// connection stays reliable. Otherwise frames travel over TCP, which sends what was lost again and keeps the order.
	Datagram bool

	Server Server
}

// Server is what the model knows of the target beyond the words of [scenario.Serve], which hold for each node. The zero
// Server is one node that takes no time.
type Server struct {
	// Nodes behind the balancer, 1 to 255; 0 is 1. A stall, a drain and a kill hit the nodes that they name, or all.
	Nodes    int
	Balancer Balancer
	// Message and Handshake are the work of one message and one upgrade request. A node does one thing at a time, first come
	// first served, so that its capacity is 1 / mean of Message. 0: it takes no time.
	Message, Handshake Dist
	// Backlog is how many connections the kernel of a frozen node accepts; further SYNs are dropped. 0: any number.
	Backlog int
	// HandshakeTimeout is how long a node waits for the upgrade request of a connection; 0: for ever.
	HandshakeTimeout time.Duration
	// Boot is how long a process that is started again takes until it listens, after the Restart of its kill.
	Boot time.Duration
}

// Balancer says which node a new connection goes to. None knows of a stall; a node whose process is gone gets nothing.
type Balancer string

// The balancers; "" is RoundRobin.
const (
	RoundRobin Balancer = "round-robin" // each in turn
	Least      Balancer = "least"       // the one with the fewest connections, the first of several
	Sticky     Balancer = "sticky"      // always the same one for the same client, as far as it is there
)

// Balancers are all of them.
var Balancers = []Balancer{RoundRobin, Least, Sticky}

func (m *Model) check(plan *scenario.Plan) error {
	if m.Latency < 0 {
		return fmt.Errorf("model: latency %v is negative", m.Latency)
	}
	for _, d := range []*Dist{&m.Spread, m.RTT, &m.Server.Message, &m.Server.Handshake} {
		if d != nil {
			if err := d.check(); err != nil {
				return fmt.Errorf("model: %w", err)
			}
		}
	}
	v := &m.Server
	switch {
	case !(m.Loss >= 0 && m.Loss < 1):
		return fmt.Errorf("model: loss %v is not in [0,1)", m.Loss)
	case !(m.Burst == 0 || m.Burst >= 1 && m.Burst <= 1e6):
		return fmt.Errorf("model: burst %v is not at least 1", m.Burst)
	case v.Nodes < 0 || v.Nodes > 255:
		return fmt.Errorf("model: %d nodes are not 1 to 255", v.Nodes)
	case v.Backlog < 0 || v.HandshakeTimeout < 0 || v.Boot < 0:
		return errors.New("model: a limit of the server is negative")
	case v.Balancer != "" && v.Balancer != RoundRobin && v.Balancer != Least && v.Balancer != Sticky:
		return fmt.Errorf("model: no balancer %q", v.Balancer)
	}
	for i := range plan.Groups {
		t := plan.Groups[i].Traffic
		if t != nil && t.FromServer {
			return fmt.Errorf("clients[%d].traffic.from: the simulator has no service behind the server that could publish for group %s\nhint: from: client, or a run", i, plan.Groups[i].Name)
		}
		if t != nil && !echoes(t) {
			return fmt.Errorf("clients[%d].traffic: the simulated server echoes, and does not speak the formats of group %s\nhint: protocol: echo, or a run", i, plan.Groups[i].Name)
		}
	}
	for i := range plan.Faults {
		f := &plan.Faults[i]
		switch {
		case len(f.Nodes) > 0 && f.Kind != chaos.Stall && f.Kind != chaos.Drain && f.Kind != chaos.Kill:
			return fmt.Errorf("fault %s: the model's paths lead to all nodes; it cannot simulate a %s of some", f.Name, f.Kind)
		}
		if strings.Contains(f.Notice, chaos.NodeWord) {
			return fmt.Errorf("fault %s: the simulated balancer does not go by what a goodbye names\nhint: a notice without %s, or a run", f.Name, chaos.NodeWord)
		}
		nodes := max(v.Nodes, 1)
		if nodes == 1 {
			nodes = plan.Target.Nodes()
		}
		for _, n := range f.Nodes {
			if n < 0 || n >= nodes {
				return fmt.Errorf("fault %s: the model has no node %d, only 0 to %d", f.Name, n, nodes-1)
			}
		}
	}
	return nil
}

// echoes reports whether an echo is all that the traffic needs.
func echoes(t *heartbeat.Traffic) bool {
	return t.Welcome == nil && t.Join == "" && (t.Self() || t.To == "-") && (t.Ack == nil || t.Ack.Equal(t.Publish)) && t.Message.Equal(t.Publish)
}

// String describes the model in one line, for the report.
func (m *Model) String() string {
	var parts []string
	add := func(format string, a ...any) { parts = append(parts, fmt.Sprintf(format, a...)) }
	switch path := chaos.FormatDuration(m.Latency); {
	case m.RTT != nil:
		add("round trips %s", m.RTT)
	case m.Latency == 0 && m.Spread.random():
		add("one-way latency %s", &m.Spread)
	case m.Spread.random() || m.Spread.a > 0:
		add("one-way latency %s plus %s", path, &m.Spread)
	default:
		add("one-way latency %s", path)
	}
	if m.Loss > 0 {
		loss := "messages lost " + chaos.FormatProbability(m.Loss)
		if m.Burst > 1 {
			loss += fmt.Sprintf(" in bursts of %g", m.Burst)
		}
		if m.Datagram {
			loss += " for good"
		} else {
			loss += " and sent again"
		}
		add("%s", loss)
	} else if m.Datagram {
		add("datagrams")
	}
	v := &m.Server
	if v.Nodes > 1 {
		b := v.Balancer
		if b == "" {
			b = RoundRobin
		}
		add("%d nodes, balancer %s", v.Nodes, b)
	}
	for _, x := range []struct {
		what string
		d    *Dist
	}{{"message", &v.Message}, {"handshake", &v.Handshake}} {
		if x.d.random() || x.d.a > 0 {
			add("%s of work a %s", x.d, x.what)
		}
	}
	if v.Backlog > 0 {
		add("backlog %d", v.Backlog)
	}
	if v.HandshakeTimeout > 0 {
		add("handshake timeout %s", chaos.FormatDuration(v.HandshakeTimeout))
	}
	if v.Boot > 0 {
		add("boot %s", chaos.FormatDuration(v.Boot))
	}
	return strings.ReplaceAll(strings.Join(parts, ", "), "µ", "u") // also for a terminal that knows ASCII only
}
