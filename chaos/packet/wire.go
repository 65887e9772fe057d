package packet

import (
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// wire is the network interface of one stack. It claims no checksum offload, so both stacks compute and verify.
type wire struct {
	link *link
	dir  int // of what it sends
	mtu  uint32
	to   atomic.Pointer[stack.NetworkDispatcher]
}

var _ stack.LinkEndpoint = (*wire)(nil)

func (w *wire) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	e := w.link.e
	for _, pkt := range list.AsSlice() {
		seg, ok := parse(w.dir, pkt)
		if !ok || seg.client >= len(e.paths) {
			continue
		}
		w.link.send(crossing{&e.paths[seg.client], w.dir, seg, copyOf(pkt)})
	}
	return list.Len(), nil
}

func (w *wire) deliver(pkt *stack.PacketBuffer) {
	if d := w.to.Load(); d != nil {
		(*d).DeliverNetworkPacket(w.link.e.net.protocol(), pkt)
	}
}

func (w *wire) Attach(d stack.NetworkDispatcher) {
	if d == nil {
		w.to.Store(nil)
		return
	}
	w.to.Store(&d)
}

func (w *wire) IsAttached() bool                             { return w.to.Load() != nil }
func (w *wire) MTU() uint32                                  { return w.mtu }
func (w *wire) SetMTU(uint32)                                {}
func (w *wire) MaxHeaderLength() uint16                      { return 0 }
func (w *wire) LinkAddress() tcpip.LinkAddress               { return "" }
func (w *wire) SetLinkAddress(tcpip.LinkAddress)             {}
func (w *wire) Capabilities() stack.LinkEndpointCapabilities { return stack.CapabilityNone }
func (w *wire) Wait()                                        {}
func (w *wire) ARPHardwareType() header.ARPHardwareType      { return header.ARPHardwareNone }
func (w *wire) AddHeader(*stack.PacketBuffer)                {}
func (w *wire) ParseHeader(*stack.PacketBuffer) bool         { return true }
func (w *wire) Close()                                       {}
func (w *wire) SetOnCloseAction(func())                      {}
