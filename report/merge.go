package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Merge adds up the Results of agents that each drove a part of the clients of one plan, on clocks that started
// together. Histograms, counts and series add; of several moments of one fault the span counts; the verdict is made anew.
// The arguments stay as they are. It is an error if the plans differ.
func Merge(results ...*Result) (*Result, error) {
	if len(results) == 0 {
		return nil, errors.New("merge: no results")
	}
	out, err := results[0].clone()
	if err != nil {
		return nil, fmt.Errorf("merge: %w", err)
	}
	for i, r := range results[1:] {
		if err := out.merge(r); err != nil {
			return nil, fmt.Errorf("merge: result %d: %w", i+2, err)
		}
	}
	out.Judge()
	return out, nil
}

// clone copies through the file form, which leaves nothing shared.
func (r *Result) clone() (*Result, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	out := &Result{}
	return out, json.Unmarshal(b, out)
}

func (r *Result) merge(o *Result) error {
	if r.Plan.Hash != o.Plan.Hash {
		return fmt.Errorf("the plans differ: %s is not %s", Clean(o.Plan.Hash, 12), Clean(r.Plan.Hash, 12))
	}
	if len(r.Groups) != len(o.Groups) || len(r.Occurrences) != len(o.Occurrences) {
		return errors.New("the plans differ in groups or faults")
	}
	r.Elapsed = max(r.Elapsed, o.Elapsed)
	if o.Started.Before(r.Started) {
		r.Started = o.Started
	}
	if severity(o.Status) > severity(r.Status) {
		r.Status, r.Reason = o.Status, o.Reason
	}
	for i := range r.Groups {
		a, b := &r.Groups[i], &o.Groups[i]
		a.NeverOpened += b.NeverOpened
		a.Doubled += b.Doubled
		a.LetGo += b.LetGo
		a.Pending += b.Pending
		a.Open.Merge(b.Open)
		a.Attempts.Merge(b.Attempts)
		a.Zombies.Merge(b.Zombies)
		a.Reap = merged(a.Reap, b.Reap)
		if b.Delivery != nil {
			if a.Delivery == nil {
				a.Delivery = &GroupDelivery{}
			}
			a.Delivery.merge(b.Delivery)
		}
	}
	if len(r.Nodes) != len(o.Nodes) {
		return errors.New("the plans differ in nodes")
	}
	for i := range r.Nodes {
		r.Nodes[i].merge(&o.Nodes[i])
	}
	r.Hits.Once += o.Hits.Once
	r.Hits.Twice += o.Hits.Twice
	for i := range r.Occurrences {
		if err := r.Occurrences[i].merge(&o.Occurrences[i]); err != nil {
			return err
		}
	}
	r.mergeSegments(o)
	r.Series.merge(&o.Series)
	if len(r.Target) == 0 { // all agents saw the same target: one view is enough
		r.Target = o.Target
	}
	r.Harness = append(r.Harness, o.Harness...) // each agent's own
	slices.SortStableFunc(r.Harness, func(a, b TargetUse) int { return cmp.Compare(a.At, b.At) })
	for _, w := range o.Warnings {
		found := false
		for k := range r.Warnings {
			if x := &r.Warnings[k]; x.Text == w.Text {
				x.Count += w.Count
				x.At = min(x.At, w.At)
				found = true
			}
		}
		if !found {
			r.Warnings = append(r.Warnings, w)
		}
	}
	return nil
}

func severity(s Status) int {
	for i, x := range []Status{Complete, Running, Interrupted, TargetLost} {
		if x == s {
			return i
		}
	}
	return 1
}

func merged(a, b *Hist) *Hist {
	if b.N() == 0 {
		return a
	}
	if a == nil {
		a = &Hist{}
	}
	a.Merge(b)
	return a
}

// earlier treats a negative time as "did not happen".
func earlier(a, b time.Duration) time.Duration {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

func (o *Occurrence) merge(p *Occurrence) error {
	if o.Name != p.Name || o.Fault != p.Fault {
		return fmt.Errorf("the plans differ: fault %s is not %s", Clean(p.Name, 40), Clean(o.Name, 40))
	}
	o.Began = earlier(o.Began, p.Began)
	o.InForce = max(o.InForce, p.InForce)
	o.Ended = max(o.Ended, p.Ended)
	o.Recoverable = max(o.Recoverable, p.Recoverable)
	o.Victims = max(o.Victims, p.Victims)
	if o.Failed == "" {
		o.Failed = p.Failed
	}
	var all []OccGroup
	a, b := o.Groups, p.Groups
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Group < b[0].Group:
			all, a = append(all, a[0]), a[1:]
		case len(a) == 0 || b[0].Group < a[0].Group:
			c := OccGroup{Group: b[0].Group, LastBack: never}
			c.merge(&b[0])
			all, b = append(all, c), b[1:]
		default:
			a[0].merge(&b[0])
			all, a, b = append(all, a[0]), a[1:], b[1:]
		}
	}
	o.Groups = all
	return nil
}

func (g *OccGroup) merge(o *OccGroup) {
	g.Affected += o.Affected
	g.Absent += o.Absent
	for i := range g.Detected {
		g.Detected[i] = merged(g.Detected[i], o.Detected[i])
	}
	g.Undetected += o.Undetected
	g.Healed += o.Healed
	g.Unresolved += o.Unresolved
	g.Later.add(&o.Later)
	g.Attempts.Merge(o.Attempts)
	g.Failed.add(&o.Failed)
	g.Handshake = merged(g.Handshake, o.Handshake)
	g.Recovery = merged(g.Recovery, o.Recovery)
	g.Downtime = merged(g.Downtime, o.Downtime)
	g.Lost += o.Lost
	g.LastBack = max(g.LastBack, o.LastBack)
	g.Reap = merged(g.Reap, o.Reap)
	g.LetGo += o.LetGo
	g.Pending += o.Pending
	g.Zombies.Merge(o.Zombies)
}

// mergeSegments adds segments in order: all agents cut at the same boundaries, each by its own clock. Agents that
// ended earlier have fewer.
func (r *Result) mergeSegments(o *Result) {
	for i := range o.Segments {
		if i == len(r.Segments) {
			r.Segments = append(r.Segments, Segment{From: o.Segments[i].From, To: o.Segments[i].To,
				Groups: make([]SegmentGroup, len(r.Groups))})
		}
		a, b := &r.Segments[i], &o.Segments[i]
		a.From, a.To = min(a.From, b.From), max(a.To, b.To)
		a.Lag = merged(a.Lag, b.Lag)
		for k := range a.Groups {
			x, y := &a.Groups[k], &b.Groups[k]
			x.RTT, x.Connect = merged(x.RTT, y.RTT), merged(x.Connect, y.Connect)
			x.TCP, x.Mistakes = merged(x.TCP, y.TCP), merged(x.Mistakes, y.Mistakes)
			x.Sent += y.Sent
			x.Unanswered += y.Unanswered
			x.Attempts += y.Attempts
			x.ConnectFailed.add(&y.ConnectFailed)
			x.FalsePositives.add(&y.FalsePositives)
			x.GaveUp.add(&y.GaveUp)
			x.Suspect += y.Suspect
			x.HealthyMicros += y.HealthyMicros
			if y.Delivery != nil {
				x.delivery().add(y.Delivery)
			}
		}
	}
}

func (s *Series) merge(o *Series) {
	n := max(len(s.Attempts), len(o.Attempts))
	sum := func(a, b []int64) []int64 {
		a = append(a, make([]int64, n-len(a))...)
		for i, v := range b {
			a[i] += v
		}
		return a
	}
	top := func(a, b []int64) []int64 {
		a = append(a, make([]int64, n-len(a))...)
		for i, v := range b {
			a[i] = max(a[i], v)
		}
		return a
	}
	s.Attempts, s.Retries, s.Failed = sum(s.Attempts, o.Attempts), sum(s.Retries, o.Retries), sum(s.Failed, o.Failed)
	s.Opens, s.Deaths = sum(s.Opens, o.Opens), sum(s.Deaths, o.Deaths)
	s.RTTMax, s.LagMax = top(s.RTTMax, o.RTTMax), top(s.LagMax, o.LagMax)
	if len(s.Sent)+len(o.Sent) > 0 {
		s.Sent, s.Received = sum(s.Sent, o.Sent), sum(s.Received, o.Received)
	}
	if s.States == nil {
		s.States = map[string][]int64{}
	}
	for name := range o.States {
		s.States[name] = sum(s.States[name], o.States[name])
	}
	for name := range s.States {
		s.States[name] = sum(s.States[name], nil)
	}
	s.RTT = append(s.RTT, make([]Coarse, n-len(s.RTT))...)
	for i, c := range o.RTT {
		s.RTT[i] = s.RTT[i].merge(c)
		if s.RTT[i] == nil {
			s.RTT[i] = Coarse{}
		}
	}
	for i := range s.RTT {
		if s.RTT[i] == nil {
			s.RTT[i] = Coarse{}
		}
	}
}
