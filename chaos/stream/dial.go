package stream

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

const (
	synRTO     = time.Second // RFC 6298, section 2.1: the first retransmission
	synRetries = 6           // Linux, net.ipv4.tcp_syn_retries
)

// synAt is when attempt k leaves, after the dial's begin: 0, 1, 3, 7, 15, 31, 63 s, and at 127 s the kernel gives up.
func synAt(k int) time.Duration { return synRTO<<k - synRTO }

// Dial makes a connection for the client over its path: it waits as a SYN would under a blackhole, is refused under a
// refuse, takes a round trip longer under a delay, and then calls dial. Errors of its own are *net.OpError: a timeout
// when ctx's deadline passes (errors.Is os.ErrDeadlineExceeded and context.DeadlineExceeded), ctx's error when it is
// cancelled, ECONNREFUSED, or ETIMEDOUT after 127 s. The connection is a *Conn.
func (e *Engine) Dial(ctx context.Context, client int, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	if client < 0 || client >= len(e.paths) {
		return nil, fmt.Errorf("dial: client %d of %d", client, len(e.paths))
	}
	p := &e.paths[client]
	start := e.clock()
	for k := 0; ; {
		through, err := e.knock(ctx, p)
		if err != nil {
			return nil, dialError(err)
		}
		if through {
			break
		}
		for now := e.clock(); k <= synRetries && start+synAt(k) <= now; {
			k++
		}
		if err := e.wait(ctx, start+synAt(k)); err != nil {
			return nil, dialError(err)
		}
		if k > synRetries && !e.closed.Load() {
			return nil, dialError(os.NewSyscallError("connect", syscall.ETIMEDOUT))
		}
	}
	raw, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	return e.adopt(p, raw), nil
}

// knock sends one SYN and reports whether its answer came back.
func (e *Engine) knock(ctx context.Context, p *path) (bool, error) {
	p.mu.Lock()
	dead, refused := p.dead(), p.refuse > 0
	var there, back time.Duration
	if p.shape != nil {
		there, back = p.shape.latency(up), p.shape.latency(down)
	}
	p.mu.Unlock()
	switch {
	case dead:
		return false, nil
	case refused:
		return false, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case there+back == 0:
		return true, nil
	}
	if err := e.wait(ctx, e.clock()+there+back); err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.dead(), nil
}

// wait returns at the given time, when the engine closes, or with ctx's error.
func (e *Engine) wait(ctx context.Context, at time.Duration) error {
	t := time.NewTimer(at - e.clock())
	defer t.Stop()
	select {
	case <-t.C:
	case <-e.done:
	case <-ctx.Done():
		if err := ctx.Err(); err != context.DeadlineExceeded {
			return err
		}
		return chaos.DialTimeout{}
	}
	return nil
}
