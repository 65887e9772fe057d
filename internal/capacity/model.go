package capacity

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Model is what the simulator, and the lines of the cost, say of more clients than were tried.
type Model struct {
	Rate    float64      `json:"handshakes_per_s,omitempty"` // of the modelled server
	AtLeast bool         `json:"rate_is_at_least"`           // the target was never seen at its limit: nothing is simulated
	Given   bool         `json:"rate_given"`                 // by the user, and not seen
	RTT     float64      `json:"rtt_s"`                      // of the modelled path
	Probes  []ModelProbe `json:"probes,omitempty"`
	Holds   int          `json:"holds,omitempty"`   // the largest number for which the expectations held in the model
	Fails   int          `json:"fails,omitempty"`   // the smallest for which they did not; 0: none up to Limit
	Limit   int          `json:"limit,omitempty"`   // no more were simulated
	Skipped string       `json:"skipped,omitempty"` // why nothing was
	Lines   []Exhaustion `json:"lines,omitempty"`
	Left    []string     `json:"leaves_out,omitempty"`
}

// ModelProbe is one simulated number of clients.
type ModelProbe struct {
	Clients int     `json:"clients"`
	Verdict Verdict `json:"verdict"`
	Broke   string  `json:"broke,omitempty"`
	Storm   *Storm  `json:"storm,omitempty"` // the largest
}

// NewModelProbe reads the Result of a simulation.
func NewModelProbe(r *report.Result, clients int) ModelProbe {
	m := ModelProbe{Clients: clients, Verdict: Inconclusive}
	switch r.Verdict.State {
	case report.Pass:
		m.Verdict = Pass
	case report.Fail:
		m.Verdict = Fail
	}
	p := Probe{Outcomes: r.Outcomes}
	m.Broke = p.broke()
	for _, s := range storms(r) {
		if m.Storm == nil || s.Affected > m.Storm.Affected || s.Affected == m.Storm.Affected && s.Peak > m.Storm.Peak {
			m.Storm = &s
		}
	}
	return m
}

// NewModel takes what the probes say of the target: its handshake rate, the round-trip time, and where the lines of the
// cost meet what there is. Nothing is simulated yet.
func (r *Report) NewModel() *Model {
	m := &Model{Rate: r.Rate, AtLeast: r.Saturated == 0}
	var rtt []float64
	for i := range r.Probes {
		if v, ok := r.Probes[i].figure("heartbeat.rtt.p50 during baseline"); ok && r.Probes[i].Verdict == Pass {
			rtt = append(rtt, v)
		}
	}
	if slices.Sort(rtt); len(rtt) > 0 {
		m.RTT = rtt[len(rtt)/2]
	}
	m.Lines = r.exhaustion()
	m.Left = []string{
		"CPU and memory of the target (its handshakes cost time, its beats do not)",
		"descriptors, accept queues and every limit of its own",
		"TCP below the byte stream, TLS, and the network's bandwidth",
		"that a server slows down as it fills",
	}
	return m
}

// exhaustion follows the lines, where they are straight, to the end of what this machine, or the target's limit, has.
func (r *Report) exhaustion() (out []Exhaustion) {
	meet := func(l *Line, have float64, what string) {
		if l == nil || l.R2 < 0.9 || l.Each <= 0 || have <= l.Base {
			return
		}
		n := math.Floor((have - l.Base) / l.Each)
		if n <= float64(max(l.To, r.Holds)) || n > 1e9 {
			return
		}
		out = append(out, Exhaustion{int(n), fmt.Sprintf("by the line of the cost, %s at %s clients", what, count(round2(n)))})
	}
	var m Machine
	for i := range r.Probes {
		m = r.Probes[i].Machine
	}
	meet(r.Cost.CPU, float64(m.Cores), fmt.Sprintf("beats alone use all %d cores", m.Cores))
	meet(r.Cost.RSS, float64(m.Memory), fmt.Sprintf("the target's memory is %s, all that this machine has,", report.FormatValue(float64(m.Memory), scenario.Bytes)))
	if m.TargetFiles > 0 {
		meet(r.Cost.FDs, float64(m.TargetFiles), fmt.Sprintf("the target has opened all %s files that it may", count(int64(m.TargetFiles))))
	}
	return out
}

// round2 keeps two digits: a line drawn that far says no more.
func round2(n float64) int64 {
	if n < 100 {
		return int64(n)
	}
	p := math.Pow(10, math.Floor(math.Log10(n))-1)
	return int64(math.Round(n/p) * p)
}

// Exhaustion is where a straight line of the cost meets what there is.
type Exhaustion struct {
	Clients int    `json:"clients"`
	Text    string `json:"text"`
}

// OfThisMachine reports whether a metric is about the target's process or flatline's own, which no model has.
func OfThisMachine(metric string) bool {
	return strings.HasPrefix(metric, "target.") || strings.HasPrefix(metric, "harness.")
}
