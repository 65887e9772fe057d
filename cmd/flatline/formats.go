package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/report/html"
)

// forms are all forms of a report, in the order of docs/formats.md.
var forms = append(slices.Clone(report.Renderers), report.Renderer{
	Name: "html", Doc: "one page for a browser, with charts",
	Write: func(w io.Writer, r *report.Result, _ report.TextOptions) error {
		page, err := html.NewPage(html.Input{Result: r})
		if err != nil {
			return err
		}
		return html.Write(w, page)
	},
})

// alsoWrite is a report that a run leaves in a file, beside the one on standard output.
type alsoWrite struct {
	flag string // that asked for it
	form report.Renderer
	file string
}

// writeFlag collects --write FORMAT=FILE, and --html FILE, which is --write html=FILE.
type writeFlag struct{ list []alsoWrite }

// htmlFlag is --html FILE.
type htmlFlag struct{ also *writeFlag }

// String implements pflag.Value.
func (htmlFlag) String() string { return "" }

// Type implements pflag.Value.
func (htmlFlag) Type() string { return "FILE" }

// Set implements pflag.Value.
func (f htmlFlag) Set(file string) error { return f.also.set("--html", "html", file) }

func (f *writeFlag) add(cmd *cobra.Command) {
	cmd.Flags().Var(f, "write", "write the report in another form too, `FORMAT=FILE`; can be repeated")
	_ = cmd.RegisterFlagCompletionFunc("write", func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(typed, "=") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		var out []string
		for _, form := range forms {
			out = append(out, form.Name+"=\t"+form.Doc)
		}
		return out, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	})
}

// String implements pflag.Value.
func (f *writeFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *writeFlag) Type() string { return "FORMAT=FILE" }

// Set implements pflag.Value.
func (f *writeFlag) Set(s string) error {
	name, file, ok := strings.Cut(s, "=")
	switch {
	case !ok:
		return fmt.Errorf("FORMAT=FILE is missing its %q, as in junit=result.xml", "=")
	case file == "":
		return errors.New("the file is missing, as in junit=result.xml")
	}
	return f.set("--write "+name, name, file)
}

func (f *writeFlag) set(flag, format, file string) error {
	switch file {
	case "":
		return errors.New("the file is missing")
	case "-":
		return errors.New("standard output has the report: write to a file")
	}
	form, err := lookupFormat(format)
	if err != nil {
		return err
	}
	f.list = append(f.list, alsoWrite{flag, form, file})
	return nil
}

// check finds out before a run of minutes what could not be written after it, and what would be written twice: result is
// where the Result goes, "" for nowhere.
func (f *writeFlag) check(result string) error {
	taken := map[string]bool{}
	if result != "" {
		taken[filepath.Clean(result)] = true
	}
	for _, w := range f.list {
		name := filepath.Clean(w.file)
		if taken[name] {
			return usageError(fmt.Errorf("%s: two outputs go to %s", w.flag, w.file))
		}
		taken[name] = true
		if err := report.CanWrite(w.file); err != nil {
			return cannotRun(fmt.Errorf("%s: %w", w.flag, err))
		}
	}
	return nil
}

// write writes all of them, those behind a failure included.
func (f *writeFlag) write(r *report.Result) error {
	var failed []error
	for _, w := range f.list {
		failed = append(failed, w.form.WriteFile(w.file, r, report.TextOptions{}))
	}
	return errors.Join(failed...)
}

// same reports whether both are one file.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

func lookupFormat(name string) (report.Renderer, error) {
	for _, form := range forms {
		if form.Name == name {
			return form, nil
		}
	}
	return report.Renderer{}, hint(fmt.Errorf("unknown format %q", name), "formats: "+formatNames())
}

func formatNames() string {
	var names []string
	for _, form := range forms {
		names = append(names, form.Name)
	}
	return strings.Join(names, ", ")
}

// formatCompletions offers the forms of a report.
func formatCompletions(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, form := range forms {
		out = append(out, form.Name+"\t"+form.Doc)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
