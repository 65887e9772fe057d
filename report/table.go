package report

import (
	"strings"
	"unicode/utf8"
)

// Table lays text out in columns for a terminal. The first column is aligned to the left, the others to the right; a row of one
// cell that is no heading runs over all columns. Cells that come from elsewhere must be [Clean].
type Table struct {
	rows     [][]string // the first one is the heading
	optional []int
	keep     int
}

// Optional names columns, numbered from 0, that are left out one after the other where otherwise the first column would be
// cut to fewer than keep characters.
func (t *Table) Optional(keep int, columns ...int) { t.keep, t.optional = keep, columns }

// Add appends a row, the first one being the heading.
func (t *Table) Add(cells ...string) { t.rows = append(t.rows, cells) }

// Line appends text that is not part of any column.
func (t *Table) Line(text string) { t.rows = append(t.rows, []string{text}) }

// Lines lays the table out in at most width characters, as far as leaving out what is optional and cutting the first
// column can do that.
func (t *Table) Lines(width int) []string {
	skip := map[int]bool{}
	widths, total := t.widths(skip)
	for _, column := range t.optional {
		if len(widths) > 0 && widths[0]-(total-width) < min(t.keep, widths[0]) {
			skip[column] = true
			widths, total = t.widths(skip)
		}
	}
	if total > width && len(widths) > 0 {
		widths[0] = max(widths[0]-(total-width), 12)
	}
	out := make([]string, 0, len(t.rows))
	for _, r := range t.rows {
		if len(r) == 1 {
			out = append(out, r[0])
			continue
		}
		var b strings.Builder
		for i, c := range r {
			if skip[i] {
				continue
			}
			if i == 0 {
				c = cut(c, widths[0])
			}
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

// widths are those of the columns, and of all but the skipped ones together.
func (t *Table) widths(skip map[int]bool) (widths []int, total int) {
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
	total = -2
	for i, w := range widths {
		if !skip[i] {
			total += w + 2
		}
	}
	return widths, total
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

// flow joins parts with "; " and breaks lines only between them.
func flow(parts []string, width int) (lines []string) {
	for _, p := range parts {
		if n := len(lines); n > 0 && utf8.RuneCountInString(lines[n-1])+2+utf8.RuneCountInString(p) <= width {
			lines[n-1] += "; " + p
			continue
		}
		lines = append(lines, Wrap(p, width)...)
	}
	return lines
}

// Wrap breaks text at spaces into lines of at most width characters, as far as its words allow.
func Wrap(s string, width int) (lines []string) {
	for _, w := range strings.Fields(s) {
		if n := len(lines); n > 0 && utf8.RuneCountInString(lines[n-1])+1+utf8.RuneCountInString(w) <= width {
			lines[n-1] += " " + w
			continue
		}
		lines = append(lines, w)
	}
	return lines
}
