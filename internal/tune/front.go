package tune

import (
	"math"
	"slices"
)

// Resolution is the relative difference below which two values of an objective are the same: what remains of the
// simulation's noise under common random numbers.
const Resolution = 0.02

// level puts a value on a logarithmic scale of steps of Resolution. Zero is below everything, infinity above it, and
// what was not measured is the same for all.
func level(v float64) float64 {
	switch {
	case math.IsNaN(v):
		return 0
	case v <= 0:
		return math.Inf(-1)
	case math.IsInf(v, 1):
		return v
	}
	return math.Round(math.Log(v) / math.Log1p(Resolution))
}

func levels(s *Score) (out [Objectives]float64) {
	for o, v := range s.Values {
		out[o] = level(v)
	}
	return out
}

// dominates reports whether a is better than b in one objective and not worse in any.
func dominates(a, b *[Objectives]float64) bool {
	better := false
	for o := range a {
		if a[o] > b[o] {
			return false
		}
		better = better || a[o] < b[o]
	}
	return better
}

// front marks the candidates that none other dominates. Of several that are the same in everything it is the first.
func front(all []Candidate) {
	type point struct {
		i int
		l [Objectives]float64
	}
	var points []point
	for i := range all {
		all[i].Front = false
		if all[i].Refused == "" {
			points = append(points, point{i, levels(&all[i].Score)})
		}
	}
	// Whoever dominates a point comes before it in lexicographic order, and so does one that is on the front.
	slices.SortStableFunc(points, func(a, b point) int { return slices.Compare(a.l[:], b.l[:]) })
	var kept []point
	for _, p := range points {
		if !slices.ContainsFunc(kept, func(k point) bool { return k.l == p.l || dominates(&k.l, &p.l) }) {
			kept = append(kept, p)
			all[p.i].Front = true
		}
	}
}

// recommend is the candidate to ship, or -1 if none was simulated. Those that meet every expectation of the scenario come
// first, then those that fail the fewest. Among them it is the one with the smallest value of the objective, and with the
// smallest distance to the ideal point where that leaves a choice, or from the outset if the objective is a balance.
//
// The ideal point has the best value of each objective (M. Zeleny, "Compromise programming", 1973). Distances are
// Euclidean over objectives that run from 0 at the best to 1 at the worst value on the front, on a logarithmic scale:
// twice as many beats weigh as much at 100/s as at 10,000/s. A zero among other values counts as a tenth of the smallest
// of them.
func recommend(all []Candidate, minimize Objective) int {
	fewest := math.MaxInt
	for i := range all {
		if c := &all[i]; c.Front {
			fewest = min(fewest, len(c.Score.Failed))
		}
	}
	var pool []int
	for i := range all {
		if c := &all[i]; c.Front && len(c.Score.Failed) == fewest {
			pool = append(pool, i)
		}
	}
	if len(pool) == 0 {
		return -1
	}
	scale := newScale(all, pool)
	return slices.MinFunc(pool, func(a, b int) int {
		if minimize < Objectives {
			if d := compare(level(all[a].Score.Values[minimize]), level(all[b].Score.Values[minimize])); d != 0 {
				return d
			}
		}
		if d := compare(scale.distance(&all[a].Score), scale.distance(&all[b].Score)); d != 0 {
			return d
		}
		return a - b
	})
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// scale is the range of each objective over some candidates, in logarithms.
type scale struct{ zero, lo, hi [Objectives]float64 }

func newScale(all []Candidate, pool []int) *scale {
	s := &scale{}
	for o := range Objectives {
		s.lo[o], s.hi[o], s.zero[o] = math.Inf(1), math.Inf(-1), math.Inf(1)
		for _, i := range pool {
			if v := all[i].Score.Values[o]; v > 0 && !math.IsInf(v, 1) {
				s.zero[o] = min(s.zero[o], math.Log(v/10))
			}
		}
		for _, i := range pool {
			if v := s.log(o, all[i].Score.Values[o]); !math.IsInf(v, 0) && !math.IsNaN(v) {
				s.lo[o], s.hi[o] = min(s.lo[o], v), max(s.hi[o], v)
			}
		}
	}
	return s
}

func (s *scale) log(o Objective, v float64) float64 {
	if v == 0 {
		return s.zero[o]
	}
	return math.Log(v)
}

// distance to the ideal point, from 0 to 1; what never happens is twice as far as the worst of the rest.
func (s *scale) distance(score *Score) float64 {
	sum := 0.0
	for o, v := range score.Values {
		o := Objective(o)
		switch x := s.log(o, v); {
		case math.IsNaN(v) || s.hi[o]-s.lo[o] < 1e-12 && !math.IsInf(v, 1):
		case math.IsInf(v, 1):
			sum += 4
		default:
			z := (x - s.lo[o]) / (s.hi[o] - s.lo[o])
			sum += z * z
		}
	}
	return math.Sqrt(sum / float64(Objectives))
}
