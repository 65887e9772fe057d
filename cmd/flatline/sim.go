package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/scenario"
)

func (a *app) simCommand() *cobra.Command {
	var (
		flags  scenarioFlags
		output outputFlags
		model  modelFlags
		scale  int
		work   int
		quiet  bool
		like   string
	)
	cmd := &cobra.Command{
		Use:   "sim SCENARIO",
		Short: "run a scenario in virtual time, without a socket",
		Long: `Sim drives the same client machines as run through a modelled path and server, in virtual time:
a scenario of minutes takes a moment. Its Result has the same form and the same exit codes.

With --like RESULT the path and the server are fitted to what a real run measured. Without a scenario, sim then
repeats that run and prints how far each simulated figure is from the measured one.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if like != "" && len(args) == 0 {
				return nil
			}
			return one("SCENARIO")(cmd, args)
		},
		ValidArgsFunction: scenarioFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := model.model(cmd)
			if err != nil {
				return usageError(err)
			}
			if work < 0 {
				return usageError(hint(errors.New("--workers must not be negative"), "0 is one for each CPU"))
			}
			if err := output.check(); err != nil {
				return err
			}
			var fit *calibration
			if like != "" {
				if fit, err = a.fit(cmd, like, &m); err != nil {
					return err
				}
				if len(args) == 0 {
					if err := output.ready(output.file, like); err != nil {
						return err
					}
					return a.calibrate(cmd.Context(), fit, sim.Many{Model: m, Workers: work}, &output)
				}
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
			if err := output.ready(output.path(plan), plan.Path, like); err != nil {
				return err
			}
			if !quiet {
				fmt.Fprint(a.stderr, printable(plan.String()))
				fit.say(a.stderr)
			}
			about := output.about("sim", "sim", plan, plan.Target.URL, changed(cmd, append(modelNames, "clients", "like")...)...)
			return a.simulate(cmd.Context(), plan, sim.Many{Model: m, Workers: work, Report: about}, &output)
		},
	}
	flags.add(cmd)
	output.add(cmd)
	model.add(cmd)
	cmd.Flags().StringVar(&like, "like", "", "fit the path and the server to this `RESULT` of a real run")
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
		switch f := cmd.Flags().Lookup(name); {
		case f.Changed && f.Value.Type() == "bool":
			args = append(args, "--"+name+"="+f.Value.String())
		case f.Changed:
			args = append(args, "--"+name+" "+quote(f.Value.String()))
		}
	}
	return args
}
