package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/flatline-dev/flatline/scenario"
)

// needs is what a plan takes and what this machine has. What cannot be seen is 0.
type needs struct {
	scenario.Resources
	descriptors int // allowed to this process
	ports       int // ephemeral ports of one source address
	memory      int64
}

// preflight compares what the plan needs with what this machine has; the error names what is short and its fix.
func preflight(plan *scenario.Plan) (*needs, error) {
	n := &needs{Resources: plan.Resources(), ports: ephemeralPorts(), memory: availableMemory()}
	var err error
	if n.descriptors, err = raiseDescriptors(); err != nil {
		return n, err
	}
	if err := sourcesAreHere(plan); err != nil {
		return n, err
	}
	return n, n.short(plan.Clients)
}

// sourcesAreHere is an error for a source address that no client could connect from.
func sourcesAreHere(plan *scenario.Plan) error {
	seen := map[string]bool{}
	for i := range plan.Groups {
		for _, s := range plan.Groups[i].Sources {
			if seen[s] {
				continue
			}
			seen[s] = true
			l, err := net.Listen("tcp", net.JoinHostPort(s, "0"))
			if errors.Is(err, syscall.EADDRNOTAVAIL) {
				return hint(fmt.Errorf("group %s cannot connect from %s: this machine does not have that address", plan.Groups[i].Name, s),
					"sources: addresses that ip addr lists; any of 127.0.0.0/8 for a loopback target on Linux")
			}
			if err == nil {
				l.Close()
			}
		}
	}
	return nil
}

// short is an error for what is short, with its fix.
func (n *needs) short(clients int) error {
	switch {
	case n.descriptors > 0 && n.Descriptors > n.descriptors:
		return hint(fmt.Errorf("%d clients need %d file descriptors and this process may have %d", clients, n.Descriptors, n.descriptors),
			fmt.Sprintf("raise the hard limit (ulimit -Hn %d, or LimitNOFILE= / limits.conf), or lower count", n.Descriptors))
	case n.ports > 0 && n.PortsPerSource > n.ports:
		return hint(fmt.Errorf("%d connections from one source address need as many local ports and there are %d", n.PortsPerSource, n.ports),
			"give the group more addresses (sources: [127.0.0.1, 127.0.0.2]), or widen net.ipv4.ip_local_port_range")
	case n.memory > 0 && n.Memory > n.memory:
		return hint(fmt.Errorf("%d clients need about %s of memory and %s is available", clients, mebibytes(n.Memory), mebibytes(n.memory)),
			"lower count, or free memory")
	}
	return nil
}

func (n *needs) String() string {
	var b strings.Builder
	row := func(what string, need, have int) {
		fmt.Fprintf(&b, "  %-24s %8d", what, need)
		if have > 0 {
			fmt.Fprintf(&b, " of %d", have)
		}
		b.WriteByte('\n')
	}
	b.WriteString("needs\n")
	row("file descriptors", n.Descriptors, n.descriptors)
	row("ports a source address", n.PortsPerSource, n.ports)
	fmt.Fprintf(&b, "  %-24s %8s", "memory", mebibytes(n.Memory))
	if n.memory > 0 {
		fmt.Fprintf(&b, " of %s", mebibytes(n.memory))
	}
	return b.String()
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20) }

// ephemeralPorts is how many connections one source address can have to one destination; 0 where the system does not
// tell.
func ephemeralPorts() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(text))
	if len(f) != 2 {
		return 0
	}
	lo, err1 := strconv.Atoi(f[0])
	hi, err2 := strconv.Atoi(f[1])
	if err1 != nil || err2 != nil || hi < lo {
		return 0
	}
	return hi - lo + 1
}

// availableMemory is what can be had without swapping, in bytes; 0 where the system does not tell.
func availableMemory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}
