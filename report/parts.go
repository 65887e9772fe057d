package report

import (
	"time"

	"github.com/flatline-dev/flatline/scenario"
)

// Parts makes the Result of a run whose clients are recorded a part at a time, so that only the parts under way need
// memory: 64 bytes a client and what happened to it. The Result is that of one Recorder for all clients.
type Parts struct {
	plan *scenario.Plan
	opts Options
	out  *Result
}

// NewParts begins a run. Options.Clients must be nil.
func NewParts(plan *scenario.Plan, opts Options) *Parts {
	info := planInfo(plan, &opts)
	opts.info = &info
	return &Parts{plan: plan, opts: opts}
}

// Recorder returns a Recorder for the n > 0 clients from first on. It is safe for concurrent use.
func (p *Parts) Recorder(first, n int) *Recorder {
	opts := p.opts
	opts.first, opts.count = first, n
	return NewRecorder(p.plan, opts)
}

// Add adds what a part has recorded up to now, or up to its end. A Recorder is added once and tells nothing afterwards.
// The order of the calls decides the order of the warnings, and nothing else.
func (p *Parts) Add(r *Recorder, now time.Duration, opt SnapshotOptions) error {
	opt.part = true
	res := r.Snapshot(now, opt)
	if p.out == nil {
		p.out = res
		return nil
	}
	return p.out.merge(res)
}

// Result is the run's, judged; nil if no part was added.
func (p *Parts) Result() *Result {
	if p.out != nil {
		p.out.Judge()
	}
	return p.out
}
