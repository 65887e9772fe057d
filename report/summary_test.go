package report

import (
	"math"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/scenario"
)

// TestSummaryFigures: every figure of a summary is what the metric language answers, and each stands there once.
func TestSummaryFigures(t *testing.T) {
	for name, make := range corpus {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			s := Summarize(r)
			seen := map[figureKey]bool{}
			asked := 0
			for _, f := range s.Figures {
				key := figureKey{f.Metric, f.Scope}
				if seen[key] {
					t.Errorf("%+v stands there twice", key)
				}
				seen[key] = true
				if _, known := scenario.LookupMetric(f.Metric); !known {
					t.Errorf("%q is no metric", f.Metric)
				}
				if f.Exists == (f.Text == "-") || f.Text == "" {
					t.Errorf("%+v: text %q", key, f.Text)
				}
				if strings.HasSuffix(f.During, "#1") {
					continue // the language has no word for the first happening alone
				}
				m, err := r.Value(scenario.Expect{Metric: f.Metric, During: f.During, In: f.In, By: f.By})
				if err != nil {
					if f.Exists || f.Note != err.Error() {
						t.Errorf("%+v: %v, and the summary has %+v", key, err, f)
					}
					continue
				}
				asked++
				if m.Exists != f.Exists || m.Exists && (m.Value != f.Value || m.Lo != f.Lo || m.Hi != f.Hi || m.N != f.N || m.Note != f.Note) {
					t.Errorf("%+v: the summary has %+v, the metric is %+v", key, f, m)
				}
			}
			if asked < len(scenario.Metrics)/2 {
				t.Errorf("only %d figures were compared", asked)
			}
			for _, m := range scenario.Metrics {
				if !seen[figureKey{m.Name, Scope{}}] {
					t.Errorf("%s of the whole run is missing", m.Name)
				}
			}
		})
	}
}

func TestSummaryOfARepeatedFault(t *testing.T) {
	s := Summarize(corpus["repeated"](t))
	var got []string
	for _, f := range s.Faults {
		got = append(got, f.Name()+" in "+f.Window)
	}
	if d := gocmp.Diff([]string{"blackhole in blackhole#1", "blackhole#2 in blackhole#2"}, got); d != "" {
		t.Error(d)
	}
	for window, want := range map[string]float64{"blackhole": 300, "blackhole#1": 200, "blackhole#2": 100, "": 300} {
		if f := s.Figure("detection.count", Scope{During: window}); float64(f.Value) != want {
			t.Errorf("%q: %v detections, want %v", window, f.Value, want)
		}
	}
	if f := s.Figure("detection.max", Scope{During: "blackhole#2"}); f.Text != "6.99 s" {
		t.Errorf("the second one's slowest took %s", f.Text)
	}
	if f := s.Figure("detection.max", Scope{During: "blackhole#1"}); f.Text != "7.99 s" {
		t.Errorf("the first one's slowest took %s", f.Text)
	}
}

func TestSummaryOfTheUndetected(t *testing.T) {
	s := Summarize(corpus["undetected"](t))
	f := s.Figure("detection.p99", Scope{})
	if !math.IsInf(float64(f.Value), 1) || f.Text != "never" || f.Of() != "-" {
		t.Errorf("%+v", f)
	}
	if f := s.Figure("detection.p99", Scope{During: "no such window"}); f.Exists || f.Text != "-" {
		t.Errorf("a window that is not there: %+v", f)
	}
	if f := s.Figure("delivery.lost", Scope{}); f.Exists || !strings.Contains(f.Note, "no traffic") {
		t.Errorf("what was not measured: %+v", f)
	}
}

func TestFewSamples(t *testing.T) {
	s := Summarize(fullRun(t)) // 150 browsers and 20 others
	for group, want := range map[string]string{"browsers": "2.00 ms", "deaf\x1b[31m": "2.00 ms?"} {
		if got := s.Figure("detection.p99", Scope{During: "kill", In: group}).Mark(); got != want {
			t.Errorf("%s: %s, want %s", group, got, want)
		}
	}
}

func TestLabels(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a b c", "a b c"}, {"a a b", "a#1 a#2 b"}, {"a a a#1", "a#1 a#2 a#1#1"}, {"baseline", "baseline#1"}, {"a#2 a a", "a#2 a#1 a#3"},
	} {
		if got := strings.Join(labels(strings.Fields(c.in), "", "baseline"), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.in, got, c.want)
		}
	}
	if got := labels([]string{""}, ""); got[0] != "#1" {
		t.Errorf("no name: %q", got[0])
	}
}
