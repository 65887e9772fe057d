package main

import (
	"bytes"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/report/html"
)

// results takes one Result, or several for a format that shows them together.
func results(format *string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if *format == "html" && len(args) > 0 {
			return nil
		}
		return one("RESULT")(cmd, args)
	}
}

// reportHTML writes the page of the Results to path, or to standard output. The exit code is that of the run where
// there is one.
func (a *app) reportHTML(paths []string, path string) error {
	if len(paths) > html.MaxRuns {
		return usageError(fmt.Errorf("%d results are more than one page can tell apart: at most %d", len(paths), html.MaxRuns))
	}
	var in []html.Input
	for _, p := range paths {
		r, err := readResult(p)
		if err != nil {
			return err
		}
		in = append(in, html.Input{Name: filepath.Base(p), Result: r})
	}
	if path != "" && path != "-" {
		if err := saveHTML(path, in...); err != nil {
			return cannotRun(err)
		}
	} else {
		page, err := html.NewPage(in...)
		if err == nil {
			err = html.Write(a.stdout, page)
		}
		if err != nil {
			return cannotRun(err)
		}
	}
	if len(in) == 1 {
		return verdictExit(in[0].Result)
	}
	return nil
}

// saveHTML writes the page to a file, which appears whole or not at all.
func saveHTML(path string, in ...html.Input) error {
	page, err := html.NewPage(in...)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := html.Write(&b, page); err != nil {
		return err
	}
	if err := report.ReplaceFile(path, b.Bytes()); err != nil {
		return fmt.Errorf("write html report %s: %w", path, err)
	}
	return nil
}
