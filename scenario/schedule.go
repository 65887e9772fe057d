package scenario

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// maxOccurrences bounds the schedule of a run.
const maxOccurrences = 10_000

// schedule expands every and times into single occurrences, ordered by time and then by position in the file. A fault
// without times happens as often as it can begin before the end; one that nothing ends lasts until the end.
func schedule(faults []chaos.Fault, end time.Duration) []chaos.Occurrence {
	var out []chaos.Occurrence
	for i := range faults {
		f := &faults[i]
		for nth := 0; nth == 0 || f.Every > 0 && (f.Times == 0 || nth < f.Times); nth++ {
			o := chaos.Occurrence{Fault: i, Nth: nth, Name: f.Name, At: f.At + time.Duration(nth)*f.Every}
			if o.At >= end || len(out) >= maxOccurrences {
				break
			}
			if nth > 0 {
				o.Name = fmt.Sprintf("%s#%d", f.Name, nth+1)
			}
			switch o.End = end; {
			case f.Instant():
				o.End = o.At
			case f.For > 0:
				o.End = min(o.At+f.For, end)
			}
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b chaos.Occurrence) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Fault, b.Fault))
	})
	for i := range out {
		out[i].Index = i
	}
	return out
}

// lastEnd is when the last fault is over, as far as the file says: times times every, then for. known is false when a
// fault goes on until the end of the run.
func lastEnd(faults []chaos.Fault) (last time.Duration, known bool) {
	known = true
	for i := range faults {
		f := &faults[i]
		if f.Every > 0 && f.Times == 0 || f.For == 0 && !f.Instant() {
			known = false
		}
		last = max(last, f.At+time.Duration(max(f.Times-1, 0))*f.Every+f.For+f.Restart+f.Grace+f.Spread)
	}
	return last, known
}

// victims draws the clients of each occurrence on first use and keeps them.
type victims struct {
	mu   sync.Mutex
	sets map[int]*chaos.Set
	all  map[string]*chaos.Set // whole groups, shared between occurrences
}

// Victims are the clients that occurrence occ hits, drawn without replacement from the seed: the same seed, groups and
// position in the schedule give the same clients. It is safe for concurrent use.
func (p *Plan) Victims(occ int) *chaos.Set {
	if p.victims == nil {
		return p.draw(occ)
	}
	p.victims.mu.Lock()
	defer p.victims.mu.Unlock()
	if s, ok := p.victims.sets[occ]; ok {
		return s
	}
	o := &p.Schedule[occ]
	var s *chaos.Set
	if sel := p.Faults[o.Fault].Clients; sel.Percent == 0 && sel.Count == 0 {
		if s = p.victims.all[sel.Group]; s == nil {
			s = p.draw(occ)
			p.victims.all[sel.Group] = s
		}
	} else {
		s = p.draw(occ)
	}
	p.victims.sets[occ] = s
	return s
}

func (p *Plan) draw(occ int) *chaos.Set {
	o := &p.Schedule[occ]
	sel := p.Faults[o.Fault].Clients
	first, n := p.span(sel.Group)
	k := selected(sel, n)
	set := &chaos.Set{}
	if k == n {
		for i := range n {
			set.Add(first + i)
		}
		return set
	}
	// Floyd's sampling without replacement (Bentley and Floyd, "A sample of brilliance", CACM 30(9), 1987). The stream is
	// named by the fault and the happening, so that a fault added behind it leaves its victims alone.
	r := rand.New(rand.NewPCG(p.Seed, 1<<63|uint64(o.Fault)<<32|uint64(o.Nth)))
	for j := n - k; j < n; j++ {
		if i := first + r.IntN(j+1); set.Has(i) {
			set.Add(first + j)
		} else {
			set.Add(i)
		}
	}
	return set
}

// span is the range of client numbers of a group, or of all groups.
func (p *Plan) span(group string) (first, n int) {
	if group == "" {
		return 0, p.Clients
	}
	for i := range p.Groups {
		if p.Groups[i].Name == group {
			return p.Groups[i].First, p.Groups[i].Count
		}
	}
	return 0, 0
}

// selected is how many of n clients the selector takes; a share is rounded half up.
func selected(sel chaos.Selector, n int) int {
	switch {
	case sel.Percent > 0:
		return min(n, int(math.Floor(float64(n)*sel.Percent/100+0.5)))
	case sel.Count > 0:
		return min(n, sel.Count)
	}
	return n
}
