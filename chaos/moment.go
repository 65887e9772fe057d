package chaos

import (
	"sort"
	"time"
)

// Moment is the begin or the end of an occurrence.
type Moment struct {
	At    time.Duration // since the start of the run
	Occ   int           // index into the schedule
	Begin bool
}

// Moments lists when faults begin and end before until, in order; at the same instant ends come first. What is still in
// force at until has no end: whoever carries it out undoes it.
func Moments(schedule []Occurrence, faults []Fault, until time.Duration) []Moment {
	var ms []Moment
	for i, o := range schedule {
		ms = append(ms, Moment{o.At, i, true})
		if !faults[o.Fault].Instant() && o.End < until {
			ms = append(ms, Moment{o.End, i, false})
		}
	}
	sort.SliceStable(ms, func(i, k int) bool {
		a, b := ms[i], ms[k]
		return a.At < b.At || a.At == b.At && !a.Begin && b.Begin
	})
	return ms
}
