package sim

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestTurnsComeInOrder compares the heap with a sorted list, under random pushes and pops.
func TestTurnsComeInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	order := func(a, b turn) int {
		if a.before(&b) {
			return -1
		}
		return 1
	}
	for n := range 300 {
		var q, list turns
		next := func() turn { return turn{time.Duration(r.IntN(20)), int32(r.IntN(3)), int32(r.IntN(1000))} }
		for range n % 40 {
			q = append(q, next())
		}
		list = slices.Clone(q)
		q.init()
		for range 100 {
			if r.IntN(2) == 0 {
				x := next()
				q.push(x)
				list = append(list, x)
			} else if len(list) > 0 {
				slices.SortFunc(list, order)
				if got := q.pop(); got != list[0] {
					t.Fatalf("%v comes first, want %v", got, list[0])
				}
				list = list[1:]
			}
		}
		if len(q) != len(list) {
			t.Fatalf("%d are left, want %d", len(q), len(list))
		}
	}
}
