package report

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// Scope is what a figure is measured over. The zero Scope is the whole run, all groups, all causes.
type Scope struct {
	// During is a window: "" the whole run, "baseline", "recovery", a fault's name (all its happenings together), or one
	// happening of a fault that happened more than once: kill#1, kill#2.
	During string `json:"during,omitempty" doc:"the window: baseline, recovery, a fault (all its happenings together), or one happening of several (kill#1); absent: the whole run"`
	In     string `json:"in,omitempty" doc:"the client group; absent: all clients"`
	By     string `json:"by,omitempty" doc:"the cause of detections, false positives or failed attempts; absent: all causes"`
}

// Figure is one number of a report, with the text that every renderer prints for it.
type Figure struct {
	Metric string        `json:"metric" doc:"name in the metric table, such as detection.p99"`
	Unit   scenario.Unit `json:"unit" doc:"unit of value, lo and hi: seconds, rate (events per second), count, ratio, bytes, cores"`
	Scope
	Value  Number `json:"value" doc:"in the unit; \"inf\": it never happened; null: there was nothing to measure"`
	Lo     Number `json:"lo" doc:"lower bound of the value, had flatline's own timers been on time"`
	Hi     Number `json:"hi" doc:"upper bound of the value, had flatline's own timers been on time"`
	Text   string `json:"text" doc:"the value as every report prints it; - if there is none"`
	N      int64  `json:"n" doc:"samples behind the value, where that says something; else 0"`
	Exists bool   `json:"exists" doc:"false: there was nothing to measure, or it was not measured; note says why"`
	Few    bool   `json:"few,omitempty" doc:"a percentile of fewer samples than it needs: close to the largest of them"`
	Note   string `json:"note,omitempty" doc:"why there is no value, or how far to trust it"`
}

// Mark is Text with "?" behind it where the samples are too few for the percentile.
func (f Figure) Mark() string {
	if f.Few {
		return f.Text + "?"
	}
	return f.Text
}

// Of is Mark in a table of latencies: a figure of no samples is "-" there, since what never happened to anybody has a
// column of its own.
func (f Figure) Of() string {
	if f.N == 0 {
		return "-"
	}
	return f.Mark()
}

// MarshalJSON writes null for what does not exist.
func (f Figure) MarshalJSON() ([]byte, error) {
	type plain Figure
	if f.Exists {
		return json.Marshal(plain(f))
	}
	return json.Marshal(struct {
		plain
		Value any `json:"value"`
		Lo    any `json:"lo"`
		Hi    any `json:"hi"`
	}{plain: plain(f)})
}

// FormatMetric writes the value of a metric for people. It is [FormatValue], but for two ratios: three digits say all
// about attempts per client, and query accuracy needs six to differ from 1.
func FormatMetric(metric string, v float64, u scenario.Unit) string {
	switch metric {
	case "storm.amplification":
		return digits(v, 3)
	case "mistakes.accuracy":
		return digits(v, 6)
	}
	return FormatValue(v, u)
}

// figure makes the figure of a metric from what a look-up answered.
func figure(metric scenario.Metric, s Scope, m Measure, err error) Figure {
	f := Figure{Metric: metric.Name, Unit: metric.Unit, Scope: s, Text: "-", Note: m.Note}
	switch {
	case err != nil:
		f.Note = err.Error()
	case m.Exists:
		f.Value, f.Lo, f.Hi, f.N, f.Exists = m.Value, m.Lo, m.Hi, m.N, true
		f.Text = FormatMetric(metric.Name, float64(m.Value), metric.Unit)
		q, ok := quantiles[metric.Share()]
		f.Few = ok && m.N > 0 && m.N < enough(q)
	}
	return f
}

// windowFigures answers all metrics in one window: every one for the whole run, so that a reader sees what was not measured,
// and elsewhere those with a value. Counts by cause stand only for causes that occurred.
func (s *Summary) windowFigures(during string, w *window, groups []string) (out []Figure) {
	scope := func(scope Scope, group int) {
		q := query{r: s.r, w: w, by: scope.By, group: group, levels: s.levels}
		for _, metric := range scenario.Metrics {
			if scope.In != "" && !metric.In || scope.By != "" && !metric.By || during != "" && !metric.During {
				continue
			}
			if scope.By != "" && metric.Histogram != "" {
				if n, err := q.metric(metric.Histogram + ".count"); err != nil || n.Value == 0 {
					continue
				}
			}
			m, err := q.metric(metric.Name)
			if f := figure(metric, scope, m, err); f.Exists && (scope.By == "" || f.Value != 0) || scope == (Scope{}) {
				out = append(out, f)
			}
		}
	}
	causes := func(s Scope, group int) {
		scope(s, group)
		for c := range heartbeat.NumCauses {
			s.By = c.String()
			scope(s, group)
		}
	}
	causes(Scope{During: during}, -1)
	for i, name := range groups {
		if len(groups) > 1 {
			causes(Scope{During: during, In: name}, i)
		}
	}
	return out
}

// ByCause lists the causes of a count, of those that occurred: timeout 150, reset 3.
func (s *Summary) ByCause(metric string, scope Scope) string {
	var parts []string
	for c := range heartbeat.NumCauses {
		scope.By = c.String()
		if f := s.Figure(metric, scope); f.Exists && f.Value > 0 {
			parts = append(parts, scope.By+" "+f.Text)
		}
	}
	return strings.Join(parts, ", ")
}

// labels makes names different from each other and from those taken: what stands several times is numbered, kill#1,
// kill#2. A plan's groups and faults differ already, but a Result is a file, and anybody may have written into it.
func labels(names []string, taken ...string) []string {
	count, used := map[string]int{}, map[string]bool{}
	for _, s := range taken {
		used[s] = true
	}
	for _, s := range names {
		count[s]++
	}
	out := make([]string, len(names))
	for i, s := range names {
		label := s
		for n := 1; used[label] || label == s && count[s] > 1; n++ {
			label = s + "#" + strconv.Itoa(n)
		}
		out[i], used[label] = label, true
	}
	return out
}
