package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// The directions, as indices: from the client, and to it.
const (
	up   = 0
	down = 1
)

// state is what the record knows of a pair.
type state uint8

const (
	dialing     state = iota // not open yet
	opened                   // upgraded; without HTTP, dialled
	serverEnded              // the target or a kill ended it, and the client has not answered
	closing                  // the client has given it up
	ended
)

var stateNames = [...]string{"dialing", "open", "ended by the target", "given up", "ended"}

func (s state) String() string { return stateNames[s] }

// lastWords is how long a client whose target has ended the connection is given to close it too.
const lastWords = 30 * time.Second

// pair is a client's connection and the one to the target that belongs to it.
type pair struct {
	proxy *Proxy
	table *clients
	id    uint64
	slot  int
	a     net.Conn     // to the client
	raw   *net.TCPConn // under a's TLS, if any
	b     net.Conn     // to the target, through the chaos layer

	accepted  time.Duration
	http      bool // the upgrade of a WebSocket passed in clear
	websocket atomic.Bool
	flow      [2]flow
	watch     [2]watcher
	unmet     atomic.Int64 // beats of the client since the last message to it

	// Guarded by record.mu.

	client     *client
	state      state
	openedAt   time.Duration
	hits       []*hit
	zombie     bool
	zombieAt   time.Duration
	finished   bool
	leftBehind bool
	killed     bool // by a fault
}

// flow is what passed in one direction. One goroutine writes it, any may read.
type flow struct {
	bytes, messages atomic.Int64
	last            atomic.Int64 // when the latest bytes passed; 0: none yet
	longest         atomic.Int64 // quiet stretch between two of them
}

func (f *flow) passed(n int, now time.Duration) {
	f.bytes.Add(int64(n))
	if last := f.last.Load(); last > 0 {
		if gap := int64(now) - last; gap > f.longest.Load() {
			f.longest.Store(gap)
		}
	}
	f.last.Store(int64(now))
}

// quietest is the longest quiet stretch until now of a connection that opened then.
func (f *flow) quietest(opened, now time.Duration) time.Duration {
	return max(time.Duration(f.longest.Load()), now-max(time.Duration(f.last.Load()), opened))
}

// serve carries the connection from its first byte to its end.
func (p *pair) serve(ctx context.Context, head []byte) {
	defer p.proxy.rec.finish(p)
	early, err := p.dial(ctx)
	if err != nil {
		p.failed(err)
		return
	}
	if !p.http {
		p.proxy.rec.upgraded(p, p.proxy.clock())
	}
	var both sync.WaitGroup
	both.Go(p.down)
	p.up(append(head, early...))
	both.Wait()
	_ = p.a.Close()
	p.proxy.rec.gone(p, p.proxy.clock())
}

// errGaveUp is why a dial ends when the client goes away meanwhile.
var errGaveUp = errors.New("the client gave up")

// dial makes the connection to the target while the client may go away, and returns what the client sent meanwhile.
func (p *pair) dial(ctx context.Context) (early []byte, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		var buf [512]byte
		for len(early) < maxHead {
			n, err := p.a.Read(buf[:])
			early = append(early, buf[:n]...)
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					cancel(errGaveUp)
				}
				return
			}
		}
	}()
	p.b, err = p.proxy.dial(ctx, p.slot)
	_ = p.raw.SetReadDeadline(longAgo)
	<-listening
	_ = p.raw.SetReadDeadline(time.Time{})
	if context.Cause(ctx) == errGaveUp {
		if err == nil {
			p.b.Close()
		}
		return nil, errGaveUp
	}
	return early, err
}

var longAgo = time.Unix(1, 0)

// failed ends an attempt for which there is no connection to the target.
func (p *pair) failed(err error) {
	r, now := p.proxy.rec, p.proxy.clock()
	why := failOther
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errGaveUp):
		why = failGaveUp
	case errors.Is(err, syscall.ECONNREFUSED):
		why = failRefused
	case errors.As(err, &timeout) && timeout.Timeout():
		why = failTimeout
	}
	r.failedAttempt(p, why, now)
	r.gone(p, now)
	p.reset()
}

// reset ends the client's connection with RST.
func (p *pair) reset() {
	_ = p.raw.SetLinger(0)
	_ = p.raw.Close()
}

// up carries the client's bytes, those that were read already first.
func (p *pair) up(first []byte) {
	pr := p.proxy
	defer func() {
		_ = p.raw.SetWriteDeadline(time.Now().Add(lastWords)) // gets the other direction out, should nobody read
		_ = p.b.Close()                                       // the target hears of it behind what is still on the way
	}()
	buf := newBuffer()
	var in frames
	inHead := p.http
	see := func(now time.Duration) func(m *message) {
		return func(m *message) { p.fromClient(m, now) }
	}
	take := func(b []byte, now time.Duration) bool {
		p.flow[up].passed(len(b), now)
		switch {
		case inHead:
			inHead = false // the head is whole, see readHead; frames may follow it
			if i := indexAfter(b, headEnd); i >= 0 && p.http {
				in.feed(b[i:], see(now))
			}
		case p.http:
			in.feed(b, see(now))
		}
		_, err := p.b.Write(b)
		return err == nil
	}
	ok := len(first) == 0 || take(first, pr.clock())
	for {
		n, err := p.a.Read(buf.b)
		now := pr.clock()
		if n > 0 && ok {
			ok = take(buf.b[:n], now)
		}
		if err != nil {
			p.clientEnds(err, now)
			return
		}
		buf.fit(n)
	}
}

// fromClient notes a message of the client.
func (p *pair) fromClient(m *message, now time.Duration) {
	p.flow[up].messages.Add(1)
	if m.op == opClose {
		p.proxy.rec.clientEnded(p, byCloseFrame, now)
		return
	}
	if b, ok := p.watch[up].see(m, now, p.proxy.rec.class); ok {
		p.unmet.Add(1)
		b.class.saw(b.gap, behind(&p.watch[down], now))
	}
}

// fromServer notes a message of the target.
func (p *pair) fromServer(m *message, now time.Duration) {
	p.flow[down].messages.Add(1)
	p.unmet.Store(0)
	if b, ok := p.watch[down].see(m, now, p.proxy.rec.class); ok {
		b.class.saw(b.gap, behind(&p.watch[up], now))
	}
}

// behind is how long ago the latest beat of the other direction passed.
func behind(other *watcher, now time.Duration) time.Duration {
	if last := time.Duration(other.last.Load()); last > 0 {
		return max(now-last, 1)
	}
	return 0
}

// clientEnds notes how the client's socket ended.
func (p *pair) clientEnds(err error, now time.Duration) {
	how := byFIN
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
		return // by this side
	case errors.Is(err, syscall.ECONNRESET), !errors.Is(err, io.EOF) && !errors.As(err, new(tls.RecordHeaderError)):
		how = byReset
	}
	p.proxy.rec.failedAttempt(p, failGaveUp, now)
	p.proxy.rec.clientEnded(p, how, now)
}

// down carries the target's bytes and then its end.
func (p *pair) down() {
	pr := p.proxy
	buf := newBuffer()
	var answer response
	var in frames
	now := pr.clock()
	each := func(m *message) { p.fromServer(m, now) }
	for {
		n, err := p.b.Read(buf.b)
		now = pr.clock()
		if n > 0 {
			b := buf.b[:n]
			p.flow[down].passed(n, now)
			switch {
			case !p.http:
			case !answer.done:
				rest, status := answer.feed(b)
				switch {
				case status == 101:
					p.websocket.Store(true)
					pr.rec.upgraded(p, now)
					in.feed(rest, each)
				case status != 0:
					pr.rec.failedAttempt(p, failRejected, now)
				}
			case p.websocket.Load():
				in.feed(b, each)
			}
			if _, werr := p.a.Write(b); werr != nil {
				if err == nil {
					continue // the other direction learns how the client ended; here the target's bytes have nowhere to go
				}
			}
		}
		if err != nil {
			p.serverEnds(err, p.websocket.Load() && in.boundary(), now)
			return
		}
		buf.fit(n)
	}
}

// serverEnds tells the client that the connection is over, as the target or a kill has told the proxy.
func (p *pair) serverEnds(err error, clean bool, now time.Duration) {
	var goodbye *chaos.CloseFrameError
	how := byFIN
	switch {
	case errors.Is(err, net.ErrClosed):
		_ = p.a.Close() // the client went first
		return
	case errors.As(err, &goodbye):
		how = byCloseFrame
	case !errors.Is(err, io.EOF):
		how = byReset
	}
	p.proxy.rec.failedAttempt(p, failEnded, now)
	p.proxy.rec.serverEnds(p, how, now)
	if how == byReset {
		p.reset()
		return
	}
	if goodbye != nil && clean {
		_, _ = p.a.Write(closeFrame(goodbye.Code))
	}
	// The FIN goes out and the client's answer comes in: that is the moment when it has understood.
	_ = p.raw.SetReadDeadline(time.Now().Add(lastWords))
	if c, ok := p.a.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}
