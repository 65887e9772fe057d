package chaos

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMoments: a kill has no end, a fault that lasts to the end of the run has none either, and where one fault ends as
// the next begins the end comes first.
func TestMoments(t *testing.T) {
	faults := []Fault{{Kind: Blackhole}, {Kind: Kill}, {Kind: Stall}}
	const s = time.Second
	got := Moments([]Occurrence{
		{Fault: 0, At: 1 * s, End: 4 * s},
		{Fault: 1, At: 4 * s, End: 4 * s},
		{Fault: 2, At: 4 * s, End: 10 * s},
	}, faults, 10*s)
	want := []Moment{{1 * s, 0, true}, {4 * s, 0, false}, {4 * s, 1, true}, {4 * s, 2, true}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
