package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/flatline-dev/flatline/chaos/process"
	"github.com/flatline-dev/flatline/internal/capacity"
	"github.com/flatline-dev/flatline/scenario"
)

// watch looks at the machine once a second while a probe runs.
type watch struct {
	mu   sync.Mutex
	seen capacity.Machine
}

func (w *watch) run(ctx context.Context, t *target) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	busy, at := busyTime(), time.Now()
	for {
		w.mu.Lock()
		if n := availableMemory(); n > 0 && (w.seen.MemoryLeast == 0 || n < w.seen.MemoryLeast) {
			w.seen.MemoryLeast = n
		}
		if t.proc != nil {
			if n := fileLimit(t.proc.PID()); n > 0 {
				w.seen.TargetFiles = n
			}
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		b, now := busyTime(), time.Now()
		if span := now.Sub(at); span > 500*time.Millisecond && b > busy {
			w.mu.Lock()
			w.seen.Busy = max(w.seen.Busy, float64(b-busy)/float64(span))
			w.mu.Unlock()
		}
		busy, at = b, now
	}
}

func (w *watch) machine() capacity.Machine {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.Cores = runtime.NumCPU()
	w.seen.Memory = totalMemory()
	return w.seen
}

// lull knows how quiet it was before the first probe.
type lull struct {
	noted bool
	cores float64 // that a target given by pid used when nobody asked it for anything
}

const (
	// calmPeriod is how long the target is looked at, and how often.
	calmPeriod = 500 * time.Millisecond
	// calmCores is what an idle server may use beside what it used before the search.
	calmCores = 0.1
)

// note takes the target as it is before the first probe.
func (c *lull) note(plan *scenario.Plan) {
	if c.noted || plan.Target.PID == 0 {
		return
	}
	c.noted = true
	c.cores, _, _ = targetUse(plan.Target.PID)
}

// wait rests for the cool-down, and then until sockets and target are calm, but no longer than settle. It returns what
// was not calm even then.
func (c *lull) wait(ctx context.Context, h *hunt, plan *scenario.Plan) string {
	s := &h.file.Settings
	if !rest(ctx, s.Cooldown) {
		return ""
	}
	end := time.Now().Add(s.Settle)
	for said := ""; ; {
		why := c.restless(ctx, plan)
		if why == "" || ctx.Err() != nil {
			return ""
		}
		if !time.Now().Before(end) {
			return "began although " + why
		}
		if why != said {
			h.say("waiting: %s", why)
			said = why
		}
		rest(ctx, calmPeriod)
	}
}

// rest is false when ctx ended before d was over.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// restless says what the probe before has left, or "". A target that flatline starts is a new one for each probe; what
// is left of the last one are this machine's sockets in TIME_WAIT, each of which holds a local port for a minute.
func (c *lull) restless(ctx context.Context, plan *scenario.Plan) string {
	need := plan.Resources()
	if waiting, ports := timeWait(), ephemeralPorts(); ports > 0 && waiting+need.PortsPerSource*need.Sources > ports*need.Sources {
		return fmt.Sprintf("%d sockets are in TIME_WAIT, and of %d local ports %d are needed", waiting, ports*need.Sources, need.PortsPerSource*need.Sources)
	}
	t := &plan.Target
	if t.Serve != nil || len(t.Command) > 0 {
		return ""
	}
	if t.PID != 0 {
		cores, queue, err := targetUse(t.PID)
		switch {
		case err != nil:
			return "" // the probe itself will say what is wrong
		case queue > 0:
			return fmt.Sprintf("%d connections wait in the target's accept queue", queue)
		case cores > c.cores+calmCores:
			return fmt.Sprintf("the target still uses %.2f cores, and used %.2f before the search", cores, c.cores)
		}
	}
	if err := probe(ctx, plan, 0); err != nil {
		return err.Error()
	}
	return ""
}

// targetUse looks at a process for a while: the cores that it used, and what waits in its accept queue.
func targetUse(pid int) (cores float64, queue int, err error) {
	p, err := process.Attach(pid)
	if err != nil {
		return 0, 0, err
	}
	defer p.Close()
	before, err := p.Usage()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	time.Sleep(calmPeriod)
	after, err := p.Usage()
	if err != nil {
		return 0, 0, err
	}
	for _, l := range after.Listeners {
		queue = max(queue, l.Queue)
	}
	return float64(after.CPU-before.CPU) / float64(time.Since(began)), queue, nil
}
