package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// Config of an [Engine]. Clock, Observer and Clients are required.
type Config struct {
	Clock    func() time.Duration // time since the start of the run
	Observer chaos.Observer       // told of zombies, where they can be seen
	Clients  int                  // clients are numbered from 0 to Clients-1
	// Target is where the clients connect to. When it lies in 127.0.0.0/8 every client gets an address of its own (see
	// [Address]) and is known by it; any other target, also the zero Addr, has clients known by the mark of their sockets.
	Target netip.Addr
	// Source is the local address of a client's connections when clients are known by mark. nil, and a nil IP: the kernel
	// chooses.
	Source func(client int) net.IP
}

// Addresses of clients on loopback: from 127.1.0.0, so that the crowd of well-known ones in 127.0.0.0/16 (127.0.0.1,
// resolvers on 127.0.0.53) is left alone, up to the last before the broadcast address 127.255.255.255.
const (
	firstAddress = 127<<24 | 1<<16
	lastAddress  = 127<<24 | 0xfffffe
)

// MaxClients is how many clients can have a loopback address of their own, and a mark.
const MaxClients = lastAddress - firstAddress // one less than there are addresses: the target may have one of them

// MarkBase is the socket mark (SO_MARK) of client 0; client i has MarkBase + i. Detoured is the mark of packets that are
// on their way to be lost; see the package documentation.
const (
	MarkBase = 0x66000000
	Detoured = MarkBase - 1
)

// Address is the loopback address of a client of a target: 127.1.0.0 and upward, leaving out the target's own.
func Address(client int, target netip.Addr) netip.Addr {
	n := uint32(firstAddress + client)
	if target = target.Unmap(); target.Is4() {
		b := target.As4()
		if t := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]); t >= firstAddress && n >= t {
			n++
		}
	}
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// knownBy says how the engine knows a packet's client.
type knownBy int

const (
	byMark         knownBy = iota // the mark of the client's socket; the server may be anywhere
	byLoopbackMark                // the same, of a server on ::1
	byAddress                     // the client's own address
)

// know chooses how clients of the target are known.
func know(target netip.Addr) knownBy {
	switch target = target.Unmap(); {
	case target.Is4() && target.IsLoopback():
		return byAddress
	case target.IsLoopback():
		return byLoopbackMark
	}
	return byMark
}

func (c *Config) validate() error {
	switch {
	case c.Clients < 0 || c.Clients > MaxClients:
		return fmt.Errorf("engine kernel: %d clients; it can tell at most %d apart", c.Clients, MaxClients)
	case c.Clock == nil || c.Observer == nil:
		return fmt.Errorf("engine kernel: no clock or no observer")
	}
	return nil
}

// can is [Engine.Can] on every system.
func can(f *chaos.Fault) error {
	if f.Kind == chaos.Drop && f.Burst > 1 {
		return fmt.Errorf("engine kernel cannot do drop in bursts: it throws its dice for every packet anew; hint: engine packet can, or leave burst out")
	}
	if err := chaos.CannotError("kernel", f); err != nil {
		return err
	}
	if len(f.Nodes) > 0 {
		return fmt.Errorf("engine kernel cannot do %s for single nodes: it does not know which node a client has reached; hint: choose clients", f.Kind)
	}
	return nil
}

// withoutPrivilege says which engines to take instead.
const withoutPrivilege = "engine stream needs no privilege (engine packet where packets are lost)"
