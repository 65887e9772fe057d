package compare

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/flatline-dev/flatline/report"
)

// WriteMarkdown writes the comparison as GitHub Flavored Markdown, fit for a comment on a pull request: the verdict, the
// gates, what changed, and the rest folded away. What comes from elsewhere stands in code spans, in which nothing is a link,
// a mention or a tag.
func WriteMarkdown(w io.Writer, c *Comparison) error {
	b := bufio.NewWriter(w)
	word, why := c.headline()
	fmt.Fprintf(b, "### flatline: %s\n\n**%s** %s.\n\n", code(c.Name), word, why)
	fmt.Fprintf(b, "%s. Old: %s. New: %s.\n\n", c.counted(), code(c.Old.who()), code(c.New.who()))
	if len(c.Differences) > 0 {
		fmt.Fprintf(b, "> [!WARNING]\n> %s\n", planNote)
		for _, d := range c.Differences {
			fmt.Fprintf(b, "> - %s\n", code(d.String()))
		}
		b.WriteString("\n")
	}
	if len(c.Notes)+len(c.Doubts) > 0 {
		b.WriteString("> [!NOTE]\n")
		for _, s := range append(append([]string{}, c.Doubts...), c.Notes...) {
			fmt.Fprintf(b, "> - %s\n", code(s))
		}
		b.WriteString("\n")
	}
	if len(c.Gates) > 0 {
		b.WriteString("| | gate | |\n| --- | --- | --- |\n")
		for _, g := range c.Gates {
			mark := map[report.Judgement]string{report.Pass: "ok", report.Fail: "**FAIL**"}[g.State]
			if mark == "" {
				mark = "?"
			}
			fmt.Fprintf(b, "| %s | %s | %s |\n", mark, code(g.Gate), code(g.Reason))
		}
		b.WriteString("\n")
	}
	for _, s := range c.further() {
		fmt.Fprintf(b, "- %s\n", code(s))
	}
	c.markdownTables(b)
	return b.Flush()
}

// A comment on GitHub has room for 65,536 characters, and a row may take 300.
const (
	maxShown  = 120
	maxFolded = 60
)

func (c *Comparison) markdownTables(b *bufio.Writer) {
	var folded []*Row
	open, shown := false, 0
	for _, s := range c.sections(false) {
		folded = append(folded, s.rest...)
		if len(s.rows) == 0 {
			continue
		}
		if !open {
			c.markdownHead(b)
			open = true
		}
		for _, r := range s.rows {
			if shown++; shown <= maxShown {
				c.markdownRow(b, r)
			}
		}
	}
	if n := shown - maxShown; n > 0 {
		fmt.Fprintf(b, "\nand %d more.\n", n)
	}
	fmt.Fprintf(b, "\n%s.\n", strings.Join(c.legend(), "; "))
	if len(folded) == 0 {
		return
	}
	fmt.Fprintf(b, "\n<details><summary>%s</summary>\n\n", left(folded))
	c.markdownHead(b)
	for i, r := range folded {
		if i == maxFolded {
			break
		}
		c.markdownRow(b, r)
	}
	if n := len(folded) - maxFolded; n > 0 {
		fmt.Fprintf(b, "\nand %d more.\n", n)
	}
	b.WriteString("\n</details>\n")
}

func (c *Comparison) markdownHead(b *bufio.Writer) {
	fmt.Fprintf(b, "| figure | %s |\n| --- |%s\n", strings.Join(c.columns(), " | "), strings.Repeat(" ---: |", len(c.columns())))
}

func (c *Comparison) markdownRow(b *bufio.Writer, r *Row) {
	cells := r.cells()
	if k := len(cells) - 1; r.Call == Worse {
		cells[k] = "**worse**"
	} else if r.Call == Same {
		cells[k] = `\~`
	}
	fmt.Fprintf(b, "| %s | %s |\n", code(r.name()), strings.Join(cells, " | "))
}

// code makes a code span of one line: nothing in it is Markdown or HTML, and a table's bar is no bar.
func code(s string) string {
	s = strings.NewReplacer("`", "'", "|", `\|`).Replace(report.Clean(s, 1000))
	if strings.TrimSpace(s) == "" {
		return "-"
	}
	return "`" + s + "`"
}
