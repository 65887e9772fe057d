package proxy

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// The states of a fault.
const (
	Waiting = "waiting" // its time has not come
	InForce = "in force"
	Over    = "over"
	Stopped = "stopped" // by hand
)

// Fault is one that was started, and what has become of it.
type Fault struct {
	fault chaos.Fault
	index int // position among all, which its victims are drawn by
	state string
	nth   int
	occ   chaos.Occurrence
	timer *time.Timer // the next begin, or the end

	// While it is in force:
	chosen  map[*client]bool // of every client that was there or came: whether it is a victim
	victims int
}

// errUnknown is wrapped by errors about a fault that does not exist.
var errUnknown = errors.New("no such fault")

// can is nil for a fault that the proxy can do.
func (p *Proxy) can(f *chaos.Fault) error {
	if err := p.engine.Can(f); err != nil {
		return fmt.Errorf("%s: %w", name(f), err)
	}
	if g := f.Clients.Group; g != "" && !isClient(g) {
		return fmt.Errorf("%s: clients: the proxy knows no group %q of its clients; hint: a share (33%%), a number, or one client by its name (c12)", name(f), g)
	}
	return nil
}

func name(f *chaos.Fault) string {
	if f.Name != "" {
		return f.Name
	}
	return string(f.Kind)
}

// isClient reports whether s can be the name of a client.
func isClient(s string) bool {
	if len(s) < 2 || s[0] != 'c' {
		return false
	}
	n, err := strconv.Atoi(s[1:])
	return err == nil && n > 0
}

// StartScenario starts the faults of the scenario; their times count from now. It fails the second time.
func (p *Proxy) StartScenario() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running {
		return errors.New("the scenario has been started already")
	}
	if len(p.config.Scenario) == 0 {
		return errors.New("the proxy was given no scenario; hint: flatline proxy --listen ADDR --target URL SCENARIO")
	}
	p.running = true
	for _, f := range p.config.Scenario {
		if _, err := p.begin(f); err != nil {
			return err
		}
	}
	return nil
}

// Start starts a fault, At from now, and returns it with its name.
func (p *Proxy) Start(f chaos.Fault) (FaultInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, err := p.begin(f)
	if err != nil {
		return FaultInfo{}, err
	}
	return p.info(x), nil
}

// begin schedules a fault. p is locked.
func (p *Proxy) begin(f chaos.Fault) (*Fault, error) {
	if p.closed {
		return nil, errors.New("the proxy has ended")
	}
	if err := p.can(&f); err != nil {
		return nil, err
	}
	if f.Name == "" {
		f.Name = p.freeName(string(f.Kind))
	} else if p.find(f.Name) != nil {
		return nil, fmt.Errorf("a fault is called %q already; hint: stop it first, or choose another name", f.Name)
	}
	x := &Fault{fault: f, index: len(p.faults), state: Waiting}
	p.faults = append(p.faults, x)
	if f.At <= 0 {
		p.happen(x)
	} else {
		x.timer = time.AfterFunc(f.At, p.later(x, p.happen))
	}
	return x, nil
}

// later is do with p locked, unless x has been stopped meanwhile.
func (p *Proxy) later(x *Fault, do func(*Fault)) func() {
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if x.state != Stopped && !p.closed {
			do(x)
		}
	}
}

// freeName is the kind, with a number when it is taken.
func (p *Proxy) freeName(kind string) string {
	for n, s := 2, kind; ; n++ {
		if p.find(s) == nil {
			return s
		}
		s = kind + strconv.Itoa(n)
	}
}

func (p *Proxy) find(name string) *Fault {
	for _, x := range p.faults {
		if x.fault.Name == name {
			return x
		}
	}
	return nil
}

// happen puts x in force. p is locked.
func (p *Proxy) happen(x *Fault) {
	f := &x.fault
	now := p.clock()
	x.occ = chaos.Occurrence{Index: p.next, Fault: x.index, Nth: x.nth, Name: f.Name, At: now}
	p.next++
	if x.nth > 0 {
		x.occ.Name = fmt.Sprintf("%s#%d", f.Name, x.nth+1)
	}
	set, pairs := p.choose(x, now)
	p.rec.begin(f, x.occ, x.victims, pairs, now)
	if err := p.engine.Begin(f, x.occ, set); err != nil {
		p.warn("begin "+f.Name, err.Error())
	}
	x.state = InForce
	again := f.Every > 0 && (f.Times == 0 || x.nth+1 < f.Times)
	switch {
	case f.Instant():
		if f.Mode() == chaos.RST {
			for _, pr := range pairs {
				p.rec.serverEnds(pr, byReset, p.clock()) // before the client can know and come back
				pr.reset()                               // even one whose client reads nothing
			}
		}
		p.over(x, again)
	default:
		p.force = append(p.force, x)
		if f.For > 0 {
			x.timer = time.AfterFunc(f.For, p.later(x, func(x *Fault) { p.undo(x); p.over(x, again) }))
		}
	}
}

// over is the end of one happening; again says that another follows.
func (p *Proxy) over(x *Fault, again bool) {
	x.state = Over
	if again {
		x.state = Waiting
		x.nth++
		x.timer = time.AfterFunc(max(x.occ.At+x.fault.Every-p.clock(), 0), p.later(x, p.happen))
	}
}

// undo takes x out of force.
func (p *Proxy) undo(x *Fault) {
	p.force = slices.DeleteFunc(p.force, func(o *Fault) bool { return o == x })
	p.rec.end(x.occ.Index, p.clock())
	if err := p.engine.End(&x.fault, x.occ, nil); err != nil {
		p.warn("end "+x.fault.Name, err.Error())
	}
	x.chosen = nil
}

// Stop ends the fault of that name, and its repetitions.
func (p *Proxy) Stop(name string) (FaultInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.find(name)
	if x == nil {
		return FaultInfo{}, fmt.Errorf("%w: %q", errUnknown, name)
	}
	p.stop(x)
	return p.info(x), nil
}

func (p *Proxy) stop(x *Fault) {
	if x.timer != nil {
		x.timer.Stop()
	}
	switch x.state {
	case InForce:
		p.undo(x)
		x.state = Stopped
	case Waiting:
		x.state = Stopped
	}
}

// stopAll ends everything. p is locked.
func (p *Proxy) stopAll() {
	for _, x := range p.faults {
		p.stop(x)
	}
}

// Reset stops every fault and forgets what was measured. The scenario can be started again.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopAll()
	p.faults, p.running = nil, false
	p.rec.reset(p.clock())
}

// choose draws the victims among the clients that are present and returns the numbers of their connections. The same seed,
// fault, happening and clients give the same victims.
func (p *Proxy) choose(x *Fault, now time.Duration) (*chaos.Set, []*pair) {
	r := p.rec
	r.mu.Lock()
	defer r.mu.Unlock()
	there := r.clients.present(now)
	rng := rand.New(rand.NewPCG(p.config.Seed, 1<<63|uint64(x.index)<<32|uint64(x.nth)))
	x.chosen, x.victims = make(map[*client]bool, len(there)), 0
	left := wanted(x.fault.Clients, len(there))
	for i, c := range there {
		// Selection sampling (Knuth, The Art of Computer Programming, volume 2, algorithm S).
		take := rng.IntN(len(there)-i) < left
		if g := x.fault.Clients.Group; g != "" {
			take = c.name == g
		}
		if x.chosen[c] = take; take {
			left--
			x.victims++
		}
	}
	set := &chaos.Set{}
	var pairs []*pair
	for pr := range r.pairs {
		if x.chosen[pr.client] && pr.state != ended {
			set.Add(pr.slot)
			pairs = append(pairs, pr)
		}
	}
	return set, pairs
}

// wanted is how many of n clients the selector takes; a share is rounded half up.
func wanted(s chaos.Selector, n int) int {
	switch {
	case s.Percent > 0:
		return int(math.Floor(float64(n)*s.Percent/100 + 0.5))
	case s.Count > 0:
		return min(n, s.Count)
	}
	return n
}

// takes reports whether a fault in force hits the client: one that comes later is a victim when the share, or the number,
// would otherwise not be met. p is locked.
func (x *Fault) takes(c *client) bool {
	take, known := x.chosen[c]
	if known {
		return take
	}
	s := x.fault.Clients
	switch {
	case s.Group != "":
		take = c.name == s.Group
	default:
		take = x.victims < wanted(s, len(x.chosen)+1)
	}
	if x.chosen[c] = take; take {
		x.victims++
	}
	return take
}
