package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
)

// modelFlags say what the simulator takes the network and the server for.
type modelFlags struct {
	rtt      time.Duration
	latency  string
	loss     string
	datagram bool
	nodes    int
	balancer string
	work     string
}

var modelNames = []string{"rtt", "latency", "loss", "datagram", "nodes", "balancer", "work"}

func (m *modelFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.DurationVar(&m.rtt, "rtt", 200*time.Microsecond, "round-trip time of the modelled path")
	f.StringVar(&m.latency, "latency", "", "draw each one-way latency from `DIST`: normal(20ms,5ms), lognormal(20ms,0.5), exponential(20ms) or 20ms; or round trips as in a Result file")
	f.StringVar(&m.loss, "loss", "", "lose this share of the messages, such as 1%; TCP sends them again")
	f.BoolVar(&m.datagram, "datagram", false, "messages are datagrams: what is lost is lost, and nothing keeps an order")
	f.IntVar(&m.nodes, "nodes", 1, "`N` nodes of the server behind a balancer; its limits are those of each node")
	f.StringVar(&m.balancer, "balancer", string(sim.RoundRobin), "how connections are spread over nodes: "+balancers())
	f.StringVar(&m.work, "work", "", "a node works `DIST`, as in --latency, on each message, one after the other")
	_ = cmd.RegisterFlagCompletionFunc("balancer", cobra.FixedCompletions(strings.Split(balancers(), ", "), cobra.ShellCompDirectiveNoFileComp))
}

func balancers() string {
	var names []string
	for _, b := range sim.Balancers {
		names = append(names, string(b))
	}
	return strings.Join(names, ", ")
}

// model reads the flags that were given.
func (m *modelFlags) model(cmd *cobra.Command) (out sim.Model, err error) {
	changed := cmd.Flags().Changed
	switch {
	case m.rtt < 0:
		return out, errors.New("--rtt must not be negative")
	case m.rtt > 24*time.Hour:
		return out, errors.New("--rtt must not be above 24h")
	case changed("rtt") && changed("latency"):
		return out, hint(errors.New("--rtt and --latency both say how long a message takes"), "--latency 10ms is --rtt 20ms")
	case m.nodes < 1 || m.nodes > 255:
		return out, errors.New("--nodes must be 1 to 255")
	}
	out.Latency = m.rtt / 2
	if changed("latency") {
		out.Latency = 0
		if err := m.path(&out); err != nil {
			return out, err
		}
	}
	if changed("loss") {
		if out.Loss, err = chaos.ParseProbability(m.loss); err != nil || out.Loss >= 1 {
			return out, hint(fmt.Errorf("--loss: %q is not a share below 100%%", m.loss), "--loss 1%")
		}
	}
	if changed("work") {
		if out.Server.Message, err = sim.ParseDist(m.work); err != nil {
			return out, hint(fmt.Errorf("--work: %w", err), "--work 200us or --work 'exponential(200us)'")
		}
	}
	out.Datagram, out.Server.Nodes, out.Server.Balancer = m.datagram, m.nodes, sim.Balancer(m.balancer)
	if !strings.Contains(", "+balancers()+",", ", "+m.balancer+",") {
		return out, hint(fmt.Errorf("no balancer %q", m.balancer), "balancers: "+balancers())
	}
	return out, nil
}

// path reads --latency: a distribution, or a Result whose round trips are taken.
func (m *modelFlags) path(out *sim.Model) error {
	dist, err := sim.ParseDist(m.latency)
	if err == nil {
		out.Spread = dist
		return nil
	}
	if strings.Contains(m.latency, "(") || !strings.ContainsAny(m.latency, "./") {
		return hint(fmt.Errorf("--latency: %w", err), "normal(20ms,5ms), lognormal(20ms,0.5), exponential(20ms), 20ms, or a Result file")
	}
	r, err := report.ReadFile(m.latency)
	if err != nil {
		return fmt.Errorf("--latency: %w", err)
	}
	rtt := &report.Hist{}
	for i := range r.Segments {
		for k := range r.Segments[i].Groups {
			rtt.Merge(r.Segments[i].Groups[k].RTT)
		}
	}
	d, err := sim.Empirical(rtt, m.latency)
	if err != nil {
		return fmt.Errorf("--latency: %w", err)
	}
	out.RTT = &d
	return nil
}
