package delivery

import (
	"iter"
	"slices"
)

// Set is a set of sequence numbers from 1 up, kept as disjoint intervals in ascending order, none touching the next. The
// zero Set is empty. Adding the next number costs constant time; any other costs a binary search, and where it opens or
// closes a gap a move of the intervals above it (8 bytes each).
type Set struct {
	spans []span
	n     int64
}

type span struct{ lo, hi uint32 } // inclusive

// Add puts n in and reports whether it was not there before. 0 is no sequence number and is never new.
func (s *Set) Add(n uint32) bool {
	if n == 0 {
		return false
	}
	last := len(s.spans) - 1
	if last < 0 || n > s.spans[last].hi {
		s.n++
		if last >= 0 && n == s.spans[last].hi+1 {
			s.spans[last].hi = n
		} else {
			s.spans = append(s.spans, span{n, n})
		}
		return true
	}
	i := s.find(n) // exists: n <= the last hi
	if s.spans[i].lo <= n {
		return false
	}
	s.n++
	below := i > 0 && s.spans[i-1].hi+1 == n
	above := s.spans[i].lo == n+1
	switch {
	case below && above:
		s.spans[i-1].hi = s.spans[i].hi
		s.spans = slices.Delete(s.spans, i, i+1)
	case below:
		s.spans[i-1].hi = n
	case above:
		s.spans[i].lo = n
	default:
		s.spans = slices.Insert(s.spans, i, span{n, n})
	}
	return true
}

// find is the first interval that ends at or after n.
func (s *Set) find(n uint32) int {
	i, _ := slices.BinarySearchFunc(s.spans, n, func(x span, n uint32) int {
		if x.hi < n {
			return -1
		}
		return 1
	})
	return i
}

// Has reports whether n is in the set.
func (s *Set) Has(n uint32) bool {
	i := s.find(n)
	return n > 0 && i < len(s.spans) && s.spans[i].lo <= n
}

// Len is how many numbers are in the set.
func (s *Set) Len() int64 { return s.n }

// Max is the largest number in the set, 0 if it is empty.
func (s *Set) Max() uint32 {
	if len(s.spans) == 0 {
		return 0
	}
	return s.spans[len(s.spans)-1].hi
}

// Prefix is the largest n such that all of 1 to n are in the set, 0 if 1 is not.
func (s *Set) Prefix() uint32 {
	if len(s.spans) == 0 || s.spans[0].lo > 1 {
		return 0
	}
	return s.spans[0].hi
}

// Fill puts all of 1 to n in.
func (s *Set) Fill(n uint32) { s.AddRange(1, n) }

// AddRange puts all of lo to hi in; nothing where lo is above hi. 0 is never put in.
func (s *Set) AddRange(lo, hi uint32) {
	lo = max(lo, 1)
	if lo > hi {
		return
	}
	if n := len(s.spans); n == 0 || uint64(lo) > uint64(s.spans[n-1].hi)+1 {
		s.spans = append(s.spans, span{lo, hi})
		s.n += int64(hi-lo) + 1
		return
	}
	i := s.find(lo) // the first that ends at or after lo
	if i > 0 && s.spans[i-1].hi+1 == lo {
		i--
	}
	merged, was := span{lo, hi}, int64(0)
	k := i
	for ; k < len(s.spans) && uint64(s.spans[k].lo) <= uint64(hi)+1; k++ {
		was += int64(s.spans[k].hi-s.spans[k].lo) + 1
		merged = span{min(merged.lo, s.spans[k].lo), max(merged.hi, s.spans[k].hi)}
	}
	s.spans = slices.Replace(s.spans, i, k, merged)
	s.n += int64(merged.hi-merged.lo) + 1 - was
}

// Missing goes through the numbers from 1 to hi that are not in the set, in ascending order.
func (s *Set) Missing(hi uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		next := uint64(1) // beyond uint32 once the last interval ends at its limit
		for i := 0; next <= uint64(hi); i++ {
			end := uint64(hi) + 1
			if i < len(s.spans) {
				end = min(end, uint64(s.spans[i].lo))
			}
			for ; next < end; next++ {
				if !yield(uint32(next)) {
					return
				}
			}
			if i >= len(s.spans) {
				return
			}
			next = uint64(s.spans[i].hi) + 1
		}
	}
}

// Within is how many numbers from 1 to hi are in the set.
func (s *Set) Within(hi uint32) int64 {
	n := int64(0)
	for _, x := range s.spans {
		if x.lo > hi {
			break
		}
		n += int64(min(x.hi, hi)-x.lo) + 1
	}
	return n
}

// Spans is how many intervals the set consists of: 8 bytes each.
func (s *Set) Spans() int { return len(s.spans) }
