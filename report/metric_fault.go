package report

import (
	"fmt"
	"math"

	"github.com/flatline-dev/flatline/scenario"
)

// attribution is what the window's faults did to the group.
type attribution struct {
	h                                                               *Hist
	affected, absent, undetected, healed, unresolved, lost, pending int64
}

// attribution adds up what the window's occurrences did; h is the family's histogram.
func (q *query) attribution(family string) *attribution {
	if a, ok := q.fates[family]; ok {
		return a
	}
	a := &attribution{h: &Hist{}}
	q.occGroups(func(_ *Occurrence, g *OccGroup) {
		a.affected += g.Affected
		a.absent += g.Absent
		a.undetected += g.Undetected
		a.healed += g.Healed
		a.unresolved += g.Unresolved
		a.lost += g.Lost
		a.pending += g.Pending
		switch family {
		case "detection":
			a.h.Merge(g.Detected.Merged(q.by))
		case "reap":
			a.h.Merge(g.Reap)
		case "recovery":
			a.h.Merge(g.Recovery)
		case "downtime":
			a.h.Merge(g.Downtime)
		case "storm.handshake":
			a.h.Merge(g.Handshake)
		}
	})
	if family == "reap" && q.w.name == "" {
		for i := range q.r.Groups {
			if q.group < 0 || q.group == i {
				a.h.Merge(q.r.Groups[i].Reap)
				a.pending += q.r.Groups[i].Pending
			}
		}
	}
	if q.fates == nil {
		q.fates = map[string]*attribution{}
	}
	q.fates[family] = a
	return a
}

// missing counts those whose value of the family never came, where they rank above all others.
func (a *attribution) missing(family string) int64 {
	switch {
	case family == "recovery":
		return a.lost
	case a.h.N() > 0:
		return 0
	case family == "detection":
		return a.undetected
	case family == "downtime":
		return a.lost
	case family == "reap":
		return a.pending
	}
	return 0
}

func (q *query) attributed(family, stat string) (Measure, error) {
	a := q.attribution(family)
	if a.absent > 0 && a.affected == 0 && (stat == "undetected" || stat == "healed" || stat == "unresolved" || stat == "lost") {
		return Measure{Unit: scenario.Count, Note: "no client was connected when it began"}, nil
	}
	switch family + "." + stat {
	case "detection.undetected":
		return exactly(float64(a.undetected), scenario.Count), nil
	case "detection.healed":
		return exactly(float64(a.healed), scenario.Count), nil
	case "recovery.lost":
		return exactly(float64(a.lost), scenario.Count), nil
	case "detection.unresolved":
		return exactly(float64(a.unresolved), scenario.Count), nil
	case "reap.pending":
		return exactly(float64(a.pending), scenario.Count), nil
	}
	m, err := quantity(a.h, stat, a.missing(family))
	if err != nil {
		return m, fmt.Errorf("no metric is named %q", family+"."+stat)
	}
	if family == "detection" && math.IsInf(float64(m.Value), 1) {
		m.Note = fmt.Sprintf("never detected by any of %d", a.undetected)
	}
	return q.late(m, q.r.aftermath(q.w), stat), nil
}
