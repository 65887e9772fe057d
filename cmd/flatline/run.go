package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/chaos/process"
	"github.com/flatline-dev/flatline/internal/fleet"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

var errInterrupted = errors.New("interrupted")

// targetGone says how the target's process ended by itself.
type targetGone struct{ error }

// checkpoint is how often a running Result is written, so that even a SIGKILL leaves most of it.
const checkpoint = 5 * time.Second

type runFlags struct {
	scenario scenarioFlags
	output   outputFlags
	capture  captureFlags
	metrics  metricsFlags
	live     string
	quiet    bool
}

func (a *app) runCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "run a scenario against its target and report what happened",
		Long: `Run starts the clients of the scenario, carries out its faults on the same clock, and prints the
report to standard output. Progress goes to standard error. The Result, from which report
renders again, is written to NAME.result.json unless -o says otherwise.

Exit code 0: every expectation holds. 1: one failed. 2: the scenario or the command line is wrong.
3: the run could not start, or lost its target. 4: inconclusive, flatline's own lag could have
changed the verdict. 130: interrupted; the partial report is marked as such.`,
		Args:              one("SCENARIO"),
		ValidArgsFunction: scenarioFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(flags.output.check(), flags.metrics.check()); err != nil {
				return err
			}
			if cmd.Flags().Changed("live") {
				if _, err := listenAddress("live", flags.live); err != nil {
					return err
				}
			}
			plan, err := a.load(cmd, args[0], &flags.scenario)
			if err != nil {
				return err
			}
			if err := errors.Join(flags.output.ready(flags.output.path(plan), plan.Path), keeps("--pcap", flags.capture.file, plan.Path)); err != nil {
				return err
			}
			return a.run(cmd.Context(), plan, &flags)
		},
	}
	flags.scenario.add(cmd)
	flags.output.add(cmd)
	flags.capture.add(cmd)
	flags.metrics.add(cmd)
	cmd.Flags().StringVar(&flags.live, "live", "", "show the run as it goes in a browser, at this `ADDR`: 8080 is http://127.0.0.1:8080")
	cmd.Flags().BoolVarP(&flags.quiet, "quiet", "q", false, "no progress on standard error")
	return cmd
}

// gcPercent lets the heap grow to five times what is live before it is collected. What is live is small (some 7 KiB a
// client, stacks included), and in a storm every collection has to scan the stacks of all dialing clients, at the moment
// at which they ought to leave. GOGC in the environment has the last word.
const gcPercent = 400

// relaxGC trades memory, of which there is enough, for time.
func relaxGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// run carries the plan from start to verdict.
func (a *app) run(ctx context.Context, plan *scenario.Plan, flags *runFlags) error {
	if !flags.quiet {
		fmt.Fprint(a.stderr, printable(plan.String()))
	}
	if _, err := preflight(plan); err != nil {
		return cannotRun(err)
	}
	var web pages
	defer web.close()
	var scrapes *page
	if flags.metrics.addr != "" {
		var err error
		if scrapes, err = web.on("metrics", flags.metrics.addr); err != nil {
			return err
		}
	}
	live, err := a.livePage(&web, flags.live)
	if err != nil {
		return err
	}
	whole := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ignore := sync.OnceFunc(a.onInterrupt(cancel))
	defer ignore()

	res, err := a.conduct(ctx, plan, flags, onlookers{live: live, ready: func(s *session) {
		if scrapes != nil {
			s.publish(scrapes)
			fmt.Fprintf(a.stderr, "metrics: %s\n", scrapes.url("/metrics"))
		}
		live.show(s.rec, s.clock)
		web.serve()
	}})
	if err != nil {
		return err
	}
	err = a.finish(res, &flags.output, flags.output.path(plan))
	if live := live.finish(res); live != nil { // the report is out: what else failed does not change what was measured
		fmt.Fprintf(a.stderr, "live page: %s\n", printable(live.Error()))
	}
	if res.Status != report.Interrupted {
		ignore()
		a.linger(whole, flags.metrics.linger)
	}
	return err
}

// onlookers watch a run. The zero value is nobody.
type onlookers struct {
	live   *livePage
	ready  func(*session)                 // the target is there, the clients start next; may be nil
	beside func(context.Context, *target) // runs as long as the clients do; may be nil
}

// conduct carries a plan that preflight has passed to its Result. Where ctx ends before the clients start there is none,
// and the error is that of the exit code.
func (a *app) conduct(ctx context.Context, plan *scenario.Plan, flags *runFlags, look onlookers) (*report.Result, error) {
	relaxGC()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	target, err := startTarget(ctx, plan)
	if err != nil {
		if context.Cause(ctx) == errInterrupted {
			return nil, exitWith(exitInterrupted)
		}
		return nil, cannotRun(err)
	}
	defer target.close()

	r, err := newSession(plan, target, flags)
	if err != nil {
		return nil, cannotRun(err)
	}
	if err := r.save(); err != nil { // now, rather than after a minute's run
		return nil, cannotRun(err)
	}
	if look.ready != nil {
		look.ready(r)
	}
	watching, stop := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	if look.beside != nil {
		watcher.Go(func() { look.beside(watching, target) })
	}
	runErr := r.drive(ctx, cancel, look.live, a.progress(r.rec, plan, flags.quiet))
	stop()
	watcher.Wait()

	end := report.SnapshotOptions{Final: true}
	switch cause := context.Cause(ctx); {
	case cause == errInterrupted:
		end.Interrupted, end.Reason = true, "interrupted by the user"
	case errors.As(cause, &targetGone{}):
		end.TargetLost, end.Reason = true, cause.Error()
		if text := target.log.String(); text != "" {
			fmt.Fprintf(a.stderr, "the target's last words:\n%s\n", printable(text))
		}
	case runErr != nil:
		return nil, cannotRun(runErr)
	}
	return r.rec.Snapshot(r.clock(), end), nil
}

// onInterrupt cancels the run on the first SIGINT, SIGTERM or SIGHUP (a closed terminal) and ends the program on the
// second. The function that it returns stops listening.
func (a *app) onInterrupt(cancel context.CancelCauseFunc) func() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-signals:
			}
			if n > 0 {
				os.Exit(exitInterrupted) // the guardian undoes what is left
			}
			fmt.Fprintln(a.stderr, "\ninterrupted: undoing faults and writing the partial report (once more to quit at once)")
			cancel(errInterrupted)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

// session is one run on real sockets.
type session struct {
	plan    *scenario.Plan
	target  *target
	rec     *report.Recorder
	fleet   *fleet.Fleet
	network *network
	procs   *process.Engine // nil without a visible process
	clock   func() time.Duration
	path    string // of the Result; "" for none
}

func newSession(plan *scenario.Plan, target *target, flags *runFlags) (*session, error) {
	began := time.Now()
	s := &session{plan: plan, target: target, clock: func() time.Duration { return time.Since(began) }}
	s.path = flags.output.path(plan)
	s.rec = report.NewRecorder(plan, flags.output.about("run", "fleet", plan, target.url))
	var err error
	if s.network, err = newNetwork(plan, target.url, s.clock, s.rec, &flags.capture); err != nil {
		return nil, err
	}
	engines := []chaos.Engine{s.network.engine}
	if target.proc != nil {
		s.procs = process.New(target.procs...)
		s.procs.OnError = func(err error) { s.rec.Warn(s.clock(), err.Error()) }
		engines = append(engines, s.procs)
	}
	if len(target.controls) > 0 {
		d := &drainer{all: plan.Clients, addr: func(i int) string { return s.fleet.LocalAddr(i) }}
		for _, c := range target.controls {
			d.servers = append(d.servers, server.Client{Control: c})
		}
		engines = append(engines, d)
	}
	var publish []string
	for _, c := range target.controls {
		publish = append(publish, server.Client{Control: c}.PublishURL())
	}
	s.fleet, err = fleet.New(plan, fleet.Options{
		Publish: publish,
		Sink:    s.rec, Clock: s.clock, URL: target.url, URLs: target.urls, Path: s.network.path, DialTCP: s.network.dialTCP, Engines: engines,
		Quantum: fleet.DefaultQuantum(plan.Clients),
	})
	if err != nil {
		return nil, errors.Join(err, s.network.close())
	}
	return s, nil
}

// drive runs the fleet, and beside it what watches: the target's usage, the checkpoints, the progress.
func (s *session) drive(ctx context.Context, cancel context.CancelCauseFunc, live *livePage, show func(now time.Duration)) error {
	watching, stop := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	every := func(period time.Duration, do func()) {
		watchers.Go(func() {
			tick := time.NewTicker(period)
			defer tick.Stop()
			for {
				select {
				case <-watching.Done():
					return
				case <-tick.C:
					do()
				}
			}
		})
	}
	s.watchUsage() // counts begin here
	every(time.Second, s.watchUsage)
	if s.target.proc != nil {
		watchers.Go(func() { s.watchTarget(watching, cancel) })
	}
	if s.target.store != nil {
		watchers.Go(func() {
			select {
			case <-watching.Done():
			case err := <-s.target.store.Lost():
				cancel(targetGone{fmt.Errorf("the store of the embedded servers: %w", err)})
			}
		})
	}
	var full sync.Once
	every(checkpoint, func() {
		if err := s.save(); err != nil {
			full.Do(func() { s.rec.Warn(s.clock(), "checkpoint not written: "+err.Error()) })
		}
	})
	every(progressPeriod, func() { show(s.clock()) })
	if live != nil {
		var once sync.Once
		every(livePeriod, func() {
			if err := live.refresh(); err != nil {
				once.Do(func() { s.rec.Warn(s.clock(), "live page: "+err.Error()) })
			}
		})
	}

	err := errors.Join(s.fleet.Run(ctx), s.network.close())
	stop()
	watchers.Wait()
	show(progressEnd)
	s.explain()
	return err
}

// watchTarget ends the run when the target's process ends by itself: nothing measured afterwards would mean anything.
func (s *session) watchTarget(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
	case err := <-s.procs.Lost():
		cancel(targetGone{err})
	}
}

// explain adds to the report what the first failure of each kind said.
func (s *session) explain() {
	for c := heartbeat.Cause(0); c < heartbeat.NumCauses; c++ {
		if err := s.fleet.Example(c); err != nil && (c == heartbeat.Rejected || c >= heartbeat.TLSError) {
			s.rec.Warn(s.clock(), fmt.Sprintf("%s, first seen as: %v", c, err))
		}
	}
}

// save writes what has been measured so far.
func (s *session) save() error {
	if s.path == "" {
		return nil
	}
	return s.rec.Snapshot(s.clock(), report.SnapshotOptions{}).WriteFile(s.path)
}
