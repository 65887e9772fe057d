package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// conduct begins and ends the faults on time, and returns at the end of the run or of ctx. Whatever is still in force
// then is undone before it returns.
func (f *Fleet) conduct(ctx context.Context) (err error) {
	defer func() {
		f.sink.Ended(f.clock())
		for _, e := range f.engines {
			if cerr := e.Close(); err == nil && cerr != nil {
				err = fmt.Errorf("undo faults: %w", cerr)
			}
		}
	}()
	for _, m := range chaos.Moments(f.plan.Schedule, f.plan.Faults, f.plan.Duration) {
		if err := f.wait(ctx, m.At); err != nil {
			return err
		}
		o := f.plan.Schedule[m.Occ]
		fault := &f.plan.Faults[o.Fault]
		engine, err := f.engineFor(fault)
		if err != nil {
			return err
		}
		now := f.clock()
		f.sink.Lag(now, m.At)
		if m.Begin {
			f.sink.FaultBegan(now, m.Occ)
			if f.balancer != nil && fault.Kind == chaos.Drain {
				f.balancer.drain(now, fault)
			}
			if err := engine.Begin(fault, o, f.plan.Victims(m.Occ)); err != nil {
				f.sink.FaultFailed(f.clock(), m.Occ, err)
				continue
			}
			f.sink.FaultInForce(f.clock(), m.Occ)
			continue
		}
		f.sink.FaultEnded(now, m.Occ)
		if err := engine.End(fault, o, f.plan.Victims(m.Occ)); err != nil {
			f.sink.FaultFailed(f.clock(), m.Occ, err)
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
			c.throttle(fault.Grid, true)
		} else {
			c.sleep()
		}
	}
	return nil
}

func (s *suspender) End(fault *chaos.Fault, _ chaos.Occurrence, victims *chaos.Set) error {
	for i := range victims.All {
		if c := &s.f.clients[i]; fault.How == chaos.Timers {
			c.throttle(fault.Grid, false)
		} else {
			c.wake()
		}
	}
	return nil
}

// Close leaves what is left to the end of the clients.
func (s *suspender) Close() error { return nil }
