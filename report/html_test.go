package report_test

import (
	"bytes"
	stdhtml "html"
	"regexp"
	"strings"
	"testing"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/report/html"
)

var (
	pageFigure    = regexp.MustCompile(`<(?:td|dd)[^>]*? data-metric="([^"]*)"((?: data-[a-z]+="[^"]*")*)[^>]*>([^<]*)<`)
	pageAttribute = regexp.MustCompile(`data-([a-z]+)="([^"]*)"`)
	pageVerdict   = regexp.MustCompile(`(?s)<p class="verdict[^"]*"><strong>([^<]*)</strong> <span>([^<]*)</span>`)
)

// TestPageAgrees: every figure on the page of every kind of run is that of the summary, and so that of all other forms.
func TestPageAgrees(t *testing.T) {
	for name, make := range report.Corpus {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			page, err := html.NewPage(html.Input{Result: r})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := html.Write(&b, page); err != nil {
				t.Fatal(err)
			}
			s := report.Summarize(r)
			var names []string
			for _, f := range s.Faults {
				names = append(names, f.Window)
			}
			for _, g := range s.Groups {
				names = append(names, g.Name)
			}
			found := pageFigure.FindAllStringSubmatch(b.String(), -1)
			if len(found) < 10 {
				t.Fatalf("%d figures on the page", len(found))
			}
			for _, m := range found {
				scope := report.Scope{}
				for _, a := range pageAttribute.FindAllStringSubmatch(m[2], -1) {
					value := stdhtml.UnescapeString(a[2])
					for _, name := range names { // the page escapes and cuts them
						clean := report.Clean(name, 500)
						if begin, isCut := strings.CutSuffix(value, "…"); clean == value || isCut && strings.HasPrefix(clean, begin) {
							value = name
							break
						}
					}
					switch a[1] {
					case "during":
						scope.During = value
					case "in":
						scope.In = value
					case "by":
						scope.By = value
					}
				}
				f, got := s.Figure(m[1], scope), stdhtml.UnescapeString(m[3])
				if got != f.Text && got != f.Mark() && got != f.Of() {
					t.Errorf("%s %+v: %q on the page, %q in the summary", m[1], scope, got, f.Text)
				}
			}
			if r.Status == report.Running {
				return // a page that is watched says so in place of a verdict
			}
			v := pageVerdict.FindStringSubmatch(b.String())
			if v == nil || stdhtml.UnescapeString(v[1]) != s.Word || !strings.HasPrefix(stdhtml.UnescapeString(v[2]), report.Clean(s.Held, 60)[:10]) {
				t.Errorf("verdict %q, want %s  %s", v, s.Word, s.Held)
			}
		})
	}
}
