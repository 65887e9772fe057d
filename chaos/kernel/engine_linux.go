package kernel

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/flatline-dev/flatline/chaos"
)

// Engine carries out faults on the packets of the connections that it dials. It implements [chaos.Engine].
type Engine struct {
	cfg     Config
	by      knownBy
	paths   []path
	diag    *diag
	zombies zombies
	closed  atomic.Bool

	mu    sync.Mutex
	table *table
	force map[int]inForce // by occurrence
}

type inForce struct {
	f       chaos.Fault
	victims *chaos.Set
	have    *occurrence // nil: nothing in the table
}

var _ chaos.Engine = (*Engine)(nil)

// New returns an engine whose table is in place, in the network namespace of the calling thread. It needs CAP_NET_ADMIN
// and fails as [Available] does without it. There can be one engine in a namespace at a time, for every engine gives its
// clients the same addresses and marks.
func New(cfg Config) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := Available(); err != nil {
		return nil, err
	}
	if err := alone(); err != nil {
		return nil, err
	}
	e := &Engine{
		cfg:   cfg,
		by:    know(cfg.Target),
		paths: make([]path, cfg.Clients),
		force: map[int]inForce{},
	}
	var err error
	if e.table, err = newTable(family(e.by)); err != nil {
		return nil, explain(err)
	}
	if e.diag, err = newDiag(); err != nil {
		e.table.close()
		return nil, err
	}
	e.zombies.init(e)
	return e, nil
}

// Can returns nil for what the package documentation lists, and otherwise an error that names an engine that can.
func (e *Engine) Can(f *chaos.Fault) error { return can(f) }

// Begin implements [chaos.Engine]. For every victim the fault begins at the same instant. When it fails, nothing is in
// force.
func (e *Engine) Begin(f *chaos.Fault, o chaos.Occurrence, victims *chaos.Set) error {
	if err := e.Can(f); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, already := e.force[o.Index]
	if err := chaos.BeginError("kernel", o, victims, len(e.paths), e.closed.Load(), already); err != nil {
		return err
	}
	if f.Kind == chaos.Kill {
		return e.kill(f, o, victims)
	}
	in := inForce{f: *f, victims: victims}
	e.note(&in, +1)
	if victims.Len() > 0 {
		keys := make([][]byte, 0, victims.Len())
		for i := range victims.All {
			keys = append(keys, e.keyOf(i))
		}
		have, err := e.table.add(o.Index, program(f, setName(o.Index), e.by), e.keyType(), keys)
		if err != nil {
			_ = e.table.remove(have) // a part of it may never have been there
			e.note(&in, -1)
			return fmt.Errorf("engine kernel: begin %s: %w", o.Name, err)
		}
		in.have = have
	}
	e.force[o.Index] = in
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
		return fmt.Errorf("engine kernel: end %s: occurrence %d is not in force", o.Name, o.Index)
	}
	if in.have != nil {
		if err := e.table.remove(in.have); err != nil {
			return fmt.Errorf("engine kernel: end %s: %w", o.Name, err)
		}
	}
	delete(e.force, o.Index)
	e.note(&in, -1)
	return nil
}

// note keeps count of the faults that cut a client's way up, and of those that lose some of what it sends.
func (e *Engine) note(in *inForce, d int32) {
	dead := in.f.Kind == chaos.Blackhole || in.f.Kind == chaos.Drop && in.f.Rate >= 1
	if !dead && in.f.Kind != chaos.Drop || in.f.Direction == chaos.Down {
		return
	}
	for i := range in.victims.All {
		e.paths[i].lossy.Add(d)
		if dead {
			e.paths[i].dead.Add(d)
		}
	}
}

// Close takes the table away, with every fault in it, and ends every zombie: nothing holds the clients' goodbyes any
// more. Connections that the clients still hold live on.
func (e *Engine) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	e.mu.Lock()
	err := e.table.close()
	for i, in := range e.force {
		e.note(&in, -1)
		delete(e.force, i)
	}
	e.mu.Unlock()
	e.zombies.close()
	e.diag.close()
	return err
}

// Dial makes the client's connection by dial, which is expected to be [Engine.DialTCP]: what a fault does to it, the
// kernel does. It waits for the answer to its SYN as the kernel does and never longer than ctx.
func (e *Engine) Dial(ctx context.Context, client int, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	return dial(ctx)
}

// Zombies is the number of connections that clients gave up and the server, in the same network namespace, still holds.
func (e *Engine) Zombies() int { return e.zombies.len() }
