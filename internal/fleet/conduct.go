package fleet

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// moment is the begin or the end of an occurrence.
type moment struct {
	at    time.Duration
	occ   int
	begin bool
}

// moments lists when faults begin and end, in order; at the same instant ends come first.
func moments(schedule []chaos.Occurrence, faults []chaos.Fault, until time.Duration) []moment {
	var ms []moment
	for i, o := range schedule {
		ms = append(ms, moment{o.At, i, true})
		if f := &faults[o.Fault]; !f.Instant() && o.End < until {
			ms = append(ms, moment{o.End, i, false})
		}
	}
	sort.SliceStable(ms, func(i, k int) bool {
		a, b := ms[i], ms[k]
		return a.at < b.at || a.at == b.at && !a.begin && b.begin
	})
	return ms
}

// conduct begins and ends the faults on time, and returns at the end of the run or of ctx. Whatever is still in force
// then is undone before it returns.
func (f *Fleet) conduct(ctx context.Context) (err error) {
	defer func() {
		for _, e := range f.engines {
			if cerr := e.Close(); err == nil && cerr != nil {
				err = fmt.Errorf("undo faults: %w", cerr)
			}
		}
	}()
	for _, m := range moments(f.plan.Schedule, f.plan.Faults, f.plan.Duration) {
		if err := f.wait(ctx, m.at); err != nil {
			return err
		}
		o := f.plan.Schedule[m.occ]
		fault := &f.plan.Faults[o.Fault]
		engine, err := f.engineFor(fault)
		if err != nil {
			return err
		}
		now := f.clock()
		f.sink.Lag(now, m.at)
		if m.begin {
			f.sink.FaultBegan(now, m.occ)
			if err := engine.Begin(fault, o, f.plan.Victims(m.occ)); err != nil {
				f.sink.FaultFailed(f.clock(), m.occ, err)
				continue
			}
			f.sink.FaultInForce(f.clock(), m.occ)
			continue
		}
		f.sink.FaultEnded(now, m.occ)
		if err := engine.End(fault, o, f.plan.Victims(m.occ)); err != nil {
			f.sink.FaultFailed(f.clock(), m.occ, err)
		}
	}
	return f.wait(ctx, f.plan.Duration)
}

// engineFor is the first engine that can do the fault.
func (f *Fleet) engineFor(fault *chaos.Fault) (chaos.Engine, error) {
	var reason error
	for _, e := range f.engines {
		err := e.Can(fault)
		if err == nil {
			return e, nil
		}
		reason = err
	}
	return nil, fmt.Errorf("no engine for %s: %w", fault.Kind, reason)
}

// wait sleeps until the run's clock shows at.
func (f *Fleet) wait(ctx context.Context, at time.Duration) error {
	d := at - f.clock()
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// suspender does what happens to the client's device.
type suspender struct{ f *Fleet }

func (s *suspender) Can(fault *chaos.Fault) error {
	if fault.Kind != chaos.Suspend {
		return fmt.Errorf("the fleet only does suspend")
	}
	return nil
}

func (s *suspender) Begin(fault *chaos.Fault, _ chaos.Occurrence, victims *chaos.Set) error {
	for i := range victims.All {
		if c := &s.f.clients[i]; fault.How == chaos.Timers {
			c.throttle(fault.Grid)
		} else {
			c.sleep()
		}
	}
	return nil
}

func (s *suspender) End(fault *chaos.Fault, _ chaos.Occurrence, victims *chaos.Set) error {
	for i := range victims.All {
		if c := &s.f.clients[i]; fault.How == chaos.Timers {
			c.throttle(0)
		} else {
			c.wake()
		}
	}
	return nil
}

func (s *suspender) Close() error {
	for i := range s.f.clients {
		s.f.clients[i].throttle(0)
		s.f.clients[i].wake()
	}
	return nil
}
