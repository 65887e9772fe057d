package stream

import (
	"slices"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// idleRule is an idle-cut in force on a path.
type idleRule struct {
	occ   int
	after time.Duration
	how   chaos.How
	begin time.Duration
}

// idleCut watches each connection with one entry in the scheduler. Traffic only moves Conn.last; the entry finds that
// out when it comes up and goes to sleep again for the rest.
type idleCut struct{}

func (idleCut) begin(_ *Engine, p *path, f *chaos.Fault, o chaos.Occurrence, now time.Duration) {
	p.idle = append(p.idle, idleRule{o.Index, f.After, f.Mode(), now})
	p.changed(now)
	p.each((*Conn).timeIdle)
}

func (idleCut) end(_ *Engine, p *path, _ *chaos.Fault, o chaos.Occurrence, now time.Duration) {
	p.idle = slices.DeleteFunc(p.idle, func(r idleRule) bool { return r.occ == o.Index })
	p.changed(now)
}

// timeIdle schedules the connection's next check. The path is locked.
func (c *Conn) timeIdle() {
	if c.closed || c.killed || c.cut {
		return
	}
	next := never
	for _, r := range c.path.idle {
		next = min(next, max(c.last, r.begin)+r.after)
	}
	if next == never || c.idleSet && next >= c.idleAt {
		return
	}
	c.idleSet, c.idleAt = true, next
	c.e.sched.add(next, c, checkIdle)
}

// checkIdle cuts the connection if it was quiet for as long as a rule allows. The path is locked.
func (c *Conn) checkIdle() {
	if c.closed || c.killed || c.cut {
		return
	}
	now := c.e.clock()
	for _, r := range c.path.idle {
		if max(c.last, r.begin)+r.after > now {
			continue
		}
		c.e.obs.PathCut(now, int(c.path.client), r.occ)
		if r.how == chaos.Silent {
			c.cutOff(now)
		} else {
			c.kill(r.how, 0)
		}
		return
	}
	c.timeIdle()
}

// cutOff makes the connection dead both ways for ever. What was on the way is lost.
func (c *Conn) cutOff(now time.Duration) {
	c.cut = true
	if c.s != nil {
		c.s.out.clear()
		c.s.in.clear()
	}
	c.changed(now)
}
