package report

import (
	"encoding/json"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// SnapshotOptions say what kind of Result a Snapshot is.
type SnapshotOptions struct {
	Final       bool   // the run is over; otherwise it is a checkpoint of a run that goes on
	Interrupted bool   // the user ended it early
	TargetLost  bool   // the target could not be reached, or ended
	Reason      string // why it is not complete, for the reader

	part bool // it is merged with others before it is judged
}

// Snapshot makes a Result of what was recorded up to now, or up to the end of the run, with its verdict. It may be called at any time and from any
// goroutine, and holds the recorder's lock only for a fraction of a millisecond at a time (per 10,000 clients and
// fault).
func (r *Recorder) Snapshot(now time.Duration, opt SnapshotOptions) *Result {
	r.mu.Lock()
	if r.over != never {
		now = r.over
	}
	r.mu.Unlock()
	res := &Result{Format: Format, Version: Version, Tool: r.opts.Tool, Driver: r.opts.Driver, Model: r.opts.Model, Command: r.opts.Command,
		Host: r.opts.Host, Started: r.opts.Started, Elapsed: now, Status: Running, Reason: opt.Reason, Plan: r.info}
	switch {
	case opt.TargetLost:
		res.Status = TargetLost
	case opt.Interrupted:
		res.Status = Interrupted
	case opt.Final:
		res.Status = Complete
	}
	over := opt.Final || opt.Interrupted || opt.TargetLost
	r.fallDue(now)
	r.lock(now)
	res.Segments = r.segments.snapshot(now)
	res.Series = r.series(now)
	res.Target = append([]TargetUse(nil), r.target.series...)
	res.Harness = append([]TargetUse(nil), r.harness.series...)
	res.Warnings = append([]Warning(nil), r.warnings...)
	res.Groups = make([]GroupTotal, len(r.groups))
	for i := range r.groups {
		g := r.groups[i].GroupTotal
		g.Open, g.Attempts, g.Zombies, g.Reap = g.Open.Clone(), g.Attempts.Clone(), g.Zombies.Clone(), g.Reap.Clone()
		res.Groups[i] = g
	}
	for i := range r.clients {
		c := &r.clients[i]
		if c.flags&(isMine|wasOpen) == isMine && (c.flags&wasDialled != 0 || r.plan.Start(r.first+i) <= now) {
			res.Groups[c.group].NeverOpened++
		}
	}
	for i := range r.nodes {
		n := &r.nodes[i]
		res.Nodes = append(res.Nodes, NodeTotal{n.Open.Clone(), n.Attempts.Clone(), n.Deaths})
	}
	res.Hits = r.hits
	r.mu.Unlock()
	r.accounts(res.Groups)
	res.Occurrences = make([]Occurrence, len(r.occs))
	for i := range r.occs {
		r.mu.Lock()
		res.Occurrences[i] = r.occurrence(i, now, over)
		r.mu.Unlock()
	}
	if !opt.part {
		res.Judge()
	}
	return res
}

func planInfo(p *scenario.Plan, opts *Options) PlanInfo {
	info := PlanInfo{Name: p.Name, Intent: p.Intent, Path: p.Path, Seed: p.Seed, Source: p.Source, Target: opts.Target, Engine: p.PathEngine, Duration: p.Duration, RampEnd: rampEnd(p), Clients: p.Clients,
		Faults: p.Faults, Expect: p.Expect}
	if text, err := json.Marshal(p); err == nil {
		info.Resolved = text
	}
	if info.Target == "" {
		info.Target = p.Target.URL
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		lo, hi, ok := g.Config.Bounds(0)
		info.Groups = append(info.Groups, GroupInfo{Name: g.Name, Profile: g.Profile, Count: g.Count, BoundLo: lo,
			BoundHi: hi, Detects: ok, Timeout: g.Config.Timeout})
	}
	info.Hash = p.Hash()
	return info
}

// verdictOf says what became of an affected connection that did not detect its fault.
//
// While the fault is in force, or for ever where it ended the connection itself (a kill, a drain, an idle-cut), the
// client ought to notice within its closed-form bound; one without a bound never will, which is certain only when the
// fault or the run has ended. A sleeping device cannot notice before it wakes; with a bound it has noticed or proved
// the connection by then.
func (r *Recorder) verdictOf(e *exposure, o *occState, now time.Duration, over bool) (undetected, healed bool) {
	end := o.lasts()
	lasting := o.fault.Instant() || o.fault.Kind == chaos.IdleCut
	if lasting {
		end = forever
	}
	if e.state == alive && lasting {
		return false, true
	}
	seen := now
	if e.closedAt >= 0 {
		seen = e.closedAt
	}
	ended := end <= seen
	_, hi, bounded := r.plan.Groups[r.client(int(e.client)).group].Config.Bounds(0)
	if o.fault.Kind == chaos.Suspend {
		switch {
		case !ended:
			return false, false
		case bounded || e.state == alive:
			return false, true
		}
	}
	switch {
	case bounded && min(end, seen)-e.t0 > hi:
		return true, false
	case bounded:
		return false, ended
	default:
		return ended || e.stopped || e.closedAt < 0 && over, false
	}
}

// occurrence works out an occurrence's part of the Result from its exposures.
func (r *Recorder) occurrence(i int, now time.Duration, over bool) Occurrence {
	o, planned := &r.occs[i], &r.plan.Schedule[i]
	out := Occurrence{Index: i, Fault: planned.Fault, Name: planned.Name, Kind: o.fault.Kind, How: o.fault.How,
		Severs: o.severs, Instant: o.fault.Instant(), Planned: planned.At, Began: o.began, InForce: o.inForce,
		Ended: o.ended, Recoverable: never, Failed: o.failed, Victims: o.victims.Len()}
	if o.began >= 0 {
		out.Recoverable = o.recoverable(o.began)
	}
	cells := make([]*OccGroup, len(o.cells))
	group := func(g uint16) *OccGroup {
		if cells[g] == nil {
			cells[g] = &OccGroup{Group: int(g), LastBack: never, Recovery: &Hist{}, Downtime: &Hist{}}
		}
		return cells[g]
	}
	for _, rg := range o.ranges {
		for k := rg[0]; k < rg[1]; k++ {
			e := r.exposed.get(k)
			g := group(r.client(int(e.client)).group)
			if e.state == void {
				g.Absent++
				continue
			}
			g.Affected++
			if e.deadAt >= 0 {
				r.countLoss(g, e, o)
				continue
			}
			switch undetected, healed := r.verdictOf(e, o, now, over); {
			case undetected:
				g.Undetected++
			case healed:
				g.Healed++
			default:
				g.Unresolved++
			}
		}
	}
	for g, c := range o.cells {
		if c == nil {
			continue
		}
		x := group(uint16(g))
		x.Absent += c.absent
		x.Later, x.Failed = c.later, c.failed
		x.Attempts, x.Zombies = c.attempts.Clone(), c.zombies.Clone()
		x.Handshake, x.Reap = c.handshake.Clone(), c.reap.Clone()
		x.LetGo, x.Pending = c.letGo, c.pending
	}
	for _, g := range cells {
		if g != nil {
			g.Recovery, g.Downtime = g.Recovery.orNil(), g.Downtime.orNil()
			out.Groups = append(out.Groups, *g)
		}
	}
	return out
}

func (h *Hist) orNil() *Hist {
	if h.N() == 0 {
		return nil
	}
	return h
}

// countLoss counts a detection and the way back.
func (r *Recorder) countLoss(g *OccGroup, e *exposure, o *occState) {
	if g.Detected[e.cause] == nil {
		g.Detected[e.cause] = &Hist{}
	}
	g.Detected[e.cause].Record(e.deadAt - e.t0)
	if e.backAt < 0 {
		g.Lost++
		return
	}
	g.LastBack = max(g.LastBack, e.backAt)
	g.Downtime.Record(e.backAt - e.t0)
	from := o.recoverable(e.t0)
	if from < 0 {
		from = e.backAt
	}
	g.Recovery.Record(max(e.backAt-from, 0))
}

// series exports the per-second columns of the seconds that began before now.
func (r *Recorder) series(now time.Duration) Series {
	n := min(max(int((now+time.Second-1)/time.Second), 0), maxSeconds)
	s := Series{Attempts: make([]int64, n), Retries: make([]int64, n), Failed: make([]int64, n), Opens: make([]int64, n),
		Deaths: make([]int64, n), States: map[string][]int64{}, RTT: make([]Coarse, n), RTTMax: make([]int64, n),
		LagMax: make([]int64, n)}
	if r.messages != nil {
		s.Sent, s.Received = make([]int64, n), make([]int64, n)
	}
	var level [heartbeat.NumStates]int64
	for _, l := range r.states {
		level[heartbeat.Idle] += l // everybody starts idle
	}
	var columns [heartbeat.NumStates][]int64
	for st := range columns {
		columns[st] = make([]int64, n)
		s.States[heartbeat.State(st).String()] = columns[st]
	}
	empty := &second{}
	for i := range n {
		sec := empty
		if i < len(r.seconds) {
			sec = &r.seconds[i]
		}
		s.Attempts[i], s.Retries[i], s.Failed[i] = int64(sec.attempts), int64(sec.retries), int64(sec.failed)
		s.Opens[i], s.Deaths[i] = int64(sec.opens), int64(sec.deaths)
		s.RTT[i], s.RTTMax[i], s.LagMax[i] = sec.rtt.pairs(), micros(sec.rttMax), micros(sec.lagMax)
		if r.messages != nil {
			s.Sent[i], s.Received[i] = int64(sec.messagesOut), int64(sec.messagesIn)
		}
		for st := range columns {
			level[st] += int64(sec.states[st])
			columns[st][i] = level[st]
		}
	}
	return s
}

// GroupStates counts the clients by state, one row for each group of the plan. It holds the recorder's lock for some
// nanoseconds a client.
func (r *Recorder) GroupStates(now time.Duration) [][heartbeat.NumStates]int64 {
	out := make([][heartbeat.NumStates]int64, len(r.groups))
	r.lock(now)
	defer r.mu.Unlock()
	for i := range r.clients {
		if c := &r.clients[i]; c.flags&isMine != 0 {
			out[c.group][c.state]++
		}
	}
	return out
}

// LiveStats is the light view of a run in progress.
type LiveStats struct {
	States         [heartbeat.NumStates]int64
	Open           int64 // open or suspect
	Attempts       int64 // in the last second
	Retries        int64 // of those, all but the first of each client
	Failed         int64 // in the last full second
	Deaths         int64 // in the last full second
	RTT50, RTT99   time.Duration
	RTTMax         time.Duration // in the last full second, as RTT50 and RTT99
	LagMax         time.Duration // in the last two seconds
	Faults         []string      // occurrences in force
	Detections     int64         // so far
	FalsePositives int64         // so far
	History        []int64       // attempts in each of the last 60 full seconds, oldest first
}

// Live returns the light view at now. It costs some microseconds.
func (r *Recorder) Live(now time.Duration) LiveStats {
	r.lock(now)
	defer r.mu.Unlock()
	if r.over != never {
		now = r.over
	}
	l := LiveStats{States: r.states, Detections: r.live.detections, FalsePositives: r.live.falsePositives}
	l.Open = l.States[heartbeat.Open] + l.States[heartbeat.Suspect]
	sec := int(now / time.Second)
	at := func(i int) *second {
		if i < 0 || i >= len(r.seconds) {
			return &second{}
		}
		return &r.seconds[i]
	}
	// The last second is the present one so far and the rest of the one before, as if that were even.
	part := float64(now%time.Second) / float64(time.Second)
	cur, last := at(sec), at(sec-1)
	l.Attempts = int64(cur.attempts) + int64((1-part)*float64(last.attempts)+0.5)
	l.Retries = int64(cur.retries) + int64((1-part)*float64(last.retries)+0.5)
	l.Failed, l.Deaths = int64(last.failed), int64(last.deaths)
	l.RTTMax, l.LagMax = last.rttMax, max(last.lagMax, cur.lagMax)
	rtt := last.rtt.pairs()
	l.RTT50, l.RTT99 = min(rtt.Quantile(0.5), l.RTTMax), min(rtt.Quantile(0.99), l.RTTMax) // a bucket's middle may lie above its largest value
	for i := max(sec-60, 0); i < sec; i++ {
		l.History = append(l.History, int64(at(i).attempts))
	}
	for i := range r.occs {
		if o := &r.occs[i]; o.began >= 0 && o.began <= now && (o.lasts() > now || o.fault.Instant() && now-o.began < time.Second) {
			l.Faults = append(l.Faults, r.plan.Schedule[i].Name)
		}
	}
	return l
}
