package compare

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/report"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s (-update writes it):\n%s", name, d)
	}
}

func lines(t *testing.T, c *Comparison, o TextOptions) []string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteText(&b, c, o); err != nil {
		t.Fatal(err)
	}
	return strings.Split(b.String(), "\n")
}

func TestGolden(t *testing.T) {
	old := simulate(t, silence, 1, 2, 3)
	same := simulate(t, silence, 4, 5, 6)
	slow := simulate(t, strings.Replace(silence, "heartcheck,", "heartcheck, timeout: 5.5s,", 1), 4, 5, 6)
	gates := []Gate{gate(t, "detection.p90 > +2%"), gate(t, "false_positives > +0"), gate(t, "target.rss > +10%")}
	for name, x := range map[string]struct {
		old, new []Input
		o        Options
	}{
		"same":   {old, same, Options{FailOn: Regress}},
		"single": {old[:1], same[:1], Options{}},
		"slower": {old, slow, Options{AllowDifferentPlans: true, Gates: gates}},
	} {
		c, err := Compare(x.old, x.new, x.o)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt.golden", func(w io.Writer) error { return WriteText(w, c, TextOptions{}) })
		narrow := lines(t, c, TextOptions{Width: 80})
		for _, l := range narrow {
			if n := utf8.RuneCountInString(l); n > 80 {
				t.Errorf("%s: %d columns of 80: %s", name, n, l)
			}
		}
		for _, metric := range []string{"  detection.p50 ", "  detection.p99 "} { // whole, so that one can be told from the other
			if !slices.ContainsFunc(narrow, func(l string) bool { return strings.HasPrefix(l, metric) }) {
				t.Errorf("%s: no line begins with %q", name, metric)
			}
		}
		golden(t, name+".md.golden", func(w io.Writer) error { return WriteMarkdown(w, c) })
		if name == "slower" { // three rows say all about the form
			c.Rows = slices.DeleteFunc(c.Rows, func(r Row) bool {
				return r.Scope != report.Scope{} || r.Metric != "detection.p99" && r.Metric != "storm.peak" && r.Metric != "clients.open"
			})
			golden(t, name+".json.golden", func(w io.Writer) error { return WriteJSON(w, c) })
		}
	}
}

// TestJSON: what is written is one object of the documented form, and infinite figures are no syntax error.
func TestJSON(t *testing.T) {
	in := simulate(t, silence, 1, 2)
	c, err := Compare(in[:1], in[1:], Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteJSON(&b, c); err != nil {
		t.Fatal(err)
	}
	var got Comparison
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Format != "flatline.comparison" || got.Version != 1 || len(got.Rows) != len(c.Rows) {
		t.Errorf("format %q, version %d, %d rows", got.Format, got.Version, len(got.Rows))
	}
	// The document names every field.
	doc, err := os.ReadFile("../../docs/compare.md")
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(mustJSON(t, c), &fields); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, w := range v {
				if !strings.Contains(string(doc), "`"+k+"`") {
					t.Errorf("docs/compare.md does not say what %q is", k)
				}
				walk(w)
			}
		case []any:
			for _, w := range v {
				walk(w)
			}
		}
	}
	walk(fields)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestHostile: names that come from a file are text and nothing else, in a terminal and in a pull request.
func TestHostile(t *testing.T) {
	in := simulate(t, silence, 1, 2)
	evil := "\x1b[31m`</code><script>alert(1)</script> | @everyone\r\n## heading ![x](http://evil)\u202e"
	for i := range in {
		r := in[i].Result
		r.Plan.Name, r.Tool, in[i].Path, r.Host.Kernel = evil, evil, evil, evil
		r.Plan.Groups[0].Name = evil
		for k := range r.Plan.Faults {
			r.Plan.Faults[k].Name = evil
		}
		for k := range r.Occurrences {
			r.Occurrences[k].Name = evil
		}
	}
	in[1].Result.Tool = evil + "2"
	c, err := Compare(in[:1], in[1:], Options{})
	if err != nil {
		t.Fatal(err)
	}
	var text, md bytes.Buffer
	if err := WriteText(&text, c, TextOptions{All: true}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(text.String(), "\x1b\r\u202e") {
		t.Errorf("the text holds control characters:\n%q", text.String())
	}
	if err := WriteMarkdown(&md, c); err != nil {
		t.Fatal(err)
	}
	for i, l := range strings.Split(md.String(), "\n") {
		if strings.ContainsAny(l, "\x1b\r\u202e") {
			t.Errorf("line %d holds control characters: %q", i+1, l)
		}
		// Outside of code spans nothing of the names is left.
		for k, part := range strings.Split(l, "`") {
			if k%2 == 0 && (strings.Contains(part, "script") || strings.Contains(part, "@every") || strings.Contains(part, "evil")) {
				t.Errorf("line %d leaves a code span: %q", i+1, l)
			}
		}
		if strings.Count(l, "`")%2 != 0 {
			t.Errorf("line %d has a code span without end: %q", i+1, l)
		}
	}
}
