package report

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/scenario"
)

// Number is a float64 that survives JSON when it is infinite.
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	switch f := float64(n); {
	case math.IsNaN(f):
		return []byte(`"nan"`), nil
	case math.IsInf(f, 0):
		if f > 0 {
			return []byte(`"inf"`), nil
		}
		return []byte(`"-inf"`), nil
	default:
		return json.Marshal(f)
	}
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"inf"`:
		*n = Number(math.Inf(1))
		return nil
	case `"-inf"`:
		*n = Number(math.Inf(-1))
		return nil
	case `"nan"`:
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(n))
}

// Measure is the value of a metric in a Result. Lo and Hi bound what it would have been had flatline's own timers been
// on time; both equal Value where lag does not matter.
type Measure struct {
	Value  Number        `json:"value"` // in the metric's base unit; +Inf: it never happened
	Lo     Number        `json:"lo"`
	Hi     Number        `json:"hi"`
	Unit   scenario.Unit `json:"unit,omitempty"`
	N      int64         `json:"n"`              // samples behind it, where that says something; else 0
	Exists bool          `json:"exists"`         // false: there was nothing to measure
	Note   string        `json:"note,omitempty"` // why it does not exist, or how far to trust it
}

// quantiles are the percentiles that the metric language knows.
var quantiles = map[string]float64{"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}

// enough is the number of samples below which a quantile is but the largest sample: 1/(1-q).
func enough(q float64) int64 { return int64(math.Round(1 / (1 - q))) }

// errNotMeasured is for metrics whose recording does not exist.
type errNotMeasured string

func (e errNotMeasured) Error() string { return string(e) }

// Value looks up the metric of an expectation; its Op and Value are not used. The error says why this Result cannot
// answer: an unknown metric, group, cause or window, or something that was not measured.
//
// Percentiles of detection, reap and downtime are over those who detected, were reaped, came back. Those who did not
// are counts of their own, but where nobody detected although someone should have, the value is infinite. Percentiles
// of recovery are over all who were lost: with one of ten never back, p95 is infinite.
func (r *Result) Value(e scenario.Expect) (Measure, error) {
	q, err := r.query(e)
	if err != nil {
		return Measure{}, err
	}
	return q.metric(e.Metric)
}

// query resolves the modifiers of an expectation.
func (r *Result) query(e scenario.Expect) (*query, error) {
	w, err := r.window(e.During)
	if err != nil {
		return nil, err
	}
	q := &query{r: r, w: &w, by: e.By, group: -1}
	if e.In != "" {
		for i := range r.Plan.Groups {
			if r.Plan.Groups[i].Name == e.In {
				q.group = i
			}
		}
		if q.group < 0 {
			return nil, fmt.Errorf("no group is named %q", e.In)
		}
	}
	return q, nil
}

// metric looks up one metric by its full name.
func (q *query) metric(name string) (Measure, error) {
	family, stat := name, ""
	for _, f := range []string{"detection", "reap", "recovery", "downtime", "storm.handshake", "heartbeat.rtt", "connect.latency",
		"connect.tcp", "delivery.latency", "harness.lag"} {
		if rest, ok := strings.CutPrefix(name, f+"."); ok {
			family, stat = f, rest
		}
	}
	m, err := q.value(family, stat)
	if why := q.w.empty(); err == nil && why != "" && (q.w.name != "recovery" || family != "recovery" && family != "downtime") {
		m = Measure{Unit: m.Unit, Note: why} // no news from no time is no good news
	}
	return m, err
}

// query is one look-up: a window, a group (-1: all), a cause ("": all). What it had to merge it keeps, so that the
// percentiles of one histogram cost one merge.
type query struct {
	r     *Result
	w     *window
	by    string
	group int

	levels map[levelKey]Buckets    // of groups over the run; summaries share them between their queries
	timed  map[string]*Hist        // by family, over the window's segments
	fates  map[string]*attribution // by family, over the window's occurrences
}

func (q *query) value(family, stat string) (Measure, error) {
	switch family {
	case "detection", "reap":
		if q.w.name == "recovery" {
			return Measure{}, errNotMeasured(family + " is measured per fault, not during recovery")
		}
		return q.attributed(family, stat)
	case "recovery", "downtime", "storm.handshake":
		return q.attributed(family, stat)
	case "zombies.peak", "storm.peak", "storm.attempts", "storm.failed", "storm.amplification":
		return q.storm(family)
	case "heartbeat.rtt", "connect.latency", "connect.tcp", "harness.lag":
		h := q.overTime(family)
		m, err := quantity(h, stat, 0)
		if family != "harness.lag" {
			m = q.late(m, q.w, stat)
		}
		return m, err
	case "clients.open", "clients.min_open", "clients.never_opened", "clients.doubled":
		return q.clients(family), nil
	case "target.cpu", "target.rss", "target.fds", "target.threads", "target.accept_queue", "target.accept_overflows",
		"target.syn_drops", "target.listener_drops", "harness.cpu", "harness.rss":
		return q.usage(family)
	}
	if strings.HasPrefix(family, "nodes.") {
		return q.nodes(family)
	}
	if strings.HasPrefix(family, "delivery.") {
		return q.messages(family, stat)
	}
	return q.counts(family)
}

// overTime is the histogram of a family that segments hold.
func (q *query) overTime(family string) *Hist {
	if h, ok := q.timed[family]; ok {
		return h
	}
	h := &Hist{}
	if family == "harness.lag" {
		h = q.r.lagDuring(q.w)
	} else {
		q.r.segments(q.w, func(s *Segment) {
			q.segmentGroups(s, func(g *SegmentGroup) {
				switch family {
				case "heartbeat.rtt":
					h.Merge(g.RTT)
				case "connect.latency":
					h.Merge(g.Connect)
				case "delivery.latency":
					if g.Delivery != nil {
						h.Merge(g.Delivery.Latency)
					}
				default:
					h.Merge(g.TCP)
				}
			})
		})
	}
	if q.timed == nil {
		q.timed = map[string]*Hist{}
	}
	q.timed[family] = h
	return h
}

func (q *query) segmentGroups(s *Segment, f func(*SegmentGroup)) {
	for i := range s.Groups {
		if q.group < 0 || q.group == i {
			f(&s.Groups[i])
		}
	}
}

func (q *query) occGroups(f func(*Occurrence, *OccGroup)) {
	for _, o := range q.w.occs {
		for i := range o.Groups {
			if q.group < 0 || q.group == o.Groups[i].Group {
				f(o, &o.Groups[i])
			}
		}
	}
}

// quantity reads a statistic from a histogram; missing more values count as infinite.
func quantity(h *Hist, stat string, missing int64) (Measure, error) {
	n := h.N() + missing
	m := Measure{Unit: scenario.Seconds, N: h.N(), Exists: n > 0}
	var d time.Duration
	switch p, ok := quantiles[stat]; {
	case stat == "count":
		return exactly(float64(h.N()), scenario.Count), nil
	case ok:
		if k := rank(p, n); n > 0 && k > h.N() {
			m.Value = Number(math.Inf(1))
		} else {
			d = h.Rank(k)
		}
		if n > 0 && n < enough(p) {
			m.Note = fmt.Sprintf("n too small: %s needs %d, n = %d", stat, enough(p), n)
		}
	case stat == "max":
		d = h.Max()
		if missing > 0 {
			m.Value = Number(math.Inf(1))
		}
	case stat == "min":
		d = h.Min()
	case stat == "mean":
		d = h.Mean()
	default:
		return Measure{}, fmt.Errorf("no statistic is named %q", stat)
	}
	if !math.IsInf(float64(m.Value), 1) {
		m.Value = Number(d.Seconds())
	}
	m.Lo, m.Hi = m.Value, m.Value
	if !m.Exists {
		m.Note = "nothing to measure"
	}
	return m, nil
}

func exactly(v float64, u scenario.Unit) Measure {
	return Measure{Value: Number(v), Lo: Number(v), Hi: Number(v), Unit: u, Exists: true}
}

// late widens a latency by the harness's lag in the window: its own late timers can only have made it longer.
func (q *query) late(m Measure, w *window, stat string) Measure {
	if m.Unit != scenario.Seconds || math.IsInf(float64(m.Value), 1) {
		return m
	}
	lag := q.r.lagDuring(w)
	l := lag.Quantile(0.99)
	if stat == "max" {
		l = lag.Max()
	}
	m.Lo = max(m.Value-Number(l.Seconds()), 0)
	return m
}
