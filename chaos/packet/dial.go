package packet

import (
	"context"
	"fmt"
	"net"
	"slices"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/flatline-dev/flatline/chaos"
)

// Dial makes a connection for the client over its path. The SYN that reaches the gateway has it call dial, in another
// goroutine, and answer as the target does: it accepts when dial returns a connection, sends RST when dial's error is
// ECONNREFUSED, and says nothing when dial times out. Any other error of dial is returned as it is, for it happened on
// this machine and not on the path. After [Engine.Listen] dial is not called.
//
// Errors of the path are *net.OpError: a timeout when ctx's deadline passes (errors.Is os.ErrDeadlineExceeded and
// context.DeadlineExceeded), ctx's error when it is cancelled, ECONNREFUSED, or ETIMEDOUT when seven SYNs within 127 s
// went unanswered. The connection is a *Conn.
func (e *Engine) Dial(ctx context.Context, client int, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	if client < 0 || client >= len(e.paths) {
		return nil, fmt.Errorf("dial: client %d of %d", client, len(e.paths))
	}
	if err := ctx.Err(); err != nil {
		return nil, dialError(contextError(err))
	}
	if !e.acquire() {
		return nil, dialError(net.ErrClosed)
	}
	c, err := e.connect(ctx, &e.paths[client], dial)
	if err != nil {
		e.release()
		return nil, err
	}
	return c, nil
}

func contextError(err error) error {
	if err == context.DeadlineExceeded {
		return chaos.DialTimeout{}
	}
	return err
}

func (e *Engine) connect(ctx context.Context, p *path, dial func(context.Context) (net.Conn, error)) (*Conn, error) {
	deepen()
	src := e.net.client(int(p.client))
	p.mu.Lock()
	known := p.known
	p.known = true
	p.mu.Unlock()
	if !known {
		if err := addAddress(e.clients, e.net.protocol(), src); err != nil {
			return nil, err
		}
	}
	// The gateway calls dial for as long as this attempt lasts.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	c := &Conn{e: e}
	c.link, c.path, c.dir = e.link, p, up
	c.init(nil, readEvents|writeEvents)
	ep, terr := e.clients.NewEndpoint(tcp.ProtocolNumber, e.net.protocol(), c.wq)
	if terr != nil {
		return nil, dialError(errno("socket", terr))
	}
	c.ep = ep
	if terr := ep.Bind(tcpip.FullAddress{NIC: nic, Addr: src}); terr != nil {
		ep.Close()
		return nil, dialError(errno("bind", terr))
	}
	at, terr := ep.GetLocalAddress()
	if terr != nil {
		ep.Close()
		return nil, dialError(errno("getsockname", terr))
	}
	f := &flow{port: at.Port, p: p, dial: dial, ctx: ctx, fail: make(chan error, 1), last: e.clock()}
	c.flow = f
	p.mu.Lock()
	p.flows = slices.DeleteFunc(p.flows, func(g *flow) bool { return g.port == f.port }) // its port was free again
	p.flows = append(p.flows, f)
	p.mu.Unlock()
	if err := c.handshake(ctx, f); err != nil {
		p.mu.Lock()
		f.clientGone = true
		if f.far == nil {
			f.gatewayGone = true
		}
		f.strand(e.clock(), p.client, e.obs)
		p.drop(f)
		p.mu.Unlock()
		c.shut()
		ep.Close()
		return nil, err
	}
	c.entry.SetQueuedMask(c.wq, readEvents)
	p.mu.Lock()
	f.client, f.dial, f.ctx, f.fail = c, nil, nil, nil
	f.last = e.clock()
	p.mu.Unlock()
	e.timeIdle(f)
	return c, nil
}

// handshake waits until TCP has connected or given up.
func (c *Conn) handshake(ctx context.Context, f *flow) error {
	to := tcpip.FullAddress{NIC: nic, Addr: c.e.net.gateway, Port: c.e.net.port}
	c.path.cork(up)
	err := c.ep.Connect(to)
	c.link.uncork(c.path, up)
	if _, ok := err.(*tcpip.ErrConnectStarted); !ok {
		if err == nil {
			return nil
		}
		return dialError(errno("connect", err))
	}
	for {
		select {
		case <-c.readable:
		case err := <-f.fail:
			return err
		case <-ctx.Done():
			return dialError(contextError(ctx.Err()))
		}
		if err := c.ep.LastError(); err != nil {
			return dialError(errno("connect", err))
		}
		if c.ep.Readiness(writeEvents) != 0 {
			return nil
		}
	}
}
