package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/chaos/process"
)

// Exit codes are a contract with scripts and CI.
const (
	exitPass         = 0
	exitFail         = 1   // an expectation failed
	exitUsage        = 2   // the command line or the scenario is wrong
	exitCannotRun    = 3   // the run could not start, or lost its target
	exitInconclusive = 4   // the harness itself could have changed the verdict
	exitInterrupted  = 130 // SIGINT or SIGTERM; a partial report was written
)

// exitError carries the exit code that an error leads to.
type exitError struct {
	code int
	err  error // nil: everything has been said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }

// hinted is an error whose fix is known.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

func usageError(err error) error     { return &exitError{exitUsage, err} }
func cannotRun(err error) error      { return &exitError{exitCannotRun, err} }
func exitWith(code int) error        { return &exitError{code, nil} }
func hint(err error, h string) error { return &hinted{err, h} }

// app is what the verbs share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// Main runs the command line args (without the program's name) and returns the exit code. Results go to stdout,
// everything else to stderr.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if process.IsGuardian() {
		process.GuardianMain()
		return 0
	}
	// A pipe that nobody reads any more is a failed write, and not the end of a run in mid-fault.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	a := &app{stdin, stdout, stderr}
	root := a.root()
	root.SetArgs(args)
	err := root.Execute()
	if err == nil {
		return exitPass
	}
	code := exitUsage // what cobra finds wrong is the command line
	var exit *exitError
	if errors.As(err, &exit) {
		if code = exit.code; exit.err == nil {
			return code
		}
		err = exit.err
	}
	fmt.Fprintf(stderr, "flatline: %s\n", printable(err.Error()))
	var h *hinted
	if errors.As(err, &h) {
		fmt.Fprintf(stderr, "hint: %s\n", printable(h.hint))
	}
	return code
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "flatline",
		Short: "load and chaos testing for heartbeating connections",
		Long: `flatline spawns thousands of heartbeating WebSocket clients against a target while a
chaos layer silences the network, stalls the server and kills connections, and
measures how long until they noticed and how hard they came back.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          verb,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetVersionTemplate("flatline {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if err = flagMistake(err); errors.As(err, new(*hinted)) {
			return usageError(err)
		}
		return usageError(hint(err, cmd.CommandPath()+" --help lists the flags"))
	})
	root.SetHelpCommand(helpCommand())
	root.AddCommand(a.runCommand(), a.checkCommand(), a.simCommand(), a.tuneCommand(), a.capacityCommand(), a.reportCommand(), a.compareCommand(), a.serveCommand(), a.brokerCommand(), a.proxyCommand(), a.ctlCommand(), a.profilesCommand(), a.versionCommand())
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Short = "print a completion script for your shell"
		c.Args, c.RunE = one("SHELL"), func(_ *cobra.Command, args []string) error {
			return usageError(hint(fmt.Errorf("no completion for %q", args[0]), "shells: bash, zsh, fish, powershell"))
		}
	}
	return root
}

// verb refuses what no verb is called.
func verb(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	fix := "flatline --help lists the commands"
	if near := root.SuggestionsFor(args[0]); len(near) > 0 && args[0] != "" {
		fix = "did you mean flatline " + near[0] + "?"
	}
	return usageError(hint(fmt.Errorf("unknown command %q", args[0]), fix))
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return verb(cmd.Root(), args)
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// one takes exactly one argument, which the help calls what.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return usageError(hint(fmt.Errorf("%s takes one %s, not %d", cmd.Name(), what, len(args)), "usage: "+cmd.UseLine()))
	}
}

// none takes no argument.
func none(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError(hint(fmt.Errorf("%s takes no argument, not %q", cmd.Name(), args[0]), "usage: "+cmd.UseLine()))
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "flatline %s\n", version())
			return err
		},
	}
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v = "devel-" + s.Value[:12]
			}
		}
	}
	return v
}

// scenarioFiles completes file names of scenarios.
func scenarioFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// resultFiles completes file names of Results.
func resultFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
}
