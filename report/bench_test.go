package report

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"github.com/flatline-dev/flatline/scenario"
)

// readBench reads the format with the package that benchstat reads it with.
func readBench(t *testing.T, report []byte) (lines []*benchfmt.Result, units *benchfmt.Reader) {
	t.Helper()
	units = benchfmt.NewReader(bytes.NewReader(report), "report")
	for units.Scan() {
		switch rec := units.Result().(type) {
		case *benchfmt.Result:
			lines = append(lines, rec.Clone())
		case *benchfmt.SyntaxError:
			t.Errorf("syntax: %v", rec)
		}
	}
	if err := units.Err(); err != nil {
		t.Fatal(err)
	}
	return lines, units
}

// TestBenchAgrees: every value is the figure of the summary, to the digits that are printed.
func TestBenchAgrees(t *testing.T) {
	metrics := map[string]scenario.Metric{}
	for _, m := range scenario.Metrics {
		if other, taken := metrics[benchUnit(m)]; taken {
			t.Errorf("%s and %s have one unit", m.Name, other.Name)
		}
		metrics[benchUnit(m)] = m
	}
	for name, make := range corpus {
		t.Run(name, func(t *testing.T) {
			s := Summarize(make(t))
			lines, units := readBench(t, render(t, "bench", s.r))
			if len(lines) == 0 {
				t.Fatal("no lines")
			}
			seen := map[string]bool{}
			for _, l := range lines {
				base, parts := l.Name.Parts()
				if string(base) != "Flatline" || seen[l.Name.String()] {
					t.Errorf("name %q", l.Name)
				}
				seen[l.Name.String()] = true
				scope := Scope{}
				for _, p := range parts {
					key, value, _ := strings.Cut(strings.TrimPrefix(string(p), "/"), "=")
					for i := range s.Faults {
						if key == "fault" && word(s.Faults[i].Window) == value {
							scope.During = s.Faults[i].Window
						}
					}
					for i := range s.Groups {
						if key == "group" && word(s.Groups[i].Name) == value {
							scope.In = s.Groups[i].Name
						}
					}
					if key == "during" {
						scope.During = value
					}
				}
				if l.Iters != 1 || l.GetConfig("pkg") != "flatline" || l.GetConfig("driver") == "" {
					t.Errorf("%d iterations, %+v", l.Iters, l.Config)
				}
				for _, c := range l.Config { // benchstat would not compare two runs
					if c.File && (c.Key == "seed" || c.Key == "plan" || c.Key == "verdict" || c.Key == "tool") {
						t.Errorf("%s tells one run from the next", c.Key)
					}
				}
				for _, v := range l.Values {
					m, ok := metrics[v.Unit]
					if !ok {
						t.Errorf("unit %q is not what was written", v.Unit)
						continue
					}
					if better := units.Units().GetBetter(v.Unit); better == 0 || (better > 0) != (m.Name == "clients.min_open") {
						t.Errorf("%s: better is %d", v.Unit, better)
					}
					if want := s.Figure(m.Name, scope); FormatMetric(m.Name, v.Value, m.Unit) != want.Text {
						t.Errorf("%s %+v: %v, and the report prints %s", m.Name, scope, v.Value, want.Text)
					}
					if math.IsInf(v.Value, 0) || math.IsNaN(v.Value) {
						t.Errorf("%s is %v", v.Unit, v.Value)
					}
				}
			}
		})
	}
}

func TestBenchIsInert(t *testing.T) {
	report := render(t, "bench", hostileRun(t))
	inert(t, report)
	lines, _ := readBench(t, report)
	if len(lines) == 0 {
		t.Fatal("no lines")
	}
	for _, l := range lines {
		for _, c := range l.Config {
			if strings.HasPrefix(c.Key, "PASS") || c.Key == "" {
				t.Errorf("configuration %q", c.Key)
			}
		}
	}
}
