package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Renderer is one form in which a Result can be written. All of them print the figures of one [Summary].
type Renderer struct {
	Name  string // as --format and --write name it
	Doc   string // what it is for, in a few words
	Write func(w io.Writer, r *Result, o TextOptions) error
}

// Renderers are all forms, in the order of the documentation.
var Renderers = []Renderer{
	{"text", "what a terminal shows", WriteText},
	{"markdown", "a pull-request comment, a CI job's summary", plainly(WriteMarkdown)},
	{"json", "every figure, for programs", plainly(WriteJSON)},
	{"junit", "JUnit XML: an expectation is a test case", plainly(WriteJUnit)},
	{"csv", "the series: one line a second", plainly(WriteCSV)},
	{"bench", "Go benchmark format, for benchstat", plainly(WriteBench)},
	{"hlog", "HdrHistogram interval log", plainly(WriteHLog)},
}

// plainly is for forms that look the same everywhere.
func plainly(write func(io.Writer, *Result) error) func(io.Writer, *Result, TextOptions) error {
	return func(w io.Writer, r *Result, _ TextOptions) error { return write(w, r) }
}

// WriteFile writes the report to a file, which appears whole or not at all. What is there already and is no regular
// file, a pipe or a device, is written to as it is.
func (f Renderer) WriteFile(path string, r *Result, o TextOptions) error {
	var text bytes.Buffer
	err := f.Write(&text, r, o)
	if err == nil {
		if is, missing := os.Stat(path); missing == nil && !is.IsDir() && !is.Mode().IsRegular() {
			err = intoDevice(path, text.Bytes())
		} else {
			err = ReplaceFile(path, text.Bytes())
		}
	}
	if err != nil {
		return fmt.Errorf("write %s report %s: %w", f.Name, path, err)
	}
	return nil
}

// CanWrite says why [Renderer.WriteFile] could not write to the path, as far as that shows before it does.
func CanWrite(path string) error {
	is, err := os.Stat(path)
	switch {
	case err == nil && is.IsDir():
		return fmt.Errorf("%s is a directory", path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	dir := filepath.Dir(path)
	if is, err := os.Stat(dir); err != nil {
		return err
	} else if !is.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	return nil
}

func intoDevice(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// word makes text from elsewhere one word of a line-based format, in which only letters, digits and a few signs of their
// own stand: "_" for everything else, "_" alone for nothing, and at most 80 characters.
func word(s string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '#', r == '-', r == ':':
			return r
		}
		return '_'
	}, s)
	if clean == "" {
		return "_"
	}
	return clean[:min(len(clean), 80)]
}
