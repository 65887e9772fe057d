package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/scenario"
)

func (a *app) simCommand() *cobra.Command {
	var (
		flags  scenarioFlags
		output outputFlags
		rtt    time.Duration
		scale  int
		work   int
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
			if work < 0 {
				return usageError(hint(errors.New("--workers must not be negative"), "0 is one for each CPU"))
			}
			if err := output.check(); err != nil {
				return err
			}
			plan, err := a.load(cmd, args[0], &flags)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("clients") {
				if plan, err = plan.Scaled(scale); err != nil {
					return usageError(hint(fmt.Errorf("--clients: %w", err), fmt.Sprintf("at least one for each group, at most %d", scenario.MaxSimulated)))
				}
			}
			if !quiet {
				fmt.Fprint(a.stderr, printable(plan.String()))
			}
			about := output.about("sim", "sim", plan, plan.Target.URL, changed(cmd, "clients", "rtt")...)
			return a.simulate(cmd.Context(), plan, sim.Many{Model: sim.Model{Latency: rtt / 2}, Workers: work, Report: about}, &output)
		},
	}
	flags.add(cmd)
	output.add(cmd)
	cmd.Flags().DurationVar(&rtt, "rtt", 200*time.Microsecond, "round-trip time of the modelled path")
	cmd.Flags().IntVar(&scale, "clients", 0, "scale the scenario to `N` clients in all; groups keep their shares (at most 100 million)")
	cmd.Flags().IntVar(&work, "workers", 0, "simulate on `N` cores; 0 is all of them. The Result is the same for any number")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "do not print the plan on standard error")
	return cmd
}

func (a *app) simulate(ctx context.Context, plan *scenario.Plan, o sim.Many, out *outputFlags) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer a.onInterrupt(cancel)()
	res, err := sim.Simulate(ctx, plan, o)
	switch {
	case err != nil && context.Cause(ctx) == errInterrupted:
		return exitWith(exitInterrupted) // nothing to report yet
	case err != nil:
		return cannotRun(err)
	}
	return a.finish(res, out, out.path(plan))
}

// changed lists the flags among names that were given, as they would be written again.
func changed(cmd *cobra.Command, names ...string) (args []string) {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f.Changed {
			args = append(args, "--"+name+" "+quote(f.Value.String()))
		}
	}
	return args
}
