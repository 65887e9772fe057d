package report

import (
	"math"
	"sync"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// Options describe the run to a Recorder; all fields may be zero.
type Options struct {
	Tool    string     // name and version, for the Result
	Driver  string     // fleet or sim
	Command string     // reproduces the run; printed as the last line of the report
	Started time.Time  // wall clock at now = 0
	Host    Host       // see LocalHost
	Target  string     // what the clients really connected to; "": the plan's URL
	Clients *chaos.Set // the clients that this process drives; nil: all (an agent drives a part)
}

const never = time.Duration(-1)

// Recorder is the Sink that makes a Result. It takes every event of a run under one mutex (about 0.2 µs each, see
// BenchmarkRecorderBeat), allocates nothing per event, and keeps under 64 bytes a client plus 56 bytes for each
// connection that a severing fault hit. Events of different clients may arrive slightly out of order.
type Recorder struct {
	plan *scenario.Plan
	opts Options
	info PlanInfo

	mu       sync.Mutex
	clients  []client
	groups   []groupState
	occs     []occState
	exposed  slab
	zombies  []zombie
	freeZomb int32
	seconds  []second
	segments segmenter
	states   [heartbeat.NumStates]int64
	target   []TargetUse
	lastUse  TargetSample
	warnings []Warning
	pool     []coarseCounts // arena for the seconds' histograms
	live     liveCounts
}

// client is the recorder's memory of one client: 64 bytes.
type client struct {
	attemptAt time.Duration
	openedAt  time.Duration
	mistakeAt time.Duration // when it was declared dead falsely and is not back yet; never: not
	head      int32         // exposures of its present connection, linked; none: -1
	loss      int32         // the exposure that it recovers from, or recovered from last; -1
	zombie    int32         // newest zombie, linked; -1
	epoch     uint32        // present connection
	dialled   uint32        // present attempt
	lastOcc   int32         // occurrence that explains its last death; -1
	lastT0    time.Duration // t0 of its last death
	group     uint16
	state     uint8
	sick      uint8 // active severing faults on its present connection
	flags     uint8
}

const (
	isOpen uint8 = 1 << iota
	wasOpen
	wasDialled
	isMine
)

type groupState struct {
	GroupTotal
	healthy int64 // clients open and untouched by a severing fault
	settle  time.Duration
	suspect time.Duration // lag from which a timeout death is doubtful
}

type second struct {
	attempts, retries, failed, opens, deaths uint32
	states                                   [heartbeat.NumStates]int32 // changes
	rttMax, lagMax                           time.Duration
	rtt                                      *coarseCounts
}

type liveCounts struct{ detections, falsePositives int64 }

// NewRecorder makes a Recorder for one run of the plan.
func NewRecorder(plan *scenario.Plan, opts Options) *Recorder {
	r := &Recorder{plan: plan, opts: opts, info: planInfo(plan, &opts), freeZomb: -1}
	r.clients = make([]client, plan.Clients)
	for i := range r.clients {
		r.clients[i] = client{attemptAt: never, openedAt: never, mistakeAt: never, head: -1, loss: -1, zombie: -1,
			lastOcc: -1, lastT0: never, group: uint16(plan.GroupIndex(i))}
		if opts.Clients == nil || opts.Clients.Has(i) {
			r.clients[i].flags = isMine
			r.states[heartbeat.Idle]++
		}
	}
	r.groups = make([]groupState, len(plan.Groups))
	for i := range plan.Groups {
		c := &plan.Groups[i].Config
		r.groups[i].settle = 10 * time.Second
		if _, hi, ok := c.Bounds(0); ok {
			r.groups[i].settle = hi
		}
		r.groups[i].suspect = max(c.Timeout/2, time.Millisecond)
	}
	r.occs = make([]occState, len(plan.Schedule))
	for i := range r.occs {
		o := &plan.Schedule[i]
		f := &plan.Faults[o.Fault]
		r.occs[i] = occState{fault: f, severs: f.Severs(), began: never, inForce: never, ended: never,
			cells: make([]*occCell, len(plan.Groups))}
	}
	r.segments.init(len(plan.Groups), rampEnd(plan))
	return r
}

// rampEnd is when the last client of the plan starts.
func rampEnd(p *scenario.Plan) (end time.Duration) {
	for i := range p.Groups {
		end = max(end, p.Groups[i].Delay+p.Groups[i].Ramp)
	}
	return end
}

func (r *Recorder) lock(now time.Duration) {
	r.mu.Lock()
	if now >= r.segments.next {
		r.cut(now)
	}
}

// second returns the counters of the second that now is in.
func (r *Recorder) second(now time.Duration) *second {
	i := min(max(int(now/time.Second), 0), maxSeconds-1)
	for i >= len(r.seconds) {
		r.seconds = append(r.seconds, second{})
	}
	return &r.seconds[i]
}

// maxSeconds is a week; later events count in the last second.
const maxSeconds = 7 * 24 * 3600

// cell returns the segment's counters for the group of a client at now.
func (r *Recorder) cell(now time.Duration, group uint16) *SegmentGroup {
	return &r.segments.at(now).Groups[group]
}

// Attempt implements Sink.
func (r *Recorder) Attempt(now time.Duration, id int, epoch uint32) {
	r.lock(now)
	defer r.mu.Unlock()
	c := &r.clients[id]
	s := r.second(now)
	s.attempts++
	r.cell(now, c.group).Attempts++
	if c.flags&wasDialled != 0 {
		s.retries++
		r.groups[c.group].Attempts.Add(now, 1)
	}
	c.flags |= wasDialled
	c.attemptAt, c.dialled = now, epoch
	if e := r.exposed.get(c.loss); e != nil && e.backAt < 0 {
		e.attempts++
		o := &r.occs[e.occ]
		o.cell(c.group).attempts.Add(now-o.began, 1)
	}
}

// TCPConnected implements Sink.
func (r *Recorder) TCPConnected(now time.Duration, id int, _ uint32, took time.Duration) {
	r.lock(now)
	defer r.mu.Unlock()
	g := r.cell(now, r.clients[id].group)
	if g.TCP == nil {
		g.TCP = &Hist{}
	}
	g.TCP.Record(took)
}

// Output implements Sink.
func (r *Recorder) Output(now time.Duration, id int, o *heartbeat.Output) {
	switch o.Kind {
	case heartbeat.Send:
		if !o.Beat {
			return
		}
	case heartbeat.Opened, heartbeat.Dead, heartbeat.AttemptFailed, heartbeat.Replied, heartbeat.Unanswered,
		heartbeat.GaveUp, heartbeat.Doubled:
	default:
		return
	}
	r.lock(now)
	defer r.mu.Unlock()
	c := &r.clients[id]
	switch o.Kind {
	case heartbeat.Send:
		r.cell(now, c.group).Sent++
	case heartbeat.Replied:
		r.replied(now, c, o)
	case heartbeat.Unanswered:
		r.cell(now, c.group).Unanswered += int64(o.N)
	case heartbeat.Opened:
		r.opened(now, id, c, o.Epoch)
	case heartbeat.Dead:
		r.dead(now, id, c, o)
	case heartbeat.AttemptFailed:
		r.second(now).failed++
		r.cell(now, c.group).ConnectFailed[o.Cause]++
		if e := r.exposed.get(c.loss); e != nil && e.backAt < 0 {
			r.occs[e.occ].cell(c.group).failed[o.Cause]++
		}
	case heartbeat.GaveUp:
		r.cell(now, c.group).GaveUp[o.Cause]++
	case heartbeat.Doubled:
		r.groups[c.group].Doubled++
	}
}

func (r *Recorder) replied(now time.Duration, c *client, o *heartbeat.Output) {
	g := r.cell(now, c.group)
	if g.RTT == nil {
		g.RTT = &Hist{}
	}
	g.RTT.Record(o.Dur)
	s := r.second(now)
	if s.rtt == nil {
		if len(r.pool) == 0 {
			r.pool = make([]coarseCounts, 16)
		}
		s.rtt, r.pool = &r.pool[0], r.pool[1:]
	}
	s.rtt[coarseIndex(o.Dur)]++
	s.rttMax = max(s.rttMax, o.Dur)
	if c.head >= 0 {
		r.provedAlive(now, c, o.Due)
	}
}

func (r *Recorder) opened(now time.Duration, id int, c *client, epoch uint32) {
	r.second(now).opens++
	g := &r.groups[c.group]
	took := never
	if c.dialled == epoch && c.attemptAt >= 0 {
		took = now - c.attemptAt
		s := r.cell(now, c.group)
		if s.Connect == nil {
			s.Connect = &Hist{}
		}
		s.Connect.Record(took)
	}
	if c.mistakeAt >= 0 {
		s := r.cell(c.mistakeAt, c.group)
		if s.Mistakes == nil {
			s.Mistakes = &Hist{}
		}
		s.Mistakes.Record(now - c.mistakeAt)
		c.mistakeAt = never
	}
	if e := r.exposed.get(c.loss); e != nil && e.backAt < 0 {
		e.backAt = now
		if took >= 0 {
			cell := r.occs[e.occ].cell(c.group)
			if cell.handshake == nil {
				cell.handshake = &Hist{}
			}
			cell.handshake.Record(took)
		}
	}
	if c.flags&isOpen == 0 {
		g.Open.Add(now, 1)
	}
	if c.flags&isOpen == 0 || c.sick > 0 {
		r.segments.healthy(now, c.group, &g.healthy, +1)
	}
	c.flags |= isOpen | wasOpen
	c.epoch, c.openedAt, c.sick = epoch, now, 0
}

// dead handles "declared dead".
func (r *Recorder) dead(now time.Duration, id int, c *client, o *heartbeat.Output) {
	r.second(now).deaths++
	g := &r.groups[c.group]
	newest := c.flags&isOpen != 0 && o.Epoch == c.epoch
	if newest {
		g.Open.Add(now, -1)
		if c.sick == 0 {
			r.segments.healthy(now, c.group, &g.healthy, -1)
		}
		c.flags &^= isOpen
		c.sick = 0
	}
	hit, occ, t0 := r.attribute(now, id, c, o)
	c.lastOcc, c.lastT0 = occ, t0
	r.explainZombie(now, c)
	switch {
	case hit >= 0: // a detection
		r.live.detections++
		c.loss = hit
	case occ >= 0: // excused by a fault that was in force before this connection opened
		r.occs[occ].cell(c.group).later[o.Cause]++
		if e := r.exposed.get(c.loss); e != nil && int(e.occ) == int(occ) {
			e.backAt = never
		} else {
			c.loss = -1
		}
	default: // a mistake
		r.live.falsePositives++
		s := r.cell(now, c.group)
		s.FalsePositives[o.Cause]++
		if o.Cause == heartbeat.Timeout && r.lagWithin(o.LastHeard, now) >= g.suspect {
			s.Suspect++
		}
		if newest {
			c.mistakeAt = now
		}
		// A connection that did not outlive the client's own detector never really came back.
		if e := r.exposed.get(c.loss); e != nil && e.backAt >= 0 && now-c.openedAt <= g.settle {
			e.backAt = never
		} else if e != nil && e.backAt >= 0 {
			c.loss = -1
		}
	}
}

// State implements Sink.
func (r *Recorder) State(now time.Duration, id int, s heartbeat.State) {
	r.lock(now)
	defer r.mu.Unlock()
	c := &r.clients[id]
	was := heartbeat.State(c.state)
	if was == s || s >= heartbeat.NumStates {
		return
	}
	c.state = uint8(s)
	r.states[was]--
	r.states[s]++
	sec := r.second(now)
	sec.states[was]--
	sec.states[s]++
	if s == heartbeat.Stopped {
		// The end of the run is not a death: the level of open clients stays, the exposures are censored.
		if c.flags&isOpen != 0 && c.sick == 0 {
			r.segments.healthy(now, c.group, &r.groups[c.group].healthy, -1)
		}
		c.flags &^= isOpen
		for i := c.head; i >= 0; i = r.exposed.get(i).next {
			if e := r.exposed.get(i); e.closedAt < 0 {
				e.closedAt, e.stopped = now, true
			}
		}
		c.head = -1
	}
}

// Lag implements Sink.
func (r *Recorder) Lag(now, due time.Duration) {
	d := max(now-due, 0)
	r.lock(now)
	defer r.mu.Unlock()
	s := r.segments.at(now)
	if s.Lag == nil {
		s.Lag = &Hist{}
	}
	s.Lag.Record(d)
	sec := r.second(now)
	sec.lagMax = max(sec.lagMax, d)
}

// lagWithin is the largest harness lag seen in the seconds that [from, to] touches.
func (r *Recorder) lagWithin(from, to time.Duration) (lag time.Duration) {
	lo, hi := max(int(from/time.Second), 0), int(to/time.Second)
	for i := lo; i <= hi && i < len(r.seconds); i++ {
		lag = max(lag, r.seconds[i].lagMax)
	}
	return lag
}

// Target implements Sink. A counter that went down belongs to a new process: it counts from zero.
func (r *Recorder) Target(now time.Duration, s TargetSample) {
	r.lock(now)
	defer r.mu.Unlock()
	u := TargetUse{At: now, CPU: s.CPU, RSS: s.RSS, FDs: s.FDs}
	if n := len(r.target); n > 0 {
		u.Span = max(now-r.target[n-1].At, 0)
		if s.CPU >= r.lastUse.CPU {
			u.CPU = s.CPU - r.lastUse.CPU
		}
	} else {
		u.CPU = 0 // what it used before the run is not the run's
	}
	r.lastUse = s
	r.target = append(r.target, u)
}

// Warn implements Sink. The same text again is counted; beyond 100 texts the rest share one line.
func (r *Recorder) Warn(now time.Duration, text string) {
	r.lock(now)
	defer r.mu.Unlock()
	r.warn(now, text)
}

func (r *Recorder) warn(now time.Duration, text string) {
	if len(r.warnings) >= 100 {
		text = "further warnings"
	}
	for i := range r.warnings {
		if r.warnings[i].Text == text {
			r.warnings[i].Count++
			return
		}
	}
	r.warnings = append(r.warnings, Warning{At: now, Text: text, Count: 1})
}

const forever = time.Duration(math.MaxInt64)
