package report

import (
	"fmt"
	"math"
	"time"

	"github.com/flatline-dev/flatline/scenario"
)

// storm answers the metrics of reconnect storms and zombies.
func (q *query) storm(metric string) (Measure, error) {
	byTime := q.w.timed || q.w.name == ""
	perOcc := func(get func(*OccGroup) Buckets) (out []Buckets) {
		for _, o := range q.w.occs {
			var b Buckets
			for i := range o.Groups {
				if q.group < 0 || q.group == o.Groups[i].Group {
					b.Merge(get(&o.Groups[i]))
				}
			}
			out = append(out, b)
		}
		return out
	}
	attempts := func(g *OccGroup) Buckets { return g.Attempts }
	switch metric {
	case "storm.peak":
		var parts []Buckets
		if byTime {
			for _, s := range q.w.spans {
				parts = append(parts, q.level("attempts").between(s.from, s.to))
			}
		} else {
			parts = perOcc(attempts)
		}
		// With timers late by up to l, attempts seen within a second were due within a second and l; and those due
		// within a second were seen within a second and l.
		lag := q.r.lagDuring(q.r.aftermath(q.w)).Quantile(0.99)
		peak := func(width time.Duration) (p float64) {
			for _, b := range parts {
				p = max(p, float64(b.Peak(width)))
			}
			return p
		}
		m := exactly(peak(time.Second), scenario.PerSecond)
		if lag >= Tick {
			m.Lo, m.Hi = Number(peak(max(time.Second-lag, Tick))), Number(peak(time.Second+lag))
		}
		return m, nil
	case "storm.attempts":
		n := int64(0)
		if byTime {
			for _, s := range q.w.spans {
				n += q.level("attempts").SumBetween(s.from, s.to)
			}
		} else {
			for _, b := range perOcc(attempts) {
				n += b.Sum()
			}
		}
		return exactly(float64(n), scenario.Count), nil
	case "storm.failed":
		n := int64(0)
		if q.w.timed {
			q.r.segments(q.w, func(s *Segment) {
				q.segmentGroups(s, func(g *SegmentGroup) { n += g.ConnectFailed.Total(q.by) })
			})
		} else {
			q.occGroups(func(_ *Occurrence, g *OccGroup) { n += g.Failed.Total(q.by) })
		}
		return exactly(float64(n), scenario.Count), nil
	case "storm.amplification":
		var tries, lost int64
		q.occGroups(func(_ *Occurrence, g *OccGroup) {
			tries += g.Attempts.Sum()
			lost += g.DetectedN()
		})
		if lost == 0 {
			return Measure{Unit: scenario.Ratio, Note: "nobody had to reconnect"}, nil
		}
		m := exactly(float64(tries)/float64(lost), scenario.Ratio)
		m.N = lost
		return m, nil
	default: // zombies.peak
		hi := int64(0)
		if byTime {
			for _, s := range q.w.spans {
				_, h, _ := q.level("zombies").Levels(s.from, s.to)
				hi = max(hi, h)
			}
		} else {
			for _, b := range perOcc(func(g *OccGroup) Buckets { return g.Zombies }) {
				_, h, _ := b.Levels(0, forever)
				hi = max(hi, h)
			}
		}
		return exactly(float64(hi), scenario.Count), nil
	}
}

type levelKey struct {
	what  string
	group int
}

// level is what a group, or all of them, did over the run: attempts, zombies or open. It must not be changed.
func (q *query) level(what string) Buckets {
	key := levelKey{what, q.group}
	if b, ok := q.levels[key]; ok {
		return b
	}
	var out Buckets
	for i := range q.r.Groups {
		g := &q.r.Groups[i]
		if q.group >= 0 && q.group != i {
			continue
		}
		b := map[string]Buckets{"attempts": g.Attempts, "zombies": g.Zombies, "open": g.Open}[what]
		if q.group == i {
			out = b
		} else {
			out.Merge(b)
		}
	}
	if q.levels == nil {
		q.levels = map[levelKey]Buckets{}
	}
	q.levels[key] = out
	return out
}

// clients answers how many were open. The minimum of the run and of the baseline starts when everybody who could open
// had done so: at the highest level after the ramp and before the first fault.
func (q *query) clients(metric string) Measure {
	var neverOpened, doubled int64
	for i := range q.r.Groups {
		if g := &q.r.Groups[i]; q.group < 0 || q.group == i {
			neverOpened += g.NeverOpened
			doubled += g.Doubled
		}
	}
	switch metric {
	case "clients.never_opened":
		return exactly(float64(neverOpened), scenario.Count)
	case "clients.doubled":
		return exactly(float64(doubled), scenario.Count)
	}
	open := q.level("open")
	lowest, last := int64(math.MaxInt64), int64(0)
	for _, s := range q.w.spans {
		if q.w.name == "" || q.w.name == "baseline" {
			s.from = settled(open, q.r.Plan.RampEnd, q.r.firstFault())
		}
		if q.w.name == "baseline" {
			s.to = s.to.Truncate(Tick) // what dies in the tick in which the fault begins dies of it
		}
		lo, _, end := open.Levels(s.from, min(s.to, q.r.Elapsed))
		lowest, last = min(lowest, lo), end
	}
	if metric == "clients.open" {
		return exactly(float64(last), scenario.Count)
	}
	return exactly(float64(lowest), scenario.Count)
}

// settled is the end of the first tick in [from, to) after which the level is at its highest there.
func settled(b Buckets, from, to time.Duration) time.Duration {
	first, last := int(from/Tick), ticksUp(to)
	level, best, at := int64(0), int64(-1), from
	for i := 0; i < last && i < len(b); i++ {
		level += int64(b[i])
		if i >= first && level > best {
			best, at = level, time.Duration(i+1)*Tick
		}
	}
	return at
}

// counts answers what segments count.
//
// Mistakes follow W. Chen, S. Toueg, M. K. Aguilera, "On the Quality of Service of Failure Detectors", IEEE Transactions
// on Computers 51(5), 2002. A mistake lasts T_M, from the false "dead" until the client trusts a connection again.
// T_MR is the time from one mistake of a client to its next, T_MR = T_G + T_M with T_G the good time between; over all
// clients E(T_MR) = (healthy open time + total T_M) / mistakes. Query accuracy, the probability that a client asked at
// a random moment is right about its healthy peer, is P_A = 1 - E(T_M) / E(T_MR).
func (q *query) counts(metric string) (Measure, error) {
	var sent, unanswered, failed, gaveUp, mistakes, suspect, healthy int64
	durations := &Hist{}
	q.r.segments(q.w, func(s *Segment) {
		q.segmentGroups(s, func(g *SegmentGroup) {
			sent += g.Sent
			unanswered += g.Unanswered
			failed += g.ConnectFailed.Total(q.by)
			gaveUp += g.GaveUp.Total(q.by)
			mistakes += g.FalsePositives.Total(q.by)
			suspect += g.Suspect
			healthy += g.HealthyMicros
			durations.Merge(g.Mistakes)
		})
	})
	good := float64(healthy) / 1e6
	tm := durations.Mean().Seconds()
	tmr := math.Inf(1)
	if mistakes > 0 {
		tmr = (good + tm*float64(mistakes)) / float64(mistakes)
	}
	var m Measure
	switch metric {
	case "heartbeat.sent":
		return exactly(float64(sent), scenario.Count), nil
	case "heartbeat.unanswered":
		return exactly(float64(unanswered), scenario.Count), nil
	case "connect.failed":
		return exactly(float64(failed), scenario.Count), nil
	case "clients.gave_up":
		return exactly(float64(gaveUp), scenario.Count), nil
	case "false_positives":
		m = exactly(float64(mistakes), scenario.Count)
		if q.by == "" || q.by == "timeout" {
			m.Lo = Number(max(mistakes-suspect, 0))
		}
		return m, nil
	case "mistakes.recurrence":
		m = exactly(tmr, scenario.Seconds)
	case "mistakes.duration":
		m = exactly(tm, scenario.Seconds)
		if mistakes > 0 && durations.N() == 0 {
			m = exactly(math.Inf(1), scenario.Seconds)
		}
	case "mistakes.accuracy":
		switch {
		case mistakes == 0:
			m = exactly(1, scenario.Ratio)
		case durations.N() == 0:
			return Measure{Unit: scenario.Ratio, Note: "no mistake has ended yet"}, nil
		default:
			m = exactly(1-tm/tmr, scenario.Ratio)
		}
	default:
		return m, fmt.Errorf("no metric is named %q", metric)
	}
	m.N = mistakes
	if healthy == 0 && mistakes == 0 {
		m = Measure{Unit: m.Unit, Note: "no healthy connection in the window"}
	}
	return m, nil
}
