package report

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/scenario"
)

// printed is what a reader finds in a report, row by row, whatever its form. A form that shows no such table has nil.
type printed struct {
	Word, Held string     // the verdict
	Measured   []string   // of each expectation
	Noticed    [][]string // hit, noticed, by, p50, p99, max, bound, missed: of each fault, its groups behind it
	Storms     [][]string // attempts, peak, each, failed, 50, 95, 99, 100 % back, lost
	Rest       [][]string // n, p50, p90, p99, p99.9, max: round trip, before the first fault, connect, own timers
	Messages   [][]string // due, sent, acked, arrived, lost, again, late, p50, p99, max: all, then each group
	False      string     // false positives
	Clients    string     // open at the end, and so on
}

// readers take a report apart again, each in its own way. A new form joins TestAgreement with a row here, one in another
// package with a test over Corpus, as TestPageAgrees.
var readers = map[string]func(t *testing.T, report []byte) printed{
	"text": readText, "markdown": readMarkdown, "json": readJSON, "junit": readJUnit,
}

// TestAgreement: whatever figure two forms of one report both print, they print the same digits.
func TestAgreement(t *testing.T) {
	for name, make := range corpus {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			want := readJSON(t, render(t, "json", r))
			for form, read := range readers {
				got := read(t, render(t, form, r))
				if got.Word == "" || got.Held == "" || form != "junit" && (got.Rest == nil || got.False == "" || got.Clients == "") {
					t.Errorf("%s: nothing found in %+v", form, got)
				}
				want := want
				if form == "junit" { // its tables are those of the text, which it quotes
					got.Noticed, got.Storms, got.Rest, got.False, got.Clients, got.Messages = want.Noticed, want.Storms, want.Rest, want.False, want.Clients, want.Messages
				}
				if d := gocmp.Diff(want, got); d != "" {
					t.Errorf("%s says something else than json (-json +%s):\n%s", form, form, d)
				}
			}
			if d := gocmp.Diff(string(render(t, "text", r)), quoted(t, render(t, "junit", r))); d != "" {
				t.Errorf("the text in junit is not the text report:\n%s", d)
			}
		})
	}
}

func render(t *testing.T, form string, r *Result) []byte {
	t.Helper()
	i := slices.IndexFunc(Renderers, func(f Renderer) bool { return f.Name == form })
	if i < 0 {
		t.Fatalf("no form is called %q", form)
	}
	f := Renderers[i]
	var b, again bytes.Buffer
	for _, w := range []*bytes.Buffer{&b, &again} {
		if err := f.Write(w, r, TextOptions{}); err != nil {
			t.Fatalf("%s: %v", form, err)
		}
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("%s: two reports of one Result differ", form)
	}
	return b.Bytes()
}

var columns = regexp.MustCompile(` {2,}`)

// cells are the last n columns of a line of text.
func cells(line string, n int) []string {
	all := columns.Split(strings.TrimSpace(line), -1)
	return all[max(len(all)-n, 0):]
}

func readText(t *testing.T, report []byte) (p printed) {
	section := ""
	for line := range strings.Lines(string(report)) {
		line = strings.TrimRight(line, "\n")
		row := strings.HasPrefix(line, "  ") && !strings.HasPrefix(line, "   ") || strings.HasPrefix(line, "    in ")
		first, rest, _ := strings.Cut(strings.TrimSpace(line), "  ")
		switch {
		case line == "How long until they noticed", line == "How hard they came back", line == "The rest of the time", line == "What arrived",
			line == "How far to trust it", line == "Expectations":
			section = line
		case !strings.HasPrefix(line, " "):
			if w := strings.SplitN(line, "  ", 2); len(w) == 2 && strings.ToUpper(w[0]) == w[0] && w[0] != "" && section != "" {
				p.Word, p.Held = w[0], w[1]
			}
		case section == "How long until they noticed" && row && len(cells(line, 8)) == 8 && first != "fault":
			p.Noticed = append(p.Noticed, cells(line, 8))
		case section == "How hard they came back" && row && len(cells(line, 9)) == 9 && first != "fault":
			p.Storms = append(p.Storms, cells(line, 9))
		case section == "What arrived" && (first == "all" || strings.HasPrefix(line, "    in ")) && len(cells(line, 10)) == 10:
			p.Messages = append(p.Messages, cells(line, 10))
		case section == "The rest of the time" && first == "false positives":
			p.False, _, _ = strings.Cut(strings.TrimSpace(rest), ":")
		case section == "The rest of the time" && first == "clients":
			p.Clients = strings.TrimSpace(rest)
		case section == "The rest of the time" && len(cells(line, 6)) == 6 && first != "n" && rest != "":
			p.Rest = append(p.Rest, cells(line, 6))
		case section == "Expectations" && regexp.MustCompile(`^  (ok|FAIL|\?) `).MatchString(line):
			p.Measured = append(p.Measured, cells(line, 1)[0])
		}
	}
	return p
}

// summaryJSON is the part of the contract that this test reads: written out again, so that it does not follow the code.
type summaryJSON struct {
	Word, Held   string
	Expectations []struct{ Measured figureJSON }
	Faults       []struct {
		Window  string
		Began   *float64 `json:"began_s"`
		Severs  bool
		Victims int
		All     partJSON
		Groups  []partJSON
	}
	Figures  []figureJSON
	Delivery []struct{ In string }
	Groups   []struct{}
}

// publishers are the groups that have rows of their own.
func (s *summaryJSON) publishers() (names []string) {
	for _, d := range s.Delivery {
		if len(s.Groups) > 1 {
			names = append(names, d.In)
		}
	}
	return names
}

type figureJSON struct {
	Metric, Unit, During, In, By, Text string
	Value                              any
	N                                  int64
	Few                                bool
}

type partJSON struct {
	In, Bound string
	Hit       int64
	Causes    []string
}

func (s *summaryJSON) figure(metric, during, in string) figureJSON {
	for _, f := range s.Figures {
		if f.Metric == metric && f.During == during && f.In == in && f.By == "" {
			return f
		}
	}
	return figureJSON{Text: "-"}
}

// latencies are the cells of a table of latencies: "-" for no samples, "?" behind a percentile of too few.
func (s *summaryJSON) latencies(during, in string, metrics ...string) (out []string) {
	for _, m := range metrics {
		f := s.figure(m, during, in)
		switch {
		case f.N == 0:
			out = append(out, "-")
		case f.Few:
			out = append(out, f.Text+"?")
		default:
			out = append(out, f.Text)
		}
	}
	return out
}

func decodeSummary(t *testing.T, report []byte) (s summaryJSON) {
	t.Helper()
	if err := json.Unmarshal(report, &s); err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Figures { // the text is what the value rounds to
		v, ok := f.Value.(float64)
		if ok && f.Text != FormatMetric(f.Metric, v, scenario.Unit(f.Unit)) || f.Value == nil && f.Text != "-" {
			t.Errorf("%s during %q: %v is printed as %q", f.Metric, f.During, f.Value, f.Text)
		}
	}
	return s
}

func readJSON(t *testing.T, report []byte) (p printed) {
	t.Helper()
	s := decodeSummary(t, report)
	p.Word, p.Held = s.Word, Clean(s.Held, 200)
	for _, e := range s.Expectations {
		p.Measured = append(p.Measured, e.Measured.Text)
	}
	none := []string{"-", "-", "-", "-", "-", "-", "-", "-"}
	for _, f := range s.Faults {
		parts := append([]partJSON{f.All}, f.Groups...)
		if f.Began == nil {
			p.Noticed = append(p.Noticed, none)
			continue
		}
		if !f.Severs {
			p.Noticed = append(p.Noticed, append([]string{num(int64(f.Victims))}, none[1:]...))
			continue
		}
		var storms []string // groups with somebody who noticed
		for _, x := range parts {
			by := "-"
			if len(x.Causes) > 0 {
				by = x.Causes[0]
				if x.In != "" {
					storms = append(storms, x.In)
				}
			}
			if len(x.Causes) > 1 {
				by = "several"
			}
			row := []string{num(x.Hit), s.figure("detection.count", f.Window, x.In).Text, by}
			row = append(row, s.latencies(f.Window, x.In, "detection.p50", "detection.p99", "detection.max")...)
			p.Noticed = append(p.Noticed, append(row, x.Bound, s.figure("detection.undetected", f.Window, x.In).Text))
		}
		if len(f.All.Causes) == 0 {
			continue
		}
		if len(storms) < 2 {
			storms = nil
		}
		for _, in := range append([]string{""}, storms...) {
			var row []string
			for _, m := range []string{"storm.attempts", "storm.peak", "storm.amplification", "storm.failed", "recovery.p50", "recovery.p95",
				"recovery.p99", "recovery.max", "recovery.lost"} {
				row = append(row, s.figure(m, f.Window, in).Text)
			}
			p.Storms = append(p.Storms, row)
		}
	}
	for _, x := range []struct {
		family, during string
		always         bool
	}{{"heartbeat.rtt", "", true}, {"heartbeat.rtt", "baseline", false}, {"connect.latency", "", true}, {"harness.lag", "", false}} {
		n := s.figure(x.family+".count", x.during, "").Text
		if !x.always && (n == "0" || n == "-" || x.during != "" && len(s.Faults) == 0) {
			continue
		}
		row := s.latencies(x.during, "", x.family+".p50", x.family+".p90", x.family+".p99", x.family+".p99.9", x.family+".max")
		p.Rest = append(p.Rest, append([]string{n}, row...))
	}
	for _, in := range append([]string{""}, s.publishers()...) {
		if s.figure("delivery.due", "", in).Text == "-" {
			continue
		}
		var row []string
		for _, m := range []string{"due", "sent", "acked", "received", "lost", "duplicated", "reordered"} {
			row = append(row, s.figure("delivery."+m, "", in).Text)
		}
		p.Messages = append(p.Messages, append(row, s.latencies("", in, "delivery.latency.p50", "delivery.latency.p99", "delivery.latency.max")...))
	}
	p.False = s.figure("false_positives", "", "").Text
	p.Clients = s.figure("clients.open", "", "").Text + " open at the end, " + s.figure("clients.min_open", "", "").Text + " at the lowest"
	for _, x := range [][2]string{{"clients.never_opened", "never opened"}, {"clients.gave_up", "gave up"},
		{"clients.doubled", "opened beside a live connection"}} {
		if n := s.figure(x[0], "", "").Text; n != "0" {
			p.Clients += ", " + n + " " + x[1]
		}
	}
	return p
}
