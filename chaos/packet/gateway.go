package packet

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// incoming answers a client's SYN as the target does.
func (e *Engine) incoming(r *tcp.ForwarderRequest) {
	deepen()
	id := r.ID()
	f, dial, ctx, fail := e.attempt(e.net.index(id.RemoteAddress), id.RemotePort)
	if f == nil {
		r.Complete(false) // an old SYN of a dial that has given up
		return
	}
	if !e.acquire() {
		r.Complete(true)
		return
	}
	target, err := dial(ctx)
	if err != nil {
		e.release()
		refused := errors.Is(err, syscall.ECONNREFUSED)
		r.Complete(refused)
		if !refused && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, syscall.ETIMEDOUT) &&
			!errors.Is(err, context.DeadlineExceeded) {
			select {
			case fail <- err:
			default:
			}
		}
		return
	}
	f.p.mu.Lock()
	f.local, f.remote = target.LocalAddr(), target.RemoteAddr()
	f.p.mu.Unlock()
	s := &splice{e: e, flow: f, target: target}
	s.near.link, s.near.path, s.near.dir = e.link, f.p, down
	s.near.writable = make(chan struct{}, 1)
	ep, terr := r.CreateEndpoint(&s.near.own)
	r.Complete(false)
	if terr != nil { // the client has given up
		target.Close()
		e.release()
		return
	}
	s.near.ep = ep
	s.near.init(nil, readEvents|writeEvents)
	e.joined(f, s)
	s.left.Store(2)
	go s.there()
	go s.back()
}

// attempt finds the dial that a SYN belongs to.
func (e *Engine) attempt(client int, port uint16) (f *flow, dial func(context.Context) (net.Conn, error), ctx context.Context, fail chan error) {
	if client < 0 || client >= len(e.paths) {
		return
	}
	p := &e.paths[client]
	p.mu.Lock()
	defer p.mu.Unlock()
	if f = p.flow(port); f == nil || f.dial == nil || f.clientGone {
		return nil, nil, nil, nil
	}
	return f, f.dial, f.ctx, f.fail
}

// joined records that the gateway's end is established.
func (e *Engine) joined(f *flow, far ender) {
	if e.join(f, far) {
		far.finish()
	}
}

func (e *Engine) join(f *flow, far ender) (finish bool) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	f.far, f.gatewayGone = far, false
	if !slices.Contains(f.p.flows, f) { // its dial gave up while the last packet of the handshake was on the way
		f.p.flows = append(f.p.flows, f)
	}
	f.strand(e.clock(), f.p.client, e.obs)
	return f.finish
}

// serverLeft records that the server has closed its end, and reports whether nobody is left to tell: the client has
// gone from a connection that carries nothing any more.
func (e *Engine) serverLeft(f *flow) (dead bool) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if !f.serverBye {
		f.serverBye = true
		// A server that closes once the goodbye is through answers it.
		f.rest(e.clock(), f.p.client, e.obs, !f.goodbye)
	}
	return f.cut && f.clientGone
}

// left records that the gateway has nothing of the connection any more.
func (e *Engine) left(f *flow) (cut bool) {
	e.serverLeft(f)
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	f.gatewayGone = true
	f.p.drop(f)
	return f.cut
}
