package main

import (
	"context"
	"fmt"
	"time"

	"github.com/flatline-dev/flatline/internal/capacity"
	"github.com/flatline-dev/flatline/internal/search"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

const (
	// modelTime is after how long no further size is simulated: a million clients in a storm take the better part of it.
	modelTime = 20 * time.Second
	// modelPrecision is that of the modelled edge: the model is not better than that.
	modelPrecision = 0.05
)

// model asks the simulator about more clients than this machine can have or the target holds. Its server completes as
// many handshakes a second as the target was seen to; everything else that limits a real server it leaves out.
func (h *hunt) model(ctx context.Context) {
	if h.flags.beyond == 0 {
		return
	}
	r, err := h.file.Report()
	if err != nil || r.Holds == 0 {
		return
	}
	m := r.NewModel()
	if own := h.flags.handshakes; own > 0 {
		m.Rate, m.AtLeast, m.Given = own, false, true
	}
	h.file.Model = m
	if why := unmodelled(m); why != "" {
		m.Skipped = why
		return
	}
	m.Limit = min(r.Holds*h.flags.beyond, maxCapacity)
	if m.Limit <= r.Holds {
		m.Skipped = fmt.Sprintf("a scenario has at most %d clients", maxCapacity)
		return
	}
	h.say("simulating up to %d clients with %.0f handshakes a second", m.Limit, m.Rate)
	if err := h.simulateBeyond(ctx, m, r.Holds); err != nil {
		m.Skipped = err.Error()
	}
}

// unmodelled is why there is no server to simulate, or "".
func unmodelled(m *capacity.Model) string {
	switch {
	case m.Rate <= 0:
		return "no handshake rate could be told from the probes; --handshakes gives one"
	case m.AtLeast:
		return fmt.Sprintf("the target opened %.0f connections a second and was never seen at its limit; --handshakes gives one", m.Rate)
	}
	return ""
}

// simulateBeyond searches the edge of the model above what was measured, as the search on sockets does.
func (h *hunt) simulateBeyond(ctx context.Context, m *capacity.Model, holds int) error {
	s, err := search.New(search.Config{Min: holds, Max: m.Limit, Start: holds, Precision: modelPrecision})
	if err != nil {
		return err
	}
	began := time.Now()
	for {
		n, done := s.Next()
		if done || ctx.Err() != nil {
			break
		}
		if time.Since(began) > modelTime {
			m.Limit = n - 1
			break
		}
		p, err := h.simulated(ctx, m, n)
		if err != nil {
			return fmt.Errorf("with %d clients: %w", n, err)
		}
		m.Probes = append(m.Probes, p)
		o, _ := p.Verdict.Outcome()
		if err := s.Observe(n, o); err != nil {
			return err
		}
	}
	a := s.Answer()
	m.Holds, m.Fails = a.Holds, a.Fails
	return nil
}

// simulated is the scenario with n clients and the modelled server.
func (h *hunt) simulated(ctx context.Context, m *capacity.Model, n int) (p capacity.ModelProbe, err error) {
	plan, err := h.modelPlan(m, n)
	if err != nil {
		return p, err
	}
	rtt := time.Duration(m.RTT * float64(time.Second))
	r, err := sim.Simulate(ctx, plan, sim.Many{Model: sim.Model{Latency: rtt / 2}, Report: report.Options{Driver: "sim"}})
	if err == nil {
		err = ctx.Err() // what there is ends before the plan does
	}
	if err != nil {
		return p, err
	}
	return capacity.NewModelProbe(r, n), nil
}

// modelPlan is the plan with the modelled server in the target's place. What the simulator does not have (the target's
// process, flatline's lateness) is not expected of it.
func (h *hunt) modelPlan(m *capacity.Model, n int) (*scenario.Plan, error) {
	plan, _, err := h.sized(n)
	if err != nil {
		return nil, err
	}
	model := *plan
	serve := scenario.Serve{Reply: "echo"}
	if t := plan.Target.Serve; t != nil {
		serve = *t
		serve.MaxClients = 0
	}
	serve.Handshakes = m.Rate
	model.Target.Serve, model.Target.Command, model.Target.PID, model.Target.URL = &serve, nil, 0, ""
	model.Expect = nil
	for _, e := range plan.Expect {
		if !capacity.OfThisMachine(e.Metric) {
			model.Expect = append(model.Expect, e)
		}
	}
	return &model, nil
}
