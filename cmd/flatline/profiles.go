package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/scenario"
)

func (a *app) profilesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "profiles [NAME]",
		Short: "list the named clients with their detection bounds, or print one to start from",
		Long: `Profiles lists the clients that a scenario can name, and within which bounds each notices a
silent path, by closed forms: after more than the first figure and at most the second, at a
round trip of 0. Beats are those that an idle connection carries in an hour, from either side.
With a NAME it prints that profile as YAML: beat, detector and reconnect policy, every field of
which can be overridden in a group. docs/profiles.md compares their reconnect storms.`,
		Args: atMostOneName,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return scenario.Profiles(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				text, ok := scenario.ProfileYAML(args[0])
				if !ok {
					return usageError(hint(fmt.Errorf("no profile %q", args[0]), "flatline profiles lists them"))
				}
				_, err := a.stdout.Write(text)
				return err
			}
			return a.listProfiles()
		},
	}
}

func atMostOneName(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return one("NAME")(cmd, args)
	}
	return nil
}

func (a *app) listProfiles() error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "profile\tsilence noticed after\tbeats/h\twhat it is")
	for _, name := range scenario.Profiles() {
		config, doc, err := scenario.Profile(name)
		if err != nil {
			return err
		}
		bounds := "never"
		if lo, hi, ok := config.Bounds(0); ok {
			bounds = fmt.Sprintf("%s to %s", chaos.FormatDuration(lo), chaos.FormatDuration(hi))
		}
		fmt.Fprintf(w, "%s\t%s\t%7.0f\t%s\n", name, bounds, config.BeatsPerHour(), strings.TrimPrefix(firstLine(doc), name+": "))
	}
	return w.Flush()
}

func firstLine(s string) string {
	for i, r := range s {
		if r == '\n' {
			return s[:i]
		}
	}
	return s
}
