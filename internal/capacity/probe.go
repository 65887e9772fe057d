package capacity

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/search"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Verdict is what a probe says of its number of clients.
type Verdict string

const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
	TooLarge     Verdict = "too large" // this machine cannot drive so many clients
)

// Outcome is the verdict in the words of the search.
func (v Verdict) Outcome() (search.Outcome, bool) {
	switch v {
	case Pass:
		return search.Pass, true
	case Fail:
		return search.Fail, true
	case Inconclusive:
		return search.Unclear, true
	case TooLarge:
		return search.Beyond, true
	}
	return 0, false
}

// Probe is one run of the scenario with one number of clients.
type Probe struct {
	Clients int           `json:"clients"`
	Verdict Verdict       `json:"verdict"`
	Reasons []string      `json:"reasons,omitempty"` // why it is not a pass
	Fix     string        `json:"fix,omitempty"`     // too large: what would make it possible
	Began   time.Time     `json:"began"`
	Took    time.Duration `json:"took"`             // start and end of the target included
	Note    string        `json:"note,omitempty"`   // what makes it less trustworthy
	Result  string        `json:"result,omitempty"` // file with the Result, if it was kept

	Outcomes []report.Outcome `json:"outcomes,omitempty"`
	// Figures holds what was measured, by metric and window as an expectation names them: "recovery.p99",
	// "target.cpu during baseline".
	Figures    map[string]report.Measure `json:"figures,omitempty"`
	CPUPeak    float64                   `json:"cpu_peak,omitempty"` // cores that the target used in its busiest second
	Machine    Machine                   `json:"machine"`
	Storms     []Storm                   `json:"storms,omitempty"`
	Handshakes Handshakes                `json:"handshakes"`
	Strained   []Strain                  `json:"strained,omitempty"` // what was used up, earliest first
}

// Machine is what was seen beside the run. What could not be seen is 0.
type Machine struct {
	Cores       int     `json:"cores"`
	Busy        float64 `json:"busy,omitempty"`         // cores in use by all processes, in the busiest second
	MemoryLeast int64   `json:"memory_least,omitempty"` // bytes available to new processes, at the least
	Memory      int64   `json:"memory,omitempty"`       // bytes in all
	TargetFiles int     `json:"target_files,omitempty"` // descriptors that the target's process may open
}

// figures of every probe. Those that a Result cannot answer are left out.
var figures = []string{
	"detection.p99", "recovery.p99", "recovery.lost", "storm.peak", "false_positives", "clients.never_opened",
	"connect.latency.p99", "connect.failed", "heartbeat.rtt.p99", "heartbeat.rtt.p50 during baseline",
	"target.cpu", "target.cpu during baseline", "target.rss", "target.fds", "target.accept_queue", "target.listener_drops",
	"harness.lag.p99", "harness.lag.max", "harness.cpu",
}

// NewProbe reads a Result. The error says why no Result of this scenario can ever tell: an expectation asks for something
// that is not measured with this target.
func NewProbe(r *report.Result, clients int, m Machine) (*Probe, error) {
	p := &Probe{Clients: clients, Began: r.Started, Outcomes: r.Outcomes, Figures: map[string]report.Measure{}, Machine: m}
	for _, name := range figures {
		metric, window, _ := strings.Cut(name, " during ")
		if v, err := r.Value(scenario.Expect{Metric: metric, During: window}); err == nil && v.Exists {
			p.Figures[name] = v
		}
	}
	for i := range r.Target {
		if u := &r.Target[i]; u.Span >= 500*time.Millisecond {
			p.CPUPeak = max(p.CPUPeak, u.CPU.Seconds()/u.Span.Seconds())
		}
	}
	p.Storms = storms(r)
	p.Handshakes = handshakes(r)
	p.strain(r)
	return p, p.judge(r)
}

func (p *Probe) judge(r *report.Result) error {
	why := func(v Verdict, reasons ...string) {
		p.Verdict = v
		p.Reasons = append(p.Reasons, reasons...)
	}
	for _, o := range r.Outcomes {
		if o.State == report.NotMeasured {
			return fmt.Errorf("%s: %s", o.Text, o.Note)
		}
	}
	switch {
	case r.Status == report.TargetLost:
		why(Fail, "the target was lost: "+r.Reason)
	case r.Verdict.State == report.Pass:
		why(Pass)
	case r.Verdict.State == report.Fail && p.overloaded(r):
		why(Inconclusive, p.broken()...)
		why(Inconclusive, fmt.Sprintf("flatline's own timers were %s late (p99): that may be why", value(p.Figures["harness.lag.p99"])))
	case r.Verdict.State == report.Fail:
		why(Fail, p.broken()...)
	default:
		why(Inconclusive, r.Verdict.Reasons...)
		for _, o := range r.Outcomes {
			if o.State == report.Inconclusive {
				why(Inconclusive, o.Text+": "+o.Note)
			}
		}
	}
	return nil
}

// Overloaded is the lateness (p99) from which a failure may be flatline's own; [report.Result.Trust] doubts from there on.
const Overloaded = 100 * time.Millisecond

func (p *Probe) overloaded(r *report.Result) bool {
	return r.Trust().LagP99 >= Overloaded && refused(r) == 0
}

// refused counts connection attempts that the target turned away in words.
func refused(r *report.Result) (n int64) {
	for i := range r.Segments {
		for k := range r.Segments[i].Groups {
			n += r.Segments[i].Groups[k].ConnectFailed[heartbeat.Rejected]
		}
	}
	return n
}

// broken are the expectations that failed, with what was measured.
func (p *Probe) broken() (out []string) {
	for _, o := range p.Outcomes {
		if o.State == report.Fail {
			out = append(out, fmt.Sprintf("%s: %s", o.Text, value(o.Measured)))
		}
	}
	return out
}

// broke is the first expectation that failed, short; "" if none did.
func (p *Probe) broke() string {
	for _, o := range p.Outcomes {
		if o.State == report.Fail {
			return fmt.Sprintf("%s (%s)", o.Text, value(o.Measured))
		}
	}
	return ""
}

// figure is a value of Figures; ok is false where it was not measured.
func (p *Probe) figure(name string) (v float64, ok bool) {
	m, ok := p.Figures[name]
	if !ok || math.IsNaN(float64(m.Value)) {
		return 0, false
	}
	return float64(m.Value), true
}

func value(m report.Measure) string {
	if !m.Exists {
		return "-"
	}
	return report.FormatValue(float64(m.Value), m.Unit)
}
