package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

func (a *app) simCommand() *cobra.Command {
	var (
		flags  scenarioFlags
		output outputFlags
		rtt    time.Duration
		quiet  bool
	)
	cmd := &cobra.Command{
		Use:   "sim SCENARIO",
		Short: "run a scenario in virtual time, without a socket",
		Long: `Sim drives the same client machines as run through a modelled path and server, in virtual time:
a scenario of minutes takes a moment. Its Result has the same form and the same exit codes.`,
		Args:              one("SCENARIO"),
		ValidArgsFunction: scenarioFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if rtt < 0 {
				return usageError(errors.New("--rtt must not be negative"))
			}
			if err := output.check(); err != nil {
				return err
			}
			plan, err := a.load(cmd, args[0], &flags)
			if err != nil {
				return err
			}
			if !quiet {
				fmt.Fprint(a.stderr, printable(plan.String()))
			}
			return a.simulate(cmd.Context(), plan, rtt, &output)
		},
	}
	flags.add(cmd)
	output.add(cmd)
	cmd.Flags().DurationVar(&rtt, "rtt", 200*time.Microsecond, "round-trip time of the modelled path")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not print the plan on standard error")
	return cmd
}

func (a *app) simulate(ctx context.Context, plan *scenario.Plan, rtt time.Duration, o *outputFlags) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer a.onInterrupt(cancel)()
	rec := report.NewRecorder(plan, o.about("sim", "sim", plan, plan.Target.URL))
	err := sim.Run(ctx, plan, sim.Options{Sink: rec, Model: sim.Model{Latency: rtt / 2}})
	end := report.SnapshotOptions{Final: true}
	if context.Cause(ctx) == errInterrupted {
		end.Interrupted, end.Reason = true, "interrupted by the user"
	} else if err != nil {
		return cannotRun(err)
	}
	return a.finish(rec.Snapshot(plan.Duration, end), o, o.path(plan))
}
