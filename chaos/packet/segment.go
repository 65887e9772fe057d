package packet

import (
	"encoding/binary"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// segment is what the link reads of a TCP packet.
type segment struct {
	client int    // whose path it crosses
	port   uint16 // the client's
	flags  header.TCPFlags
	seq    uint32
	ack    uint32
	length uint32 // in sequence numbers: SYN and FIN count one each
	size   int    // of the IP packet, in bytes
	header int    // bytes of the IP header
	v6     bool
}

func (s *segment) has(f header.TCPFlags) bool { return s.flags&f == f }

// opening reports a client's SYN.
func (s *segment) opening() bool {
	return s.has(header.TCPFlagSyn) && !s.has(header.TCPFlagAck)
}

// parse reads an outgoing packet of either stack; ok is false for anything but TCP between a client and the gateway.
func parse(dir int, pkt *stack.PacketBuffer) (s segment, ok bool) {
	if pkt.TransportProtocolNumber != header.TCPProtocolNumber {
		return s, false
	}
	n, t := pkt.NetworkHeader().Slice(), pkt.TransportHeader().Slice()
	if len(t) < header.TCPMinimumSize {
		return s, false
	}
	switch pkt.NetworkProtocolNumber {
	case header.IPv4ProtocolNumber:
		if len(n) < header.IPv4MinimumSize {
			return s, false
		}
		at := n[16-4*(1-dir):] // source at 12, destination at 16
		s.client = int(binary.BigEndian.Uint32(at)) - int(base4)
	case header.IPv6ProtocolNumber:
		if len(n) < header.IPv6MinimumSize {
			return s, false
		}
		at := n[24-16*(1-dir)+12:] // source at 8, destination at 24
		s.client = int(binary.BigEndian.Uint32(at)) - int(base6)
		s.v6 = true
	default:
		return s, false
	}
	tcp := header.TCP(t)
	s.port = tcp.SourcePort()
	if dir == down {
		s.port = tcp.DestinationPort()
	}
	s.flags, s.seq, s.ack = tcp.Flags(), tcp.SequenceNumber(), tcp.AckNumber()
	s.length = uint32(pkt.Data().Size())
	if s.has(header.TCPFlagSyn) {
		s.length++
	}
	if s.has(header.TCPFlagFin) {
		s.length++
	}
	s.size, s.header = pkt.Size(), len(n)
	return s, s.client >= 0
}

// forge makes a packet without data that seems to come from the other end of the connection.
func (a *addressing) forge(dir, client int, port uint16, flags header.TCPFlags, seq, ack uint32) (segment, *stack.PacketBuffer) {
	src, dst := a.client(client), a.gateway
	srcPort, dstPort := port, a.port
	if dir == down {
		src, dst, srcPort, dstPort = dst, src, dstPort, srcPort
	}
	ipSize := header.IPv4MinimumSize
	if a.v6 {
		ipSize = header.IPv6MinimumSize
	}
	b := make([]byte, ipSize+header.TCPMinimumSize)
	if a.v6 {
		header.IPv6(b).Encode(&header.IPv6Fields{
			PayloadLength: header.TCPMinimumSize, TransportProtocol: header.TCPProtocolNumber, HopLimit: 64,
			SrcAddr: src, DstAddr: dst,
		})
	} else {
		ip := header.IPv4(b)
		ip.Encode(&header.IPv4Fields{
			TotalLength: uint16(len(b)), TTL: 64, Protocol: uint8(header.TCPProtocolNumber), SrcAddr: src, DstAddr: dst,
		})
		ip.SetChecksum(^ip.CalculateChecksum())
	}
	tcp := header.TCP(b[ipSize:])
	tcp.Encode(&header.TCPFields{
		SrcPort: srcPort, DstPort: dstPort, SeqNum: seq, AckNum: ack, DataOffset: header.TCPMinimumSize, Flags: flags,
	})
	pseudo := header.PseudoHeaderChecksum(header.TCPProtocolNumber, src, dst, header.TCPMinimumSize)
	tcp.SetChecksum(^checksum.Checksum(tcp, pseudo))
	s := segment{client: client, port: port, flags: flags, seq: seq, ack: ack, size: len(b), header: ipSize, v6: a.v6}
	return s, incoming(b)
}

// incoming wraps the bytes of an IP packet for delivery.
func incoming(b []byte) *stack.PacketBuffer {
	return stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(b)})
}

// damage returns a copy of the packet with one bit of its TCP segment flipped, which no ones' complement sum misses.
func damage(pkt *stack.PacketBuffer, s *segment, bit uint64) *stack.PacketBuffer {
	v := pkt.ToView()
	defer v.Release()
	b := append([]byte(nil), v.AsSlice()...)
	at := bit % uint64(8*(len(b)-s.header))
	b[s.header+int(at/8)] ^= 1 << (at % 8)
	return incoming(b)
}

// The clients' addresses are 10.0.0.1 and fd00::1:0:1 upwards; they exist only between the two stacks.
const (
	base4 = 10<<24 + 1
	base6 = 1
	// MaxClients is how many clients the private network has addresses for.
	MaxClients = 1<<24 - 2
)

// addressing is the private network between the clients and the gateway.
type addressing struct {
	v6      bool
	port    uint16
	gateway tcpip.Address
}

func newAddressing(v6 bool, port uint16) addressing {
	a := addressing{v6: v6, port: port, gateway: tcpip.AddrFrom4([4]byte{192, 0, 2, 1})} // TEST-NET-1, RFC 5737
	if v6 {
		a.gateway = tcpip.AddrFrom16([16]byte{0: 0xfd, 15: 1})
	}
	return a
}

func (a *addressing) protocol() tcpip.NetworkProtocolNumber {
	if a.v6 {
		return header.IPv6ProtocolNumber
	}
	return header.IPv4ProtocolNumber
}

func (a *addressing) client(i int) tcpip.Address {
	if a.v6 {
		b := [16]byte{0: 0xfd, 9: 1}
		binary.BigEndian.PutUint32(b[12:], uint32(base6+i))
		return tcpip.AddrFrom16(b)
	}
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(base4+i))
	return tcpip.AddrFrom4(b)
}

// index is the client behind an address.
func (a *addressing) index(addr tcpip.Address) int {
	b := addr.AsSlice()
	n := int(binary.BigEndian.Uint32(b[len(b)-4:]))
	if a.v6 {
		return n - base6
	}
	return n - base4
}
