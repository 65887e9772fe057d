package proxy

import (
	"sync"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/report"
)

const (
	// bucket is the resolution of attempts over time.
	bucket = 100 * time.Millisecond
	// maxBuckets bounds the series: a day.
	maxBuckets = 24 * 60 * 60 * int(time.Second/bucket)
	// delayStages is how many reconnect delays in a row are told apart.
	delayStages = 3
)

// How a client, or the target, ended a connection, and why an attempt failed.
const (
	byCloseFrame = "close frame"
	byFIN        = "fin"
	byReset      = "reset"
	byAttempt    = "next attempt"

	failGaveUp   = "client gave up"
	failRefused  = "refused"
	failTimeout  = "timeout"
	failRejected = "rejected" // answered, but not with 101
	failEnded    = "ended by the target"
	failKilled   = "killed"
	failRequest  = "no request"
	failLimit    = "no room"
	failOther    = "other"
)

// record is what the proxy has seen. Its lock is the innermost one: the engine's callbacks come with a path locked.
type record struct {
	mu       sync.Mutex
	began    time.Duration // the clock at the last reset
	clients  clients
	pairs    map[*pair]struct{}
	slots    []*pair // by number in the engine; a zombie's pair stays until it has ended
	episodes []*episode
	byOcc    map[int]*episode
	classes  map[classKey]*beatClass

	accepted, opened, served int64
	failed                   map[string]int64
	closes                   map[string]int64 // open connections that ended, by whom and how
	handshake                *report.Hist
	gaps                     [2]*report.Hist
	delays                   [delayStages]*report.Hist
	// afterSilence and afterLoss are the first delays apart: of clients that gave a silent connection up, and of the others.
	afterSilence, afterLoss *report.Hist
	gaveUp                  *report.Hist
	silences                silences
	attempts                []int32 // by bucket
	open, openPeak          int
	zombies, zombiesPeak    int
	reaped, letGo           *report.Hist
	behind, behindPeak      int
	bytes                   [2]int64 // of connections that are gone
	messages                [2]int64
}

func newRecord(slots int) *record {
	r := &record{slots: make([]*pair, slots), pairs: map[*pair]struct{}{}, byOcc: map[int]*episode{}}
	r.clients.init()
	r.forget()
	return r
}

// forget drops every count; connections and clients stay.
func (r *record) forget() {
	r.episodes = nil
	r.classes = map[classKey]*beatClass{}
	r.accepted, r.opened, r.served = 0, 0, 0
	r.failed, r.closes = map[string]int64{}, map[string]int64{}
	r.handshake, r.gaveUp, r.reaped, r.letGo = &report.Hist{}, &report.Hist{}, &report.Hist{}, &report.Hist{}
	r.gaps = [2]*report.Hist{{}, {}}
	r.delays = [delayStages]*report.Hist{{}, {}, {}}
	r.afterSilence, r.afterLoss = &report.Hist{}, &report.Hist{}
	r.silences = silences{}
	r.attempts = nil
	r.openPeak, r.zombiesPeak, r.behindPeak = r.open, r.zombies, r.behind
	r.bytes, r.messages = [2]int64{}, [2]int64{}
}

// reset is forget at now, with the faults in force beginning anew as far as the record goes.
func (r *record) reset(now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
	r.began = now
	r.byOcc = map[int]*episode{}
	for _, c := range r.clients.all() {
		c.pending, c.lost, c.attempts, c.opened, c.failed = nil, nil, 0, 0, 0
	}
	for p := range r.pairs {
		p.hits = nil
		p.watch[up].forget()
		p.watch[down].forget()
	}
}

// attempted: a connection was accepted for the client of p.
func (r *record) attempted(p *pair) {
	c, at := p.client, p.accepted
	r.accepted++
	c.attempts++
	if i := int((at - r.began) / bucket); i >= 0 && i < maxBuckets {
		for len(r.attempts) <= i {
			r.attempts = append(r.attempts, 0)
		}
		r.attempts[i]++
	}
	r.noticedByAttempt(c, at)
	if len(c.lost) > 0 {
		c.lost[0].attempted(at)
	}
	if c.away() && c.goneAt > 0 && c.stage < delayStages && at >= c.goneAt {
		r.delays[c.stage].Record(at - c.goneAt)
		switch {
		case c.stage > 0:
		case c.silent:
			r.afterSilence.Record(at - c.goneAt)
		default:
			r.afterLoss.Record(at - c.goneAt)
		}
	}
	c.stage++
	c.silent = false
	c.arrive(p)
}

// noticedByAttempt: a client that connects anew has noticed what it gave no other sign of. With several connections open it
// stays unknown which one it gives up.
func (r *record) noticedByAttempt(c *client, at time.Duration) {
	for _, h := range c.pending {
		if h.pair.state == ended || h.pair.state == serverEnded || c.holding == 1 {
			r.notice(h, byAttempt, at)
			return
		}
	}
}

// upgraded: the connection of p is open.
func (r *record) upgraded(p *pair, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.state != dialing {
		return
	}
	p.state, p.openedAt = opened, now
	r.opened++
	r.open++
	r.openPeak = max(r.openPeak, r.open)
	r.handshake.Record(now - p.accepted)
	c := p.client
	c.opened++
	c.stage = 0
	if len(c.lost) > 0 {
		h := c.lost[0]
		c.lost = c.lost[1:]
		h.back(now)
	}
}

// failedAttempt: p ended before it was open.
func (r *record) failedAttempt(p *pair, why string, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.state != dialing {
		return
	}
	p.state = ended
	r.failed[why]++
	c := p.client
	c.failed++
	if len(c.lost) > 0 {
		c.lost[0].e.failed++
	}
	if why == failGaveUp {
		r.gaveUp.Record(now - p.accepted)
	}
	c.leave(p, now)
}

// turnedAway: a connection that never got a client.
func (r *record) turnedAway(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed[why]++
}

// clientEnded: the client has said goodbye, or its socket is gone.
func (r *record) clientEnded(p *pair, how string, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch p.state {
	case opened:
		r.closes["client: "+how]++
	case serverEnded: // its answer to the target's end, or to a kill
	default:
		return
	}
	for _, h := range p.hits {
		if h.open() {
			p.client.silent = r.silences.learn(h, how, now) || p.client.silent
			r.notice(h, how, now)
		}
	}
	if p.state == opened {
		r.leaves(p, now)
	}
	p.state = closing
}

// serverEnds: the target has ended the connection, or a kill did; the client is being told.
func (r *record) serverEnds(p *pair, how string, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.state != opened {
		return
	}
	if p.killed {
		r.closes["fault: "+how]++
	} else {
		r.closes["server: "+how]++
	}
	r.leaves(p, now)
	p.state = serverEnded
}

// leaves: the client does without p from now on.
func (r *record) leaves(p *pair, now time.Duration) {
	r.open--
	if p.leftBehind {
		p.leftBehind = false
		r.behind--
	}
	p.client.leave(p, now)
}

// gone: both ends of p are closed.
func (r *record) gone(p *pair, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.state == opened {
		if p.killed {
			r.closes["fault: "+byReset]++
		} else {
			r.closes["proxy"]++
		}
		r.leaves(p, now)
	}
	if p.state == dialing {
		p.client.leave(p, now)
	}
	p.state = ended
	for d := range p.flow {
		f := &p.flow[d]
		r.bytes[d] += f.bytes.Load()
		r.messages[d] += f.messages.Load()
		if p.openedAt > 0 {
			r.gaps[d].Record(f.quietest(p.openedAt, now))
		}
	}
	delete(r.pairs, p)
	r.served++
}

// PathCut implements [chaos.Observer].
func (r *record) PathCut(now time.Duration, slot, occ int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, e := r.slots[slot], r.byOcc[occ]
	if p == nil || e == nil || p.state != opened {
		return
	}
	p.killed = e.fault.Mode() != chaos.Silent
	e.hit(p, now)
}

// ZombieBegan implements [chaos.Observer].
func (r *record) ZombieBegan(now time.Duration, slot int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.zombies++
	r.zombiesPeak = max(r.zombiesPeak, r.zombies)
	if p := r.slots[slot]; p != nil {
		p.zombie, p.zombieAt = true, now
	}
}

// ZombieEnded implements [chaos.Observer].
func (r *record) ZombieEnded(now time.Duration, slot int, reaped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.zombies--
	p := r.slots[slot]
	if p == nil {
		return
	}
	p.zombie = false
	if reaped {
		r.reaped.Record(now - p.zombieAt)
	} else {
		r.letGo.Record(now - p.zombieAt)
	}
	if p.finished {
		r.release(slot)
	}
}

// ServerGone implements [chaos.PeerObserver].
func (r *record) ServerGone(_ time.Duration, slot int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.slots[slot]; p != nil && p.state == opened && !p.leftBehind {
		p.leftBehind = true
		r.behind++
		r.behindPeak = max(r.behindPeak, r.behind)
	}
}

// finish gives the pair's number back as soon as no zombie has it.
func (r *record) finish(p *pair) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.finished = true
	if !p.zombie {
		r.release(p.slot)
	}
}

func (r *record) release(slot int) {
	r.slots[slot] = nil
	r.clients.free = append(r.clients.free, slot)
}

var _ chaos.PeerObserver = (*record)(nil)
