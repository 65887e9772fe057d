package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/internal/tune"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

func (a *app) tuneCommand() *cobra.Command {
	var (
		flags                                    scenarioFlags
		interval, timeout, misses, policy, group string
		minimize, file                           string
		rtt                                      time.Duration
		look                                     outputFlags
		rows, workers, clients                   int
	)
	cmd := &cobra.Command{
		Use:   "tune SCENARIO",
		Short: "search interval, timeout, misses and reconnect policy, and recommend",
		Long: `Tune simulates the scenario with every combination of the settings in its tune section, or in the
flags, and prints what each one buys and costs: how soon a dead path is noticed, how often a healthy
peer is declared dead, beats a second, the storm's peak and how long until everybody is back. It
recommends the setting that meets the scenario's expectations with the best balance, or with the
least of what --minimize names.

A list is written as [1s, 2s, 5s], a range as 1s..10s or 1s..5s by 500ms. With neither section nor
flags it searches around the group's own setting.`,
		Example: `  flatline tune scenarios/quickstart.yaml --interval 1s..10s --timeout 1s..10s --misses '[1, 2, 3]'
  flatline tune chat.yaml --reconnect '[{kind: fixed, delay: 4s}, {kind: exponential, delay: 1s, cap: 30s, jitter: full}]'`,
		Args:              one("SCENARIO"),
		ValidArgsFunction: scenarioFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			objective := tune.Objectives
			if minimize != "balance" {
				var ok bool
				if objective, ok = tune.ParseObjective(minimize); !ok {
					return usageError(hint(fmt.Errorf("--minimize %s is unknown", minimize), "balance, "+strings.Join(tune.Words(), ", ")))
				}
			}
			switch {
			case rtt < 0:
				return usageError(errors.New("--rtt must not be negative"))
			case cmd.Flags().Changed("clients") && clients < 1:
				return usageError(errors.New("--clients must be 1 or more"))
			case workers < 1:
				return usageError(errors.New("--workers must be 1 or more"))
			}
			f, err := a.loadFile(cmd, args[0], &flags)
			if err != nil {
				return err
			}
			section, err := tuneSection(f, group, [][2]string{{"interval", interval}, {"timeout", timeout}, {"misses", misses}, {"reconnect", policy}})
			if err != nil {
				return usageError(err)
			}
			st, err := a.search(cmd.Context(), f, section, tune.Options{Model: sim.Model{Latency: rtt / 2}, Clients: clients, Workers: workers, Minimize: objective})
			if err != nil {
				return err
			}
			if file != "" {
				text, err := st.JSON()
				if err == nil {
					err = report.ReplaceFile(file, text)
				}
				if err != nil {
					return cannotRun(fmt.Errorf("write study %s: %w", file, err))
				}
				fmt.Fprintf(a.stderr, "study: %s\n", file)
			}
			if err := tune.WriteText(a.stdout, st, tune.TextOptions{Width: a.columns(&look), ASCII: look.ascii, Rows: rows}); err != nil {
				return cannotRun(err)
			}
			if len(st.Candidates[st.Best].Score.Failed) > 0 {
				return exitWith(exitFail)
			}
			return nil
		},
	}
	flags.add(cmd)
	look.addLook(cmd)
	fs := cmd.Flags()
	fs.StringVar(&group, "group", "", "the `GROUP` of clients to tune (default: the only one)")
	fs.StringVar(&interval, "interval", "", "heartbeat `INTERVALS`: 1s..10s, 1s..5s by 500ms, or [1s, 2s, 5s]")
	fs.StringVar(&timeout, "timeout", "", "`TIMEOUTS`, written as --interval is")
	fs.StringVar(&misses, "misses", "", "`NUMBERS` of beats that may go unanswered: [1, 2, 3]")
	fs.StringVar(&policy, "reconnect", "", "list of reconnect `POLICIES`, each written as in a scenario")
	fs.StringVar(&minimize, "minimize", "balance", "what to recommend by: balance, "+strings.Join(tune.Words(), ", "))
	fs.StringVarP(&file, "output", "o", "", "write all settings with their values to this JSON `FILE`")
	fs.DurationVar(&rtt, "rtt", 200*time.Microsecond, "round-trip time of the modelled path")
	fs.IntVar(&clients, "clients", 0, "scale the scenario to `N` clients in all; groups keep their shares")
	fs.IntVar(&rows, "rows", 12, "settings to list; -1: all that no other beats")
	fs.IntVar(&workers, "workers", runtime.GOMAXPROCS(0), "settings to simulate at once; the answer is the same for any number")
	_ = cmd.RegisterFlagCompletionFunc("minimize", cobra.FixedCompletions(append([]string{"balance"}, tune.Words()...), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// tuneSection is the scenario's tune section with the flags over it.
func tuneSection(f *scenario.File, group string, flags [][2]string) (*scenario.FileTune, error) {
	section := f.Tune
	if section == nil {
		section = &scenario.FileTune{}
	}
	for _, flag := range flags {
		if flag[1] == "" {
			continue
		}
		over, err := scenario.ParseTune("--"+flag[0], flag[0]+": "+flag[1])
		if err != nil {
			return nil, err
		}
		section = over.Over(section)
	}
	if group != "" {
		section = (&scenario.FileTune{Group: group}).Over(section)
	}
	if _, err := f.Settings(section); err != nil {
		return nil, hint(err, scenario.Hint(err))
	}
	return section, nil
}

// search runs the study with a line of progress on a terminal.
func (a *app) search(ctx context.Context, f *scenario.File, section *scenario.FileTune, o tune.Options) (*tune.Study, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer a.onInterrupt(cancel)()
	if _, ok := terminal(a.stderr); ok {
		var mu sync.Mutex
		o.Progress = func(done, total int) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(a.stderr, "\r%d of %d settings", done, total)
		}
		defer fmt.Fprint(a.stderr, "\r\x1b[K")
	}
	st, err := tune.Search(ctx, f, section, o)
	switch {
	case context.Cause(ctx) == errInterrupted:
		return nil, &exitError{exitInterrupted, errors.New("interrupted: a search leaves nothing behind until it has seen every setting")}
	case err != nil:
		return nil, usageError(err)
	}
	return st, nil
}
