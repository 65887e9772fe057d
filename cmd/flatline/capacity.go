package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/internal/capacity"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// capacityFlags are those of a search.
type capacityFlags struct {
	scenario   scenarioFlags
	look       outputFlags
	settings   capacity.Settings
	precision  string
	file       string
	keep       string
	format     string
	need       int
	beyond     int
	handshakes float64
	resume     bool
	fresh      bool
	quiet      bool
}

func (a *app) capacityCommand() *cobra.Command {
	var flags capacityFlags
	cmd := &cobra.Command{
		Use:   "capacity SCENARIO",
		Short: "find how many clients a target holds, by running the scenario with more and fewer of them",
		Long: `Capacity runs the scenario again and again, with its groups scaled to more and fewer clients in
all, until it has the largest number for which every expectation holds: doubling until something
fails, then bisecting to --precision, then both sides of the edge again. The report says what broke
first, what a client costs, which storm was survived, and, modelled, what lies beyond.

What is known is written to NAME.capacity.json after each probe. Ctrl-C once ends the search with a
report of what is known; --resume continues it.

Exit code 0: the number is known, or at least --need. 1: not even --min is held, or not --need.
2: the scenario or the command line is wrong. 3: a probe could not run. 4: no probe could tell.
130: interrupted.`,
		Args:              one("SCENARIO"),
		ValidArgsFunction: scenarioFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(); err != nil {
				return err
			}
			file, err := a.loadFile(cmd, args[0], &flags.scenario)
			if err != nil {
				return err
			}
			plan, err := file.Plan()
			if err != nil {
				return a.refused(args[0], err)
			}
			return a.capacity(cmd, plan, file, &flags)
		},
	}
	f, s := cmd.Flags(), &flags.settings
	f.IntVar(&s.Start, "start", 0, "try this many `CLIENTS` first (default the scenario's own number)")
	f.IntVar(&s.Min, "min", 1, "try no fewer `CLIENTS`")
	f.IntVar(&s.Max, "max", maxCapacity, "try no more `CLIENTS`")
	f.StringVar(&flags.precision, "precision", "2%", "stop when what holds and what fails are this near; 0 for the very `NUMBER`")
	f.IntVar(&s.Confirm, "confirm", 1, "how `OFTEN` each side of the edge must say it again")
	f.IntVar(&s.Repeats, "repeats", 2, "how `OFTEN` an inconclusive probe is made again")
	f.DurationVar(&s.Cooldown, "cooldown", 2*time.Second, "rest this long between two probes")
	f.DurationVar(&s.Settle, "settle", 30*time.Second, "and up to this much longer until sockets and target are calm")
	f.IntVar(&flags.need, "need", 0, "exit with 1 if the target holds fewer `CLIENTS`")
	f.IntVar(&flags.beyond, "beyond", 10, "simulate up to so many `TIMES` what the target holds; 0: nothing")
	f.Float64Var(&flags.handshakes, "handshakes", 0, "simulate a server of this `RATE` of handshakes per second instead of the one seen")
	f.StringVarP(&flags.file, "output", "o", "", "keep the search in this `FILE` (default NAME.capacity.json)")
	f.StringVar(&flags.keep, "keep", "", "write the Result of each probe to this `DIRECTORY`")
	f.StringVar(&flags.format, "format", "text", "`FORMAT` of the report: text, json")
	f.BoolVar(&flags.resume, "resume", false, "continue the search in the file")
	f.BoolVar(&flags.fresh, "fresh", false, "begin anew even if the file holds a search that has not ended")
	f.BoolVarP(&flags.quiet, "quiet", "q", false, "no progress on standard error")
	flags.scenario.add(cmd)
	flags.look.addLook(cmd)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.MarkFlagDirname("keep")
	return cmd
}

// maxCapacity is the most clients of one scenario.
const maxCapacity = 1_000_000

// check refuses what no search can be made of.
func (c *capacityFlags) check() error {
	s := &c.settings
	var err error
	if s.Precision, err = parsePrecision(c.precision); err != nil {
		return usageError(err)
	}
	bad := func(format string, a ...any) error { return usageError(fmt.Errorf(format, a...)) }
	switch {
	case c.resume && c.fresh:
		return bad("--resume continues a search and --fresh begins one: choose one")
	case c.format != "text" && c.format != "json":
		return usageError(hint(fmt.Errorf("unknown format %q", c.format), "formats: text, json"))
	case c.file == "-" || c.file == "none":
		return usageError(hint(fmt.Errorf("-o %s: a search needs a file, from which it can be continued", c.file), "-o FILE; --format json prints the report as JSON"))
	case s.Min < 1:
		return bad("--min %d: at least one client has to be tried", s.Min)
	case s.Max < s.Min:
		return bad("--max %d is below --min %d", s.Max, s.Min)
	case s.Max > maxCapacity:
		return usageError(hint(fmt.Errorf("--max %d is more than the %d clients that a scenario can have", s.Max, maxCapacity), "run several flatlines beside each other"))
	case s.Start < 0:
		return bad("--start %d is negative", s.Start)
	case s.Start > 0 && (s.Start < s.Min || s.Start > s.Max):
		return bad("--start %d is not within --min %d and --max %d", s.Start, s.Min, s.Max)
	case s.Confirm < 0 || s.Confirm > 100:
		return bad("--confirm %d: from 0 to 100", s.Confirm)
	case s.Repeats < 0 || s.Repeats > 100:
		return bad("--repeats %d: from 0 to 100", s.Repeats)
	case s.Cooldown < 0 || s.Settle < 0:
		return bad("--cooldown and --settle must not be negative")
	case !(c.handshakes >= 0 && c.handshakes <= 1e6):
		return bad("--handshakes %v: a rate per second, up to 1000000", c.handshakes)
	case c.need < 0 || c.beyond < 0:
		return bad("--need and --beyond must not be negative")
	}
	return nil
}

func parsePrecision(s string) (float64, error) {
	num, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	v, err := strconv.ParseFloat(num, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 0.5) {
		return 0, hint(fmt.Errorf("--precision %q is no share from 0%% to 50%%", s), "2% is the default; 0 finds the very number")
	}
	return v, nil
}

// capacity searches from start, or from where the file has come, to the report.
func (a *app) capacity(cmd *cobra.Command, plan *scenario.Plan, scene *scenario.File, flags *capacityFlags) error {
	path := flags.file
	if path == "" {
		path = fileName(plan.Name) + ".capacity.json"
	}
	file, err := openSearch(path, plan, flags)
	if err != nil {
		return usageError(err)
	}
	if flags.keep != "" {
		if is, err := os.Stat(flags.keep); err != nil || !is.IsDir() {
			return usageError(fmt.Errorf("--keep %s: there is no such directory", flags.keep))
		}
	}
	file.Command, file.Resume = searchCommand(cmd, plan, false), searchCommand(cmd, plan, true)
	h := newHunt(a, plan, scene, file, path, flags)
	if err := h.prepare(); err != nil {
		return err
	}
	if !flags.quiet {
		fmt.Fprint(a.stderr, printable(plan.String()))
		fmt.Fprint(a.stderr, printable(h.announce()))
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		h.created = true
		if err := h.save(); err != nil { // now, rather than after a minute's probe
			return cannotRun(err)
		}
	}
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	defer a.onInterrupt(cancel)()
	err = h.run(ctx)
	if context.Cause(ctx) == errInterrupted {
		file.Status, file.Reason = capacity.Interrupted, "interrupted by the user; the probe that was under way counts for nothing"
	}
	return h.finish(ctx, err)
}

// finish prints the report and turns what is known into the exit code. stopped is why the next probe could not be made.
func (h *hunt) finish(ctx context.Context, stopped error) error {
	f := h.file
	switch {
	case f.Status == capacity.Interrupted:
		stopped = nil
	case stopped != nil && len(f.Probes) == 0: // nothing to report, and nothing to continue
		if h.created {
			_ = os.Remove(h.path)
		}
		return asExit(stopped)
	case stopped != nil:
		f.Status, f.Reason = capacity.Stopped, stopped.Error()
	default:
		f.Status = capacity.Complete
		h.model(ctx)
	}
	saved := h.save()
	r, err := f.Report()
	if err != nil {
		return cannotRun(err)
	}
	if err := h.print(r); err != nil {
		return cannotRun(err)
	}
	if saved != nil {
		return cannotRun(fmt.Errorf("the report above is all that is left: %w", saved))
	}
	fmt.Fprintf(h.stderr, "search: %s\n", h.path)
	switch {
	case f.Status == capacity.Interrupted:
		return exitWith(exitInterrupted)
	case stopped != nil:
		return asExit(stopped)
	case r.Holds < h.flags.need && r.AtLeast:
		return exitWith(exitInconclusive)
	case r.Holds > 0 && r.Holds >= h.flags.need:
		return nil
	case r.Edge == "unknown" || r.Edge == "blurred" || r.Edge == "limit":
		return exitWith(exitInconclusive)
	}
	return exitWith(exitFail)
}

// asExit is an error that cannot do without an exit code.
func asExit(err error) error {
	var exit *exitError
	if errors.As(err, &exit) {
		return err
	}
	return cannotRun(err)
}

func (h *hunt) print(r *capacity.Report) error {
	if h.flags.format == "json" {
		e := json.NewEncoder(h.stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	width := h.flags.look.width
	if width == 0 {
		width = 100
		if w, ok := terminal(h.stdout); ok {
			width = min(width, w)
		}
	}
	return capacity.WriteText(h.stdout, r, report.TextOptions{Width: width, Color: colored(h.stdout), ASCII: h.flags.look.ascii})
}
