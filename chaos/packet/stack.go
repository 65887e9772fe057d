package packet

import (
	"fmt"
	"time"

	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	nic = tcpip.NICID(1)
	// timeWait is how long an end that closed first keeps the connection. 60 s, as in Linux, would only cost memory in a
	// storm: no client has so many connections that its ports come round.
	timeWait = 5 * time.Second
)

// quiet keeps gVisor from writing to standard error about packets that a fault has made odd.
type quiet struct{}

// Emit implements gVisor's log.Emitter.
func (quiet) Emit(int, log.Level, time.Time, string, ...any) {}

func init() { log.SetTarget(quiet{}) }

// newStack makes a TCP/IP stack whose only interface is w.
func newStack(w *wire, v6 bool) (*stack.Stack, error) {
	o := stack.Options{TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocolCUBIC}}
	subnet := header.IPv4EmptySubnet
	if v6 {
		// Without options there are neither link-local addresses, nor duplicate address detection, nor multicast reports.
		o.NetworkProtocols = []stack.NetworkProtocolFactory{ipv6.NewProtocolWithOptions(ipv6.Options{})}
		subnet = header.IPv6EmptySubnet
	} else {
		o.NetworkProtocols = []stack.NetworkProtocolFactory{ipv4.NewProtocol}
	}
	s := stack.New(o)
	wait := tcpip.TCPTimeWaitTimeoutOption(timeWait)
	if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, &wait); err != nil {
		return nil, fmt.Errorf("set the time-wait timeout: %s", err)
	}
	if err := s.CreateNIC(nic, w); err != nil {
		return nil, fmt.Errorf("make the stack's interface: %s", err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: subnet, NIC: nic}})
	return s, nil
}

// addAddress gives the stack's interface one more address.
func addAddress(s *stack.Stack, n tcpip.NetworkProtocolNumber, a tcpip.Address) error {
	err := s.AddProtocolAddress(nic, tcpip.ProtocolAddress{Protocol: n, AddressWithPrefix: a.WithPrefix()}, stack.AddressProperties{})
	if err != nil {
		return fmt.Errorf("add address %s: %s", a, err)
	}
	return nil
}
