package report

import (
	"fmt"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

func (r *Recorder) occ(i int) *occState {
	if i < 0 || i >= len(r.occs) {
		return nil
	}
	return &r.occs[i]
}

// FaultBegan implements Sink. It looks at every victim, about 20 ns each, while it holds the lock.
func (r *Recorder) FaultBegan(now time.Duration, occ int) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	o := r.occ(occ)
	if o == nil || o.began >= 0 {
		return
	}
	o.began = now
	o.victims = r.plan.Victims(occ)
	if len(o.fault.Nodes) > 0 {
		o.victims = r.there(o)
	}
	r.boundary(now, o.severs && (o.fault.Instant() || o.fault.Kind == chaos.IdleCut))
	if o.fault.Kind == chaos.Kill && o.fault.How == chaos.Process && o.fault.Restart > 0 {
		r.segments.marks = append(r.segments.marks, now+o.fault.Restart)
		r.segments.arm(now)
	}
	if !o.severs || o.fault.Kind == chaos.IdleCut {
		return
	}
	for id := range o.victims.Within(r.first, r.first+len(r.clients)) {
		switch c := r.client(id); {
		case c.flags&isMine == 0:
		case c.flags&isOpen != 0 && c.openedAt <= now:
			r.expose(now, id, int32(occ))
		default:
			o.cell(c.group).absent++
		}
	}
}

// FaultInForce implements Sink.
func (r *Recorder) FaultInForce(now time.Duration, occ int) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	o := r.occ(occ)
	if o == nil || o.inForce >= 0 {
		return
	}
	o.inForce = now
	if o.fault.Kind == chaos.Kill && o.fault.How == chaos.Process { // a stall ends with the process that was stopped
		for i := range r.occs {
			if s := &r.occs[i]; s.fault.Kind == chaos.Stall && s.failed == "" {
				r.end(now, s)
			}
		}
	}
}

// FaultEnded implements Sink.
func (r *Recorder) FaultEnded(now time.Duration, occ int) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	if o := r.occ(occ); o != nil {
		r.end(now, o)
	}
}

// end notes that an occurrence is over, unless it has not begun or was over before.
func (r *Recorder) end(now time.Duration, o *occState) {
	if o.began < 0 || o.ended >= 0 {
		return
	}
	o.ended = now
	r.boundary(now, o.severs)
	// What ended connections did so for good: only an answer (provedAlive) shows that one of them lives.
	if o.fault.Instant() || o.fault.Kind == chaos.IdleCut {
		return
	}
	for _, rg := range o.ranges {
		for i := rg[0]; i < rg[1]; i++ {
			if e := r.exposed.get(i); e.state == active {
				r.relieve(now, e, relief)
			}
		}
	}
}

// FaultFailed implements Sink. A fault that never was in force hit nobody.
func (r *Recorder) FaultFailed(now time.Duration, occ int, err error) {
	r.lock(now)
	defer r.mu.Unlock()
	o := r.occ(occ)
	if o == nil {
		return
	}
	text := "unknown error"
	if err != nil {
		text = err.Error()
	}
	if o.failed == "" {
		o.failed = text
	}
	r.warn(now, fmt.Sprintf("fault %s failed: %s", r.plan.Schedule[occ].Name, text))
	if o.inForce >= 0 {
		return
	}
	if o.began >= 0 && o.ended < 0 {
		o.ended = now
		r.boundary(now, o.severs)
	}
	for _, rg := range o.ranges {
		for i := rg[0]; i < rg[1]; i++ {
			if e := r.exposed.get(i); e.deadAt < 0 {
				r.relieve(now, e, void)
			}
		}
	}
}

// PathCut implements chaos.Observer.
func (r *Recorder) PathCut(now time.Duration, id, occ int) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	o, c := r.occ(occ), r.client(id)
	if o == nil || c == nil || c.flags&isOpen == 0 || r.exposedTo(c, int32(occ), c.epoch) {
		return
	}
	r.expose(now, id, int32(occ))
}

// zombie is a connection that the client gave up and the server holds.
type zombie struct {
	t0    time.Duration // of the client's death; when it became a zombie, if no fault explains it
	began time.Duration
	occ   int32
	next  int32 // of the same client, or free
	open  bool  // the client's death was not recorded yet
}

// ZombieBegan implements chaos.Observer.
func (r *Recorder) ZombieBegan(now time.Duration, id int) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	c := r.client(id)
	if c == nil {
		return
	}
	z := zombie{t0: now, began: now, occ: -1, next: c.zombie, open: c.flags&isOpen != 0}
	if !z.open && c.lastOcc >= 0 {
		z.occ, z.t0 = c.lastOcc, c.lastT0
	}
	i := r.freeZomb
	if i >= 0 {
		r.freeZomb = r.zombies[i].next
		r.zombies[i] = z
	} else {
		i = int32(len(r.zombies))
		r.zombies = append(r.zombies, z)
	}
	c.zombie = i
	r.groups[c.group].Zombies.Add(now, 1)
	r.countZombie(c, &z)
}

func (r *Recorder) countZombie(c *client, z *zombie) {
	if z.occ < 0 {
		r.groups[c.group].Pending++
		return
	}
	cell := r.occs[z.occ].cell(c.group)
	cell.pending++
	cell.zombies.Add(z.began-r.occs[z.occ].began, 1)
}

// explainZombie gives the death that was just attributed to a zombie that was reported before it.
func (r *Recorder) explainZombie(now time.Duration, c *client) {
	if c.zombie < 0 || !r.zombies[c.zombie].open {
		return
	}
	z := &r.zombies[c.zombie]
	z.open = false
	if c.lastOcc >= 0 && now-z.began < time.Second {
		r.groups[c.group].Pending--
		z.occ, z.t0 = c.lastOcc, c.lastT0
		r.countZombie(c, z)
	}
}

// ZombieEnded implements chaos.Observer. The oldest zombie of the client ends first.
func (r *Recorder) ZombieEnded(now time.Duration, id int, reaped bool) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	c := r.client(id)
	if c == nil || c.zombie < 0 {
		return
	}
	link := &c.zombie
	for r.zombies[*link].next >= 0 {
		link = &r.zombies[*link].next
	}
	i := *link
	z := &r.zombies[i]
	*link = -1
	g := &r.groups[c.group]
	g.Zombies.Add(now, -1)
	pending, letGo, reap := &g.Pending, &g.LetGo, &g.Reap
	if z.occ >= 0 {
		cell := r.occs[z.occ].cell(c.group)
		cell.zombies.Add(now-r.occs[z.occ].began, -1)
		pending, letGo, reap = &cell.pending, &cell.letGo, &cell.reap
	}
	*pending--
	if reaped {
		if *reap == nil {
			*reap = &Hist{}
		}
		(*reap).Record(now - z.t0)
	} else {
		*letGo++
	}
	z.next = r.freeZomb
	r.freeZomb = i
}
