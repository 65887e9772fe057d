package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// scenarioFlags are what a verb may change in a scenario without editing it.
type scenarioFlags struct {
	seed   uint64
	engine string
}

// engines are what --engine takes.
var engines = []string{"auto", "stream", "packet", "kernel"}

func (s *scenarioFlags) add(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&s.seed, "seed", 0, "draw victims and jitter from this seed instead of the scenario's")
	cmd.Flags().StringVar(&s.engine, "engine", "", "carry out the network's faults by this `ENGINE` instead of the scenario's: "+strings.Join(engines, ", "))
	_ = cmd.RegisterFlagCompletionFunc("engine", cobra.FixedCompletions(engines, cobra.ShellCompDirectiveNoFileComp))
}

// load reads and resolves a scenario. Its problems are printed as they are: they carry their own positions and hints.
func (a *app) load(cmd *cobra.Command, path string, flags *scenarioFlags) (*scenario.Plan, error) {
	file, err := a.loadFile(cmd, path, flags)
	if err != nil {
		return nil, err
	}
	plan, err := file.Plan()
	return plan, a.refused(path, err)
}

// loadFile reads a scenario with what the flags change in it.
func (a *app) loadFile(cmd *cobra.Command, path string, flags *scenarioFlags) (*scenario.File, error) {
	if flags.engine != "" && !slices.Contains(engines, flags.engine) {
		return nil, usageError(hint(fmt.Errorf("no engine %q", flags.engine), "engines: "+strings.Join(engines, ", ")))
	}
	file, err := scenario.Load(path)
	if err != nil {
		return nil, a.refused(path, err)
	}
	if flags.engine != "" {
		file.Chaos.Engine = flags.engine
	}
	if cmd.Flags().Changed("seed") {
		file.Seed = &flags.seed
	}
	return file, nil
}

// refused says what is wrong with the scenario at path.
func (a *app) refused(path string, err error) error {
	if err == nil {
		return nil
	}
	var problems *scenario.Problems
	if errors.As(err, &problems) {
		if isResult(path) {
			return usageError(hint(fmt.Errorf("%s is a Result, not a scenario", path), "flatline report "+quote(path)+" prints its report"))
		}
		fmt.Fprintln(a.stderr, printable(problems.Error()))
		return exitWith(exitUsage)
	}
	if path == "-" {
		err = hint(err, "/dev/stdin reads standard input")
	} else if errors.Is(err, os.ErrNotExist) {
		err = hint(err, "scenarios/ holds ready ones; try scenarios/quickstart.yaml")
	}
	return usageError(err)
}

// isResult tells a Result by its first bytes.
func isResult(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head, _ := io.ReadAll(io.LimitReader(f, 100))
	return strings.Contains(string(head), `"format":"`+report.Format+`"`)
}

func (a *app) checkCommand() *cobra.Command {
	var flags scenarioFlags
	cmd := &cobra.Command{
		Use:   "check SCENARIO",
		Short: "validate a scenario; print the plan, its bounds and the resources it needs",
		Long: `Check reads a scenario, prints every mistake with its position, and otherwise the plan as it
would run: groups with the closed-form bounds of their detection latency, the schedule of faults,
and the descriptors, ports and memory that the run needs, beside what this machine has.

Exit code 0: the scenario can run here. 2: it is wrong. 3: this machine is too small for it.`,
		Args:              one("SCENARIO"),
		ValidArgsFunction: scenarioFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := a.load(cmd, args[0], &flags)
			if err != nil {
				return err
			}
			fmt.Fprint(a.stdout, printable(plan.String()))
			need, err := preflight(plan)
			fmt.Fprintln(a.stdout, need)
			if err != nil {
				return cannotRun(err)
			}
			return nil
		},
	}
	flags.add(cmd)
	return cmd
}
