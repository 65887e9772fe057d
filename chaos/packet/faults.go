package packet

import (
	"slices"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/flatline-dev/flatline/chaos"
)

// begin puts a fault in force on one path.
func (e *Engine) begin(p *path, f *chaos.Fault, o chaos.Occurrence) {
	if f.Kind == chaos.Kill {
		e.kill(p, f)
		return
	}
	p.mu.Lock()
	now := e.clock()
	switch f.Kind {
	case chaos.Blackhole:
		for _, dir := range directions(f.Direction) {
			p.block(dir, 1, now, e.obs)
		}
	case chaos.Refuse:
		p.refuse++
	case chaos.IdleCut:
		p.idle = append(p.idle, idleRule{o.Index, f.After, f.Mode(), now})
	default:
		for _, dir := range directions(f.Direction) {
			p.lane(e.seed, dir).begin(f, o.Index)
		}
	}
	flows := slices.Clone(p.flows)
	p.mu.Unlock()
	if f.Kind == chaos.IdleCut {
		for _, fl := range flows {
			e.timeIdle(fl)
		}
	}
}

// lift undoes exactly what begin did for the same occurrence, and is harmless when that was nothing.
func (e *Engine) lift(p *path, f *chaos.Fault, o chaos.Occurrence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch f.Kind {
	case chaos.Blackhole:
		for _, dir := range directions(f.Direction) {
			p.block(dir, -1, e.clock(), e.obs)
		}
	case chaos.Refuse:
		if p.refuse > 0 {
			p.refuse--
		}
	case chaos.IdleCut:
		p.idle = slices.DeleteFunc(p.idle, func(r idleRule) bool { return r.occ == o.Index })
	default:
		for _, dir := range directions(f.Direction) {
			if p.lanes[dir] != nil {
				p.lanes[dir].end(o.Index)
			}
		}
	}
}

// kill ends the connections that the client holds at this moment. Those that it gave up before are left to the server.
func (e *Engine) kill(p *path, f *chaos.Fault) {
	p.mu.Lock()
	var hit []*flow
	for _, fl := range p.flows {
		if fl.established() && !fl.clientGone && !fl.killed && !fl.cut {
			fl.killed = true
			hit = append(hit, fl)
		}
	}
	p.mu.Unlock()
	for _, fl := range hit {
		e.killFlow(fl, f.Mode(), f.Code)
	}
}

func (e *Engine) killFlow(f *flow, how chaos.How, code int) {
	switch how {
	case chaos.RST:
		e.resetBoth(f)
	case chaos.FIN:
		f.p.mu.Lock()
		far := f.far
		f.finish = true
		f.p.mu.Unlock()
		if far != nil {
			far.finish()
		}
	case chaos.Close:
		f.client.closeBy(code)
	}
}

// resetBoth does what a middlebox does that wants to be rid of a connection: each end gets a RST that seems to come from
// the other, here past every fault. Its sequence number is the one after everything that the other end has sent, which is
// in the receiver's window whatever was lost on the way (RFC 9293, section 3.10.7.4).
func (e *Engine) resetBoth(f *flow) {
	p := f.p
	p.mu.Lock()
	next, now := f.next, e.clock()
	f.goodbye = true // the server learns of it
	p.mu.Unlock()
	for dir := range next {
		seg, rst := e.net.forge(dir, int(p.client), f.port, header.TCPFlagRst|header.TCPFlagAck, next[dir], next[1-dir])
		if p.tapped && dir == down {
			e.tap.packet(now, rst)
		}
		p.mu.Lock()
		e.link.handInOrder(crossing{p, dir, seg, rst})
	}
}

// idleRule is an idle-cut in force on a path.
type idleRule struct {
	occ   int
	after time.Duration
	how   chaos.How
	begin time.Duration
}

// timeIdle schedules the connection's next look: one item in the link engine. Traffic only moves flow.last; the item finds
// that out when it comes up and goes to sleep again for the rest.
func (e *Engine) timeIdle(f *flow) {
	p := f.p
	p.mu.Lock()
	defer p.mu.Unlock()
	e.timeIdleLocked(f)
}

func (e *Engine) timeIdleLocked(f *flow) {
	if f.cut || f.killed || f.clientGone || len(f.p.idle) == 0 {
		return
	}
	next := time.Duration(-1)
	for _, r := range f.p.idle {
		if at := max(f.last, r.begin) + r.after; next < 0 || at < next {
			next = at
		}
	}
	if f.timed && next >= f.idleAt {
		return
	}
	f.timed, f.idleAt = true, next
	e.link.push(item{at: next, idle: f})
}

// checkIdle cuts the connection if it was quiet for as long as a rule allows.
func (e *Engine) checkIdle(f *flow, at time.Duration) {
	p := f.p
	p.mu.Lock()
	if !f.timed || f.idleAt != at { // an earlier look has taken its place
		p.mu.Unlock()
		return
	}
	f.timed = false
	if f.cut || f.killed || f.clientGone || !f.established() {
		p.mu.Unlock()
		return
	}
	now := e.clock()
	for _, r := range p.idle {
		if max(f.last, r.begin)+r.after > now {
			continue
		}
		e.obs.PathCut(now, int(p.client), r.occ)
		if r.how == chaos.Silent {
			f.cut = true
		} else {
			f.killed = true
		}
		p.mu.Unlock()
		if f.killed {
			e.killFlow(f, r.how, 0)
		}
		return
	}
	e.timeIdleLocked(f)
	p.mu.Unlock()
}
