package packet

// Sending a packet takes some 8 KiB of stack in gVisor, and delivering it another 8 KiB. A new goroutine has 2 KiB, and the
// runtime halves the stack of one that waits at every garbage collection. Where it is too small in the depths of TCP,
// every frame has to be looked up and adjusted, and stacks of 32 KiB come from no cache: that was a sixth of a
// heartbeat's CPU. So a goroutine that will send grows its stack while it is still nearly empty ([deepen]), and delivers
// only after it has come back from sending (a cork), so that 16 KiB do for both.

// deepFrames is what sending takes.
const deepFrames = 9 << 10

// deepen gives the calling goroutine a stack on which a packet can be sent.
//
//go:noinline
func deepen() byte {
	var room [deepFrames]byte
	return room[len(unknown)]
}

// unknown keeps the compiler from knowing the index.
var unknown = ""

// cork keeps back what enters direction dir of the path and would arrive at once, until uncork.
func (p *path) cork(dir int) {
	p.mu.Lock()
	p.corks[dir]++
	p.mu.Unlock()
}

// uncork delivers, in order, what was kept back, when it is the last. Packets that are sent meanwhile keep their place.
func (l *link) uncork(p *path, dir int) {
	p.mu.Lock()
	for p.corks[dir] == 1 && len(p.corked[dir]) > 0 {
		batch := p.corked[dir]
		p.corked[dir] = nil
		p.mu.Unlock()
		for i := range batch {
			l.hand(batch[i])
			batch[i] = crossing{}
		}
		p.mu.Lock()
		if p.corked[dir] == nil {
			p.corked[dir] = batch[:0]
		}
	}
	p.corks[dir]--
	p.mu.Unlock()
}

// handInOrder delivers past every fault, though not past what a cork keeps back. The path is locked, and unlocked on return.
func (l *link) handInOrder(c crossing) {
	p := c.p
	if p.corks[c.dir] > 0 {
		p.corked[c.dir] = append(p.corked[c.dir], c)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	l.hand(c)
}
