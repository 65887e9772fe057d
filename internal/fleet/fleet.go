package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Path is the chaos layer between a client and the network: chaos/stream, or a plain one.
type Path interface {
	// Dial makes a connection for the client through whatever faults are on its path, using dial for the real one. A Read
	// of it may end with a [chaos.CloseFrameError]. With several nodes it gets the number of the path: see [Folded].
	Dial(ctx context.Context, client int, dial func(context.Context) (net.Conn, error)) (net.Conn, error)
}

// Options of a run. Sink and Clock are required.
type Options struct {
	Sink  report.Sink
	Clock func() time.Duration // time since the start of the run; one clock for clients, faults and recorder
	URL   string               // the target's address; "": the plan's
	URLs  []string             // those of its nodes, where there are several; nil: URL, or the plan's
	// Publish are the addresses at which the service behind the target publishes, besides the plan's: those of the embedded servers.
	Publish []string
	Path    Path // nil: straight to the network
	// Engines carry out faults; the first that can do a fault does it. Suspend is done by the fleet itself.
	Engines []chaos.Engine
	// Quantum is the resolution of all timers; see [DefaultQuantum]. What is due waits for the next multiple of it, which
	// counts as harness lag, though not as round-trip time. 0: every timer on its own.
	Quantum time.Duration
	// DialTCP replaces the network, in tests. nil: the plan's source addresses and net.Dialer.
	DialTCP func(ctx context.Context, client int, network, addr string) (net.Conn, error)
	// ReadLimit is the largest message a client accepts, in bytes; 0: 1 MiB.
	ReadLimit int64
}

// DefaultQuantum is a resolution that lets one wake-up serve several of that many clients, from 1 µs a client up to
// 10 ms. At 10,000 clients with a beat every 3 s that is 33 beats a wake-up and half of the CPU that 1 ms would take.
func DefaultQuantum(clients int) time.Duration {
	return min(time.Duration(clients)*time.Microsecond, 10*time.Millisecond)
}

// Fleet is the clients of one plan.
type Fleet struct {
	plan      *scenario.Plan
	sink      report.Sink
	clock     func() time.Duration
	path      Path
	engines   []chaos.Engine
	urls      []string        // of each node
	balancer  *balancer       // nil with one node
	publisher *publisher      // nil: nobody publishes from behind the target
	routes    report.NodeSink // the sink, if it is one
	tls       *tls.Config
	readLimit int64
	dialTCP   func(ctx context.Context, client int, network, addr string) (net.Conn, error)

	ctx     context.Context // ends when the run does
	timers  *timers
	clients []client
	wg      sync.WaitGroup // dialing and reading goroutines

	leaving  atomic.Int64                               // attempts that are due and have not begun
	received atomic.Int64                               // frames
	examples [heartbeat.NumCauses]atomic.Pointer[error] // the first error of each cause of a failed attempt, or of a peer that broke the protocol
}

// New prepares the clients of the plan. It returns an error if the certificate file is unusable or no engine can do a fault
// of the plan.
func New(plan *scenario.Plan, o Options) (*Fleet, error) {
	f := &Fleet{plan: plan, sink: o.Sink, clock: o.Clock, path: o.Path, urls: o.URLs, readLimit: o.ReadLimit, dialTCP: o.DialTCP}
	switch {
	case len(f.urls) > 0:
	case o.URL != "":
		f.urls = []string{o.URL}
	case len(plan.Target.URLs) > 0:
		f.urls = plan.Target.URLs
	default:
		f.urls = []string{plan.Target.URL}
	}
	if len(f.urls) > 1 {
		f.balancer = newBalancer(plan.Target.Balancer, len(f.urls), plan.Clients)
		f.routes, _ = o.Sink.(report.NodeSink)
	}
	if f.path == nil {
		f.path = straight{}
	}
	if f.readLimit == 0 {
		f.readLimit = 1 << 20
	}
	if f.dialTCP == nil {
		f.dialTCP = newNetwork(plan).dial
	}
	var err error
	if f.tls, err = TLSConfig(&plan.Target); err != nil {
		return nil, err
	}
	f.engines = append([]chaos.Engine{&suspender{f}}, o.Engines...)
	for i := range plan.Faults {
		if _, err := f.engineFor(&plan.Faults[i]); err != nil {
			return nil, err // now, rather than in the middle of the run
		}
	}
	f.timers = newTimers(plan.Clients, o.Quantum)
	f.clients = make([]client, plan.Clients)
	for i := range f.clients {
		c := &f.clients[i]
		c.f, c.id, c.slot, c.due = f, int32(i), -1, heartbeat.None
		g := plan.GroupOf(i)
		c.machine = heartbeat.New(&g.Config, plan.Rand(i))
		if g.Traffic != nil {
			c.machine.Carry(g.Traffic, i, plan.TrafficRand(i))
		}
	}
	if f.publisher, err = newPublisher(f, o.Publish); err != nil {
		return nil, err
	}
	return f, nil
}

// Run starts the clients, carries out the plan's faults and returns when the plan's duration is over or ctx ends, every
// connection closed and every fault undone. The sink is told that the run ended before any of that clearing up.
func (f *Fleet) Run(ctx context.Context) error {
	// The connections outlive the faults, so that undoing a fault finds them.
	conns, closeConns := context.WithCancel(context.WithoutCancel(ctx))
	defer closeConns()
	f.ctx = conns
	ticking, stopTicking := context.WithCancel(conns)
	var ticker sync.WaitGroup
	for i := range f.clients {
		f.timers.set(&f.clients[i], f.plan.Start(i))
	}
	ticker.Go(func() {
		f.timers.run(ticking, f.clock, (*client).fire)
	})
	watching, stopWatching := context.WithCancel(ctx)
	ticker.Go(func() { f.watchFlood(watching) })
	if f.publisher != nil {
		ticker.Go(func() { f.publisher.run(watching) })
	}

	err := f.conduct(ctx)

	stopWatching()
	stopTicking()
	ticker.Wait()
	for i := range f.clients {
		f.clients[i].stop()
	}
	closeConns()
	f.wg.Wait()
	return err
}

// Example returns the first error of each cause with which an attempt failed, or with which the peer broke the protocol.
func (f *Fleet) Example(c heartbeat.Cause) error {
	if p := f.examples[c].Load(); p != nil {
		return *p
	}
	return nil
}

// request is what the client asks the node for.
func (f *Fleet) request(client, node int) (url string, header http.Header, err error) {
	if url, err = f.plan.ClientURL(f.urls[node], client); err != nil {
		return "", nil, err
	}
	return url, f.plan.ClientHeaders(client), nil
}

// TLSConfig is the client side of wss://: the system's roots, the given authority, or no verification when asked for. It
// returns an error if the authority cannot be read.
func TLSConfig(t *scenario.Target) (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: t.Insecure}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("read the target's certificate authority: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read the target's certificate authority: %s holds no PEM certificate", t.CA)
		}
	}
	return c, nil
}

// straight is a Path without faults.
type straight struct{}

func (straight) Dial(ctx context.Context, _ int, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	return dial(ctx)
}

// floodRate is the number of frames per client and second from which a target is said to flood.
const floodRate = 100

// watchFlood warns, once, when the target sends so much that reading it is what the harness does.
func (f *Fleet) watchFlood(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := f.received.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n := f.received.Load()
		if rate := n - last; rate > floodRate*int64(len(f.clients)) && rate > 1000 {
			f.sink.Warn(f.clock(), fmt.Sprintf("the target floods its clients: %d messages in one second for %d clients", rate, len(f.clients)))
			return
		}
		last = n
	}
}
