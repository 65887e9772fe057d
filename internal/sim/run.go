package sim

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// run takes shards through the plan. Between two moments that concern everybody (a fault begins or ends, the server
// restarts) each client is taken through its own events alone, as far as it goes without touching what all share; what
// touches the desk is then carried out over all clients in the order of (time, client), and each client goes on alone
// behind it. Without a desk to share that is all there is to it, and shards need not even know of each other.
type run struct {
	*world
	desk    *desk
	shards  []*shard
	workers int
	clock   time.Duration // everybody has come this far
	queue   turns
}

// grain is how many client-seconds are simulated between two looks at the context.
const grain = 1 << 22

// play handles every event before the end of the run, and then stops the clients.
func (r *run) play(ctx context.Context) error {
	clients := 0
	for _, s := range r.shards {
		clients += len(s.clients)
	}
	slice := max(time.Second, time.Duration(grain/max(clients, 1))*time.Second)
	var err error
	for moments := r.moments; ; {
		t := min(r.plan.Duration, r.clock+slice)
		if len(moments) > 0 {
			t = min(t, moments[0].At)
		}
		for _, e := range r.shards[0].later { // all shards have the same
			t = min(t, e.at)
		}
		r.until(t)
		r.clock = t
		if t >= r.plan.Duration {
			break
		}
		if err = ctx.Err(); err != nil {
			break
		}
		// At one instant faults come before the server and both before the clients; ends before begins.
		for ; len(moments) > 0 && moments[0].At <= t; moments = moments[1:] {
			r.moment(moments[0])
		}
		for _, s := range r.shards {
			s.now = t
			s.server.due()
		}
	}
	for _, s := range r.shards {
		s.now, s.ended = r.clock, true
		s.sink.Ended(r.clock)
		for i := range s.clients {
			s.stop(int32(i))
		}
	}
	return err
}

// until takes every client up to t.
func (r *run) until(t time.Duration) {
	if !r.coupled && !r.strict {
		for _, s := range r.shards {
			for id := range s.clients {
				s.advance(int32(id), t)
			}
		}
		return
	}
	blocked := make([][]turn, len(r.shards))
	each(r.workers, len(r.shards), func(k int) {
		s := r.shards[k]
		for id := range s.clients {
			if at := s.advance(int32(id), t); at < heartbeat.None {
				blocked[k] = append(blocked[k], turn{at, int32(k), int32(id)})
			}
		}
	})
	r.queue = slices.Concat(blocked...)
	r.queue.init()
	for {
		slot := r.desk.slotAt
		if len(r.queue) > 0 && r.queue[0].at < slot {
			q := r.queue.pop()
			s := r.shards[q.shard]
			if i := s.clients[q.client].events; i < 0 || s.events.nodes[i].at != q.at {
				continue // it was taken on before
			}
			s.step1(q.client)
			r.proceed(q, t)
			continue
		}
		if slot >= t {
			return
		}
		node := slices.IndexFunc(r.desk.nodes, func(c counter) bool { return c.slotAt == slot })
		r.slots(node, slot, t)
	}
}

// proceed takes a client on after its turn.
func (r *run) proceed(q turn, t time.Duration) {
	if q.at = r.shards[q.shard].advance(q.client, t); q.at < heartbeat.None {
		r.queue.push(q)
	}
}

// moment puts an occurrence in force or ends it.
func (r *run) moment(m chaos.Moment) {
	f := &r.plan.Faults[r.plan.Schedule[m.Occ].Fault]
	for _, s := range r.shards {
		s.now = m.At
		if m.Begin {
			s.sink.FaultBegan(m.At, m.Occ)
			s.begin(f, m.Occ)
		} else {
			s.sink.FaultEnded(m.At, m.Occ)
			s.end(f, m.Occ)
		}
	}
	for node := range r.desk.nodes {
		switch {
		case !hits(f, node):
		case f.Kind == chaos.Kill && f.Mode() == chaos.Process:
			r.thaw(node) // names what is gone, and so only gives it back
			r.desk.reset(m.At, node)
		case f.Kind == chaos.Stall && !m.Begin:
			r.thaw(node)
		}
	}
	if m.Begin {
		for _, s := range r.shards {
			s.sink.FaultInForce(m.At, m.Occ)
		}
	}
}

// each calls f for 0..n-1 from some goroutines.
func each(workers, n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(max(workers, 1), n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}
