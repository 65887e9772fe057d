package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is one mistake in a scenario file.
type Problem struct {
	File    string
	Line    int // from 1; 0: the problem belongs to no place in the text
	Column  int // in characters, from 1
	Message string
	Hint    string // how to mend it; "": unknown
	Source  string // the offending line
}

// String prints the position and message, the source line with a caret under the column, and the hint.
func (p *Problem) String() string {
	var b strings.Builder
	switch {
	case p.Line == 0 && p.File != "":
		fmt.Fprintf(&b, "%s: %s", p.File, p.Message)
	case p.Line == 0:
		b.WriteString(p.Message)
	default:
		fmt.Fprintf(&b, "%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
		if line, caret := excerpt(p.Source, p.Column); line != "" {
			fmt.Fprintf(&b, "\n    %s\n    %s", line, caret)
		}
	}
	if p.Hint != "" {
		b.WriteString("\nhint: " + p.Hint)
	}
	return b.String()
}

// Error is String: a single Problem is an error by itself.
func (p *Problem) Error() string { return p.String() }

// excerptWidth keeps a line of minified YAML from filling the terminal.
const excerptWidth = 120

// excerpt cuts a window around column out of line and puts a caret below it. Control characters are replaced, so that
// a binary file cannot drive the terminal.
func excerpt(line string, column int) (text, caret string) {
	runes := []rune(strings.TrimRight(line, " \t\r\n"))
	if len(runes) == 0 {
		return "", ""
	}
	for i, r := range runes {
		switch {
		case r == '\t':
			runes[i] = ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || r >= 0x202a && r <= 0x202e:
			runes[i] = '?'
		}
	}
	at := min(max(column-1, 0), len(runes))
	from := 0
	if len(runes) > excerptWidth {
		from = max(0, min(at-excerptWidth/2, len(runes)-excerptWidth))
		runes = runes[from : from+excerptWidth]
	}
	return string(runes), strings.Repeat(" ", at-from) + "^"
}

// Problems is every mistake found in a scenario. As an error it prints all of them in the order of the text.
type Problems []Problem

func (ps Problems) Error() string {
	var b strings.Builder
	for i := range ps {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(ps[i].String())
		b.WriteString("\n")
	}
	if len(ps) > 1 {
		fmt.Fprintf(&b, "\n%d problems", len(ps))
	}
	return strings.TrimRight(b.String(), "\n")
}

// sort orders by position and drops repetitions; problems without a position come first.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(ps)
}

// err is nil when there are no problems.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	sorted := ps.sorted()
	return &sorted
}

// didYouMean is a hint that names the known word nearest to got, or lists all words when none is near.
func didYouMean(got string, known []string) string {
	if near := nearest(got, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(known) == 0 {
		return ""
	}
	return "one of: " + strings.Join(known, ", ")
}

// nearest is the known word within an edit distance of a third of its length (at least 1, at most 3), or "".
func nearest(got string, known []string) string {
	fold := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	}
	g := fold(got)
	if len(g) > 64 {
		return ""
	}
	best, bestDistance := "", 4
	for _, k := range known {
		f := fold(k)
		d := editDistance(g, f)
		if limit := min(max(max(len(g), len(f))/3, 1), 3); d <= limit && d < bestDistance && d < len(f) {
			best, bestDistance = k, d
		}
	}
	if best == "" && len(g) >= 3 { // an abbreviation, or one word too many
		for _, k := range known {
			if f := fold(k); strings.HasPrefix(f, g) || strings.HasPrefix(g, f) && len(f) >= 4 {
				return k
			}
		}
	}
	return best
}

// editDistance counts insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
func editDistance(a, b string) int {
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}
