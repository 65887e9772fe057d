package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/internal/calibrate"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
)

// calibration is a model that was fitted to a Result. A nil calibration says nothing.
type calibration struct {
	*calibrate.Fit
	measured *report.Result
}

// fit sets in m what the Result at path says of the path and the server.
func (a *app) fit(cmd *cobra.Command, path string, m *sim.Model) (*calibration, error) {
	for _, name := range []string{"rtt", "latency"} {
		if cmd.Flags().Changed(name) {
			return nil, usageError(hint(fmt.Errorf("--like and --%s both say how long a message takes", name), "leave one of them out"))
		}
	}
	r, err := readResult(path)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	defer a.onInterrupt(cancel)()
	f, err := calibrate.Of(ctx, r)
	switch {
	case err != nil && context.Cause(ctx) == errInterrupted:
		return nil, exitWith(exitInterrupted)
	case err != nil:
		return nil, usageError(fmt.Errorf("cannot fit to %s: %w", path, err))
	}
	m.RTT, m.Latency, m.Server.Handshake = f.Model.RTT, 0, f.Model.Server.Handshake
	return &calibration{f, r}, nil
}

func (c *calibration) say(w io.Writer) {
	if c == nil {
		return
	}
	for _, n := range c.Notes {
		fmt.Fprintf(w, "fitted   %s\n", printable(n))
	}
}

// calibrate repeats the measured run in the simulator and prints both side by side. The exit code says only whether that
// could be done.
func (a *app) calibrate(ctx context.Context, c *calibration, o sim.Many, out *outputFlags) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer a.onInterrupt(cancel)()
	o.Report = out.about("sim", "sim", c.Plan, c.measured.Plan.Target)
	res, err := sim.Simulate(ctx, c.Plan, o)
	if err == nil && context.Cause(ctx) == errInterrupted {
		err = errors.New("interrupted")
	}
	if err != nil {
		if context.Cause(ctx) == errInterrupted {
			return exitWith(exitInterrupted)
		}
		return cannotRun(err)
	}
	if out.file != "" && out.file != "none" {
		if err := res.WriteFile(out.file); err != nil {
			return cannotRun(err)
		}
		fmt.Fprintf(a.stderr, "result: %s\n", out.file)
	}
	if err := out.also.write(res); err != nil {
		return cannotRun(err)
	}
	if err := calibrate.WriteText(a.stdout, c.Fit, calibrate.Diff(c.measured, res), a.columns(out)); err != nil {
		return cannotRun(err)
	}
	return nil
}
