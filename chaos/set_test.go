package chaos

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSetIsAMap compares Set with a map under random additions.
func TestSetIsAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var s Set
		m := map[int]bool{}
		span := 1 + rng.IntN(500)
		for range rng.IntN(300) {
			i := rng.IntN(span)
			s.Add(i)
			m[i] = true
		}
		if s.Len() != len(m) {
			t.Fatalf("Len = %d, want %d", s.Len(), len(m))
		}
		for i := -2; i < span+130; i++ {
			if s.Has(i) != m[i] {
				t.Fatalf("Has(%d) = %v", i, s.Has(i))
			}
		}
		want := slices.Sorted(maps.Keys(m))
		if diff := cmp.Diff(want, slices.Collect(s.All)); diff != "" && len(want) > 0 {
			t.Fatalf("All:\n%s", diff)
		}
		var firsts []int
		for i := range s.All {
			if len(firsts) == 3 {
				break
			}
			firsts = append(firsts, i)
		}
		if n := min(3, len(want)); !slices.Equal(firsts, want[:n]) {
			t.Fatalf("the first three are %v, want %v", firsts, want[:n])
		}
	}
}

func TestNilSetIsEmpty(t *testing.T) {
	var s *Set
	if s.Len() != 0 || s.Has(0) || len(slices.Collect(s.All)) != 0 {
		t.Error("a nil Set is not empty")
	}
}

func TestSetRemove(t *testing.T) {
	var s Set
	for _, i := range []int{3, 64, 65} {
		s.Add(i)
	}
	s.Remove(64)
	s.Remove(64)
	s.Remove(1000)
	if s.Has(64) || !s.Has(3) || !s.Has(65) || s.Len() != 2 {
		t.Errorf("after removing 64 of 3, 64, 65: %d members, 64 in it %v", s.Len(), s.Has(64))
	}
}
