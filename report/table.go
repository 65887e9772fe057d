package report

import (
	"strings"
	"unicode/utf8"
)

// table lays rows out in columns. The first column is aligned to the left, the others to the right; a row of one cell
// that is no heading runs over all columns.
type table struct {
	rows [][]string
	min  []int // least width of each column
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// line adds text that is not part of any column.
func (t *table) line(text string) { t.rows = append(t.rows, []string{text}) }

func (t *table) lines() []string {
	widths := append([]int(nil), t.min...)
	for _, r := range t.rows {
		if len(r) == 1 {
			continue
		}
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	out := make([]string, 0, len(t.rows))
	for _, r := range t.rows {
		if len(r) == 1 {
			out = append(out, r[0])
			continue
		}
		var b strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i == 0 {
				b.WriteString(c + pad)
			} else {
				b.WriteString("  " + pad + c)
			}
		}
		out = append(out, strings.TrimRight(b.String(), " "))
	}
	return out
}
