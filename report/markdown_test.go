package report

import (
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	mdtext "github.com/yuin/goldmark/text"
)

// parseMarkdown reads GitHub's Markdown: CommonMark with tables, and addresses that become links by themselves.
func parseMarkdown(report []byte) ast.Node {
	return goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(mdtext.NewReader(report))
}

// plainText is what a node shows.
func plainText(n ast.Node, src []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if x, ok := n.(*ast.Text); ok && entering {
			b.Write(x.Value(src))
		}
		return ast.WalkContinue, nil
	})
	// A table's parser takes away the backslash before a pipe, but for code spans only when it renders.
	return strings.ReplaceAll(b.String(), `\|`, "|")
}

func readMarkdown(t *testing.T, report []byte) (p printed) {
	t.Helper()
	_ = ast.Walk(parseMarkdown(report), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			line := plainText(n, report)
			_, line, _ = strings.Cut(line, " ") // the sign
			p.Word, p.Held, _ = strings.Cut(line, ": ")
		case *ast.ListItem:
			line := plainText(n, report)
			if x, ok := strings.CutPrefix(line, "false positives: "); ok {
				p.False, _, _ = strings.Cut(x, " (")
			}
			if x, ok := strings.CutPrefix(line, "clients: "); ok {
				p.Clients = x
			}
		case *extast.Table:
			var rows [][]string
			for r := n.FirstChild(); r != nil; r = r.NextSibling() {
				var row []string
				for c := r.FirstChild(); c != nil; c = c.NextSibling() {
					row = append(row, plainText(c, report))
				}
				if want := len(n.Alignments); len(row) != want {
					t.Errorf("a row of %d cells in a table of %d: %q", len(row), want, row)
				}
				rows = append(rows, row)
			}
			for _, row := range rows[1:] {
				switch strings.Join(rows[0][:2], " ") {
				case "expectation measured":
					p.Measured = append(p.Measured, row[1])
				case "fault at":
					p.Noticed = append(p.Noticed, row[2:])
				case "fault attempts":
					p.Storms = append(p.Storms, row[1:10])
				case "messages due":
					p.Messages = append(p.Messages, row[1:])
				case " n":
					p.Rest = append(p.Rest, row[1:])
				default:
					t.Errorf("an unknown table: %q", rows[0])
				}
			}
		}
		return ast.WalkContinue, nil
	})
	return p
}

// TestMarkdownIsInert: what comes from elsewhere is shown as it is, and neither markup, nor a link, nor a mention.
func TestMarkdownIsInert(t *testing.T) {
	report := render(t, "markdown", hostileRun(t))
	inert(t, report)
	ours := []string{"<details><summary>All figures, and how far to trust them</summary>\n", "</details>\n"}
	var html []string
	code, headings := 0, 0
	_ = ast.Walk(parseMarkdown(report), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.HTMLBlock:
			html = append(html, string(n.Lines().Value(report)))
		case *ast.RawHTML, *ast.Link, *ast.AutoLink, *ast.Image, *ast.FencedCodeBlock, *ast.CodeBlock, *ast.ThematicBreak, *ast.Blockquote:
			t.Errorf("%s: %q", n.Kind(), plainText(n, report))
		case *ast.Heading:
			headings++
		case *ast.CodeSpan:
			code++
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			for _, bad := range []string{"script", "alert", "calc", "=cmd", "PASS  all", "]]>"} {
				if strings.Contains(string(n.Value(report)), bad) {
					t.Errorf("outside of a code span: %q", n.Value(report))
				}
			}
		}
		return ast.WalkContinue, nil
	})
	if strings.Join(html, "") != strings.Join(ours, "") {
		t.Errorf("HTML that is not ours: %q", html)
	}
	if headings != 1 {
		t.Errorf("%d headings", headings)
	}
	if code < 20 {
		t.Errorf("only %d code spans: has the text from elsewhere gone?", code)
	}
}

func TestMarkdownCode(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "`plain`", "": "`-`", "  ": "`-`", "a`b": "``a`b``", "`": "`` ` ``", "a``b`": "``` a``b` ```", "a\nb": "`a\\nb`", "\u202e": "`\\u202e`",
	} {
		if got := code(in, 40); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
