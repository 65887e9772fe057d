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
	Model   string     // sim: what the network and the server are taken for
	Command string     // reproduces the run; printed as the last line of the report
	Started time.Time  // wall clock at now = 0
	Host    Host       // see LocalHost
	Target  string     // what the clients really connected to; "": the plan's URL
	Clients *chaos.Set // the clients that this process drives; nil: all (an agent drives a part)

	first, count int       // the range of clients that a part of a run has; 0, 0: all
	info         *PlanInfo // the plan's, where many parts share it
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
	first    int      // number of clients[0]
	clients  []client // of the plan, or of the part that this recorder has
	groups   []groupState
	occs     []occState
	exposed  slab
	zombies  []zombie
	freeZomb int32
	seconds  []second
	segments segmenter
	states   [heartbeat.NumStates]int64
	target   usage
	harness  usage
	warnings []Warning
	pool     []coarseCounts // arena for the seconds' histograms
	live     liveCounts
	messages *messages   // nil without traffic
	nodes    []NodeTotal // nil with one node
	hits     Hits
	over     time.Duration // when Ended was called; never: the run goes on
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
	// Of several nodes: that of its present connection and of its present attempt, and how often a fault ended a connection.
	node, dialledNode, hits uint8
}

const (
	isOpen uint8 = 1 << iota
	wasOpen
	wasDialled
	isMine
)

type groupState struct {
	GroupTotal
	settle  time.Duration
	suspect time.Duration // lag from which a timeout death is doubtful
}

type second struct {
	attempts, retries, failed, opens, deaths uint32
	states                                   [heartbeat.NumStates]int32 // changes
	messagesOut, messagesIn                  uint32
	rttMax, lagMax                           time.Duration
	rtt                                      *coarseCounts
}

type liveCounts struct{ detections, falsePositives int64 }

// NewRecorder makes a Recorder for one run of the plan.
func NewRecorder(plan *scenario.Plan, opts Options) *Recorder {
	r := &Recorder{plan: plan, opts: opts, first: opts.first, freeZomb: -1, over: never}
	if opts.info != nil {
		r.info = *opts.info
	} else {
		r.info = planInfo(plan, &opts)
	}
	n := plan.Clients
	if opts.count > 0 {
		n = opts.count
	}
	r.clients = make([]client, n)
	for k := range r.clients {
		i := r.first + k
		r.clients[k] = client{attemptAt: never, openedAt: never, mistakeAt: never, head: -1, loss: -1, zombie: -1,
			lastOcc: -1, lastT0: never, group: uint16(plan.GroupIndex(i))}
		if opts.Clients == nil || opts.Clients.Has(i) {
			r.clients[k].flags = isMine
			r.states[heartbeat.Idle]++
		}
	}
	r.messages = newMessages(plan, r.clients, r.first)
	if n := plan.Target.Nodes(); n > 1 {
		r.nodes = make([]NodeTotal, n)
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

// take locks for an event at now. It is false, and nothing is locked, once the run is over.
func (r *Recorder) take(now time.Duration) bool {
	r.lock(now)
	if r.over != never {
		r.mu.Unlock()
		return false
	}
	return true
}

func (r *Recorder) lock(now time.Duration) {
	r.mu.Lock()
	if r.over == never && now >= r.segments.next {
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

// client is the memory of a client by its number; nil if it is none of this recorder's.
func (r *Recorder) client(id int) *client {
	if i := id - r.first; i >= 0 && i < len(r.clients) {
		return &r.clients[i]
	}
	return nil
}

// cell returns the segment's counters for the group of a client at now.
func (r *Recorder) cell(now time.Duration, group uint16) *SegmentGroup {
	return &r.segments.at(now).Groups[group]
}

const forever = time.Duration(math.MaxInt64)
