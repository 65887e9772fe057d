package tune

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Candidate is one setting of a study.
type Candidate struct {
	Setting scenario.Setting
	Score   Score
	Refused string // why the scenario has no plan with this setting; "" if it has
	Real    *Score // of a real run with this setting; nil: there was none
	Front   bool   // no other setting is better in one objective and not worse in any
}

// Study is a search that was carried out.
type Study struct {
	Name       string
	Group      string // the tuned group; "" when there is only one
	Seed       uint64
	Clients    int
	Duration   time.Duration // simulated, per setting
	Candidates []Candidate   // the scenario's own setting first
	Best       int           // the recommended one; -1: none could be simulated
	Minimize   Objective     // what the recommendation minimizes; Objectives: a balance of all
	Caveats    []string      // what this scenario cannot say
}

// Options of a search.
type Options struct {
	Model    sim.Model
	Clients  int                   // the scenario is scaled to so many in all; 0: it is not
	Workers  int                   // settings that are simulated at once, >= 1
	Minimize Objective             // Objectives: a balance of all
	Progress func(done, total int) // may be nil; called from several goroutines
}

// Search simulates the scenario with every setting of the tune section, and judges the settings. The error is one for
// the reader: the section does not fit the scenario, the scenario's own setting has no plan, or ctx ended.
func Search(ctx context.Context, f *scenario.File, section *scenario.FileTune, o Options) (*Study, error) {
	settings, err := f.Settings(section)
	if err != nil {
		return nil, err
	}
	base, err := f.Plan()
	if err != nil {
		return nil, err
	}
	if o.Clients > 0 {
		if base, err = base.Scaled(o.Clients); err != nil {
			return nil, err
		}
	}
	st := &Study{Name: base.Name, Group: section.Group, Seed: base.Seed, Clients: base.Clients, Duration: base.Duration,
		Candidates: make([]Candidate, len(settings)), Best: -1, Minimize: o.Minimize}
	var work errgroup.Group
	work.SetLimit(max(o.Workers, 1))
	done := make(chan struct{}, len(settings))
	for i := range settings {
		if ctx.Err() != nil {
			break
		}
		work.Go(func() error {
			c := &st.Candidates[i]
			c.Setting = settings[i]
			err := c.simulate(ctx, f, section, base, &o)
			done <- struct{}{}
			if o.Progress != nil {
				o.Progress(len(done), len(settings))
			}
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if why := st.Candidates[0].Refused; why != "" {
		return nil, fmt.Errorf("the scenario's own setting: %s", why)
	}
	st.judge(base)
	return st, nil
}

// simulate runs one setting. A setting that makes no client, such as a cap below the first delay, is refused, and that is
// no error. Every setting is simulated for the same time.
func (c *Candidate) simulate(ctx context.Context, f *scenario.File, section *scenario.FileTune, base *scenario.Plan, o *Options) error {
	plan, err := resolve(f, section, &c.Setting, base.Duration, base.Clients)
	if err != nil {
		c.Refused = err.Error()
		return nil
	}
	rec := report.NewRecorder(plan, report.Options{Driver: "sim"})
	if err := sim.Run(ctx, plan, sim.Options{Sink: rec, Model: o.Model}); err != nil {
		return err
	}
	c.Score = ScoreOf(plan, rec.Snapshot(plan.Duration, report.SnapshotOptions{Final: true}))
	return nil
}

// Plan is the scenario with one setting of the study, as it was simulated.
func (st *Study) Plan(f *scenario.File, section *scenario.FileTune, i int) (*scenario.Plan, error) {
	return resolve(f, section, &st.Candidates[i].Setting, st.Duration, st.Clients)
}

// resolve plans the scenario with a setting, for a duration and a number of clients that do not depend on it.
func resolve(f *scenario.File, section *scenario.FileTune, s *scenario.Setting, d time.Duration, clients int) (*scenario.Plan, error) {
	with, err := f.With(section, s)
	if err != nil {
		return nil, err
	}
	duration := scenario.Duration(d)
	with.Duration = &duration
	plan, err := with.Plan()
	if err == nil && plan.Clients != clients {
		plan, err = plan.Scaled(clients)
	}
	return plan, err
}

// judge finds the front, the recommendation and what to doubt.
func (st *Study) judge(base *scenario.Plan) {
	front(st.Candidates)
	st.Best = recommend(st.Candidates, st.Minimize)
	var mistakes int64
	measured := [Objectives]bool{}
	closed := 0
	least := math.Inf(1)
	for i := range st.Candidates {
		c := &st.Candidates[i]
		if c.Refused != "" {
			continue
		}
		mistakes += c.Score.Mistakes
		least = min(least, c.Score.ClientDays)
		if c.Score.Closed {
			closed++
		}
		for o, v := range c.Score.Values {
			measured[o] = measured[o] || !math.IsNaN(v)
		}
	}
	if mistakes == 0 {
		st.Caveats = append(st.Caveats, fmt.Sprintf("no setting made a mistake in %s client-days (the true rate is below %s a client-day): nothing in this scenario tempts a short timeout. "+
			"Add a lossy or slow path (fault: drop, fault: delay) to see what it costs", report.FormatValue(least, scenario.Ratio), report.FormatValue(3/least, scenario.Ratio)))
	}
	if closed > 0 {
		st.Caveats = append(st.Caveats, fmt.Sprintf("for %d settings the silent faults end before one client in a hundred or more could notice: their detection is the closed form's. Let the faults last longer", closed))
	}
	if !measured[Detection] {
		st.Caveats = append(st.Caveats, "no fault silences a path, so nothing says how soon a dead one is noticed. Add a blackhole")
	}
	if !measured[Recovery] {
		st.Caveats = append(st.Caveats, "nobody lost a connection, so nothing says how hard the clients come back. Add a kill")
	}
	if s := base.Target.Serve; measured[Recovery] && (s == nil || s.Handshakes == 0) {
		st.Caveats = append(st.Caveats, "the simulated server takes any number of handshakes a second, so no storm is too large for it. Give it a limit (target: {serve: {handshakes: 500/s}})")
	}
}
