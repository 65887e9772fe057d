package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/report/compare"
	"github.com/flatline-dev/flatline/scenario"
)

type compareFlags struct {
	format string
	failIf []string
	gates  []string
	failOn string
	alpha  float64
	allow  bool
	all    bool
	width  int
}

// compareFormats are what --format takes.
var compareFormats = []string{"text", "markdown", "json"}

func (a *app) compareCommand() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare OLD NEW | OLD... -- NEW...",
		Short: "compare Results, and fail on a regression that is more than chance",
		Long: `Compare holds Results of one plan against each other: two of them, or several a side with -- between
the sides. A directory stands for the *.result.json in it. Runs with other seeds are repetitions; with
three or more a side differences are held against the scatter of the runs, with one a side only against
what single clients scatter within them. Every figure comes with its evidence, and with ~ where there
is none.

A gate forbids a change: METRIC > +CHANGE or METRIC < -CHANGE, then [p<PROBABILITY] [by CAUSE]
[in GROUP] [during WINDOW]. CHANGE is a share of the old figure or an amount with a unit; it fails if
the figure changed by more and p, corrected for the number of gates, is below 0.05.

  flatline compare old.json new.json
  flatline compare --fail-if 'detection.p99 > +10%' baseline/ results/
  flatline compare --fail-if 'false_positives > +0 p<0.01' old-*.json -- new-*.json

Exit code 0: all gates hold, or there are none. 1: one failed. 2: the command line or a file is wrong,
or the plans differ. 4: inconclusive, a gate cannot be answered or a run is incomplete.`,
		ValidArgsFunction: resultFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.compare(cmd, args, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.format, "format", "text", "`FORMAT` of the comparison: "+strings.Join(compareFormats, ", "))
	fl.StringArrayVar(&f.failIf, "fail-if", nil, "fail if this `GATE` does not hold; may be repeated")
	fl.StringArrayVar(&f.gates, "gates", nil, "read gates from this YAML `FILE`; may be repeated")
	fl.StringVar(&f.failOn, "fail-on", "", "fail on any figure with evidence that it became worse (`WHAT`: regress) or that it differs (change)")
	fl.Float64Var(&f.alpha, "alpha", 0.05, "chance to call a difference where there is none")
	fl.BoolVar(&f.allow, "allow-different-plans", false, "compare although other plans were run, and say so")
	fl.BoolVar(&f.all, "all", false, "print every figure")
	fl.IntVar(&f.width, "width", 0, "`COLUMNS` of the text (default: the terminal's, at most 120)")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(compareFormats, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"regress", "change"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) compare(cmd *cobra.Command, args []string, f *compareFlags) error {
	o, err := a.compareOptions(f)
	if err != nil {
		return err
	}
	old, new, err := sides(args, cmd.ArgsLenAtDash())
	if err != nil {
		return err
	}
	var in [2][]compare.Input
	for i, names := range [][]string{old, new} {
		if in[i], err = readSide(names); err != nil {
			return err
		}
	}
	c, err := compare.Compare(in[0], in[1], o)
	if err != nil {
		return refused(err)
	}
	switch f.format {
	case "json":
		err = compare.WriteJSON(a.stdout, c)
	case "markdown":
		err = compare.WriteMarkdown(a.stdout, c)
	default:
		width := f.width
		if width == 0 {
			width = 120
			if w, ok := terminal(a.stdout); ok {
				width = min(width, w)
			}
		}
		err = compare.WriteText(a.stdout, c, compare.TextOptions{Width: width, Color: colored(a.stdout), All: f.all})
	}
	if err != nil {
		return cannotRun(err)
	}
	if c.Verdict.Exit != exitPass {
		return exitWith(c.Verdict.Exit)
	}
	return nil
}

func (a *app) compareOptions(f *compareFlags) (o compare.Options, err error) {
	o = compare.Options{Alpha: f.alpha, AllowDifferentPlans: f.allow, FailOn: compare.FailOn(f.failOn)}
	switch {
	case !slices.Contains(compareFormats, f.format):
		return o, usageError(hint(fmt.Errorf("unknown format %q", f.format), "formats: "+strings.Join(compareFormats, ", ")))
	case f.failOn != "" && f.failOn != "regress" && f.failOn != "change":
		return o, usageError(hint(fmt.Errorf("nothing is called %q to fail on", f.failOn), "--fail-on regress, or --fail-on change"))
	case !(f.alpha > 0 && f.alpha < 1):
		return o, usageError(hint(fmt.Errorf("--alpha %v is no probability", f.alpha), "above 0 and below 1: 0.05"))
	}
	for _, text := range f.failIf {
		g, err := compare.ParseGate(text)
		var e *scenario.ExpectError
		if errors.As(err, &e) {
			err = fmt.Errorf("--fail-if %q, column %d: %s", text, e.Column, e.Message)
			if e.Hint != "" {
				err = hint(err, e.Hint)
			}
			return o, usageError(err)
		}
		o.Gates = append(o.Gates, g)
	}
	for _, path := range f.gates {
		gates, err := compare.ReadGates(path)
		var problems *scenario.Problems
		if errors.As(err, &problems) {
			fmt.Fprintln(a.stderr, printable(problems.Error()))
			return o, exitWith(exitUsage)
		} else if err != nil {
			return o, usageError(fmt.Errorf("read gates: %w", err))
		}
		o.Gates = append(o.Gates, gates...)
	}
	return o, nil
}

// compareForm is how the sides are told apart.
const compareForm = "flatline compare OLD NEW, or several a side: flatline compare OLD... -- NEW..."

// sides splits the arguments; dash is the number of arguments in front of --, or -1.
func sides(args []string, dash int) (old, new []string, err error) {
	switch {
	case dash < 0 && len(args) == 2:
		return args[:1], args[1:], nil
	case dash < 0 && len(args) < 2:
		return nil, nil, usageError(hint(fmt.Errorf("compare takes Results of two sides, not %d", len(args)), compareForm))
	case dash < 0:
		return nil, nil, usageError(hint(fmt.Errorf("which of the %d Results are old and which are new?", len(args)), compareForm))
	}
	for _, s := range args[dash:] {
		if strings.HasPrefix(s, "-") && s != "-" {
			if _, err := os.Stat(s); err != nil {
				return nil, nil, usageError(hint(fmt.Errorf("%s stands behind -- and so is the name of a file", s), "flags go in front of the --"))
			}
		}
	}
	if old, new = args[:dash], args[dash:]; len(old) == 0 || len(new) == 0 {
		return nil, nil, usageError(hint(errors.New("one side of the -- is empty"), compareForm))
	}
	return old, new, nil
}

// readSide reads the Results of a side.
func readSide(names []string) (out []compare.Input, err error) {
	for _, name := range names {
		paths := []string{name}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			if paths, err = filepath.Glob(filepath.Join(globEscape(name), "*.result.json")); err != nil || len(paths) == 0 {
				return nil, usageError(hint(fmt.Errorf("directory %s holds no *.result.json", name), "flatline run -o "+quote(filepath.Join(name, "1.result.json"))+" writes one"))
			}
		}
		for _, path := range paths {
			r, err := report.ReadFile(path)
			if err != nil {
				if strings.ContainsAny(path, "*?[") && errors.Is(err, os.ErrNotExist) {
					err = hint(err, "no file matches this pattern, and so the shell left it as it is")
				} else if !strings.Contains(err.Error(), "hint:") {
					err = hint(err, "flatline run and flatline sim write Results, NAME.result.json unless -o says otherwise")
				}
				return nil, usageError(err)
			}
			out = append(out, compare.Input{Path: path, Result: r})
		}
	}
	return out, nil
}

// globEscape keeps a directory's name from being a pattern.
func globEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// refused says how to mend what compare refuses.
func refused(err error) error {
	var plans *compare.DifferentPlans
	var twice *compare.NotReplicates
	switch {
	case errors.As(err, &plans) && plans.Within:
		err = hint(err, compareForm)
	case errors.As(err, &plans):
		err = hint(err, "--allow-different-plans compares all the same; after a change of the scenario, make the old Results anew")
	case errors.As(err, &twice):
		err = hint(err, "repeat a run with another seed: --seed 2, --seed 3")
	}
	return usageError(err)
}
