package scenario

import (
	"fmt"
	"math/big"
	"slices"

	"github.com/flatline-dev/flatline/chaos"
)

// MaxSimulated is how many clients a plan can have that is only simulated.
const MaxSimulated = 100_000_000

// Scaled returns the plan with n clients in all. Groups keep their shares, rounded so that they add up to n, and have
// one client at least; faults that name a number of clients hit the same share of them. Everything else stays: a ramp
// takes as long and so connects more at once, a limit of the target is the same for all, and an expectation still means
// the number that it names. It is an error if n is below the number of groups or above [MaxSimulated].
func (p *Plan) Scaled(n int) (*Plan, error) {
	switch {
	case n < len(p.Groups):
		return nil, fmt.Errorf("%d clients are too few for %s", n, plural(len(p.Groups), "group", "groups"))
	case n > MaxSimulated:
		return nil, fmt.Errorf("%d clients are too many", n)
	}
	q := *p
	q.Groups = slices.Clone(p.Groups)
	q.Faults = slices.Clone(p.Faults)
	q.victims = &victims{sets: map[int]*chaos.Set{}, all: map[string]*chaos.Set{}}
	q.Clients = 0
	before := 0
	for i := range q.Groups {
		g := &q.Groups[i]
		// The share of the groups up to this one, less what those before it have: the sum is n and no group is off by more
		// than one. Those behind it need one client each.
		before += g.Count
		g.First = q.Clients
		g.Count = max(1, min(share(n, before, p.Clients)-g.First, n-g.First-(len(q.Groups)-1-i)))
		q.Clients += g.Count
	}
	for i := range q.Faults {
		if sel := &q.Faults[i].Clients; sel.Count > 0 {
			_, was := p.span(sel.Group)
			_, is := q.span(sel.Group)
			sel.Count = min(max(1, share(is, sel.Count, was)), is)
		}
	}
	return &q, nil
}

// share is n x part / of, rounded half up.
func share(n, part, of int) int {
	x := new(big.Int).Mul(big.NewInt(int64(n)), big.NewInt(2*int64(part)))
	x.Add(x, big.NewInt(int64(of)))
	return int(x.Div(x, big.NewInt(2*int64(of))).Int64())
}
