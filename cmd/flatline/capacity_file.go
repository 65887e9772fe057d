package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/flatline-dev/flatline/internal/capacity"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// openSearch begins a search, or takes up the one in the file.
func openSearch(path string, plan *scenario.Plan, flags *capacityFlags) (*capacity.File, error) {
	old, err := capacity.Read(path)
	switch {
	case flags.resume && errors.Is(err, fs.ErrNotExist):
		return nil, hint(fmt.Errorf("no search to continue: %w", err), "without --resume a new one begins; -o names another file")
	case flags.resume && err != nil:
		return nil, err
	case flags.resume && old.Hash != plan.Hash():
		return nil, hint(fmt.Errorf("%s holds a search of another plan: %s with plan %.12s, and %s is now plan %.12s", path, old.Name, old.Hash, plan.Path, plan.Hash()),
			"the scenario, its seed or its engine has changed since: its probes cannot be mixed with new ones; --fresh begins anew")
	case flags.resume && !sameMachine(&old.Host):
		return nil, hint(fmt.Errorf("%s was begun on a machine of %d cores and %s of memory, and this is another", path, old.Host.CPUs, mebibytes(int64(old.Host.Memory))),
			"probes of two machines cannot be mixed; --fresh begins anew")
	case flags.resume:
		old.Settings = settingsOf(plan, flags)
		old.Status, old.Reason, old.Ceiling, old.Model = capacity.Running, "", nil, nil
		return old, nil
	case err == nil && old.Status != capacity.Complete && len(old.Probes) > 0 && !flags.fresh:
		return nil, hint(fmt.Errorf("%s holds a search that has not ended, of %s", path, probesOf(old)),
			"--resume continues it, --fresh begins anew, -o names another file")
	case err != nil && !errors.Is(err, fs.ErrNotExist) && !flags.fresh:
		return nil, hint(err, "--fresh replaces it, -o names another file")
	}
	return &capacity.File{
		Format: capacity.Format, Version: capacity.Version, Tool: "flatline " + version(), Started: time.Now(), Host: report.LocalHost(),
		Status: capacity.Running, Name: plan.Name, Intent: plan.Intent, Path: plan.Path, Target: plan.Target.String(), Seed: plan.Seed,
		Hash: plan.Hash(), Written: plan.Clients, Settings: settingsOf(plan, flags), Probes: []capacity.Probe{},
	}, nil
}

// sameMachine is false if h is certainly not this machine.
func sameMachine(h *report.Host) bool {
	is := report.LocalHost()
	return h.OS == is.OS && h.Arch == is.Arch && h.CPUs == is.CPUs && h.Memory == is.Memory
}

func probesOf(f *capacity.File) string {
	if len(f.Probes) == 1 {
		return "1 probe"
	}
	return fmt.Sprintf("%d probes", len(f.Probes))
}

func settingsOf(plan *scenario.Plan, flags *capacityFlags) capacity.Settings {
	s := flags.settings
	if s.Start == 0 {
		s.Start = min(max(plan.Clients, s.Min), s.Max)
	}
	return s
}

// searchCommand is the command line with the flags as given.
func searchCommand(cmd *cobra.Command, plan *scenario.Plan, resume bool) string {
	words := []string{"flatline", "capacity"}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains([]string{"resume", "fresh", "width", "ascii"}, f.Name) {
			word := "--" + f.Name
			if f.Value.Type() != "bool" {
				word += "=" + quote(f.Value.String())
			}
			words = append(words, word)
		}
	})
	if resume {
		words = append(words, "--resume")
	}
	return strings.Join(append(words, quote(plan.Path)), " ")
}
