package chaos

import "math/bits"

// Set is a set of client numbers. The zero Set is empty. It is safe for concurrent reads.
type Set struct {
	words []uint64
	n     int
}

// Add puts client i, which must not be negative, into the set.
func (s *Set) Add(i int) {
	for len(s.words) <= i/64 {
		s.words = append(s.words, 0)
	}
	if w := &s.words[i/64]; *w&(1<<(i%64)) == 0 {
		*w |= 1 << (i % 64)
		s.n++
	}
}

// Remove takes client i out of the set; it is harmless when it is not in it.
func (s *Set) Remove(i int) {
	if s.Has(i) {
		s.words[i/64] &^= 1 << (i % 64)
		s.n--
	}
}

// Has reports whether client i is in the set. A nil Set is empty.
func (s *Set) Has(i int) bool {
	return s != nil && i >= 0 && i/64 < len(s.words) && s.words[i/64]&(1<<(i%64)) != 0
}

// Len is the number of clients in the set.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.n
}

// All calls yield for each client in ascending order until it returns false.
func (s *Set) All(yield func(int) bool) {
	if s != nil {
		s.Within(0, 64*len(s.words))(yield)
	}
}

// Within is All for the clients of [lo, hi). It costs nothing for those outside.
func (s *Set) Within(lo, hi int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		if s == nil {
			return
		}
		lo, hi := max(lo, 0), min(hi, 64*len(s.words))
		for w := lo / 64; w*64 < hi; w++ {
			word := s.words[w]
			if w == lo/64 {
				word &= ^uint64(0) << (lo % 64)
			}
			for word != 0 {
				i := w*64 + bits.TrailingZeros64(word)
				if i >= hi || !yield(i) {
					return
				}
				word &= word - 1
			}
		}
	}
}
