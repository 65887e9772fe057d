package report

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/scenario"
)

// NodeSink is a Sink that is told which node of a target of several an attempt goes to.
type NodeSink interface {
	Sink
	// Routed: the balancer has given the client's attempt epoch to the node, from 0.
	Routed(now time.Duration, client int, epoch uint32, node int)
}

var _ NodeSink = (*Recorder)(nil)

// NodeTotal is what one node of several had of the clients.
type NodeTotal struct {
	Open     Buckets `json:"open,omitempty"`     // changes of the number of clients that are open there
	Attempts Buckets `json:"attempts,omitempty"` // given to it by the balancer
	Deaths   int64   `json:"deaths"`             // connections to it that were declared dead
}

// Hits counts clients by how many of their connections faults ended, in a run against several nodes.
type Hits struct {
	Once  int64 `json:"once"`  // at least once
	Twice int64 `json:"twice"` // at least twice
}

// Routed implements NodeSink.
func (r *Recorder) Routed(now time.Duration, id int, _ uint32, node int) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	c := r.client(id)
	if c == nil || node < 0 || node >= len(r.nodes) {
		return
	}
	c.dialledNode = uint8(node)
	r.nodes[node].Attempts.Add(now, 1)
}

// settledOn notes that the client is open on the node that it dialled last, and no longer where it was open before.
func (r *Recorder) settledOn(now time.Duration, c *client, wasOpen bool) {
	if len(r.nodes) == 0 {
		return
	}
	if wasOpen {
		r.nodes[c.node].Open.Add(now, -1)
	}
	c.node = c.dialledNode
	r.nodes[c.node].Open.Add(now, 1)
}

// on reports whether the fault can touch a connection to the node.
func (o *occState) on(node uint8) bool {
	return len(o.fault.Nodes) == 0 || slices.Contains(o.fault.Nodes, int(node))
}

// there are the victims of a fault of single nodes: of those that it selects, the clients that are open on one of them.
func (r *Recorder) there(o *occState) *chaos.Set {
	out := &chaos.Set{}
	for id := range o.victims.Within(r.first, r.first+len(r.clients)) {
		if c := r.client(id); c.flags&isOpen != 0 && o.on(c.node) {
			out.Add(id)
		}
	}
	return out
}

// EvenEnough is a tenth: the coefficient of variation below which the load of nodes counts as even.
const EvenEnough = 0.10

// Variation is the coefficient of variation of the nodes' clients: the standard deviation (of these nodes, not of a sample)
// over the mean. 0 where there are none.
func Variation(level []int64) float64 {
	var sum, square float64
	for _, n := range level {
		sum += float64(n)
	}
	mean := sum / float64(len(level))
	if mean <= 0 {
		return 0
	}
	for _, n := range level {
		square += (float64(n) - mean) * (float64(n) - mean)
	}
	return math.Sqrt(square/float64(len(level))) / mean
}

// balance goes through the load of the nodes tick by tick within [from, to): each is called with the end of a tick and the
// level of every node there, until it returns false.
func (r *Result) balance(from, to time.Duration, each func(at time.Duration, level []int64) bool) {
	level := make([]int64, len(r.Nodes))
	last := 0
	for i := range r.Nodes {
		last = max(last, len(r.Nodes[i].Open))
	}
	for t := 0; t <= max(last, ticksUp(to)); t++ {
		for i := range r.Nodes {
			if b := r.Nodes[i].Open; t < len(b) {
				level[i] += int64(b[t])
			}
		}
		at := time.Duration(t+1) * Tick
		if at <= from {
			continue
		}
		if at > to || !each(at, level) {
			return
		}
	}
}

// span is the window's time on the run's clock, without the ramp in which the nodes fill.
func (q *query) span() (from, to time.Duration) {
	from, to = q.r.Plan.RampEnd, q.r.Elapsed
	if q.w.name == "" {
		return from, to
	}
	for i, x := range q.w.spans {
		if i == 0 || x.from < from {
			from = x.from
		}
		if i == 0 {
			to = x.to
		}
		to = max(to, x.to)
	}
	return max(from, q.r.Plan.RampEnd), min(to, q.r.Elapsed)
}

// nodes answers the metrics of several nodes.
func (q *query) nodes(metric string) (Measure, error) {
	r := q.r
	if len(r.Nodes) == 0 {
		return Measure{}, errNotMeasured(metric + " was not measured in this run: the target has one node")
	}
	from, to := q.span()
	switch metric {
	case "nodes.cv.max", "nodes.cv.end", "nodes.max_share":
		var most, end, share float64
		n := int64(0)
		r.balance(from, to, func(_ time.Duration, level []int64) bool {
			end = Variation(level)
			most = max(most, end)
			share = max(share, float64(slices.Max(level))/float64(max(r.Plan.Clients, 1)))
			n++
			return true
		})
		if n == 0 {
			return Measure{Unit: scenario.Ratio, Note: "the run ended in its ramp"}, nil
		}
		return exactly(map[string]float64{"nodes.cv.max": most, "nodes.cv.end": end, "nodes.max_share": share}[metric], scenario.Ratio), nil
	case "nodes.hit_twice":
		return exactly(float64(r.Hits.Twice)/float64(max(r.Plan.Clients, 1)), scenario.Ratio), nil
	}
	// nodes.even: the slowest of the window's faults of single nodes.
	worst, any := time.Duration(0), false
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if len(r.Plan.Faults[o.Fault].Nodes) == 0 || o.Began < 0 || o.Failed != "" || !slices.Contains(q.w.occs, o) {
			continue
		}
		any = true
		took, ok := r.even(o)
		if !ok {
			return Measure{Value: Number(math.Inf(1)), Lo: Number(math.Inf(1)), Hi: Number(math.Inf(1)), Unit: scenario.Seconds, Exists: true, Note: "after " + o.Name + " the load was not even again by the end"}, nil
		}
		worst = max(worst, took)
	}
	if !any {
		return Measure{Unit: scenario.Seconds, Note: "no fault hit single nodes"}, nil
	}
	return exactly(worst.Seconds(), scenario.Seconds), nil
}

// even is how long after the fault, or after its end where it has one, the nodes' loads came to within a tenth of each
// other for good: until the next fault begins, or the run ends. false: they did not.
func (r *Result) even(o *Occurrence) (time.Duration, bool) {
	from, to := o.Began, r.Elapsed
	if !o.Instant && o.Ended >= 0 {
		from = o.Ended
	}
	for i := range r.Occurrences {
		if next := &r.Occurrences[i]; next.Began > from && next.Index != o.Index {
			to = min(to, next.Began)
		}
	}
	since := from
	ok := true
	r.balance(from, to, func(at time.Duration, level []int64) bool {
		if Variation(level) > EvenEnough {
			since, ok = at, false
		} else {
			ok = true
		}
		return true
	})
	return since - from, ok
}

// merge adds the part of a node's clients that another recorder has.
func (n *NodeTotal) merge(o *NodeTotal) {
	n.Open.Merge(o.Open)
	n.Attempts.Merge(o.Attempts)
	n.Deaths += o.Deaths
}

// SummaryNode is one node of several.
type SummaryNode struct {
	Node     int      `json:"node" doc:"its number, from 0"`
	Before   int64    `json:"before" doc:"clients that were open there when the first fault began"`
	Lowest   int64    `json:"lowest" doc:"fewest from then on"`
	Most     int64    `json:"most" doc:"most from then on"`
	End      int64    `json:"end" doc:"at the end of the run"`
	Attempts int64    `json:"attempts" doc:"connection attempts that the balancer gave to it"`
	Peak     int64    `json:"peak" doc:"most of them in one second, from the first fault on"`
	Deaths   int64    `json:"deaths" doc:"connections to it that their clients declared dead"`
	Faults   []string `json:"faults" doc:"the faults that hit it, and not all nodes"`
}

func (s *Summary) nodes() {
	r := s.r
	first := r.Elapsed
	for i := range r.Occurrences {
		if o := &r.Occurrences[i]; o.Began >= 0 {
			first = min(first, o.Began)
		}
	}
	for i := range r.Nodes {
		n := &r.Nodes[i]
		_, _, before := n.Open.Levels(0, max(first-Tick, 0)) // not in the fault's own tick
		lo, hi, end := n.Open.Levels(first, r.Elapsed+Tick)
		x := SummaryNode{Node: i, Before: before, Lowest: lo, Most: hi, End: end, Attempts: n.Attempts.Sum(), Deaths: n.Deaths, Faults: []string{},
			Peak: n.Attempts.between(first, r.Elapsed+Tick).Peak(time.Second)}
		for k := range r.Plan.Faults {
			if f := &r.Plan.Faults[k]; slices.Contains(f.Nodes, i) {
				x.Faults = append(x.Faults, f.Name)
			}
		}
		s.Nodes = append(s.Nodes, x)
	}
}

// NodeColumns head the table of nodes, behind the node itself.
var NodeColumns = []string{"before", "lowest", "most", "end", "attempts", "peak/s", "deaths"}

// Name is the node's number, and what hit it.
func (n *SummaryNode) Name() string {
	name := num(int64(n.Node))
	for k, f := range n.Faults {
		name += [2]string{" ", ", "}[min(k, 1)] + f
	}
	return name
}

// Row is the node's row under NodeColumns.
func (n *SummaryNode) Row() []string {
	out := make([]string, 0, len(NodeColumns))
	for _, v := range []int64{n.Before, n.Lowest, n.Most, n.End, n.Attempts, n.Peak, n.Deaths} {
		out = append(out, num(v))
	}
	return out
}

// Balance says in words how even the nodes were.
func (s *Summary) Balance() (out []string) {
	if len(s.Nodes) == 0 {
		return nil
	}
	figure := func(metric string) string { return s.Figure(metric, Scope{}).Text }
	out = append(out, "coefficient of variation of the clients per node "+figure("nodes.cv.max")+" at most, "+figure("nodes.cv.end")+" at the end; one node had at most "+figure("nodes.max_share")+" of the clients")
	if slices.ContainsFunc(s.r.Plan.Faults, func(f chaos.Fault) bool { return len(f.Nodes) > 0 }) {
		out = append(out, "even again (variation up to 0.1) "+cmp.Or(figure("nodes.even"), "-")+" after a node's fault, or its end, at the slowest")
	}
	if s.r.Hits.Once > 0 {
		out = append(out, plural64(s.r.Hits.Once, "client")+" lost a connection to a fault, "+num(s.r.Hits.Twice)+" of them twice or more ("+figure("nodes.hit_twice")+" of all)")
	}
	return out
}

// LossColumns are the metrics of the table that sets the loss of a node that was announced beside one that was not; LossHead
// names its columns, of which the first two are the fault and what its clients were told.
var (
	LossColumns = []string{"detection.count", "detection.p99", "storm.peak", "storm.failed", "downtime.p50", "downtime.p99", "recovery.lost"}
	LossHead    = []string{"lost a node", "said", "clients", "noticed p99", "peak", "failed", "down p50", "p99", "lost"}
)

// LossPercentile tells the latencies of LossColumns from the counts.
func LossPercentile(metric string) bool {
	return strings.HasSuffix(metric, ".p50") || strings.HasSuffix(metric, ".p99")
}

// NodeLoss is one time that clients lost their node.
type NodeLoss struct {
	Name  string
	Said  string // goodbye or nothing
	Scope Scope
}

// NodeLosses lists them where a run has both kinds, announced and not.
func (s *Summary) NodeLosses() (out []NodeLoss) {
	told := map[string]bool{}
	for i := range s.Faults {
		f := &s.Faults[i]
		if len(s.r.Plan.Faults[f.o.Fault].Nodes) == 0 || !f.Severs || f.Began < 0 || f.All.Hit == 0 {
			continue
		}
		l := NodeLoss{Name: f.Name(), Said: "nothing", Scope: f.Scope(&f.All)}
		if f.Kind == chaos.Drain || f.o.How == chaos.Close {
			l.Said = "goodbye"
		}
		told[l.Said] = true
		out = append(out, l)
	}
	if len(told) < 2 {
		return nil
	}
	return out
}

// goodbyes prints what it cost to lose a node, told and untold.
func (t *text) goodbyes() {
	losses := t.s.NodeLosses()
	if losses == nil {
		return
	}
	tb := &Table{}
	tb.Add(append([]string{"  " + LossHead[0]}, LossHead[1:]...)...)
	for _, l := range losses {
		row := []string{"  " + Clean(l.Name, 20), l.Said}
		for _, m := range LossColumns {
			if LossPercentile(m) {
				row = append(row, t.of(m, l.Scope))
			} else {
				row = append(row, t.s.Figure(m, l.Scope).Text)
			}
		}
		tb.Add(row...)
	}
	t.table("A node lost, announced and unannounced", tb)
}

// nodes is the same in Markdown, with the table of nodes before it.
func (m *markdown) nodes() {
	if len(m.s.Nodes) == 0 {
		return
	}
	var rows [][]string
	for i := range m.s.Nodes {
		n := &m.s.Nodes[i]
		rows = append(rows, append([]string{code(n.Name(), 80)}, n.Row()...))
	}
	m.say("\n**Clients on each node, from the first fault on**")
	m.table(append([]string{"node"}, NodeColumns...), rows)
	m.say("")
	for _, b := range m.s.Balance() {
		m.say("- %s", b)
	}
	losses := m.s.NodeLosses()
	if losses == nil {
		return
	}
	rows = nil
	for _, l := range losses {
		row := []string{code(l.Name, 40), l.Said}
		for _, metric := range LossColumns {
			if LossPercentile(metric) {
				row = append(row, m.of(metric, l.Scope))
			} else {
				row = append(row, m.s.Figure(metric, l.Scope).Text)
			}
		}
		rows = append(rows, row)
	}
	m.say("\n**A node lost, announced and unannounced**")
	m.table(LossHead, rows)
}

// even prints the table of nodes.
func (t *text) even() {
	if len(t.s.Nodes) == 0 {
		return
	}
	tb := &Table{}
	tb.Add(append([]string{"  node"}, NodeColumns...)...)
	for i := range t.s.Nodes {
		n := &t.s.Nodes[i]
		tb.Add(append([]string{"  " + Clean(n.Name(), 40)}, n.Row()...)...)
	}
	t.table("Clients on each node, from the first fault on", tb)
	for _, b := range t.s.Balance() {
		for i, l := range Wrap(b, t.o.Width-4) {
			t.say("  %s%s", [2]string{"", "  "}[min(i, 1)], l)
		}
	}
}
