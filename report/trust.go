package report

import (
	"fmt"
	"time"

	"github.com/flatline-dev/flatline/scenario"
)

// Trust says how far the numbers of a Result can be trusted.
type Trust struct {
	LagP99, LagMax time.Duration // how late flatline's own timers ran
	Spread         time.Duration // longest time that a fault took until it was in force for all its victims
	NeverOpened    int64         // clients that never had a connection
	Suspect        int64         // false positives in whose silence flatline itself was late
	Doubts         []string      // what a reader should know, in words
}

// Trust gathers the run's own doubts.
func (r *Result) Trust() Trust {
	var t Trust
	w, _ := r.window("")
	lag := r.lagDuring(&w)
	t.LagP99, t.LagMax = lag.Quantile(0.99), lag.Max()
	for i := range r.Occurrences {
		if o := &r.Occurrences[i]; o.Began >= 0 && o.InForce >= 0 {
			t.Spread = max(t.Spread, o.InForce-o.Began)
		}
	}
	for i := range r.Groups {
		t.NeverOpened += r.Groups[i].NeverOpened
	}
	for i := range r.Segments {
		for k := range r.Segments[i].Groups {
			t.Suspect += r.Segments[i].Groups[k].Suspect
		}
	}
	if lag.N() == 0 && r.Driver != "sim" {
		t.Doubts = append(t.Doubts, "flatline's own lateness was not measured")
	}
	if t.LagP99 >= 100*time.Millisecond {
		t.Doubts = append(t.Doubts, fmt.Sprintf("this machine was overloaded: one timer in a hundred ran %s late or later", FormatDuration(t.LagP99)))
	}
	if t.Spread >= 500*time.Millisecond {
		t.Doubts = append(t.Doubts, fmt.Sprintf("a fault took %s to reach all its victims", FormatDuration(t.Spread)))
	}
	if t.NeverOpened > 0 {
		t.Doubts = append(t.Doubts, plural64(t.NeverOpened, "client")+" never had a connection and took no part")
	}
	if t.Suspect > 0 {
		t.Doubts = append(t.Doubts, plural64(t.Suspect, "false positive")+" may be flatline's own lateness")
	}
	for _, x := range r.Warnings {
		s := x.Text
		if x.Count > 1 {
			s += fmt.Sprintf(" (%s times)", num(int64(x.Count)))
		}
		t.Doubts = append(t.Doubts, s)
	}
	return t
}

func (r *Result) summaryTrust() SummaryTrust {
	x := r.Trust()
	facts := []string{fmt.Sprintf("own timers late by %s (p99), %s at most", FormatDuration(x.LagP99), FormatDuration(x.LagMax))}
	if r.Driver == "sim" {
		facts = []string{"simulated: a model of network and server in virtual time, never late"}
		if r.Model != "" {
			facts = append(facts, "the model: "+Clean(r.Model, 300))
		}
	}
	if len(r.Occurrences) > 0 {
		facts = append(facts, "faults in force within "+FormatDuration(x.Spread))
	}
	if cpu, err := r.Value(scenario.Expect{Metric: "harness.cpu"}); err == nil && cpu.Exists {
		rss, _ := r.Value(scenario.Expect{Metric: "harness.rss"})
		of := ""
		if n := r.Host.CPUs; n > 0 {
			of = fmt.Sprintf(" of %d", n)
		}
		facts = append(facts, fmt.Sprintf("flatline itself used %s%s cores and %s of memory", digits(float64(cpu.Value), 3), of,
			FormatValue(float64(rss.Value), scenario.Bytes)))
	}
	facts = append(facts, "latencies to 3 digits, storms to "+shortDuration(Tick))
	return SummaryTrust{Facts: facts, Doubts: append([]string{}, x.Doubts...)}
}
