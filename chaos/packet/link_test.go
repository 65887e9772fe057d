package packet

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/flatline-dev/flatline/chaos"
)

// receiver takes the place of a stack and notes the sequence numbers of one client's packets.
type receiver struct {
	net    *addressing
	client int
	mu     sync.Mutex
	got    []uint32
}

func (r *receiver) DeliverNetworkPacket(_ tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	v := pkt.ToView()
	defer v.Release()
	ip := header.IPv4(v.AsSlice())
	if r.net.index(ip.SourceAddress()) != r.client {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, header.TCP(ip.Payload()).SequenceNumber())
}

func (r *receiver) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}

// One path's losses are the same whatever the others do meanwhile.
func TestPathsAreIndependent(t *testing.T) {
	const packets, paths = 2000, 5
	run := func(crowd bool) []uint32 {
		w := newWorld(t, paths, true, Options{}, echo)
		r := &receiver{net: &w.net, client: 2}
		w.link.wires[down].Attach(r) // the gateway hears nothing, so it answers nothing
		w.begin(chaos.Fault{Kind: chaos.Drop, Rate: 0.1, Burst: 2, Direction: chaos.Up})
		w.begin(chaos.Fault{Kind: chaos.Duplicate, Rate: 0.1, Direction: chaos.Up})
		send := func(client int) {
			for seq := range uint32(packets) {
				seg, pkt := w.net.forge(up, client, 1000, header.TCPFlagAck, seq, 0)
				w.link.send(crossing{&w.paths[client], up, seg, pkt})
			}
		}
		var wg sync.WaitGroup
		for client := range paths {
			if client == 2 || crowd {
				wg.Go(func() { send(client) })
			}
		}
		wg.Wait()
		return r.got
	}
	alone := run(false)
	if len(alone) < packets*8/10 || len(alone) > packets*12/10 {
		t.Fatalf("%d packets of %d arrived", len(alone), packets)
	}
	if d := cmp.Diff(alone, run(true)); d != "" {
		t.Errorf("other paths make a difference:\n%s", d)
	}
}

// A forged packet passes the checks of the stacks, in both families.
func TestForgedSums(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		a := newAddressing(v6, 443)
		for dir := range 2 {
			seg, pkt := a.forge(dir, 77, 4711, header.TCPFlagRst|header.TCPFlagAck, 1<<31, 9)
			v := pkt.ToView()
			b := v.AsSlice()
			src, dst := a.client(77), a.gateway
			if dir == down {
				src, dst = dst, src
			}
			if !v6 && !header.IPv4(b).IsChecksumValid() {
				t.Error("the IPv4 header's sum is wrong")
			}
			valid := func(tcp header.TCP) bool {
				_, sum, ok := header.TCPValid(tcp, func() uint16 { return 0 }, 0, src, dst, false)
				return sum && ok
			}
			if !valid(b[seg.header:]) {
				t.Errorf("v6 %v direction %d: the segment's sum is wrong", v6, dir)
			}
			for bit := range uint64(8 * header.TCPMinimumSize) {
				bad := damage(pkt, &seg, bit)
				v := bad.ToView()
				if valid(v.AsSlice()[seg.header:]) {
					t.Errorf("nobody notices bit %d", bit)
				}
				v.Release()
				bad.DecRef()
			}
			v.Release()
			pkt.DecRef()
		}
	}
}

// The capture of a client's packets reads back: its format, both directions, whole IP packets, time that does not go back.
func TestCapture(t *testing.T) {
	for _, k := range kinds[1:3] {
		t.Run(k.name, func(t *testing.T) {
			var file bytes.Buffer
			only := &chaos.Set{}
			only.Add(1)
			w := newWorld(t, 2, k.direct, Options{IPv6: k.v6, Capture: &file, CaptureClients: only}, echo)
			wall := time.Now()
			for i := range 2 {
				c := w.dial(i)
				if _, err := roundTrip(t, c, 5*time.Second); err != nil {
					t.Fatal(err)
				}
				if i == 1 {
					w.begin(chaos.Fault{Kind: chaos.Kill})
				}
				c.Close()
			}
			if err := w.Shutdown(); err != nil {
				t.Fatal(err)
			}
			b := file.Bytes()
			le := binary.LittleEndian
			if len(b) < 24 || le.Uint32(b) != 0xa1b23c4d || le.Uint16(b[4:]) != 2 || le.Uint16(b[6:]) != 4 || le.Uint32(b[20:]) != 101 {
				t.Fatalf("header % x", b[:min(24, len(b))])
			}
			b = b[24:]
			var seen struct{ syn, synAck, payloadUp, payloadDown, rst int }
			last := wall.Add(-time.Second)
			for len(b) > 0 {
				at := time.Unix(int64(le.Uint32(b)), int64(le.Uint32(b[4:])))
				n := int(le.Uint32(b[8:]))
				if at.Before(last) || at.After(time.Now()) || int(le.Uint32(b[12:])) != n {
					t.Fatalf("record % x", b[:16])
				}
				last = at
				pkt := b[16 : 16+n]
				b = b[16+n:]
				var tcp header.TCP
				var src, dst tcpip.Address
				if k.v6 {
					ip := header.IPv6(pkt)
					if !ip.IsValid(n) {
						t.Fatalf("packet % x", pkt)
					}
					tcp, src, dst = header.TCP(ip.Payload()), ip.SourceAddress(), ip.DestinationAddress()
				} else {
					ip := header.IPv4(pkt)
					if !ip.IsValid(n) || !ip.IsChecksumValid() {
						t.Fatalf("packet % x", pkt)
					}
					tcp, src, dst = header.TCP(ip.Payload()), ip.SourceAddress(), ip.DestinationAddress()
				}
				upward := src == w.net.client(1) && dst == w.net.gateway
				if downward := dst == w.net.client(1) && src == w.net.gateway; upward == downward {
					t.Fatalf("a packet from %s to %s", src, dst)
				}
				text := string(tcp.Payload()) == "123456789"
				switch f := tcp.Flags(); {
				case f == header.TCPFlagSyn:
					seen.syn++
				case f.Contains(header.TCPFlagSyn | header.TCPFlagAck):
					seen.synAck++
				case f.Contains(header.TCPFlagRst):
					seen.rst++
				case text && upward:
					seen.payloadUp++
				case text:
					seen.payloadDown++
				}
			}
			if seen.syn != 1 || seen.synAck != 1 || seen.payloadUp != 1 || seen.payloadDown != 1 || seen.rst == 0 {
				t.Errorf("%+v", seen)
			}
		})
	}
}
