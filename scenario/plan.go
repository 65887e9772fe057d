package scenario

import (
	"math/rand/v2"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// Plan is a scenario as it will run: every default filled in, every profile resolved, every fault scheduled. It is
// read-only after [File.Plan] returned it.
type Plan struct {
	Name         string
	Intent       string // the comment that opens the file
	Path         string // where it was read from
	Source       string // the text of the file, for the Result
	Seed         uint64
	Target       Target
	Groups       []Group
	Clients      int    // total over all groups; client numbers are 0..Clients-1
	Engine       string // as asked: auto, stream, packet or kernel
	PathEngine   string // stream, packet or kernel: what carries out the faults of the network
	EngineReason string // why that one
	Faults       []chaos.Fault
	Likes        []string // per fault that a file wrote: the preset that it is like, or ""
	Schedule     []chaos.Occurrence
	Duration     time.Duration
	Expect       []Expect
	Warnings     []string // what is allowed but probably not meant

	victims *victims
}

// Target is what the clients connect to. Exactly one of Serve, Command or neither (URL alone) is set; URL may be empty
// only with Serve, whose address is known when it has started.
type Target struct {
	URL      string   // of the first node
	URLs     []string // of all nodes, where a list names several
	Publish  *Publish // where the service behind the server publishes; nil: nobody does
	Balancer Balancer // in front of several nodes
	Serve    *Serve
	Command  []string      // started by flatline, stopped by flatline
	PID      int           // a process that runs already, for stall and kill how process
	Ready    time.Duration // how long the target may take until it accepts connections
	CA       string        // PEM file that signs the target's certificate; "": the system's roots
	Insecure bool          // do not verify the target's certificate
}

// Publish is how the service behind the server hands it messages: one POST request each, whose body is the publish format of
// the group, acknowledged by any answer of 2xx.
type Publish struct {
	URLs        []*heartbeat.Format // asked in turn; none: those of the embedded server's control API
	Headers     map[string]string   // of each request
	Timeout     time.Duration       // a request that takes longer has failed
	Connections int                 // requests at once
}

// MaxNodes is how many nodes a target may have.
const MaxNodes = 9

// Nodes is how many servers the target consists of.
func (t *Target) Nodes() int {
	if t.Serve != nil {
		return max(t.Serve.Nodes, 1)
	}
	return max(len(t.URLs), 1)
}

// Policies of a [Balancer].
const (
	RoundRobin = "round-robin"
	Least      = "least"
	Sticky     = "sticky"
)

// Balancer spreads new connections over nodes.
type Balancer struct {
	Policy string        // RoundRobin ("" too), Least or Sticky
	Eject  time.Duration // a node that refused a connection, or let it time out, gets none for so long
}

// Serve configures the embedded reference server (internal/server takes the same words).
type Serve struct {
	Beat       time.Duration   // the server beats this often; 0: it only answers
	BeatFrame  heartbeat.Frame // Ping or Text
	BeatText   string          // payload of a text beat
	Reap       time.Duration   // close connections that were silent this long; 0: never
	Handshakes float64         // handshakes per second that it completes; 0: as fast as it can
	Backlog    int             // handshakes that may wait; further ones get 503; 0: no limit
	MaxClients int             // further connections get 503; 0: no limit
	Reply      string          // echo (answers a message with itself) or none
	Delivery   *Delivery       // nil: it keeps and delivers nothing
	Nodes      int             // server processes; 0 is 1
}

// Delivery is how the embedded server keeps and delivers messages. Shares are from 0 to 1.
type Delivery struct {
	Store     string // memory or jetstream
	NATS      string // jetstream: URL; "": a server that flatline starts
	Retain    time.Duration
	Dedup     time.Duration // 0: what comes again is stored again
	Log       string        // file; "": none
	DropAcked float64
	Duplicate float64
	Reorder   float64
}

// Group is a number of clients of one kind.
type Group struct {
	Name         string
	First        int // number of its first client
	Count        int
	Profile      string
	Dialect      string        // the profile whose server the embedded server plays for this group; "": it echoes
	Ramp         time.Duration // client k of the group starts at Delay + Ramp x k / Count
	Delay        time.Duration
	Config       heartbeat.Config
	Traffic      *heartbeat.Traffic // messages beside the heartbeat; nil: none
	Path         string             // appended to or replacing the target's path, templated per client
	Headers      map[string]string  // templated per client
	Subprotocols []string
	Sources      []string // local addresses, used in turn by the group's clients; nil: chosen by the kernel

	autoSources bool // Sources came from auto
}

// Start is when the client begins to connect, since the start of the run.
func (p *Plan) Start(client int) time.Duration {
	g := p.GroupOf(client)
	return g.Delay + time.Duration(float64(g.Ramp)*float64(client-g.First)/float64(g.Count))
}

// GroupIndex is the position in Groups of the client's group.
func (p *Plan) GroupIndex(client int) int {
	lo, hi := 0, len(p.Groups)-1
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if p.Groups[mid].First <= client {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

// GroupOf is the client's group.
func (p *Plan) GroupOf(client int) *Group { return &p.Groups[p.GroupIndex(client)] }

// Rand is the client's own random source: the same seed and client number give the same delays.
func (p *Plan) Rand(client int) rand.PCG { return *rand.NewPCG(p.Seed, uint64(client)) }

// SetVictims sets the clients that each occurrence of the schedule hits, in the schedule's order: for plans that are
// built in code instead of read from a file.
func (p *Plan) SetVictims(v []*chaos.Set) {
	p.victims = &victims{sets: map[int]*chaos.Set{}, all: map[string]*chaos.Set{}}
	for occ, s := range v {
		p.victims.sets[occ] = s
	}
}
