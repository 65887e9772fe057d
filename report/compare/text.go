package compare

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/flatline-dev/flatline/report"
)

// TextOptions say how a comparison is written.
type TextOptions struct {
	Width int  // columns; 0 is 100, less than 80 is 80
	Color bool // ANSI colours
	All   bool // every row, also those without a difference
}

const (
	bold   = "1"
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
	faint  = "2"
)

type textWriter struct {
	w *bufio.Writer
	o TextOptions
}

func (t *textWriter) paint(style, s string) string {
	if !t.o.Color || style == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func (t *textWriter) say(format string, a ...any) { fmt.Fprintf(t.w, format+"\n", a...) }

// wrapped prints s below a mark, broken at spaces.
func (t *textWriter) wrapped(mark, style, s string) {
	line, indent := "", utf8.RuneCountInString(mark)+1
	flush := func() {
		t.say("%s %s", t.paint(style, mark), line)
		mark, style, line = strings.Repeat(" ", indent-1), "", ""
	}
	for _, w := range strings.Fields(s) {
		if line != "" && indent+utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > t.o.Width {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	flush()
}

// WriteText writes the comparison for a terminal.
func WriteText(w io.Writer, c *Comparison, o TextOptions) error {
	if o.Width == 0 {
		o.Width = 100
	}
	o.Width = max(o.Width, 80)
	t := &textWriter{w: bufio.NewWriter(w), o: o}
	t.head(c)
	t.tables(c)
	t.gates(c)
	t.foot(c)
	return t.w.Flush()
}

func (t *textWriter) head(c *Comparison) {
	t.say("%s  %s", t.paint(bold, report.Clean(c.Name, 60)), t.paint(faint, c.counted()))
	t.wrapped("  old", faint, c.Old.who())
	t.wrapped("  new", faint, c.New.who())
	if len(c.Differences) > 0 {
		t.say("")
		for _, l := range report.Wrap(planNote, t.o.Width) {
			t.say("%s", t.paint(red, l))
		}
		for _, d := range c.Differences {
			t.wrapped("  -", red, d.String())
		}
	}
	for _, s := range c.Notes {
		t.wrapped("  !", yellow, s)
	}
	for _, s := range c.Doubts {
		t.wrapped("  !", red, s)
	}
}

func (t *textWriter) tables(c *Comparison) {
	var hidden []*Row
	tb := &report.Table{}
	tb.Optional(t.o.Width, 4, 6) // the interval and n: what was tested and how it came out stays
	var styles []string
	for _, s := range c.sections(t.o.All) {
		hidden = append(hidden, s.rest...)
		if len(s.rows) == 0 {
			continue
		}
		if len(styles) == 0 {
			tb.Add(append([]string{s.title}, c.columns()...)...)
		} else {
			tb.Line("")
			tb.Line(s.title)
			styles = append(styles, "", bold)
		}
		if len(styles) == 0 {
			styles = append(styles, bold)
		}
		for _, r := range s.rows {
			tb.Add(append([]string{"  " + r.Metric}, r.cells()...)...)
			styles = append(styles, map[Call]string{Worse: red, Better: green, Differs: yellow}[r.Call])
		}
	}
	t.say("")
	for i, l := range tb.Lines(t.o.Width) {
		t.say("%s", t.paint(styles[i], l))
	}
	if len(hidden) > 0 {
		t.wrapped(" ", "", "and "+left(hidden)+" (--all lists them)")
	}
	t.wrapped(" ", "", strings.Join(c.legend(), "; "))
}

func (t *textWriter) gates(c *Comparison) {
	if len(c.Gates) == 0 {
		return
	}
	t.say("\n%s", t.paint(bold, "Gates"))
	for _, g := range c.Gates {
		mark, style := "ok  ", green
		switch g.State {
		case report.Fail:
			mark, style = "FAIL", red
		case report.Inconclusive:
			mark, style = "?   ", yellow
		}
		t.say("  %s  %s", t.paint(style, mark), g.Gate)
		t.wrapped("       ", "", g.Reason)
	}
}

func (t *textWriter) foot(c *Comparison) {
	word, why := c.headline()
	style := map[string]string{"PASS": green, "SAME": bold, "FAIL": red, "DIFFERENT": yellow, "INCONCLUSIVE": yellow}[word]
	t.say("\n%s  %s", t.paint(style, word), why)
	for _, r := range c.further() {
		t.wrapped(" ", "", r)
	}
}
