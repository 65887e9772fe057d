package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// outputFlags say where the Result goes and how the report looks.
type outputFlags struct {
	file  string
	width int
	ascii bool
	also  writeFlag
}

func (o *outputFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.file, "output", "o", "", "write the Result to this `FILE`; none writes none (default NAME.result.json)")
	cmd.Flags().Var(htmlFlag{&o.also}, "html", "write the report as one HTML page to this `FILE` too")
	o.also.add(cmd)
	o.addLook(cmd)
}

func (o *outputFlags) addLook(cmd *cobra.Command) {
	cmd.Flags().IntVar(&o.width, "width", 0, "`COLUMNS` of the report (default: the terminal's, at most 100)")
	cmd.Flags().BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
}

// check refuses what would surprise: a Result never goes to standard output, which the report has.
func (o *outputFlags) check() error {
	if o.file == "-" {
		return usageError(hint(errors.New("a Result goes to a file, standard output has the report"), "-o FILE, -o none for no file, -o ./- for a file of that name"))
	}
	return nil
}

// ready finds out before a run what could not be written after it, and refuses to write over what the run is made from.
func (o *outputFlags) ready(result string, inputs ...string) error {
	if err := o.also.check(result); err != nil {
		return err
	}
	for _, w := range append([]alsoWrite{{flag: "-o", file: result}}, o.also.list...) {
		if err := keeps(w.flag, w.file, inputs...); err != nil {
			return err
		}
	}
	return nil
}

// keeps refuses a file to write that is one of the inputs.
func keeps(flag, file string, inputs ...string) error {
	for _, in := range inputs {
		if same(file, in) {
			return usageError(fmt.Errorf("%s would replace %s, which is read here", flag, in))
		}
	}
	return nil
}

// path is where the Result is written; "" for nowhere.
func (o *outputFlags) path(plan *scenario.Plan) string {
	switch o.file {
	case "none":
		return ""
	case "":
		return fileName(plan.Name) + ".result.json"
	}
	return o.file
}

// maxName leaves room for what is appended to a name: file systems take 255 bytes.
const maxName = 200

// fileName makes a scenario's name, which is anybody's input, harmless as the name of a file.
func fileName(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, name)
	clean = clean[:min(len(clean), maxName)]
	if clean = strings.Trim(clean, ".-"); clean == "" {
		return "flatline"
	}
	return clean
}

// command is the line that repeats the run.
func (o *outputFlags) command(verb string, plan *scenario.Plan, flags ...string) string {
	engine := ""
	if plan.Engine != "auto" {
		engine = " --engine " + plan.Engine
	}
	for _, f := range flags {
		engine += " " + f
	}
	return fmt.Sprintf("flatline %s --seed %d%s %s", verb, plan.Seed, engine, quote(plan.Path))
}

// about is what a Result says of the run beside what was measured.
func (o *outputFlags) about(verb, driver string, plan *scenario.Plan, target string, flags ...string) report.Options {
	return report.Options{
		Tool: "flatline " + version(), Driver: driver, Command: o.command(verb, plan, flags...), Started: time.Now(),
		Host: report.LocalHost(), Target: target,
	}
}

// quote makes s one word for a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:@%+,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// finish writes the Result, prints the report and turns the verdict into the exit code. A report is printed even if the
// Result cannot be written.
func (a *app) finish(r *report.Result, o *outputFlags, path string) error {
	var saved error
	if path != "" {
		saved = r.WriteFile(path)
	}
	also := o.also.write(r)
	if err := a.print(r, o); err != nil {
		return cannotRun(errors.Join(err, saved, also))
	}
	if saved != nil {
		return cannotRun(errors.Join(fmt.Errorf("the report above is all that is left: %w", saved), also))
	}
	if path != "" {
		fmt.Fprintf(a.stderr, "result: %s\n", path)
	}
	if also != nil {
		return cannotRun(also)
	}
	return verdictExit(r)
}

// columns is how wide a text on standard output may be.
func (a *app) columns(o *outputFlags) int {
	if o.width != 0 {
		return o.width
	}
	if w, ok := terminal(a.stdout); ok {
		return min(100, w)
	}
	return 100
}

func (a *app) print(r *report.Result, o *outputFlags) error {
	return report.WriteText(a.stdout, r, report.TextOptions{Width: a.columns(o), Color: colored(a.stdout), ASCII: o.ascii})
}

// verdictExit is the contract of exit codes.
func verdictExit(r *report.Result) error {
	if code := r.Verdict.Exit; code != exitPass {
		return exitWith(code)
	}
	return nil
}

// readResult reads a Result file, with a hint where it is none.
func readResult(path string) (*report.Result, error) {
	r, err := report.ReadFile(path)
	if err != nil {
		if wrong := isScenario(path); wrong != nil {
			return nil, usageError(wrong)
		}
		if !strings.Contains(err.Error(), "hint:") {
			err = hint(err, "flatline run and flatline sim write Results, NAME.result.json unless -o says otherwise")
		}
		return nil, usageError(err)
	}
	return r, nil
}

func (a *app) reportCommand() *cobra.Command {
	var o outputFlags
	var format string
	cmd := &cobra.Command{
		Use:   "report RESULT",
		Short: "render a Result again",
		Long: `Report reads the file that run or sim wrote and prints the report again, in any form. The exit code
is that of the run.

With --format html it is one page for a browser, with charts; several Results are drawn over one
another, and the exit code is 0.`,
		Args:              results(&format),
		ValidArgsFunction: resultFiles,
		RunE: func(_ *cobra.Command, args []string) error {
			form, err := lookupFormat(format)
			if err != nil {
				return usageError(err)
			}
			if slices.ContainsFunc(args, func(result string) bool { return same(o.file, result) }) {
				return usageError(fmt.Errorf("-o %s is the Result itself, which the report would replace", o.file))
			}
			if form.Name == "html" {
				return a.reportHTML(args, o.file)
			}
			r, err := readResult(args[0])
			if err != nil {
				return err
			}
			switch {
			case o.file != "" && o.file != "-":
				err = form.WriteFile(o.file, r, report.TextOptions{Width: o.width, ASCII: o.ascii})
			case form.Name == "text":
				err = a.print(r, &o)
			default:
				err = form.Write(a.stdout, r, report.TextOptions{})
			}
			if err != nil {
				return cannotRun(err)
			}
			return verdictExit(r)
		},
	}
	cmd.Flags().StringVarP(&o.file, "output", "o", "", "write the report to this `FILE` instead of standard output")
	o.addLook(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "`FORMAT` of the report: "+formatNames())
	_ = cmd.RegisterFlagCompletionFunc("format", formatCompletions)
	return cmd
}
