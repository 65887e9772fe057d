package stream

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// DefaultOutbox is the default of [Engine.Outbox].
const DefaultOutbox = 1 << 20

// Engine carries out faults on the connections that it dials. It implements [chaos.Engine].
type Engine struct {
	// Outbox is how many bytes a connection keeps, in each direction, for a path that holds them or a socket that does
	// not take them. It must not change after the first Dial.
	Outbox int

	clock   func() time.Duration
	obs     chaos.Observer
	peers   chaos.PeerObserver // obs, if it is one
	seed    uint64
	paths   []path
	sched   scheduler
	done    chan struct{} // closed by Close
	closed  atomic.Bool
	zombies atomic.Int64
	wg      sync.WaitGroup // watchers of zombies

	mu    sync.Mutex
	force map[int]inForce // by occurrence
}

type inForce struct {
	f       chaos.Fault
	o       chaos.Occurrence
	victims *chaos.Set
}

var _ chaos.Engine = (*Engine)(nil)

// New returns an engine for clients 0 to clients-1. clock is the run's clock: the time since its start, monotonic. obs
// is told of cuts and zombies, sometimes with the client's path locked: it must neither block nor call the engine. The
// jitter of client i comes from rand.NewPCG(seed, i).
func New(clock func() time.Duration, obs chaos.Observer, seed uint64, clients int) *Engine {
	e := &Engine{
		Outbox: DefaultOutbox,
		clock:  clock,
		obs:    obs,
		seed:   seed,
		paths:  make([]path, clients),
		sched:  scheduler{clock: clock},
		done:   make(chan struct{}),
		force:  map[int]inForce{},
	}
	e.peers, _ = obs.(chaos.PeerObserver)
	for i := range e.paths {
		e.paths[i].client = int32(i)
	}
	return e
}

// Zombies is the number of connections that clients gave up and the server still holds.
func (e *Engine) Zombies() int { return int(e.zombies.Load()) }

// Can returns nil for what the package documentation lists. A fault of single nodes is refused, for the engine does not
// know which node a client has reached.
func (e *Engine) Can(f *chaos.Fault) error {
	if err := chaos.CannotError("stream", f); err != nil {
		return err
	}
	if effects[f.Kind] == nil {
		return fmt.Errorf("engine stream cannot do %s", f.Kind)
	}
	if len(f.Nodes) > 0 {
		return fmt.Errorf("engine stream cannot do %s for single nodes: it does not know which node a client has reached; hint: choose clients", f.Kind)
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
	if err := chaos.BeginError("stream", o, victims, len(e.paths), e.closed.Load(), already); err != nil {
		return err
	}
	if !f.Instant() {
		e.force[o.Index] = inForce{*f, o, victims}
	}
	eff, now := effects[f.Kind], e.clock()
	for i := range victims.All {
		p := &e.paths[i]
		p.mu.Lock()
		eff.begin(e, p, f, o, now)
		p.mu.Unlock()
	}
	return nil
}

// End implements [chaos.Engine]. It ends the fault for the victims that Begin was given.
func (e *Engine) End(f *chaos.Fault, o chaos.Occurrence, victims *chaos.Set) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Load() {
		return nil
	}
	in, ok := e.force[o.Index]
	if !ok {
		return fmt.Errorf("engine stream: end %s: occurrence %d is not in force", o.Name, o.Index)
	}
	e.end(in)
	return nil
}

func (e *Engine) end(in inForce) {
	eff, now := effects[in.f.Kind], e.clock()
	for i := range in.victims.All {
		p := &e.paths[i]
		p.mu.Lock()
		eff.end(e, p, &in.f, in.o, now)
		p.mu.Unlock()
	}
	delete(e.force, in.o.Index)
}

// Close ends every fault, every zombie and every timer, and waits until their goroutines are gone. Connections that the
// clients still hold live on as they are; a silently cut one stays dead. Dials that wait for a path go on at once, and
// later ones meet no faults.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed.Swap(true) {
		return nil
	}
	close(e.done)
	for _, in := range e.force {
		e.end(in)
	}
	e.sched.close()
	for i := range e.paths {
		p := &e.paths[i]
		p.mu.Lock()
		p.each(func(c *Conn) {
			if c.closed {
				c.letGo()
			}
		})
		p.mu.Unlock()
	}
	e.wg.Wait()
	return nil
}

// effect is a fault of this package; see "For authors of further faults". begin and end are called with p locked.
type effect interface {
	begin(e *Engine, p *path, f *chaos.Fault, o chaos.Occurrence, now time.Duration)
	end(e *Engine, p *path, f *chaos.Fault, o chaos.Occurrence, now time.Duration)
}

var effects = map[chaos.Kind]effect{
	chaos.Blackhole: blackhole{},
	chaos.Delay:     delay{},
	chaos.Throttle:  throttle{},
	chaos.Kill:      kill{},
	chaos.Refuse:    refuse{},
	chaos.IdleCut:   idleCut{},
}
