package report

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// Format and Version identify a Result file. A reader refuses another version.
const (
	Format  = "flatline.result"
	Version = 1
)

// Status says whether a Result covers the whole plan.
type Status string

const (
	Running     Status = "running"     // a checkpoint: the run went on after it
	Complete    Status = "complete"    // the plan ran to its end
	Interrupted Status = "interrupted" // ended early by the user
	TargetLost  Status = "target lost" // the target could not be reached, or ended
)

// Result is what a run left: self-contained, and everything the renderers need. All durations are nanoseconds since
// the start of the run or lengths of time; -1 stands for "did not happen".
type Result struct {
	Format      string        `json:"format"`
	Version     int           `json:"version"`
	Tool        string        `json:"tool"`              // "flatline v1.2.3"
	Driver      string        `json:"driver"`            // fleet or sim
	Model       string        `json:"model,omitempty"`   // sim: what the network and the server were taken for
	Command     string        `json:"command,omitempty"` // reproduces the run
	Host        Host          `json:"host"`
	Started     time.Time     `json:"started"` // wall clock
	Elapsed     time.Duration `json:"elapsed"`
	Status      Status        `json:"status"`
	Reason      string        `json:"reason,omitempty"` // why the run is not complete
	Plan        PlanInfo      `json:"plan"`
	Occurrences []Occurrence  `json:"occurrences"`
	Segments    []Segment     `json:"segments"`
	Groups      []GroupTotal  `json:"groups"`          // one for each group of the plan, in order
	Nodes       []NodeTotal   `json:"nodes,omitempty"` // one for each node of the target, where there are several
	Hits        Hits          `json:"hits,omitzero"`   // where there are several nodes
	Series      Series        `json:"series"`
	Target      []TargetUse   `json:"target,omitempty"`  // where its process was visible, once a second
	Harness     []TargetUse   `json:"harness,omitempty"` // the same of flatline itself: CPU, RSS, FDs, Threads
	Warnings    []Warning     `json:"warnings,omitempty"`
	Outcomes    []Outcome     `json:"outcomes,omitempty"`
	Verdict     Verdict       `json:"verdict"`
}

// Host is where the driver ran.
type Host struct {
	OS     string `json:"os,omitempty"`
	Arch   string `json:"arch,omitempty"`
	CPUs   int    `json:"cpus,omitempty"`
	Go     string `json:"go,omitempty"`
	Kernel string `json:"kernel,omitempty"`
	Memory uint64 `json:"memory,omitempty"` // bytes
}

// PlanInfo is the plan as it ran.
type PlanInfo struct {
	Name     string            `json:"name"`
	Intent   string            `json:"intent,omitempty"`
	Path     string            `json:"path,omitempty"`
	Seed     uint64            `json:"seed"`
	Hash     string            `json:"hash"` // scenario.Plan.Hash: equal for the agents of one run
	Source   string            `json:"source,omitempty"`
	Resolved json.RawMessage   `json:"resolved,omitempty"`
	Target   string            `json:"target,omitempty"`
	Engine   string            `json:"engine,omitempty"`
	Duration time.Duration     `json:"duration"`
	RampEnd  time.Duration     `json:"ramp_end"` // when the last client was to start
	Clients  int               `json:"clients"`
	Groups   []GroupInfo       `json:"groups"`
	Faults   []chaos.Fault     `json:"faults,omitempty"`
	Expect   []scenario.Expect `json:"expect,omitempty"`
}

// GroupInfo is one group of the plan.
type GroupInfo struct {
	Name    string        `json:"name"`
	Profile string        `json:"profile,omitempty"`
	Count   int           `json:"count"`
	BoundLo time.Duration `json:"bound_lo"` // closed form: every detection of silence falls in (lo, hi] plus lag, see heartbeat.Config.Bounds
	BoundHi time.Duration `json:"bound_hi"`
	Detects bool          `json:"detects"` // false: silence is never noticed
	Timeout time.Duration `json:"timeout"`
}

// Causes counts by heartbeat.Cause. In JSON it is an object of the causes that occurred.
type Causes [heartbeat.NumCauses]int64

// Total is the sum over all causes, or the count of one if by is a cause's name.
func (c *Causes) Total(by string) (n int64) {
	for i, v := range c {
		if by == "" || heartbeat.Cause(i).String() == by {
			n += v
		}
	}
	return n
}

func (c *Causes) add(o *Causes) {
	for i, v := range o {
		c[i] += v
	}
}

// MarshalJSON implements json.Marshaler.
func (c Causes) MarshalJSON() ([]byte, error) {
	m := map[string]int64{}
	for i, v := range c {
		if v != 0 {
			m[heartbeat.Cause(i).String()] = v
		}
	}
	return json.Marshal(m)
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Causes) UnmarshalJSON(b []byte) error {
	var m map[string]int64
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	*c = Causes{}
	for k, v := range m {
		i, ok := heartbeat.ParseCause(k)
		if !ok {
			return fmt.Errorf("unknown cause %q", k)
		}
		c[i] = v
	}
	return nil
}

// CauseHists is a histogram for each cause that occurred.
type CauseHists [heartbeat.NumCauses]*Hist

// Merged is one histogram of all causes, or of the one that by names.
func (c *CauseHists) Merged(by string) *Hist {
	h := &Hist{}
	for i, x := range c {
		if by == "" || heartbeat.Cause(i).String() == by {
			h.Merge(x)
		}
	}
	return h
}

// MarshalJSON implements json.Marshaler.
func (c CauseHists) MarshalJSON() ([]byte, error) {
	m := map[string]*Hist{}
	for i, h := range c {
		if h.N() > 0 {
			m[heartbeat.Cause(i).String()] = h
		}
	}
	return json.Marshal(m)
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *CauseHists) UnmarshalJSON(b []byte) error {
	var m map[string]*Hist
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	*c = CauseHists{}
	for k, h := range m {
		i, ok := heartbeat.ParseCause(k)
		if !ok {
			return fmt.Errorf("unknown cause %q", k)
		}
		if h.N() > 0 {
			c[i] = h
		}
	}
	return nil
}

// Occurrence is one happening of a fault and what it did.
type Occurrence struct {
	Index       int           `json:"index"`
	Fault       int           `json:"fault"` // index into Plan.Faults
	Name        string        `json:"name"`
	Kind        chaos.Kind    `json:"kind"`
	How         chaos.How     `json:"how,omitempty"`
	Severs      bool          `json:"severs"`
	Instant     bool          `json:"instant"`
	Planned     time.Duration `json:"planned"`
	Began       time.Duration `json:"began"`       // t0
	InForce     time.Duration `json:"in_force"`    // in force for every victim
	Ended       time.Duration `json:"ended"`       // -1: in force until the run's end, or instant
	Recoverable time.Duration `json:"recoverable"` // recovery was possible from here; -1: never
	Failed      string        `json:"failed,omitempty"`
	Victims     int           `json:"victims"`
	Groups      []OccGroup    `json:"groups,omitempty"` // groups that were touched, ascending
}

// OccGroup is what one occurrence did to one group. A client is affected if it had an open connection at t0; for an
// idle-cut, each connection that was cut counts. Affected = detected + Undetected + Healed + Unresolved.
type OccGroup struct {
	Group    int   `json:"group"`
	Affected int64 `json:"affected"`
	Absent   int64 `json:"absent,omitempty"` // victims without an open connection at t0
	// Detected holds declared dead - t0 by cause.
	Detected   CauseHists `json:"detected"`
	Undetected int64      `json:"undetected,omitempty"` // the fault outlasted the client's bound and went unnoticed
	Healed     int64      `json:"healed,omitempty"`     // the fault ended before the detector could fire
	Unresolved int64      `json:"unresolved,omitempty"` // censored: the run, or the connection for another reason, ended first
	// Later counts deaths, excused by this occurrence, of connections that opened when it was in force already.
	Later     Causes        `json:"later"`
	Attempts  Buckets       `json:"attempts,omitempty"`  // reconnect attempts of the lost since t0, until they were back
	Failed    Causes        `json:"failed"`              // failed ones among them
	Handshake *Hist         `json:"handshake,omitempty"` // attempt to open, of those who came back
	Recovery  *Hist         `json:"recovery,omitempty"`  // back for good - Recoverable, not below 0
	Downtime  *Hist         `json:"downtime,omitempty"`  // back for good - t0
	Lost      int64         `json:"lost,omitempty"`      // detected and never back
	LastBack  time.Duration `json:"last_back"`           // when the last of them was back; -1: nobody was
	Reap      *Hist         `json:"reap,omitempty"`      // the server closed its end - t0 of the client's death
	LetGo     int64         `json:"let_go,omitempty"`    // zombies whose goodbye got through when the fault ended
	Pending   int64         `json:"pending,omitempty"`   // zombies left at the end
	Zombies   Buckets       `json:"zombies,omitempty"`   // changes of the number of zombies since t0
}

// DetectedN is the number of detections.
func (g *OccGroup) DetectedN() (n int64) {
	for _, h := range g.Detected {
		n += h.N()
	}
	return n
}

// Segment is a stretch of the run between two boundaries: the end of the ramp, a fault's begin or end, and after those
// a fixed grid (1 s, later coarser) on which recoveries end. Windows are unions of segments.
type Segment struct {
	From   time.Duration  `json:"from"`
	To     time.Duration  `json:"to"`
	Lag    *Hist          `json:"lag,omitempty"`
	Groups []SegmentGroup `json:"groups"` // one for each group of the plan
}

// SegmentGroup is what one group did in a segment.
type SegmentGroup struct {
	RTT            *Hist            `json:"rtt,omitempty"`     // from the instant the beat was due
	Connect        *Hist            `json:"connect,omitempty"` // attempt to open
	TCP            *Hist            `json:"tcp,omitempty"`     // attempt to TCP established
	Sent           int64            `json:"sent,omitempty"`    // beats
	Unanswered     int64            `json:"unanswered,omitempty"`
	Attempts       int64            `json:"attempts,omitempty"`
	ConnectFailed  Causes           `json:"connect_failed"`
	FalsePositives Causes           `json:"false_positives"`
	GaveUp         Causes           `json:"gave_up"`            // clients that will not reconnect, by cause of their last loss
	Suspect        int64            `json:"suspect,omitempty"`  // false positives by timeout in whose silence the harness itself was late
	Mistakes       *Hist            `json:"mistakes,omitempty"` // from a false death in this segment to open again
	Delivery       *SegmentDelivery `json:"delivery,omitempty"` // of the messages that the group's clients published
	HealthyMicros  int64            `json:"healthy_us"`         // client time that was open and untouched by a severing fault
}

// GroupTotal is what cannot be assigned to a segment.
type GroupTotal struct {
	NeverOpened int64          `json:"never_opened,omitempty"`
	Doubled     int64          `json:"doubled,omitempty"`
	Open        Buckets        `json:"open,omitempty"`     // changes of the number of open clients; the stop at the end is not one
	Attempts    Buckets        `json:"attempts,omitempty"` // reconnect attempts: all but each client's first
	Zombies     Buckets        `json:"zombies,omitempty"`  // changes of the number of zombies
	Reap        *Hist          `json:"reap,omitempty"`     // of zombies that no fault explains, from when they became one
	LetGo       int64          `json:"let_go,omitempty"`
	Pending     int64          `json:"pending,omitempty"`  // of those
	Delivery    *GroupDelivery `json:"delivery,omitempty"` // of the messages that the group's clients published; absent without traffic
}

// Series is per second of the run; all columns have the same length.
type Series struct {
	Attempts []int64            `json:"attempts"`
	Retries  []int64            `json:"retries"` // attempts but each client's first
	Failed   []int64            `json:"failed"`
	Opens    []int64            `json:"opens"`
	Deaths   []int64            `json:"deaths"`
	States   map[string][]int64 `json:"states"`     // clients by state at the end of each second
	RTT      []Coarse           `json:"rtt"`        // coarse histogram of each second
	RTTMax   []int64            `json:"rtt_max_us"` // exact
	LagMax   []int64            `json:"lag_max_us"`
	Sent     []int64            `json:"messages_sent,omitempty"`     // put on the wire, each time that they were; absent without traffic, as Received
	Received []int64            `json:"messages_received,omitempty"` // arrived for the first time
}

// Warning is something that makes the numbers less trustworthy.
type Warning struct {
	At    time.Duration `json:"at"` // the first time
	Text  string        `json:"text"`
	Count int           `json:"count"`
}
