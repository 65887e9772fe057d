package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/internal/capacity"
	"github.com/flatline-dev/flatline/scenario"
)

// hunt is one search for the capacity of a target.
type hunt struct {
	*app
	base  *scenario.Plan // with the scenario's own number of clients
	scene *scenario.File
	file  *capacity.File
	path  string
	flags *capacityFlags
	// created: the file was not there before. What is there is replaced by the first probe, and not before.
	created bool
	calm    lull
	// probe runs one size and says what came of it; real, but for tests. No probe and no error: ctx has ended.
	probe func(ctx context.Context, plan *scenario.Plan, number int) (*capacity.Probe, error)
}

func newHunt(a *app, base *scenario.Plan, scene *scenario.File, file *capacity.File, path string, flags *capacityFlags) *hunt {
	h := &hunt{app: a, base: base, scene: scene, file: file, path: path, flags: flags}
	h.probe = h.real
	return h
}

// sized is the scenario for so many clients, as a probe runs it.
func (h *hunt) sized(clients int) (*scenario.Plan, *scenario.Resized, error) {
	s, err := h.scene.Resize(clients)
	if err != nil {
		return nil, nil, err
	}
	plan, err := s.Plan()
	if err != nil {
		return nil, nil, err
	}
	s.Expect = slices.Clone(s.Expect)
	for _, e := range h.held(plan) {
		s.Expect = append(s.Expect, scenario.FileLine(e))
	}
	plan, err = s.Plan()
	return plan, s, err
}

// held is what a probe expects beside what the scenario does: who was never let in was not held, and neither were those
// who only took turns. The latter can be told where a second or more lies between the ramp and the first fault.
func (h *hunt) held(plan *scenario.Plan) []string {
	var out []string
	if !slices.ContainsFunc(plan.Expect, func(e scenario.Expect) bool {
		return e.Metric == "clients.never_opened" && e.In == "" && (e.Op == "==" || e.Op == "<" || e.Op == "<=")
	}) {
		out = append(out, "clients.never_opened == 0")
	}
	first := plan.Duration
	for i := range plan.Schedule {
		first = min(first, plan.Schedule[i].At)
	}
	var ramp time.Duration
	for i := range plan.Groups {
		ramp = max(ramp, plan.Groups[i].Delay+plan.Groups[i].Ramp)
	}
	if first-ramp >= time.Second {
		out = append(out, fmt.Sprintf("clients.open == %d during baseline", plan.Clients))
	}
	return out
}

// prepare finds out within which sizes the scenario can run here.
func (h *hunt) prepare() error {
	f := h.file
	s := &f.Settings
	floor := s.Min
	if _, _, err := h.sized(floor); err != nil {
		// The smallest number that has a plan: groups need a client each, and a fault has to hit somebody.
		top := max(s.Max, floor)
		if _, _, err := h.sized(min(h.base.Clients, top)); err != nil {
			return usageError(fmt.Errorf("the scenario cannot run with %d clients: %w", min(h.base.Clients, top), err))
		}
		floor = firstThat(floor, min(h.base.Clients, top), func(n int) bool { _, _, err := h.sized(n); return err == nil })
		s.Min = floor
		s.Start = max(s.Start, floor)
	}
	if _, _, err := h.sized(s.Start); err != nil {
		return usageError(fmt.Errorf("the scenario cannot run with %d clients: %w", s.Start, err))
	}
	scaled, err := h.scene.Resize(h.base.Clients)
	if err != nil {
		return usageError(err)
	}
	f.Aside, f.Added = scaled.Aside, h.held(h.base)
	if err := h.drives(s.Min); err != nil {
		return cannotRun(err)
	}
	if h.drives(s.Max) != nil {
		least := firstThat(s.Min, s.Max, func(n int) bool { return h.drives(n) != nil })
		f.Ceiling = ceiling(least-1, h.drives(least))
	}
	if _, err := f.Search(); err != nil {
		return usageError(err)
	}
	return nil
}

// drives is what this machine lacks for so many clients, or nil.
func (h *hunt) drives(clients int) error {
	plan, _, err := h.sized(clients)
	if err != nil {
		return err
	}
	_, err = preflight(plan)
	return err
}

func ceiling(clients int, err error) *capacity.Ceiling {
	c := &capacity.Ceiling{Clients: clients, Why: err.Error()}
	var with *hinted
	if errors.As(err, &with) {
		c.Fix = with.hint
	}
	return c
}

// firstThat is the smallest number from lo to hi that is so, where every larger one is.
func firstThat(lo, hi int, is func(int) bool) int {
	for lo < hi {
		if mid := lo + (hi-lo)/2; is(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// announce says what will happen, before it does.
func (h *hunt) announce() string {
	f := h.file
	c := f.Config()
	var b strings.Builder
	for _, e := range f.Added {
		fmt.Fprintf(&b, "expect   %s: whoever was not let in was not held\n", e)
	}
	for _, e := range f.Aside {
		fmt.Fprintf(&b, "aside    %s: it belongs to %d clients\n", e, f.Written)
	}
	fmt.Fprintf(&b, "search   %d to %d clients from %d on, to %g%%, each side of the edge %d times\n", c.Min, c.Max, c.Start, 100*c.Precision, 1+c.Confirm)
	if x := f.Ceiling; x != nil {
		fmt.Fprintf(&b, "ceiling  %d clients: %s\n", x.Clients, x.Why)
	}
	if n := len(f.Probes); n > 0 {
		fmt.Fprintf(&b, "resumed  after %s\n", probesOf(f))
	}
	// Halving the last doubling down to the precision, and each side again.
	fine := 1 / max(c.Precision, 1/float64(c.Start))
	fmt.Fprintf(&b, "takes    about %d probes of %s, and one for each doubling or halving on the way\n", 2+bits.Len(uint(fine))+2*c.Confirm, h.base.Duration)
	return b.String()
}

// run makes probe after probe until the edge is known, ctx ends or a probe cannot be made.
func (h *hunt) run(ctx context.Context) error {
	s, err := h.file.Search()
	if err != nil {
		return err
	}
	for first := true; ; first = false {
		n, done := s.Next()
		if done {
			return nil
		}
		plan, scaled, err := h.sized(n)
		if err != nil {
			return usageError(fmt.Errorf("the scenario cannot run with %d clients: %w", n, err))
		}
		note := ""
		if !first {
			note = h.calm.wait(ctx, h, plan)
		} else {
			h.calm.note(plan)
		}
		if ctx.Err() != nil {
			return nil
		}
		if scaled.Shifted > 0 {
			h.say("the ramp takes longer: faults and end are %s later than written", scaled.Shifted.Round(time.Millisecond))
		}
		h.say("probe %d: %d clients, %s", len(h.file.Probes)+1, n, plan.Duration)
		p, err := h.probe(ctx, plan, len(h.file.Probes)+1)
		if ctx.Err() != nil {
			return nil // what was under way counts for nothing
		}
		if err != nil {
			return err
		}
		p.Note = note
		o, _ := p.Verdict.Outcome()
		if err := s.Observe(n, o); err != nil {
			return err
		}
		h.file.Probes = append(h.file.Probes, *p)
		if err := h.save(); err != nil {
			return err
		}
		h.say("probe %d: %d clients: %s%s", len(h.file.Probes), n, p.Verdict, because(p.Reasons))
	}
}

func because(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	return ": " + strings.Join(reasons, "; ")
}

func (h *hunt) say(format string, a ...any) {
	if !h.flags.quiet {
		fmt.Fprintln(h.stderr, printable(fmt.Sprintf(format, a...)))
	}
}

func (h *hunt) save() error { return h.file.Write(h.path) }

// real is one probe: a run of the plan, whose Result is read instead of printed.
func (h *hunt) real(ctx context.Context, plan *scenario.Plan, number int) (*capacity.Probe, error) {
	began := time.Now()
	if _, err := preflight(plan); err != nil { // memory comes and goes
		c := ceiling(plan.Clients, err)
		return &capacity.Probe{Clients: plan.Clients, Verdict: capacity.TooLarge, Reasons: []string{c.Why}, Fix: c.Fix, Began: began}, nil
	}
	flags := &runFlags{output: outputFlags{file: "none"}, quiet: h.flags.quiet}
	if h.flags.keep != "" {
		flags.output.file = filepath.Join(h.flags.keep, fmt.Sprintf("%s.%d.%d-clients.result.json", fileName(plan.Name), number, plan.Clients))
	}
	var w watch
	r, err := h.conduct(ctx, plan, flags, onlookers{beside: w.run})
	debug.FreeOSMemory() // the next probe finds the memory that it asks for
	if err != nil {
		return nil, err
	}
	p, err := capacity.NewProbe(r, plan.Clients, w.machine())
	if err != nil {
		return nil, usageError(hint(fmt.Errorf("no probe can ever tell: %w", err), "leave that expectation out, or make the target's process visible: serve, command, or pid beside url"))
	}
	p.Took = time.Since(began)
	if flags.output.file != "none" {
		r.Command = "" // it would run the scenario with its own number of clients
		if err := r.WriteFile(flags.output.file); err != nil {
			return nil, err
		}
		p.Result = flags.output.file
	}
	return p, nil
}
