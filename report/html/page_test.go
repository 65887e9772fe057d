package html

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

var updateGolden = flag.Bool("update", false, "write the golden page anew")

const small = `# A third of the clients lose the network, the server freezes, everybody is thrown out.
name: small
seed: 7
target: {serve: {}}
clients:
  - {group: browsers, count: 90, ramp: 3s, profile: heartcheck, beat: {interval: 1s}, timeout: 2s, reconnect: {delay: 1s}}
  - {group: deaf, count: 10, ramp: 3s, profile: heartcheck-counted-as-published}
chaos:
  - {at: 8s, for: 6s, fault: blackhole, clients: 40%}
  - {at: 20s, for: 2s, fault: delay, by: 20ms}
  - {at: 26s, fault: kill, how: rst, every: 8s, times: 2}
duration: 40s
expect:
  - detection.p99 < 3.5s in browsers
  - detection.undetected == 0
  - delivery.lost == 0
`

// simulate runs a scenario in virtual time.
func simulate(t testing.TB, text string) *report.Result {
	t.Helper()
	f, err := scenario.Parse("small.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	rec := report.NewRecorder(plan, report.Options{Tool: "flatline test", Driver: "sim", Command: "flatline sim --seed 7 small.yaml",
		Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
	if err := sim.Run(context.Background(), plan, sim.Options{Sink: rec, Model: sim.Model{Latency: 100 * time.Microsecond}}); err != nil {
		t.Fatal(err)
	}
	return rec.Snapshot(plan.Duration, report.SnapshotOptions{Final: true})
}

func render(t testing.TB, in ...Input) (*Page, string) {
	t.Helper()
	p, err := NewPage(in...)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return p, b.String()
}

// skeleton is the page without what is as published (scripts, styles, hashes) and the data of the charts.
func skeleton(page string) string {
	for _, cut := range []string{`(?s)<style>.*?</style>`, `(?s)<script>.*?</script>`, `(?s)<script type="application/json" id="model">.*?</script>`} {
		page = regexp.MustCompile(cut).ReplaceAllString(page, "")
	}
	return regexp.MustCompile(`&#39;sha256-.*?&#39;`).ReplaceAllString(page, "'sha256'")
}

func TestGolden(t *testing.T) {
	_, page := render(t, Input{Result: simulate(t, small)})
	got := skeleton(page)
	path := filepath.Join("testdata", "small.html")
	if *updateGolden {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(string(want), got); d != "" {
		t.Errorf("the page differs from %s (-update writes it anew):\n%s", path, d)
	}
}

// figures finds every figure of a page: attributes and text.
var figures = regexp.MustCompile(`<(?:td|dd)[^>]*? data-metric="([^"]*)"((?: data-[a-z]+="[^"]*")*)[^>]*>([^<]*)<`)

var attribute = regexp.MustCompile(`data-([a-z]+)="([^"]*)"`)

// Every figure on the page is that of the Summary, and the text report prints its digits.
func TestFiguresAreThoseOfTheTextReport(t *testing.T) {
	r := simulate(t, small)
	_, page := render(t, Input{Result: r})
	var text bytes.Buffer
	if err := report.WriteText(&text, r, report.TextOptions{Width: 200}); err != nil {
		t.Fatal(err)
	}
	// Not in the text report, for want of columns.
	extra := map[string]bool{"detection.p90": true, "heartbeat.rtt.count": true, "connect.latency.count": true}
	s := report.Summarize(r)
	found := figures.FindAllStringSubmatch(page, -1)
	if len(found) < 100 {
		t.Fatalf("%d figures on the page", len(found))
	}
	for _, m := range found {
		scope := report.Scope{}
		for _, a := range attribute.FindAllStringSubmatch(m[2], -1) {
			switch a[1] {
			case "during":
				scope.During = a[2]
			case "in":
				scope.In = a[2]
			case "by":
				scope.By = a[2]
			}
		}
		f := s.Figure(m[1], scope)
		if m[3] != f.Text && m[3] != f.Of() && m[3] != f.Mark() {
			t.Errorf("%s %+v: %q on the page, %q in the summary", m[1], scope, m[3], f.Text)
		}
		if !extra[m[1]] && !strings.Contains(text.String(), strings.TrimSuffix(m[3], "?")) {
			t.Errorf("%s %+v: %q is not in the text report", m[1], scope, m[3])
		}
	}
}

// A Result is a file, and anybody may have written it.
func TestHostileTexts(t *testing.T) {
	const evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\"'`\u2028\u2029\u202e\u2066\n{{.}}<!--"
	r := simulate(t, small)
	r.Plan.Name, r.Plan.Intent, r.Plan.Target, r.Command, r.Tool = evil, evil, evil, evil, evil
	r.Driver, r.Plan.Engine, r.Plan.Hash, r.Reason = evil, evil, evil, evil
	r.Plan.Source = "name: x # " + evil + "\n" + evil
	r.Plan.Resolved = json.RawMessage(`{"name": ` + string(must(json.Marshal(evil))) + `}`)
	for i := range r.Plan.Groups {
		r.Plan.Groups[i].Name += evil
	}
	for i := range r.Occurrences {
		r.Occurrences[i].Name += evil
		r.Occurrences[i].Failed = evil
	}
	for i := range r.Plan.Faults {
		r.Plan.Faults[i].Name += evil
	}
	for i := range r.Outcomes {
		r.Outcomes[i].Text, r.Outcomes[i].Note = evil, evil
	}
	r.Warnings = append(r.Warnings, report.Warning{Text: evil, Count: 1})
	r.Verdict.Reasons = []string{evil}
	for name, in := range map[string][]Input{"one": {{Result: r}}, "two": {{evil, r}, {evil, r}}} {
		p, page := render(t, in...)
		for _, bad := range []string{"<script>alert", "<img src", "\x1b", "\u2028", "\u2029", "\u202e", "\u2066", "<!--"} {
			if strings.Contains(skeletonOfEverything(page), bad) {
				t.Errorf("%s: the page has a live %q", name, bad)
			}
		}
		if n := strings.Count(page, "</script>"); n != 3 {
			t.Errorf("%s: %d ends of scripts, 3 are the page's own", name, n)
		}
		if !strings.Contains(page, "alert(1)") {
			t.Errorf("%s: the text is gone instead of harmless", name)
		}
		html, err := parts(p)
		if err != nil {
			t.Fatal(err)
		}
		for id, part := range html {
			if strings.Contains(part, "<script") || strings.Contains(part, "<img") {
				t.Errorf("%s: part %s has a live element", name, id)
			}
		}
	}
}

// skeletonOfEverything is the page without the scripts and styles that are ours.
func skeletonOfEverything(page string) string {
	for _, own := range []string{library.text, script.text, style.text} {
		page = strings.Replace(page, own, "", 1)
	}
	return page
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// The page asks nobody for anything: its policy forbids it, and there is nothing in it that would.
func TestSelfContained(t *testing.T) {
	_, page := render(t, Input{Result: simulate(t, small)})
	if !strings.Contains(page, `content="default-src &#39;none&#39;; script-src &#39;sha256-`) || strings.Contains(page, "unsafe-") {
		t.Error("the policy is not strict")
	}
	if strings.Contains(page, "connect-src") {
		t.Error("a report may connect somewhere")
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(skeleton(page), -1) {
		switch to, within := strings.CutPrefix(m[1], "#"); {
		case within && !strings.Contains(page, `id="`+to+`"`):
			t.Errorf("%q leads nowhere", m[1])
		case !within && m[1] != "data:,":
			t.Errorf("the page leads to %q", m[1])
		}
	}
	if regexp.MustCompile(`@import|url\(`).MatchString(style.text) {
		t.Error("the style sheet loads something")
	}
}

// Several runs are drawn over one another, each with its own colour, and stand side by side in a table.
func TestOverlay(t *testing.T) {
	a, b := simulate(t, small), simulate(t, strings.Replace(small, "delay: 1s", "delay: 3s", 1))
	p, page := render(t, Input{"a.json", a}, Input{"b.json", b})
	for _, c := range p.Timeline {
		if len(c.Series) != 2 || c.Series[0].Color == c.Series[1].Color || c.Series[0].Name == c.Series[1].Name {
			t.Errorf("chart %s does not tell the runs apart: %+v", c.ID, c.Series)
		}
	}
	if len(p.Faults) != 3 {
		t.Fatalf("%d faults, there are a blackhole and two kills", len(p.Faults))
	}
	for _, c := range p.Faults[0].Charts {
		if len(c.Series) != 2 {
			t.Errorf("chart %s has %d runs", c.ID, len(c.Series))
		}
	}
	scope := report.Scope{During: "kill"}
	want := []string{report.Summarize(a).Figure("downtime.p50", scope).Text, report.Summarize(b).Figure("downtime.p50", scope).Text}
	var got []string
	for _, m := range figures.FindAllStringSubmatch(page, -1) {
		if m[1] == "downtime.p50" && strings.Contains(m[2], `data-during="kill"`) {
			got = append(got, m[3])
		}
	}
	if d := gocmp.Diff(want, got); d != "" || want[0] == want[1] {
		t.Errorf("downtime side by side: %v\n%s", want, d)
	}
	if len(p.Lanes) != 4 {
		t.Errorf("%d lanes: faults at the same time in both runs stand once", len(p.Lanes))
	}
	if _, err := NewPage(); err == nil {
		t.Error("a page of nothing")
	}
	if _, err := NewPage(make([]Input, MaxRuns+1)...); err == nil {
		t.Error("a page of too many")
	}
}

// Runs that ended before anything happened, or have nothing in them, still make a page.
func TestLittleToShow(t *testing.T) {
	f, err := scenario.Parse("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []report.SnapshotOptions{{}, {Interrupted: true}, {Final: true, TargetLost: true, Reason: "connection refused"}} {
		for _, at := range []time.Duration{0, time.Millisecond, 2500 * time.Millisecond} {
			rec := report.NewRecorder(plan, report.Options{})
			p, page := render(t, Input{Result: rec.Snapshot(at, o)})
			if p.Live != (o == report.SnapshotOptions{}) {
				t.Errorf("%v %+v: live is %v", at, o, p.Live)
			}
			if p.Live && len(p.Lanes) != 4 || !p.Live && len(p.Lanes) != 0 {
				t.Errorf("%v %+v: %d lanes", at, o, len(p.Lanes))
			}
			if !strings.Contains(page, "</html>") || strings.Contains(page, `"lanes":null`) || strings.Contains(page, `"timeline":null`) {
				t.Errorf("%v %+v: no whole page", at, o)
			}
		}
	}
}
