package search

import "math"

// standing is what is thought of a number.
type standing int

const (
	open    standing = iota // a tie, or unclear and not yet given up: to be asked again
	holds                   // more passes than failures
	breaks                  // more failures than passes
	flaps                   // undecided after all its votes
	blurred                 // too often unclear
	beyond
)

func (s *Search) standing(t *Tally) (is standing, firm bool) {
	ahead := t.Passed - t.Failed
	votes := t.Passed + t.Failed
	switch {
	case ahead >= s.c.lead():
		return holds, true
	case -ahead >= s.c.lead():
		return breaks, true
	case t.Beyond:
		return beyond, true
	case t.Blank > s.c.Repeats:
		return blurred, true
	case votes >= s.c.votes():
		return flaps, true
	case votes == 0 || ahead == 0:
		return open, false
	case ahead > 0:
		return holds, false
	}
	return breaks, false
}

// view is what the evidence says, and which number would say more.
type view struct {
	next int // 0: nothing more to ask
	// The edge from below: the largest number that holds below the smallest that does anything else. 0: none.
	lo     int
	loFirm bool
	// The edge from above: the smallest number that breaks, is blurred or is beyond, above all that ever held. 0: none.
	hi     int
	hiIs   standing
	hiFirm bool
	// worst is the smallest number that does not hold; equal to hi unless something flaps. 0: none.
	worst int
}

// tolerance is how near lo and what is above it must be.
func (s *Search) tolerance(lo int) int {
	surprises := 0
	for i := range s.tally {
		if t := &s.tally[i]; t.Passed > 0 && t.Failed > 0 || t.Blank > s.c.Repeats && t.Passed+t.Failed > 0 {
			surprises++
		}
	}
	wide := s.c.Precision
	if surprises > free {
		wide = max(wide, 1/float64(s.c.Max)) * math.Pow(2, float64(surprises-free))
	}
	return int(min(max(1, wide*float64(lo)), float64(s.c.Max)))
}

// view goes through the evidence from below, and then asks in this order: what is open; the contradictions; the bracket;
// the bisection; the lower side again; the upper side again.
func (s *Search) view() view {
	var v view
	top := 0 // largest that held or flapped
	for i := range s.tally {
		t := &s.tally[i]
		is, firm := s.standing(t)
		switch is {
		case open:
			if v.next == 0 && t.N >= s.c.Min && t.N <= s.c.Max {
				v.next = t.N
			}
			continue
		case holds:
			if v.worst == 0 {
				v.lo, v.loFirm = t.N, firm
			}
			top, v.hi = t.N, 0
		case flaps:
			top, v.hi = t.N, 0
		default:
			if v.hi == 0 {
				v.hi, v.hiIs, v.hiFirm = t.N, is, firm
			}
		}
		if is != holds && v.worst == 0 {
			v.worst = t.N
		}
	}
	if v.next == 0 {
		v.next = s.ask(&v, top)
	}
	return v
}

func (s *Search) ask(v *view, top int) int {
	c := &s.c
	if v.worst > 0 && top > v.worst {
		if n := s.doubtful(v.worst, top); n > 0 {
			return n
		}
	}
	tol := s.tolerance(max(v.lo, 1))
	switch {
	case len(s.tally) == 0:
		return c.Start
	case v.worst == 0 && v.lo < c.Max: // nothing has failed yet
		return max(min(2*v.lo, c.Max), c.Min)
	case v.lo == 0 && v.worst > c.Min: // nothing holds yet
		return min(max(v.worst/2, c.Min), c.Max)
	case v.lo > 0 && v.worst-v.lo > tol:
		return v.lo + (v.worst-v.lo)/2
	case v.lo > 0 && !v.loFirm && v.lo <= c.Max:
		return v.lo
	case v.hi == 0 && v.worst > 0 && top < c.Max: // what is above flaps: look for what reliably fails
		return min(top+2*max(top-v.lo, tol), c.Max)
	case v.hi == 0:
		return 0
	case v.hi > v.worst && v.hi-top > max(tol, s.tolerance(top)):
		return top + (v.hi-top)/2
	case !v.hiFirm && v.hi <= c.Max:
		return v.hi
	}
	return 0
}

// doubtful is the smallest number from worst to top that is not firm: a number that breaks below one that holds, either
// of which may be a wrong answer.
func (s *Search) doubtful(worst, top int) int {
	for i := range s.tally {
		t := &s.tally[i]
		if t.N < worst || t.N > min(top, s.c.Max) {
			continue
		}
		if _, firm := s.standing(t); !firm {
			return t.N
		}
	}
	return 0
}
