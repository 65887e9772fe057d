package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/chaos/kernel"
	"github.com/flatline-dev/flatline/chaos/packet"
	"github.com/flatline-dev/flatline/chaos/stream"
	"github.com/flatline-dev/flatline/internal/fleet"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// captureFlags ask for the packets of some clients.
type captureFlags struct {
	file    string
	clients string
}

func (c *captureFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.file, "pcap", "", "write the packets of --pcap-clients to this `FILE` (engine packet)")
	cmd.Flags().StringVar(&c.clients, "pcap-clients", "0", "client `NUMBERS` to capture, such as 0,5,10-19")
}

// set reads the numbers of the clients.
func (c *captureFlags) set(clients int) (*chaos.Set, error) {
	var s chaos.Set
	for part := range strings.SplitSeq(c.clients, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		lo, err1 := strconv.Atoi(strings.TrimSpace(from))
		hi, err2 := strconv.Atoi(strings.TrimSpace(to))
		if err1 != nil || err2 != nil || lo < 0 || hi < lo || hi >= clients {
			return nil, hint(fmt.Errorf("--pcap-clients: %q names no clients of 0 to %d", part, clients-1), "numbers and ranges: 0,5,10-19")
		}
		for i := lo; i <= hi; i++ {
			s.Add(i)
		}
	}
	return &s, nil
}

// network is what the clients dial through.
type network struct {
	engine  chaos.Engine
	path    fleet.Path
	dialTCP func(ctx context.Context, client int, network, addr string) (net.Conn, error) // nil: the fleet's own
	ends    []func() error
}

// close ends what is left of the engine when every connection is closed.
func (n *network) close() error {
	var errs []error
	for _, end := range n.ends {
		errs = append(errs, end())
	}
	n.ends = nil
	return errors.Join(errs...)
}

// newNetwork makes the engine that the plan has chosen.
func newNetwork(plan *scenario.Plan, target string, clock func() time.Duration, rec *report.Recorder, capture *captureFlags) (*network, error) {
	if capture.file != "" && plan.PathEngine != "packet" {
		return nil, hint(fmt.Errorf("--pcap: the %s engine has no packets to show", plan.PathEngine), "chaos: {engine: packet, faults: [...]}")
	}
	switch plan.PathEngine {
	case "packet":
		return packetNetwork(plan, clock, rec, capture)
	case "kernel":
		return kernelNetwork(plan, target, clock, rec)
	}
	if n := plan.Target.Nodes(); n > 1 {
		e := stream.New(clock, fleet.Folded(rec, plan.Clients), plan.Seed, n*plan.Clients)
		return &network{engine: fleet.Unfolded(e, plan.Clients, n), path: e}, nil
	}
	e := stream.New(clock, rec, plan.Seed, plan.Clients)
	return &network{engine: e, path: e}, nil
}

func packetNetwork(plan *scenario.Plan, clock func() time.Duration, rec *report.Recorder, capture *captureFlags) (*network, error) {
	n := &network{}
	var o packet.Options
	if capture.file != "" {
		clients, err := capture.set(plan.Clients)
		if err != nil {
			return nil, err
		}
		f, err := os.Create(capture.file)
		if err != nil {
			return nil, fmt.Errorf("capture packets: %w", err)
		}
		w := bufio.NewWriter(f)
		o.Capture, o.CaptureClients = w, clients
		n.ends = append(n.ends, w.Flush, f.Close)
	}
	e, err := packet.New(clock, rec, plan.Seed, plan.Clients, o)
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	n.engine, n.path = e, e
	n.ends = append([]func() error{e.Shutdown}, n.ends...)
	return n, nil
}

func kernelNetwork(plan *scenario.Plan, target string, clock func() time.Duration, rec *report.Recorder) (*network, error) {
	to, err := targetAddr(target)
	if err != nil {
		return nil, err
	}
	e, err := kernel.New(kernel.Config{
		Clock: clock, Observer: rec, Clients: plan.Clients, Target: to,
		Source: func(client int) net.IP { return net.ParseIP(plan.ClientSource(client)) },
	})
	if err != nil {
		return nil, err
	}
	return &network{engine: e, path: e, dialTCP: e.DialTCP}, nil
}

// targetAddr is the address in the target's URL; the zero Addr for a name.
func targetAddr(target string) (netip.Addr, error) {
	u, err := url.Parse(target)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("read the target's address: %w", err)
	}
	if u.Hostname() == "localhost" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return netip.Addr{}, nil
	}
	return addr, nil
}
