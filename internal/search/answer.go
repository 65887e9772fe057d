package search

import "slices"

// Edge says what lies above the answer.
type Edge int

const (
	Open    Edge = iota // the search has not ended
	Sharp               // Holds holds, Fails fails, and they are as near as the precision asks for
	Ragged              // between them are numbers that hold now and then
	Ceiling             // Max holds: nothing was asked beyond it
	Blurred             // above Holds the test could not tell
	Limit               // above Holds the test cannot be made
	Nothing             // not even Min holds
	Unknown             // no number could be told
	numEdges
)

var edgeNames = [numEdges]string{"open", "sharp", "ragged", "ceiling", "blurred", "limit", "nothing", "unknown"}

func (e Edge) String() string {
	if e < 0 || e >= numEdges {
		return "?"
	}
	return edgeNames[e]
}

// Answer is what is known.
type Answer struct {
	Holds int   // the largest number that holds, below all that does not; 0: none
	Fails int   // the smallest above it, and above all that ever held, that breaks or cannot be told; 0: none
	Edge  Edge  // how they lie to each other
	Flaps []int // numbers from Holds to Fails that passed and failed
	// Sure: both sides have said it as often as they were asked to.
	Sure bool
}

// Answer is what is known by now; its Edge is Open until Next is done.
func (s *Search) Answer() Answer {
	v := s.view()
	a := Answer{Holds: v.lo, Fails: v.hi, Sure: (v.lo == 0 || v.loFirm) && (v.hi == 0 || v.hiFirm)}
	for i := range s.tally {
		if t := &s.tally[i]; t.N > v.lo && (v.hi == 0 || t.N < v.hi) && t.Passed > 0 && t.Failed > 0 {
			a.Flaps = append(a.Flaps, t.N)
		}
	}
	a.Edge = s.edge(&v)
	return a
}

func (s *Search) edge(v *view) Edge {
	told := slices.ContainsFunc(s.tally, func(t Tally) bool { return t.Passed+t.Failed > 0 })
	switch {
	case v.next != 0:
		return Open
	case !told:
		return Unknown
	case v.lo == 0 && v.hiIs == breaks && v.hi == v.worst:
		return Nothing
	case v.worst == 0:
		return Ceiling
	case v.hi != v.worst:
		return Ragged
	case v.hiIs == blurred:
		return Blurred
	case v.hiIs == beyond:
		return Limit
	}
	return Sharp
}
