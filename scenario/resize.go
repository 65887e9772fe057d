package scenario

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Resized is a scenario with another number of clients, and what that changed beside them.
type Resized struct {
	*File
	// Shifted is how much later than written the faults and the end are, since the clients need longer to connect.
	Shifted time.Duration
	// Aside are expectations that were left out, as written: they hold for the scenario's own number of clients only.
	Aside []string
}

// Resize returns the same scenario for another number of clients in all. The receiver stays as it is. The error is a
// *[Problems] if the scenario has mistakes, or no plan with so many clients.
//
//   - Groups keep their shares of the whole, and a fault that hits a number of clients hits the same share of them, as in
//     [Plan.Scaled].
//   - A ramp keeps what is written: a time stays that time (so that beats stay spread over their interval) and more
//     clients come faster; a rate stays that rate and the ramp takes longer. Where the last client then starts later than
//     as written, all faults and the end move by as much, so that what lies between is the same. They never move forward.
//   - clients.open and clients.min_open are expected of the same share of the clients. Any other count, rate or size of
//     which an expectation wants at least so much, or exactly so much, belongs to the number of clients as written and is
//     left out: see Aside. Upper limits stay as they are.
func (f *File) Resize(clients int) (*Resized, error) {
	base, err := f.Plan()
	if err != nil {
		return nil, err
	}
	to, err := base.Scaled(clients)
	if err != nil {
		return nil, err
	}
	g := *f
	s := &Resized{File: &g}
	g.Clients = slices.Clone(f.Clients)
	var was, is time.Duration // when the last client starts
	for i := range g.Clients {
		w, p := &g.Clients[i], &base.Groups[i]
		w.Count = to.Groups[i].Count
		end := p.Delay + p.Ramp
		was = max(was, end)
		if w.Ramp != nil && w.Ramp.Rate > 0 {
			over := min(float64(w.Count)/w.Ramp.Rate, maxDuration.Seconds())
			end = p.Delay + time.Duration(over*float64(time.Second))
		}
		is = max(is, end)
	}
	s.shift(f, is-was)
	for i := range g.Chaos.Faults {
		if sel := g.Chaos.Faults[i].Clients; sel != nil && sel.Count > 0 {
			own := *sel
			own.Count = to.Faults[i].Clients.Count
			g.Chaos.Faults[i].Clients = &own
		}
	}
	s.expect(f, base, to)
	if _, err := g.Plan(); err != nil {
		return nil, err
	}
	return s, nil
}

// shift moves what follows the ramp.
func (s *Resized) shift(f *File, by time.Duration) {
	s.Chaos.Faults = slices.Clone(f.Chaos.Faults)
	if by <= 0 {
		return
	}
	s.Shifted = by
	for i := range s.Chaos.Faults {
		if at := s.Chaos.Faults[i].At; at != nil {
			later := *at + Duration(by)
			s.Chaos.Faults[i].At = &later
		}
	}
	s.Clients = slices.Clone(s.Clients)
	for i := range s.Clients {
		if t := s.Clients[i].Traffic; t != nil && t.Start != nil {
			own := *t
			own.Start = ptr(*t.Start + Duration(by))
			s.Clients[i].Traffic = &own
		}
	}
	if f.Duration != nil {
		later := *f.Duration + Duration(by)
		s.Duration = &later
	}
}

func (s *Resized) expect(f *File, base, to *Plan) {
	s.Expect = nil
	for i, line := range f.Expect {
		e := &base.Expect[i]
		switch {
		case e.Metric == "clients.open" || e.Metric == "clients.min_open":
			own := *e
			own.Value = math.Floor(e.Value * float64(to.size(e.In)) / float64(base.size(e.In)))
			s.Expect = append(s.Expect, FileLine(own.String()))
		case ownSize(e):
			s.Aside = append(s.Aside, strings.TrimSpace(string(line)))
		default:
			s.Expect = append(s.Expect, line)
		}
	}
}

// ownSize reports whether an expectation can hold for one number of clients only: it wants at least, or exactly, so many.
func ownSize(e *Expect) bool {
	m, _ := LookupMetric(e.Metric)
	switch m.Unit {
	case Count, PerSecond, Bytes, Cores:
		return e.Value > 0 && (e.Op == "==" || e.Op == ">=" || e.Op == ">")
	}
	return false
}

// size is how many clients the named group has, all for "".
func (p *Plan) size(group string) int {
	_, n := p.span(group)
	return n
}
