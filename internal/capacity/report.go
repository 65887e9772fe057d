package capacity

import (
	"math"
	"slices"

	"github.com/flatline-dev/flatline/internal/search"
)

// Report is what a search says: everything that the text and JSON forms print.
type Report struct {
	*File
	Holds    int    `json:"holds"`           // the largest number of clients that the target held; 0: none
	Fails    int    `json:"fails,omitempty"` // the smallest above it that it did not, or that could not be told; 0: none was found
	Edge     string `json:"edge"`            // open, sharp, ragged, ceiling, blurred, limit, nothing, unknown
	AtLeast  bool   `json:"at_least"`        // it may hold more: what ended the search was not the target
	Flaps    []int  `json:"flaps,omitempty"` // numbers from Holds to Fails that it held now and then
	Sure     bool   `json:"sure"`            // both sides have said it as often as they were asked to
	Unclear  int    `json:"unclear"`         // probes that said nothing
	Headline string `json:"headline"`
	Knee     *Knee  `json:"knee,omitempty"`
	Cost     Cost   `json:"cost"`
	// Storm is the largest that everybody came back from, in a probe that passed, of StormClients clients.
	Storm        *Storm  `json:"storm,omitempty"`
	StormClients int     `json:"storm_clients,omitempty"`
	Rate         float64 `json:"handshakes_per_s,omitempty"` // see Saturated
	Saturated    int     `json:"saturated_looks"`            // at the limit, behind Rate; 0: the rate is at least that
	edge         search.Edge
}

// Knee is what broke first above the edge.
type Knee struct {
	Clients  int      `json:"clients"`
	Reasons  []string `json:"reasons"`            // expectations, with what was measured
	Strained []Strain `json:"strained,omitempty"` // what was used up there, earliest first
	// New are those of Strained that no passing probe of the edge had.
	New []Resource `json:"new,omitempty"`
	// Shared: all cores of the machine were busy, and neither a refusal nor anything else explains the failure.
	Shared bool `json:"shared"`
}

// Report derives everything from the probes.
func (f *File) Report() (*Report, error) {
	s, err := f.Search()
	if err != nil {
		return nil, err
	}
	a := s.Answer()
	r := &Report{File: f, Holds: a.Holds, Fails: a.Fails, Edge: a.Edge.String(), Flaps: a.Flaps, Sure: a.Sure, edge: a.Edge, Cost: cost(f.Probes)}
	for i := range f.Probes {
		if f.Probes[i].Verdict == Inconclusive {
			r.Unclear++
		}
	}
	r.Storm, r.StormClients = largest(f.Probes)
	r.Rate, r.Saturated = rate(f.Probes)
	r.Knee = f.knee(&a)
	switch a.Edge {
	case search.Ceiling, search.Blurred, search.Limit:
		r.AtLeast = a.Holds > 0
	case search.Sharp, search.Ragged:
		r.AtLeast = r.Knee != nil && r.Knee.Shared
	}
	r.Headline = r.headline()
	return r, nil
}

// knee looks at the failures of the smallest number that failed; where some failed and were asked again, all of them.
func (f *File) knee(a *search.Answer) *Knee {
	at := math.MaxInt
	for i := range f.Probes {
		if p := &f.Probes[i]; p.Verdict == Fail && p.Clients > a.Holds {
			at = min(at, p.Clients)
		}
	}
	if at == math.MaxInt {
		return nil
	}
	k := &Knee{Clients: at}
	seen := map[string]bool{}
	held := map[Resource]bool{}
	for i := range f.Probes {
		p := &f.Probes[i]
		switch {
		case p.Clients == a.Holds && p.Verdict == Pass:
			for _, s := range p.Strained {
				held[s.Resource] = true
			}
		case p.Clients == at && p.Verdict == Fail:
			for _, reason := range p.Reasons {
				if !seen[reason] {
					seen[reason] = true
					k.Reasons = append(k.Reasons, reason)
				}
			}
			for _, s := range p.Strained {
				if !slices.ContainsFunc(k.Strained, func(o Strain) bool { return o.Resource == s.Resource }) {
					k.Strained = append(k.Strained, s)
				}
			}
		}
	}
	own := false
	for _, s := range k.Strained {
		if !held[s.Resource] {
			k.New = append(k.New, s.Resource)
		}
		own = own || s.Resource != SharedCPU
	}
	k.Shared = !own && len(k.Strained) > 0
	return k
}
