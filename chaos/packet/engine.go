package packet

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/flatline-dev/flatline/chaos"
)

// Options are what an [Engine] can be told beyond the obvious. The zero value is good.
type Options struct {
	// IPv6 makes the private network one of IPv6; otherwise it is IPv4. Neither has to do with the target's address.
	IPv6 bool
	// MTU is the largest IP packet in bytes; 0: 1500. At least 1280.
	MTU int
	// Port is the gateway's port in the private network and in a capture; 0: 80.
	Port uint16
	// Capture gets a pcap file of the packets of CaptureClients, as their own interface sees them.
	Capture        io.Writer
	CaptureClients *chaos.Set
}

// Engine carries out faults on the IP packets of the connections that it dials. It implements [chaos.Engine].
type Engine struct {
	clock   func() time.Duration
	obs     chaos.Observer
	seed    uint64
	net     addressing
	link    *link
	clients *stack.Stack
	gateway *stack.Stack
	paths   []path
	tap     *capture // nil: none

	mu      sync.Mutex
	force   map[int]inForce // by occurrence
	closed  bool            // no more faults
	stopped bool            // no more packets
	users   int             // connections and attempts, at either side of the gateway
	gone    chan struct{}   // closed when the stacks are
}

type inForce struct {
	f       chaos.Fault
	o       chaos.Occurrence
	victims *chaos.Set
}

var _ chaos.Engine = (*Engine)(nil)

// New returns an engine for clients 0 to clients-1. clock is the run's clock: the time since its start, monotonic. obs
// is told of cuts and zombies, with the client's path locked: it must neither block nor call the engine. What happens to
// the packets of client i in one direction follows from seed, i and the direction.
func New(clock func() time.Duration, obs chaos.Observer, seed uint64, clients int, o Options) (*Engine, error) {
	if clients < 0 || clients > MaxClients {
		return nil, fmt.Errorf("engine packet: %d clients: at most %d have an address", clients, MaxClients)
	}
	if o.MTU == 0 {
		o.MTU = 1500
	}
	if o.MTU < 1280 || o.MTU > 65535 {
		return nil, fmt.Errorf("engine packet: mtu %d is not in 1280..65535", o.MTU)
	}
	if o.Port == 0 {
		o.Port = 80
	}
	e := &Engine{
		clock: clock,
		obs:   obs,
		seed:  seed,
		net:   newAddressing(o.IPv6, o.Port),
		paths: make([]path, clients),
		force: map[int]inForce{},
		gone:  make(chan struct{}),
	}
	for i := range e.paths {
		e.paths[i].client = int32(i)
	}
	if o.Capture != nil {
		e.tap = newCapture(o.Capture, time.Now().Add(-clock()))
		for i := range o.CaptureClients.All {
			if i < clients {
				e.paths[i].tapped = true
			}
		}
	}
	e.link = newLink(e, uint32(o.MTU))
	var err error
	if e.clients, err = newStack(e.link.wires[up], o.IPv6); err == nil {
		if e.gateway, err = newStack(e.link.wires[down], o.IPv6); err == nil {
			err = addAddress(e.gateway, e.net.protocol(), e.net.gateway)
			if err == nil && !o.IPv6 {
				// gVisor asks for each IPv4 packet whether its source is the broadcast address of one of the interface's
				// subnets, and looks through all addresses unless the source is one of them. Stacks that do not handle
				// local packets themselves (HandleLocal) still send what is for the gateway over the wire.
				err = addAddress(e.clients, e.net.protocol(), e.net.gateway)
			}
		}
	}
	if err != nil {
		e.link.stop()
		return nil, fmt.Errorf("engine packet: %w", err)
	}
	const synBacklog = 1 << 20 // the target's own backlog is what counts
	forwarder := tcp.NewForwarder(e.gateway, 0, synBacklog, e.incoming)
	e.gateway.SetTransportProtocolHandler(tcp.ProtocolNumber, forwarder.HandlePacket)
	return e, nil
}

// Can returns nil for what the package documentation lists. A fault of single nodes is refused, for the engine does not
// know which node a client has reached.
func (e *Engine) Can(f *chaos.Fault) error {
	if err := chaos.CannotError("packet", f); err != nil {
		return err
	}
	if len(f.Nodes) > 0 {
		return fmt.Errorf("engine packet cannot do %s for single nodes: it does not know which node a client has reached; hint: choose clients", f.Kind)
	}
	if f.Kind == chaos.Drop && f.Burst > 0 && f.Rate < 1 && f.Rate > densest(f.Burst) {
		return fmt.Errorf("engine packet cannot lose %s of the packets in bursts of %v: one packet at least arrives between two bursts; hint: rate: %s at most, or longer bursts",
			chaos.FormatProbability(f.Rate), f.Burst, chaos.FormatProbability(float64(int(densest(f.Burst)*1000))/1000))
	}
	return nil
}

// Begin implements [chaos.Engine]. It fails without having done anything.
func (e *Engine) Begin(f *chaos.Fault, o chaos.Occurrence, victims *chaos.Set) error {
	if err := e.Can(f); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, already := e.force[o.Index]
	if err := chaos.BeginError("packet", o, victims, len(e.paths), e.closed, already); err != nil {
		return err
	}
	if !f.Instant() {
		e.force[o.Index] = inForce{*f, o, victims}
	}
	for i := range victims.All {
		e.begin(&e.paths[i], f, o)
	}
	return nil
}

// End implements [chaos.Engine]. It ends the fault for the victims that Begin was given.
func (e *Engine) End(f *chaos.Fault, o chaos.Occurrence, victims *chaos.Set) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	in, ok := e.force[o.Index]
	if !ok {
		return fmt.Errorf("engine packet: end %s: occurrence %d is not in force", o.Name, o.Index)
	}
	e.end(in)
	return nil
}

func (e *Engine) end(in inForce) {
	for i := range in.victims.All {
		e.lift(&e.paths[i], &in.f, in.o)
	}
	delete(e.force, in.o.Index)
	if in.f.Kind == chaos.Delay || in.f.Kind == chaos.Throttle {
		// The link's lock comes after the paths', so the paths are asked first.
		var free [2]chaos.Set
		for i := range in.victims.All {
			p := &e.paths[i]
			p.mu.Lock()
			for dir, l := range p.lanes {
				if l != nil && !l.slow() {
					free[dir].Add(i)
				}
			}
			p.mu.Unlock()
		}
		e.link.hurry(func(p *path, dir int) bool { return free[dir].Has(int(p.client)) })
	}
}

// Close ends every fault. Connections that the clients still hold live on, and later dials meet no faults; once the last
// connection and the last attempt have ended the stacks end as well. A silently cut connection stays dead. It returns
// what went wrong with the capture.
func (e *Engine) Close() error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		for _, in := range e.force {
			e.end(in)
		}
	}
	idle := e.users == 0
	e.mu.Unlock()
	if idle {
		e.stop()
	}
	if e.tap != nil {
		return e.tap.flush()
	}
	return nil
}

// Shutdown is Close, and ends every connection without a word: reads and writes of both ends fail. It returns when no
// goroutine of the engine is left, but for those of servers and clients and of dials to a target.
func (e *Engine) Shutdown() error {
	err := e.Close()
	e.stop()
	<-e.gone
	if e.tap != nil {
		err = errors.Join(err, e.tap.flush())
	}
	return err
}

// acquire counts a user of the stacks; false when they are gone.
func (e *Engine) acquire() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return false
	}
	e.users++
	return true
}

func (e *Engine) release() {
	e.mu.Lock()
	e.users--
	last := e.closed && e.users == 0
	e.mu.Unlock()
	if last {
		e.stop()
	}
}

// stop ends the stacks, in the background: the caller may be one of their goroutines.
func (e *Engine) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return
	}
	e.stopped = true
	go func() {
		defer close(e.gone)
		e.clients.Close()
		e.gateway.Close()
		e.link.stop()
		e.clients.Wait()
		e.gateway.Wait()
	}()
}

// Stats counts packets since the start of the engine, over all paths and both directions.
type Stats struct {
	Sent       int64 // that entered a path
	Blackholed int64 // lost to a blackhole or a silent cut
	Dropped    int64 // lost to a drop
	QueueFull  int64 // lost to the full queue of a throttle
	Corrupted  int64
	Duplicated int64
	Reordered  int64
	// Segments that TCP sent again, by direction: because they or their acknowledgements were lost, or late.
	ResentUp, ResentDown int64
	BadSums              int64 // refused by the stacks for their checksum or for not being TCP any more
}

// Stats returns the counts so far.
func (e *Engine) Stats() Stats {
	c := &e.link.counts
	s := Stats{
		Sent: c.sent.Load(), Blackholed: c.blackholed.Load(), Dropped: c.dropped.Load(), QueueFull: c.queueFull.Load(),
		Corrupted: c.corrupted.Load(), Duplicated: c.duplicated.Load(), Reordered: c.reordered.Load(),
	}
	s.ResentUp = int64(e.clients.Stats().TCP.Retransmits.Value())
	s.ResentDown = int64(e.gateway.Stats().TCP.Retransmits.Value())
	for _, st := range []*stack.Stack{e.clients, e.gateway} {
		t := st.Stats()
		s.BadSums += int64(t.TCP.ChecksumErrors.Value() + t.TCP.InvalidSegmentsReceived.Value() +
			t.NICs.MalformedL4RcvdPackets.Value())
	}
	return s
}
