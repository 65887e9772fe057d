package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flatline-dev/flatline/scenario"
)

// Judgement of an expectation or of a run.
type Judgement string

const (
	Pass         Judgement = "pass"
	Fail         Judgement = "fail"
	Inconclusive Judgement = "inconclusive" // flatline's own lateness, or nothing to measure
	NotMeasured  Judgement = "not measured" // this run cannot answer
)

// Outcome is an expectation with what came of it.
type Outcome struct {
	Text     string    `json:"text"` // as written
	State    Judgement `json:"state"`
	Measured Measure   `json:"measured"`
	Note     string    `json:"note,omitempty"`
}

// Verdict is the judgement of the whole run.
type Verdict struct {
	State   Judgement `json:"state"`
	Exit    int       `json:"exit"`              // exit code: 0 pass, 1 fail, 3 target lost, 4 inconclusive, 130 interrupted
	Reasons []string  `json:"reasons,omitempty"` // why it is not a pass
}

// evaluate judges one expectation.
//
// What was measured is certain only up to the harness's own lag, so the true value is somewhere in [Lo, Hi]: where the
// expectation would hold at one end and not at the other, the outcome is inconclusive. Few samples do not make it
// inconclusive: the value is noted as "n too small". Nothing to measure is inconclusive, but "nobody noticed although
// the fault outlasted their bound" is an infinite latency, which fails an upper limit.
func (r *Result) evaluate(e scenario.Expect) Outcome {
	out := Outcome{Text: e.Text}
	if out.Text == "" {
		out.Text = e.String()
	}
	m, err := r.Value(e)
	out.Measured = m
	switch {
	case err != nil:
		out.State, out.Note = NotMeasured, err.Error()
		return out
	case !m.Exists:
		out.State, out.Note = Inconclusive, m.Note
		return out
	}
	ok := holds(e, m.Value)
	out.Note = m.Note
	switch {
	case holds(e, m.Lo) != ok || holds(e, m.Hi) != ok:
		out.State = Inconclusive
		out.Note = fmt.Sprintf("flatline's own timers were late: without that it would be %s to %s",
			FormatValue(float64(m.Lo), m.Unit), FormatValue(float64(m.Hi), m.Unit))
		if strings.HasPrefix(e.Metric, "target.") {
			out.Note = fmt.Sprintf("the target was looked at once a second, and what a look over an edge of the window saw may belong to either side: %s to %s",
				FormatValue(float64(m.Lo), m.Unit), FormatValue(float64(m.Hi), m.Unit))
		}
	case r.early() && !final(e, float64(m.Value), ok):
		out.State, out.Note = Inconclusive, "so far: the run ended before its plan"
	case ok:
		out.State = Pass
	default:
		out.State = Fail
	}
	return out
}

// growing are the metrics that only grow while a run goes on, whatever their window.
var growing = []string{"detection.undetected", "detection.count", "detection.max", "false_positives", "storm.peak", "storm.attempts", "storm.failed",
	"connect.failed", "connect.latency.max", "connect.latency.count", "connect.tcp.max", "connect.tcp.count", "downtime.max", "downtime.count",
	"heartbeat.sent", "heartbeat.unanswered", "heartbeat.rtt.max", "heartbeat.rtt.count", "reap.max", "reap.count", "zombies.peak",
	"delivery.due", "delivery.sent", "delivery.acked", "delivery.received", "delivery.duplicated", "delivery.dropped", "delivery.reordered", "delivery.latency.max", "delivery.latency.count",
	"clients.gave_up", "target.rss", "target.fds", "target.threads", "harness.lag.max"}

// early reports whether the plan was not carried out to its end.
func (r *Result) early() bool { return r.Status == Interrupted || r.Status == Running }

// final reports whether the outcome of an expectation on a part of a run is that of the whole: the metric only grows,
// and is over an upper limit or has reached a lower one.
func final(e scenario.Expect, v float64, ok bool) bool {
	if !slices.Contains(growing, e.Metric) {
		return false
	}
	switch e.Op {
	case "<", "<=":
		return !ok
	case ">", ">=":
		return ok
	}
	return !ok && v > e.Value
}

func holds(e scenario.Expect, v Number) bool { return e.Holds(float64(v)) }

// Judge evaluates the expectations of the plan anew and sets Outcomes and Verdict.
func (r *Result) Judge() {
	r.Outcomes = nil
	for _, e := range r.Plan.Expect {
		r.Outcomes = append(r.Outcomes, r.evaluate(e))
	}
	r.Verdict = r.verdict()
}

// verdict sums up the outcomes. A run that did not happen as planned (interrupted, target lost, a fault that failed)
// cannot pass.
func (r *Result) verdict() Verdict {
	count := map[Judgement]int{}
	for _, o := range r.Outcomes {
		count[o.State]++
	}
	v := Verdict{State: Pass}
	reason := func(format string, a ...any) { v.Reasons = append(v.Reasons, fmt.Sprintf(format, a...)) }
	if n := count[Fail]; n > 0 {
		v.State, v.Exit = Fail, 1
		reason("%s of %d failed", plural(n, "expectation"), len(r.Outcomes))
	}
	doubt := func() {
		if v.State == Pass {
			v.State, v.Exit = Inconclusive, 4
		}
	}
	if n := count[Inconclusive]; n > 0 && !r.early() { // otherwise that is reason enough

		doubt()
		reason("%s inconclusive", plural(n, "expectation"))
	}
	if n := count[NotMeasured]; n > 0 {
		doubt()
		reason("%s not measured", plural(n, "expectation"))
	}
	for i := range r.Occurrences {
		if o := &r.Occurrences[i]; o.Failed != "" {
			doubt()
			reason("fault %s failed: %s", o.Name, o.Failed)
		}
	}
	switch r.Status {
	case TargetLost:
		v.State, v.Exit = Inconclusive, 3
		reason("the target was lost%s", because(r.Reason))
	case Interrupted:
		v.State, v.Exit = Inconclusive, 130
		reason("the run was interrupted%s", because(r.Reason))
	case Running:
		doubt()
		reason("the run had not ended when this was written")
	}
	return v
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
