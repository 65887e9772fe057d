package stream

import (
	"fmt"

	"github.com/flatline-dev/flatline/chaos"
)

// Join puts one more client under occurrence o of f, which is in force: for drivers whose clients come and go, and whose
// numbers are used again. It is harmless when the client is under it already. The set that Begin was given grows by the
// client, so it must not be read by others meanwhile.
func (e *Engine) Join(o chaos.Occurrence, client int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	in, ok := e.force[o.Index]
	if !ok || e.closed.Load() {
		return fmt.Errorf("engine stream: join %s: occurrence %d is not in force", o.Name, o.Index)
	}
	if client < 0 || client >= len(e.paths) {
		return fmt.Errorf("engine stream: join %s: client %d of %d", o.Name, client, len(e.paths))
	}
	if in.victims.Has(client) {
		return nil
	}
	in.victims.Add(client)
	p := &e.paths[client]
	p.mu.Lock()
	effects[in.f.Kind].begin(e, p, &in.f, in.o, e.clock())
	p.mu.Unlock()
	return nil
}

// Leave takes a client, whose connections are all gone, out of every fault in force, so that its number can be given to
// another.
func (e *Engine) Leave(client int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.clock()
	for _, in := range e.force {
		if !in.victims.Has(client) {
			continue
		}
		in.victims.Remove(client)
		p := &e.paths[client]
		p.mu.Lock()
		effects[in.f.Kind].end(e, p, &in.f, in.o, now)
		p.mu.Unlock()
	}
}
