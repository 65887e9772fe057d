package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/internal/tune"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

func (a *app) tuneCommand() *cobra.Command {
	var (
		flags                                    scenarioFlags
		interval, timeout, misses, policy, group string
		minimize, file                           string
		model                                    modelFlags
		like                                     string
		look                                     outputFlags
		rows, workers, clients, verify           int
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
			m, err := model.model(cmd)
			switch {
			case err != nil:
				return usageError(err)
			case cmd.Flags().Changed("clients") && clients < 1:
				return usageError(errors.New("--clients must be 1 or more"))
			case verify < 0:
				return usageError(errors.New("--verify must not be negative"))
			case workers < 1:
				return usageError(errors.New("--workers must be 1 or more"))
			}
			if err := keeps("-o", file, args[0]); err != nil {
				return err
			}
			f, err := a.loadFile(cmd, args[0], &flags)
			if err != nil {
				return err
			}
			section, err := tuneSection(f, group, [][2]string{{"interval", interval}, {"timeout", timeout}, {"misses", misses}, {"reconnect", policy}})
			if err != nil {
				return usageError(err)
			}
			if like != "" {
				fit, err := a.fit(cmd, like, &m)
				if err != nil {
					return err
				}
				fit.say(a.stderr)
			}
			st, err := a.search(cmd.Context(), f, section, tune.Options{Model: m, Clients: clients, Workers: workers, Minimize: objective})
			if err != nil {
				return err
			}
			unverified := a.verify(cmd.Context(), f, section, st, verify)
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
			if unverified != nil {
				return unverified
			}
			if best := &st.Candidates[st.Best]; len(best.Score.Failed) > 0 || best.Real != nil && len(best.Real.Failed) > 0 {
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
	model.add(cmd)
	fs.StringVar(&like, "like", "", "fit the path and the server to this `RESULT` of a real run")
	fs.IntVar(&clients, "clients", 0, "scale the scenario to `N` clients in all; groups keep their shares")
	fs.IntVar(&rows, "rows", 12, "settings to list; -1: all that no other beats")
	fs.IntVar(&verify, "verify", 0, "run the best `N` for real against the target, one after the other, and show what was predicted and what was measured")
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
	relaxGC()
	st, err := tune.Search(ctx, f, section, o)
	switch {
	case context.Cause(ctx) == errInterrupted:
		return nil, &exitError{exitInterrupted, errors.New("interrupted: a search leaves nothing behind until it has seen every setting")}
	case err != nil:
		return nil, usageError(err)
	}
	return st, nil
}

// verify runs the best n settings for real. Nothing of the study is lost if a run fails: the error is the exit code's.
func (a *app) verify(ctx context.Context, f *scenario.File, section *scenario.FileTune, st *tune.Study, n int) error {
	if n == 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer a.onInterrupt(cancel)()
	list := st.Shortlist(n)
	for k, i := range list {
		plan, err := st.Plan(f, section, i)
		if err != nil {
			return usageError(err)
		}
		if _, err := preflight(plan); err != nil {
			return cannotRun(err)
		}
		c := &st.Candidates[i]
		fmt.Fprintf(a.stderr, "verify %d of %d: interval %v, timeout %v, misses %d, %s; %v\n", k+1, len(list), c.Setting.Interval, c.Setting.Timeout,
			c.Setting.Misses, c.Setting.Policy(), plan.Duration)
		r, err := a.conduct(ctx, plan, &runFlags{output: outputFlags{file: "none"}, quiet: true}, onlookers{})
		if err != nil {
			return err
		}
		switch r.Status {
		case report.Interrupted:
			return exitWith(exitInterrupted)
		case report.TargetLost:
			return cannotRun(errors.New(r.Reason))
		}
		score := tune.ScoreOf(plan, r)
		c.Real = &score
	}
	return nil
}
