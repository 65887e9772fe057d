package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/chaos/stream"
)

// Config is what a proxy does. The zero value of a field is its default.
type Config struct {
	Target      Target
	Key         Key           // how clients are told apart; auto
	Seed        uint64        // draws victims and jitter
	Connections int           // at most so many at once, zombies included; further ones are reset; 1024
	DialTimeout time.Duration // for the target's TCP, and again for its TLS; 10 s
	// Terminate takes the clients' TLS off, nil leaves their bytes as they are. Upstream puts TLS on towards the target.
	Terminate, Upstream *tls.Config
	// Scenario are the faults that [Proxy.StartScenario] starts, at their times from then on.
	Scenario []chaos.Fault
	// Warn is told what goes wrong, in one line and no more than once a kind; nil: nobody.
	Warn func(string)
}

// outbox is what a connection keeps for a path that takes nothing: as much as a socket's buffers would.
const outbox = 256 << 10

// Proxy stands between clients and a target. Make one with [New].
type Proxy struct {
	config Config
	reads  bool // HTTP and WebSocket pass in clear
	start  time.Time
	engine *stream.Engine
	rec    *record
	dialer net.Dialer
	done   chan struct{} // closed by Close

	mu        sync.Mutex // above the engine's locks and the record's
	faults    []*Fault
	force     []*Fault // those in force
	next      int      // occurrence
	running   bool     // the scenario has been started
	closed    bool
	listening []net.Listener
	wg        sync.WaitGroup
	ids       atomic.Uint64
	warned    sync.Map
}

// New makes a proxy, or says what is wrong with its configuration.
func New(c Config) (*Proxy, error) {
	if c.Key.From == "" {
		c.Key.From = "auto"
	}
	if c.Connections == 0 {
		c.Connections = 1024
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = 10 * time.Second
	}
	p := &Proxy{config: c, start: time.Now(), done: make(chan struct{}), rec: newRecord(c.Connections)}
	p.reads = c.Target.Clear && (!c.Target.Secure || c.Terminate != nil)
	if c.Key.NeedsRequest() && !p.reads {
		return nil, fmt.Errorf("client key %s: the upgrade request of %s is not in clear; hint: take TLS off with a certificate, or tell clients by address", c.Key, c.Target.URL)
	}
	p.engine = stream.New(p.clock, p.rec, c.Seed, c.Connections)
	p.engine.Outbox = outbox
	for i := range c.Scenario {
		if err := p.can(&c.Scenario[i]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// clock is the proxy's clock: the time since it was made.
func (p *Proxy) clock() time.Duration { return time.Since(p.start) }

// listen is where clients are accepted, the first place of several. p is locked.
func (p *Proxy) listen() string {
	if len(p.listening) == 0 {
		return ""
	}
	return p.listening[0].Addr().String()
}

// Serve accepts clients until Close. It returns nil after Close, else why no more can be accepted. It may be called for
// several listeners.
func (p *Proxy) Serve(l net.Listener) error {
	p.wg.Add(1) // so that Close waits for the last one accepted
	defer p.wg.Done()
	p.mu.Lock()
	p.listening = append(p.listening, l)
	if p.closed {
		l.Close()
	}
	p.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for wait := time.Duration(0); ; {
		c, err := l.Accept()
		if err != nil {
			if p.isClosed() {
				return nil
			}
			if temporary(err) { // out of descriptors: what is open goes on, and there is room again when some of it ends
				p.warn("accept", "accept: "+err.Error())
				wait = min(max(2*wait, 5*time.Millisecond), time.Second)
				time.Sleep(wait)
				continue
			}
			return fmt.Errorf("accept clients: %w", err)
		}
		wait = 0
		raw, ok := c.(*net.TCPConn)
		if !ok {
			c.Close()
			return errors.New("the proxy listens to TCP only")
		}
		at := p.clock()
		p.wg.Go(func() { p.accepted(ctx, raw, at) })
	}
}

func (p *Proxy) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// accepted takes a connection from its first byte to its end.
func (p *Proxy) accepted(ctx context.Context, raw *net.TCPConn, at time.Duration) {
	pr := &pair{proxy: p, raw: raw, a: raw, accepted: at, id: p.ids.Add(1), table: &p.rec.clients}
	pr.watch[up].dir, pr.watch[down].dir = up, down
	_ = raw.SetReadDeadline(time.Now().Add(headPatience))
	if p.config.Terminate != nil {
		pr.a = tls.Server(raw, p.config.Terminate)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetReadDeadline(longAgo) })
	var head []byte
	var err error
	if t, ok := pr.a.(*tls.Conn); ok {
		err = t.HandshakeContext(ctx)
	}
	key, line := "", ""
	if p.reads && err == nil {
		if head, err = readHead(pr.a); err == nil {
			r := request(head)
			pr.http = isUpgrade(r)
			if r != nil {
				line = looks(r)
			}
			key = p.config.Key.of(r, raw.RemoteAddr())
		}
	} else {
		key = p.config.Key.of(nil, raw.RemoteAddr())
	}
	if stop() {
		_ = raw.SetReadDeadline(time.Time{})
	}
	if err != nil {
		p.rec.turnedAway(failRequest)
		pr.reset()
		return
	}
	if !p.admit(pr, key, line) {
		p.rec.turnedAway(failLimit)
		p.warn("limit", fmt.Sprintf("%d connections are open, further ones are reset; hint: --connections", p.config.Connections))
		pr.reset()
		return
	}
	pr.serve(ctx, head)
}

// admit gives the connection its client and its place in the engine, under the faults that are in force.
func (p *Proxy) admit(pr *pair, key, line string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	r := p.rec
	r.mu.Lock()
	slot, reused, ok := r.clients.slot(p.config.Connections)
	if !ok {
		r.mu.Unlock()
		return false
	}
	c, _ := r.clients.find(key, line, p.config.Key.From == "connection", p.clock())
	pr.client, pr.slot = c, slot
	r.slots[slot] = pr
	r.pairs[pr] = struct{}{}
	r.attempted(pr)
	r.mu.Unlock()
	if reused {
		p.engine.Leave(slot)
	}
	for _, f := range p.force {
		before := f.victims
		take := f.takes(c)
		if f.victims > before {
			r.joined(f.occ.Index)
		}
		if take {
			if err := p.engine.Join(f.occ, slot); err != nil {
				p.warn("join", err.Error())
			}
		}
	}
	return true
}

// warn passes on the first warning of its kind.
func (p *Proxy) warn(kind, text string) {
	if _, again := p.warned.LoadOrStore(kind, true); !again && p.config.Warn != nil {
		p.config.Warn(text)
	}
}

// Close ends every fault, then every connection, and waits for their goroutines. What was measured stays readable.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	for _, l := range p.listening {
		l.Close()
	}
	p.stopAll()
	p.mu.Unlock()
	close(p.done)
	err := p.engine.Close()
	p.rec.mu.Lock()
	for pr := range p.rec.pairs {
		_ = pr.raw.Close()
	}
	p.rec.mu.Unlock()
	p.wg.Wait()
	return err
}

// asStream is the engine's connection.
func asStream(c net.Conn) *stream.Conn { return c.(*stream.Conn) }

func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}
