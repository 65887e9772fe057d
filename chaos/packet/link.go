package packet

import (
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// link carries every packet of every path. A packet that nothing delays is handed to the other stack by whoever sent it;
// the others wait in one queue for one goroutine.
type link struct {
	e     *Engine
	wires [2]*wire // by the direction in which packets leave them

	mu   sync.Mutex
	q    queue
	wake chan struct{}
	done chan struct{}
	ran  chan struct{} // closed when the goroutine has ended

	counts struct {
		sent, blackholed, dropped, queueFull, corrupted, duplicated, reordered atomic.Int64
	}
}

// crossing is a packet on its way.
type crossing struct {
	p   *path
	dir int
	seg segment
	pkt *stack.PacketBuffer
}

func newLink(e *Engine, mtu uint32) *link {
	l := &link{e: e, wake: make(chan struct{}, 1), done: make(chan struct{}), ran: make(chan struct{})}
	for dir := range l.wires {
		l.wires[dir] = &wire{link: l, dir: dir, mtu: mtu}
	}
	go l.run()
	return l
}

// send lets a packet enter its path. It takes over pkt.
func (l *link) send(c crossing) {
	p, dir := c.p, c.dir
	l.counts.sent.Add(1)
	p.mu.Lock()
	now := l.e.clock()
	if dir == up && p.tapped {
		l.e.tap.packet(now, c.pkt)
	}
	f := p.flow(c.seg.port)
	if f != nil {
		f.watch(dir, &c.seg, now)
	}
	if p.blocks[dir] > 0 || f != nil && f.cut {
		p.mu.Unlock()
		l.counts.blackholed.Add(1)
		c.pkt.DecRef()
		return
	}
	ln := p.lanes[dir]
	if ln == nil || p.queued[dir] == 0 && ln.idle(now) {
		if dir == down && c.seg.has(header.TCPFlagSyn) { // sent by a goroutine that has no stack for it: see deepen
			p.queued[dir]++
			l.push(item{at: now, crossing: c})
			p.mu.Unlock()
			return
		}
		l.arrive(c, now)
		return
	}
	fate := ln.fate(now, c.seg.size)
	switch {
	case fate.full:
		l.counts.queueFull.Add(1)
	case fate.lost:
		l.counts.dropped.Add(1)
	}
	if fate.lost {
		p.mu.Unlock()
		c.pkt.DecRef()
		return
	}
	if fate.flip {
		l.counts.corrupted.Add(1)
		whole := c.pkt
		c.pkt = damage(whole, &c.seg, fate.bit)
		c.seg.flags = 0 // nobody will believe them
		whole.DecRef()
	}
	if fate.late {
		l.counts.reordered.Add(1)
	}
	twice := c
	if fate.copy {
		l.counts.duplicated.Add(1)
		twice.pkt = copyOf(c.pkt)
	}
	if fate.at <= now && p.queued[dir] == 0 && !fate.late {
		l.arrive(c, now)
		if fate.copy {
			p.mu.Lock()
			l.arrive(twice, now)
		}
		return
	}
	n := int32(1)
	if fate.copy {
		n = 2
	}
	if !fate.late {
		p.queued[dir] += n
	}
	l.push(item{at: fate.at, crossing: c, late: fate.late})
	if fate.copy {
		l.push(item{at: fate.at, crossing: twice, late: fate.late})
	}
	p.mu.Unlock()
}

// copyOf is the same packet once more, as it would come from the wire.
func copyOf(pkt *stack.PacketBuffer) *stack.PacketBuffer {
	return stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: pkt.ToBuffer()})
}

// arrive hands the packet to the stack at the other end. The path is locked, and unlocked on return.
func (l *link) arrive(c crossing, now time.Duration) {
	p := c.p
	f := p.flow(c.seg.port)
	if p.blocks[c.dir] > 0 || f != nil && f.cut {
		p.mu.Unlock()
		l.counts.blackholed.Add(1)
		c.pkt.DecRef()
		return
	}
	if c.dir == up {
		if f != nil && c.seg.flags&(header.TCPFlagFin|header.TCPFlagRst) != 0 {
			f.goodbye = true
			f.rest(now, p.client, l.e.obs, false)
		}
		if p.refuse > 0 && c.seg.opening() {
			p.mu.Unlock()
			c.pkt.DecRef()
			seg, rst := l.e.net.forge(down, c.seg.client, c.seg.port, header.TCPFlagRst|header.TCPFlagAck, 0, c.seg.seq+1)
			l.send(crossing{p, down, seg, rst})
			return
		}
	} else if p.tapped {
		l.e.tap.packet(now, c.pkt)
	}
	l.handInOrder(c)
}

// hand delivers past every fault. It takes over the packet.
func (l *link) hand(c crossing) {
	l.wires[1-c.dir].deliver(c.pkt)
	c.pkt.DecRef()
}

func (l *link) push(it item) {
	l.mu.Lock()
	first := l.q.push(it)
	l.mu.Unlock()
	if first {
		l.nudge()
	}
}

func (l *link) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// hurry makes what is on the way due now, where match says so.
func (l *link) hurry(match func(p *path, dir int) bool) {
	l.mu.Lock()
	l.q.hurry(l.e.clock(), func(it *item) bool { return match(it.p, it.dir) })
	l.mu.Unlock()
	l.nudge()
}

// run is the link engine: it carries out what is due, in order, and sleeps until the next item.
func (l *link) run() {
	defer close(l.ran)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var due []item
	for {
		l.mu.Lock()
		now := l.e.clock()
		due = due[:0]
		wait := time.Hour
		for {
			at, ok := l.q.first()
			if !ok {
				break
			}
			if at > now {
				wait = at - now
				break
			}
			due = append(due, l.q.pop())
		}
		l.mu.Unlock()
		for i := range due {
			l.carryOut(&due[i], now)
			due[i] = item{}
		}
		if len(due) > 0 {
			select {
			case <-l.done:
				l.discard()
				return
			default:
				continue
			}
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-l.wake:
		case <-l.done:
			l.discard()
			return
		}
	}
}

func (l *link) carryOut(it *item, now time.Duration) {
	if it.idle != nil {
		l.e.checkIdle(it.idle, it.at)
		return
	}
	it.p.mu.Lock()
	if it.late {
		l.arrive(it.crossing, now)
		return
	}
	// The count goes down only after the delivery, so that no later packet overtakes this one; yet the delivery may
	// come back to this path with an answer, so the lock is not held.
	l.arrive(it.crossing, now)
	it.p.mu.Lock()
	it.p.queued[it.dir]--
	it.p.mu.Unlock()
}

// discard frees what nobody will receive any more.
func (l *link) discard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.q.items {
		if pkt := l.q.items[i].pkt; pkt != nil {
			pkt.DecRef()
		}
	}
	l.q.items = nil
}

func (l *link) stop() {
	close(l.done)
	<-l.ran
}
