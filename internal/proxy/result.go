package proxy

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// The format of a proxy's Result. It is none of a run, see the package's documentation.
const (
	Format  = "flatline-proxy"
	Version = 1
)

// Result is what a proxy has measured so far. Times are in nanoseconds since the proxy's start or its last reset, as the
// names say; histograms are HdrHistogram's V2 compressed form, in microseconds.
type Result struct {
	Format      string           `json:"format"`
	Version     int              `json:"version"`
	Tool        string           `json:"tool,omitempty"`
	Started     time.Time        `json:"started"`
	Elapsed     time.Duration    `json:"elapsed_ns"`
	Seed        uint64           `json:"seed"`
	Listen      string           `json:"listen"`
	Target      string           `json:"target"`
	Key         string           `json:"client_key"`
	Reads       bool             `json:"reads_frames"` // false: encrypted or no WebSocket, so heartbeats stay unknown
	Clients     int              `json:"clients"`
	Connections Connections      `json:"connections"`
	Attempts    []int32          `json:"attempts_100ms"` // accepted connections, by 100 ms
	AttemptPeak int64            `json:"attempts_peak"`  // in the worst 1 s window
	Handshake   *report.Hist     `json:"handshake"`      // accepted to open
	Quiet       Quiet            `json:"quiet"`
	Bytes       Both             `json:"bytes"`
	Messages    Both             `json:"messages"`
	Beats       []Beat           `json:"beats"`
	Faults      []FaultResult    `json:"faults"`
	Zombies     Zombies          `json:"zombies"`
	LeftBehind  LeftBehind       `json:"left_behind"`
	Delays      []*report.Hist   `json:"reconnect_delays"` // the first, second and third after a loss
	Learned     Inference        `json:"learned"`
	Failed      map[string]int64 `json:"failed"` // attempts, by why
	Closed      map[string]int64 `json:"closed"` // open connections, by who ended them and how
	Warnings    []string         `json:"warnings,omitempty"`
}

// Connections counts those of clients.
type Connections struct {
	Accepted int64 `json:"accepted"`
	Opened   int64 `json:"opened"`
	Open     int   `json:"open"`
	Peak     int   `json:"peak"`
}

// Quiet is the longest quiet stretch of each connection, by direction.
type Quiet struct {
	Up   *report.Hist `json:"up"`
	Down *report.Hist `json:"down"`
}

// Both is a count in each direction.
type Both struct {
	Up   int64 `json:"up"`
	Down int64 `json:"down"`
}

// Beat is a message that came again at regular intervals.
type Beat struct {
	From        string       `json:"from"` // client or server
	Frame       string       `json:"frame"`
	Payload     string       `json:"payload"` // its beginning, what does not print escaped
	Size        uint64       `json:"size"`
	Compressed  bool         `json:"compressed"`
	Reply       bool         `json:"reply"` // it answers a beat of the other side
	Connections int64        `json:"connections"`
	Interval    *report.Hist `json:"interval"`
	Jitter      float64      `json:"jitter"` // half the distance between the interval's 5 % and 95 % quantiles, as a share of its median
	Behind      *report.Hist `json:"behind"` // after the latest beat of the other side
}

// Zombies are connections to the target whose client is gone.
type Zombies struct {
	Now    int          `json:"now"`
	Peak   int          `json:"peak"`
	Reaped *report.Hist `json:"reaped"` // how long the target took to close them
	LetGo  *report.Hist `json:"let_go"` // those that a fault's end let go
}

// LeftBehind are clients whose target has closed and who cannot know yet.
type LeftBehind struct {
	Now  int `json:"now"`
	Peak int `json:"peak"`
}

// FaultResult is one happening of a fault.
type FaultResult struct {
	Name      string                  `json:"name"`
	Fault     json.RawMessage         `json:"fault"` // in the words of a scenario
	Began     time.Duration           `json:"began_ns"`
	Ended     time.Duration           `json:"ended_ns,omitempty"` // 0: instant, or still in force
	Clients   int                     `json:"clients"`            // whom it was meant for
	Hit       int                     `json:"hit"`                // open connections whose path it ended
	Noticed   map[string]*report.Hist `json:"noticed"`            // from the path's death to the first sign of the client, by sign
	Detection *report.Hist            `json:"detection"`          // all of them
	Kept      int                     `json:"kept"`               // connections that outlived it without a sign
	Pending   int                     `json:"pending"`            // nothing is known yet
	Storm     Storm                   `json:"storm"`
	Downtime  *report.Hist            `json:"downtime"` // from the path's death to open again
}

// Storm is how those who noticed came back.
type Storm struct {
	Attempts int64   `json:"attempts"`
	Failed   int64   `json:"failed"`
	Peak     int64   `json:"peak"` // attempts in the worst 1 s window
	Series   []int32 `json:"attempts_100ms"`
	Back     int     `json:"back"`
	Lost     int     `json:"lost"` // not back yet
	BackAt   []Share `json:"back_at"`
}

// Share is when a share of those who noticed were back, counted from when that became possible: the fault's end, or an
// instant fault itself. At is -1 while they are not.
type Share struct {
	Percent int           `json:"percent"`
	At      time.Duration `json:"at_ns"`
}

// ReadResult reads the JSON of a Result.
func ReadResult(b []byte) (*Result, error) {
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil || head.Format != Format {
		return nil, errors.New("not the Result of a flatline proxy")
	}
	if head.Version != Version {
		return nil, fmt.Errorf("version %d of the format is not %d, the one this flatline reads", head.Version, Version)
	}
	r := &Result{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("damaged result: %w", err)
	}
	return r, nil
}

// WriteFile writes the Result as JSON, whole or not at all.
func (r *Result) WriteFile(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = report.ReplaceFile(path, append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write result %s: %w", path, err)
	}
	return nil
}

// Result is what has been measured so far.
func (p *Proxy) Result() *Result {
	p.mu.Lock()
	listen := p.listen()
	p.mu.Unlock()
	r, now := p.rec, p.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	res := &Result{
		Format: Format, Version: Version, Started: p.start.Add(r.began), Elapsed: now - r.began, Seed: p.config.Seed,
		Target: p.config.Target.URL, Key: p.config.Key.String(), Reads: p.reads, Clients: r.clients.total,
		Connections: Connections{r.accepted, r.opened, r.open, r.openPeak},
		Attempts:    slices.Clone(r.attempts), AttemptPeak: peak(r.attempts), Handshake: copied(r.handshake),
		Quiet: Quiet{copied(r.gaps[up]), copied(r.gaps[down])}, Bytes: Both{r.bytes[up], r.bytes[down]}, Messages: Both{r.messages[up], r.messages[down]},
		Zombies:    Zombies{r.zombies, r.zombiesPeak, copied(r.reaped), copied(r.letGo)},
		LeftBehind: LeftBehind{r.behind, r.behindPeak}, Failed: maps.Clone(r.failed), Closed: maps.Clone(r.closes), Beats: []Beat{}, Faults: []FaultResult{},
	}
	res.Listen = listen
	for pr := range r.pairs {
		res.Bytes.Up += pr.flow[up].bytes.Load()
		res.Bytes.Down += pr.flow[down].bytes.Load()
		res.Messages.Up += pr.flow[up].messages.Load()
		res.Messages.Down += pr.flow[down].messages.Load()
		if pr.openedAt > 0 && pr.state == opened {
			res.Quiet.Up.Record(pr.flow[up].quietest(pr.openedAt, now))
			res.Quiet.Down.Record(pr.flow[down].quietest(pr.openedAt, now))
		}
	}
	for _, c := range r.classes {
		c.mu.Lock()
		defer c.mu.Unlock() // until the inference has read them too
	}
	res.Beats = r.beatList()
	for _, e := range r.episodes {
		res.Faults = append(res.Faults, e.result(r))
	}
	for _, h := range r.delays {
		res.Delays = append(res.Delays, copied(h))
	}
	res.Learned = r.infer()
	return res
}

// copied is a copy that is never nil.
func copied(h *report.Hist) *report.Hist {
	if c := h.Clone(); c != nil {
		return c
	}
	return &report.Hist{}
}

// peak is the most attempts in any ten buckets in a row, one second.
func peak(series []int32) (most int64) {
	var sum int64
	for i, n := range series {
		if sum += int64(n); i >= 10 {
			sum -= int64(series[i-10])
		}
		most = max(most, sum)
	}
	return most
}

func (r *record) beatList() []Beat {
	loud := [2]*beatClass{r.loudest(up), r.loudest(down)}
	list := []Beat{}
	for _, c := range r.classes {
		if c.gaps.N() == 0 {
			continue
		}
		b := Beat{From: "client", Frame: opNames[c.op], Size: c.size, Compressed: c.deflated, Connections: c.conns, Interval: copied(c.gaps), Behind: copied(c.lag)}
		if !c.deflated {
			b.Payload = report.Clean(string(c.last), 80)
		}
		if c.dir == down {
			b.From = "server"
		}
		if mid := c.gaps.Quantile(0.5); mid > 0 {
			b.Jitter = float64(c.gaps.Quantile(0.95)-c.gaps.Quantile(0.05)) / 2 / float64(mid)
		}
		other := loud[1-c.dir]
		b.Reply = c.op == opPong || other != nil && c == loud[c.dir] && other.op != opPong && answers(c, other) && !(c.dir == up && answers(other, c))
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b Beat) int {
		return cmp.Or(cmp.Compare(a.From, b.From), -cmp.Compare(a.Interval.N(), b.Interval.N()), cmp.Compare(a.Payload, b.Payload))
	})
	return list
}

func (e *episode) result(r *record) FaultResult {
	words, _ := scenario.FaultJSON(e.fault) // strings and numbers
	f := FaultResult{Name: e.occ.Name, Fault: words, Began: e.began - r.began, Clients: e.clients, Hit: e.hits, Kept: e.kept,
		Noticed: map[string]*report.Hist{}, Detection: &report.Hist{}, Downtime: copied(e.down)}
	recoverable := e.began
	if e.ended > 0 {
		f.Ended = e.ended - r.began
		recoverable = e.ended
	}
	for how, h := range e.noticed {
		f.Noticed[how] = copied(h)
		f.Detection.Merge(h)
	}
	seen := int(f.Detection.N())
	f.Pending = max(e.hits-seen-e.kept, 0)
	backs := slices.Clone(e.backs)
	slices.Sort(backs)
	s := &f.Storm
	*s = Storm{Attempts: e.attempts, Failed: e.failed, Peak: peak(e.series), Series: slices.Clone(e.series), Back: len(backs), Lost: max(seen-len(backs), 0), BackAt: []Share{}}
	for _, percent := range []int{50, 95, 99, 100} {
		k := (seen*percent + 99) / 100
		at := time.Duration(-1)
		if k > 0 && k <= len(backs) && (e.ended > 0 || e.fault.Instant()) {
			at = max(backs[k-1]-recoverable, 0)
		}
		if seen > 0 {
			s.BackAt = append(s.BackAt, Share{percent, at})
		}
	}
	return f
}

// FaultInfo is a fault and what has become of it.
type FaultInfo struct {
	Name    string          `json:"name"`
	State   string          `json:"state"`   // waiting, in force, over, stopped
	Fault   json.RawMessage `json:"fault"`   // in the words of a scenario
	Times   int             `json:"times"`   // how often it has begun
	Clients int             `json:"clients"` // whom it hits now, or hit last
}

func (p *Proxy) info(x *Fault) FaultInfo {
	words, _ := scenario.FaultJSON(x.fault)
	i := FaultInfo{Name: x.fault.Name, State: x.state, Fault: words, Times: x.nth, Clients: x.victims}
	if x.state == InForce || x.state == Over || x.state == Stopped && x.occ.Name != "" {
		i.Times = x.nth + 1
	}
	return i
}

// Faults lists every fault that was started.
func (p *Proxy) Faults() []FaultInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []FaultInfo{}
	for _, x := range p.faults {
		list = append(list, p.info(x))
	}
	return list
}
