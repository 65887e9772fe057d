package calibrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

const (
	// enoughBeats is how many round trips make a distribution: p99 has ten samples behind it.
	enoughBeats = 1000
	// enoughBack is how many clients a storm must bring back to say something of the server's capacity.
	enoughBack = 100
	// maxWork is the most a handshake may take: one a second.
	maxWork = time.Second
	// steps of the bisection: maxWork / 2^24 is less than 0.1 µs.
	steps = 24
)

// Fit is a model that was fitted to a Result.
type Fit struct {
	Model sim.Model
	Plan  *scenario.Plan // the plan that was measured
	Notes []string       // what was fitted to what, one sentence each
}

// Of fits the model to a Result of a real run. It is an error for the reader if the Result does not hold enough: no plan, a
// simulated run, too few round trips before the first fault.
func Of(ctx context.Context, r *report.Result) (*Fit, error) {
	if r.Driver == "sim" {
		return nil, errors.New("it is the Result of a simulation: fit to one of a real run")
	}
	f := &Fit{Plan: &scenario.Plan{}}
	if err := json.Unmarshal(r.Plan.Resolved, f.Plan); err != nil {
		return nil, fmt.Errorf("its plan cannot be read: %w", err)
	}
	trips := baseline(r)
	if trips.N() < enoughBeats {
		return nil, fmt.Errorf("it has %d round trips between the ramp and the first fault, and %d are needed: let the first fault come later", trips.N(), enoughBeats)
	}
	rtt, err := sim.Empirical(trips, "as measured")
	if err != nil {
		return nil, err
	}
	f.Model.RTT = &rtt
	f.note("round trips: %d before the first fault, p50 %s, p99 %s", trips.N(), report.FormatDuration(trips.Quantile(0.5)), report.FormatDuration(trips.Quantile(0.99)))
	return f, f.handshake(ctx, r)
}

func (f *Fit) note(format string, a ...any) { f.Notes = append(f.Notes, fmt.Sprintf(format, a...)) }

// baseline are the round trips between the end of the ramp and the first fault.
func baseline(r *report.Result) *report.Hist {
	first := r.Elapsed
	for i := range r.Occurrences {
		if at := r.Occurrences[i].Began; at >= 0 {
			first = min(first, at)
		}
	}
	h := &report.Hist{}
	for i := range r.Segments {
		if s := &r.Segments[i]; s.From >= r.Plan.RampEnd && s.To <= first {
			for g := range s.Groups {
				h.Merge(s.Groups[g].RTT)
			}
		}
	}
	return h
}

// largest is the storm that brought most clients back, and its handshakes. After a kill of connections everybody comes back
// to a server that works; where there is none, it is a storm in which the server was not frozen, as a handshake that
// waits for the end of a stall says nothing of the work.
func largest(r *report.Result) (name string, h *report.Hist) {
	h = &report.Hist{}
	for _, kills := range []bool{true, false} {
		for i := range r.Occurrences {
			o := &r.Occurrences[i]
			if o.Kind == chaos.Stall || kills != (o.Kind == chaos.Kill && o.How != chaos.Process) {
				continue
			}
			all := &report.Hist{}
			for g := range o.Groups {
				all.Merge(o.Groups[g].Handshake)
			}
			if all.N() > h.N() {
				name, h = o.Name, all
			}
		}
		if h.N() >= enoughBack {
			break
		}
	}
	return name, h
}

// handshake finds the work of one handshake with which the simulated storm has the measured mean handshake latency.
func (f *Fit) handshake(ctx context.Context, r *report.Result) error {
	if s := f.Plan.Target.Serve; s != nil && s.Handshakes > 0 {
		f.note("handshakes: the scenario's own limit of %s/s", report.FormatValue(s.Handshakes, scenario.Count))
		return nil
	}
	name, measured := largest(r)
	if measured.N() < enoughBack {
		f.note("handshakes: no storm brought %d clients back, so the server is taken for one without a limit", enoughBack)
		return nil
	}
	simulated := func(work time.Duration) (time.Duration, error) {
		m := f.Model
		m.Server.Handshake = sim.Constant(work)
		s, err := sim.Simulate(ctx, f.Plan, sim.Many{Model: m})
		if err != nil {
			return 0, err
		}
		all := &report.Hist{}
		for i := range s.Occurrences {
			if s.Occurrences[i].Name == name {
				for g := range s.Occurrences[i].Groups {
					all.Merge(s.Occurrences[i].Groups[g].Handshake)
				}
			}
		}
		if all.N() == 0 { // nobody came back: far too slow
			return maxWork * time.Duration(f.Plan.Clients), nil
		}
		return all.Mean(), nil
	}
	want := measured.Mean()
	if least, err := simulated(0); err != nil {
		return err
	} else if least >= want {
		f.note("handshakes: the measured mean of %s in the storm of %s is no more than two round trips", report.FormatDuration(want), name)
		return nil
	}
	// Doubling first: far too much work makes a storm without end, which takes long to simulate.
	lo, hi := time.Duration(0), time.Microsecond
	for ; hi < maxWork; lo, hi = hi, 2*hi {
		if got, err := simulated(hi); err != nil {
			return err
		} else if got >= want {
			break
		}
	}
	for range steps {
		mid := (lo + hi) / 2
		if hi-lo <= max(hi/500, 10) {
			break
		}
		if got, err := simulated(mid); err != nil {
			return err
		} else if got < want {
			lo = mid
		} else {
			hi = mid
		}
	}
	work := (lo + hi) / 2
	f.Model.Server.Handshake = sim.Constant(work)
	f.note("handshakes: %s of work each, %s/s, so that those of the storm of %s take the measured %s on average", report.FormatDuration(work),
		report.FormatValue(float64(time.Second/max(work, 1)), scenario.Count), name, report.FormatDuration(want))
	return nil
}
