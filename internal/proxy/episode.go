package proxy

import (
	"slices"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/report"
)

// episode is one happening of a fault and what it did.
type episode struct {
	occ     chaos.Occurrence
	fault   chaos.Fault
	began   time.Duration
	ended   time.Duration // 0: in force, or instant
	clients int           // it was meant for, those who came later included
	hits    int
	noticed map[string]*report.Hist // from the path's death, by how it showed
	kept    int                     // connections that outlived the fault without a sign
	backs   []time.Duration         // when each came back
	down    *report.Hist            // from the path's death to open again

	attempts, failed int64
	series           []int32 // attempts by bucket since began
}

// hit is one connection whose path the fault ended.
type hit struct {
	e       *episode
	pair    *pair
	t0      time.Duration
	noticed bool
	over    bool // nothing more will be learned
}

func (h *hit) open() bool { return !h.noticed && !h.over }

// hit puts p under the fault, whose path to it died at t0.
func (e *episode) hit(p *pair, t0 time.Duration) {
	h := &hit{e: e, pair: p, t0: t0}
	e.hits++
	p.hits = append(p.hits, h)
	p.client.pending = append(p.client.pending, h)
}

// notice: the client has shown that it knows. Other faults on the same connection have nothing more to tell.
func (r *record) notice(h *hit, how string, now time.Duration) {
	c := h.pair.client
	first := true
	for _, x := range h.pair.hits {
		if !x.open() {
			continue
		}
		if first { // the earliest fault on it is the one that was noticed
			first = false
			x.noticed = true
			if x.e.noticed[how] == nil {
				x.e.noticed[how] = &report.Hist{}
			}
			x.e.noticed[how].Record(now - x.t0)
			c.lost = append(c.lost, x)
		} else {
			x.over = true
			x.e.hits--
		}
	}
	c.pending = slices.DeleteFunc(c.pending, func(x *hit) bool { return !x.open() })
}

func (h *hit) attempted(at time.Duration) {
	h.e.attempts++
	if i := int((at - h.e.began) / bucket); i >= 0 && i < maxBuckets {
		for len(h.e.series) <= i {
			h.e.series = append(h.e.series, 0)
		}
		h.e.series[i]++
	}
}

func (h *hit) back(now time.Duration) {
	h.e.backs = append(h.e.backs, now)
	h.e.down.Record(now - h.t0)
}

// begin opens the episode of an occurrence for the connections of its victims. It comes before the engine begins, for what
// a kill does is seen at once.
func (r *record) begin(f *chaos.Fault, o chaos.Occurrence, clients int, victims []*pair, now time.Duration) *episode {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &episode{occ: o, fault: *f, began: now, clients: clients, noticed: map[string]*report.Hist{}, down: &report.Hist{}}
	r.episodes = append(r.episodes, e)
	r.byOcc[o.Index] = e
	if f.Kind == chaos.Blackhole || f.Kind == chaos.Kill {
		for _, p := range victims {
			if p.state == opened {
				p.killed = f.Kind == chaos.Kill
				e.hit(p, now)
			}
		}
	}
	return e
}

// end closes it. Whoever has shown no sign has kept its connection, unless that is dead for good.
func (r *record) end(occ int, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.byOcc[occ]
	if e == nil {
		return
	}
	delete(r.byOcc, occ)
	e.ended = now
	if e.fault.Kind != chaos.Blackhole {
		return
	}
	for p := range r.pairs {
		for _, h := range p.hits {
			if h.e == e && h.open() {
				h.over = true
				e.kept++
				if p.state == opened {
					r.silences.kept(p, now-h.t0)
				}
			}
		}
		if p.client != nil {
			p.client.pending = slices.DeleteFunc(p.client.pending, func(x *hit) bool { return !x.open() })
		}
	}
}

// joined: one more client is under it.
func (r *record) joined(occ int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.byOcc[occ]; e != nil {
		e.clients++
	}
}
