package report

import (
	"github.com/flatline-dev/flatline/scenario"
)

// Latencies is the histogram that the percentiles of a metric are read from: name it in full (detection.p99) or by its
// histogram (detection). missing counts those whose value never came: they rank above all others, as [Result.Value]
// says. By, In and During of the expectation select; its Op and Value are not used.
func (r *Result) Latencies(e scenario.Expect) (h *Hist, missing int64, err error) {
	if m, ok := scenario.LookupMetric(e.Metric); ok && m.Histogram != "" {
		e.Metric = m.Histogram
	}
	q, err := r.query(e)
	if err != nil {
		return nil, 0, err
	}
	if q.w.empty() != "" {
		return &Hist{}, 0, nil
	}
	switch e.Metric {
	case "delivery.latency":
		if _, err := q.messages(e.Metric, "count"); err != nil {
			return nil, 0, err
		}
		return q.overTime(e.Metric), 0, nil
	case "heartbeat.rtt", "connect.latency", "connect.tcp", "harness.lag":
		return q.overTime(e.Metric), 0, nil
	case "detection", "reap", "recovery", "downtime", "storm.handshake":
		a := q.attribution(e.Metric)
		return a.h, a.missing(e.Metric), nil
	}
	return nil, 0, errNotMeasured("no latencies of " + e.Metric + " were recorded")
}

// Statistic reads p50, p90, p95, p99, p99.9, min, max, mean or count from a histogram; values that are missing rank above
// all others and are infinite.
func Statistic(h *Hist, stat string, missing int64) (Measure, error) {
	return quantity(h, stat, missing)
}
