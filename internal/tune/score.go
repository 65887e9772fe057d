package tune

import (
	"math"
	"strconv"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Objective is one of the quantities that a setting trades off, all to be small.
type Objective int

const (
	Detection      Objective = iota // p99 of the detection latency of silent faults, seconds; infinite where a victim never noticed
	FalsePositives                  // healthy peers declared dead, per client and day of healthy time
	Beats                           // heartbeats per second of the whole fleet while all is well: clients / interval
	Peak                            // attempts per second in the worst second
	Recovery                        // p99 of recovery, seconds; infinite where someone never came back
	Objectives                      // how many there are
)

var objectives = [Objectives]struct {
	word, title string
	unit        scenario.Unit
}{
	{"detection", "detection p99", scenario.Seconds},
	{"false-positives", "false positives per client-day", scenario.Count},
	{"beats", "beats", scenario.PerSecond},
	{"storm", "storm peak", scenario.PerSecond},
	{"recovery", "recovery p99", scenario.Seconds},
}

func (o Objective) String() string { return objectives[o].word }

// Title is the objective in words.
func (o Objective) Title() string { return objectives[o].title }

// ParseObjective is the inverse of [Objective.String].
func ParseObjective(s string) (Objective, bool) {
	for i, o := range objectives {
		if o.word == s {
			return Objective(i), true
		}
	}
	return 0, false
}

// Words are the names of all objectives.
func Words() []string {
	var out []string
	for _, o := range objectives {
		out = append(out, o.word)
	}
	return out
}

// Format writes a value of the objective as the report does.
func (o Objective) Format(v float64) string {
	switch {
	case math.IsInf(v, 0):
	case o == FalsePositives && math.Abs(v) < 10:
		return strconv.FormatFloat(v, 'g', 2, 64)
	case o == FalsePositives || o == Beats && v >= 10:
		v = math.Round(v)
	}
	return report.FormatValue(v, objectives[o].unit)
}

// Score is what a run says about a setting.
type Score struct {
	// Values are the objectives. NaN: the scenario has nothing that measures it, such as a detection without a fault that
	// severs.
	Values [Objectives]float64
	// ClientDays is the healthy client time behind FalsePositives. With none seen in d days, the true rate is below 3/d
	// with 95 % confidence (the rule of three).
	ClientDays float64
	Mistakes   int64    // false positives seen
	Failed     []string // expectations of the scenario that do not hold, as written
	Closed     bool     // Detection is the closed form's: the scenario's faults end too soon to measure it
}

// Feasible reports whether every expectation of the scenario holds.
func (s *Score) Feasible() bool { return len(s.Failed) == 0 }

// ScoreOf judges a Result of the plan, simulated or real.
func ScoreOf(p *scenario.Plan, r *report.Result) Score {
	var s Score
	value := func(metric string) float64 {
		m, err := r.Value(scenario.Expect{Metric: metric})
		if err != nil || !m.Exists {
			return math.NaN()
		}
		return float64(m.Value)
	}
	s.Values[Detection], s.Closed = detection(r)
	s.Values[Peak], s.Values[Recovery] = value("storm.peak"), value("recovery.p99")
	s.Values[Beats] = beats(p)
	var healthy int64
	for i := range r.Segments {
		for g := range r.Segments[i].Groups {
			healthy += r.Segments[i].Groups[g].HealthyMicros
			s.Mistakes += r.Segments[i].Groups[g].FalsePositives.Total("")
		}
	}
	s.ClientDays = (time.Duration(healthy) * time.Microsecond).Hours() / 24
	s.Values[FalsePositives] = math.NaN()
	if s.ClientDays > 0 {
		s.Values[FalsePositives] = float64(s.Mistakes) / s.ClientDays
	}
	for i := range r.Outcomes {
		if o := &r.Outcomes[i]; o.State == report.Fail {
			s.Failed = append(s.Failed, o.Text)
		}
	}
	return s
}

// detection is the p99 of how late silent faults were noticed: those that sever a path without a word, which only the
// client's own timers can tell. It is infinite if one outlasted the client's bound unnoticed, and NaN if there was none. A
// fault that ended before one client in a hundred or more could notice it says nothing of them; then the value is that of
// the closed form (heartbeat.Config.Bounds), and closed is true.
func detection(r *report.Result) (p99 float64, closed bool) {
	var noticed report.Hist
	var open, missed int64 // affected who did not notice: cut off by the fault's or the run's end, or never
	var bound float64
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if !silent(o) {
			continue
		}
		for k := range o.Groups {
			g := &o.Groups[k]
			noticed.Merge(g.Detected[heartbeat.Timeout])
			open, missed = open+g.Healed+g.Unresolved, missed+g.Undetected
			if info := &r.Plan.Groups[g.Group]; info.Detects && g.Affected > 0 {
				bound = max(bound, (info.BoundLo + (info.BoundHi-info.BoundLo)*99/100).Seconds())
			} else if g.Affected > 0 {
				missed++
			}
		}
	}
	n := noticed.N()
	switch {
	case missed > 0:
		return math.Inf(1), false
	case n+open == 0:
		return math.NaN(), false
	case float64(open) > 0.01*float64(n+open):
		return bound, true
	}
	return noticed.Quantile(0.99).Seconds(), false
}

// silent reports whether the occurrence severs paths without a sign that the client's system could see.
func silent(o *report.Occurrence) bool {
	switch o.Kind {
	case chaos.Blackhole, chaos.Stall:
		return true
	case chaos.IdleCut:
		return o.How == chaos.Silent
	}
	return false
}

// beats is the rate of all heartbeats, whoever sends them.
func beats(p *scenario.Plan) (rate float64) {
	for i := range p.Groups {
		if b := &p.Groups[i].Config.Beat; b.By != heartbeat.Nobody && b.Interval > 0 {
			rate += float64(p.Groups[i].Count) / b.Interval.Seconds()
		}
	}
	return rate
}
