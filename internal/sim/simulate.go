package sim

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// shardSize is how many clients one shard has. It is small enough for what happens to them to stay in a core's cache,
// and never depends on the number of workers: the Result does not either.
const shardSize = 4096

// Many are the options of [Simulate].
type Many struct {
	Model   Model
	Workers int            // goroutines that simulate; 0: one for each CPU. The Result is the same for any number.
	Report  report.Options // what the Result says of the run
}

// Simulate carries out the plan in virtual time on several cores and returns its Result, which is that of [Run] with one
// [report.Recorder]. Memory is needed for the clients under way only, about 1.5 kB each: all of them where they meet
// at the server (a limit of handshakes or of clients), otherwise those of as many shards as there are workers.
//
// If ctx ends before, the Result says so, and holds what was simulated by then: the clients whose turn had come, or,
// where they meet at the server, all clients up to a moment. It is an error if there are none.
func Simulate(ctx context.Context, plan *scenario.Plan, o Many) (*report.Result, error) {
	return simulate(ctx, plan, o, shardSize)
}

func simulate(ctx context.Context, plan *scenario.Plan, o Many, size int) (*report.Result, error) {
	w, err := newWorld(plan, &o.Model)
	if err != nil {
		return nil, err
	}
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if o.Report.Model == "" {
		o.Report.Model = o.Model.String()
	}
	parts := &parts{Parts: report.NewParts(plan, o.Report), size: size}
	var reason string
	if w.coupled {
		reason, err = together(ctx, w, parts, workers)
	} else {
		reason, err = apart(ctx, w, parts, workers)
	}
	if err != nil {
		return nil, err
	}
	res := parts.Result()
	if res == nil {
		return nil, fmt.Errorf("nothing was simulated: %w", context.Cause(ctx))
	}
	if reason != "" {
		res.Status, res.Reason = report.Interrupted, reason
		res.Judge()
	}
	return res, nil
}

// together simulates clients that meet: all shards at once.
func together(ctx context.Context, w *world, p *parts, workers int) (reason string, err error) {
	n := p.n(w)
	d := newDesk(w)
	r := run{world: w, desk: d, shards: make([]*shard, n), workers: workers}
	recs := make([]*report.Recorder, n)
	each(workers, n, func(i int) {
		r.shards[i] = &shard{}
		recs[i] = p.init(w, d, r.shards[i], i)
	})
	if r.play(ctx) != nil {
		reason = fmt.Sprintf("interrupted after %v of %v", r.clock, w.plan.Duration)
	}
	for i, rec := range recs {
		if err := p.Add(rec, r.clock, report.SnapshotOptions{Final: true}); err != nil {
			return "", err
		}
		recs[i], r.shards[i] = nil, nil
	}
	return reason, nil
}

// apart simulates clients that never meet: shard by shard.
func apart(ctx context.Context, w *world, p *parts, workers int) (reason string, err error) {
	n := p.n(w)
	var (
		mu    sync.Mutex
		turn  = sync.NewCond(&mu)
		idle  []*shard
		added int // shards whose results were added, or given up
		done  int // clients
	)
	each(workers, n, func(i int) {
		var rec *report.Recorder
		if ctx.Err() == nil {
			mu.Lock()
			s := &shard{}
			if n := len(idle); n > 0 {
				s, idle = idle[n-1], idle[:n-1]
			}
			mu.Unlock()
			rec = p.init(w, newDesk(w), s, i)
			r := run{world: w, desk: s.server.desk, shards: []*shard{s}, workers: 1}
			if r.play(ctx) != nil {
				rec = nil
			}
			mu.Lock()
			idle = append(idle, s)
			mu.Unlock()
		}
		mu.Lock()
		defer mu.Unlock()
		for added != i { // in order, whoever is ready first
			turn.Wait()
		}
		if rec != nil && err == nil {
			err = p.Add(rec, w.plan.Duration, report.SnapshotOptions{Final: true})
			done += min(p.size, w.plan.Clients-i*p.size)
		}
		added++
		turn.Broadcast()
	})
	if done < w.plan.Clients {
		reason = fmt.Sprintf("interrupted when %d of %d clients were simulated", done, w.plan.Clients)
	}
	return reason, err
}

// parts makes shards and their recorders.
type parts struct {
	*report.Parts
	size int // clients of a shard
}

func (p *parts) n(w *world) int { return (w.plan.Clients + p.size - 1) / p.size }

// init makes s shard i and returns its recorder.
func (p *parts) init(w *world, d *desk, s *shard, i int) *report.Recorder {
	first := i * p.size
	n := min(p.size, w.plan.Clients-first)
	rec := p.Recorder(first, n)
	s.index = int32(i)
	s.init(w, d, rec, first, n)
	return rec
}
