// Package chaos holds the words for faults: data that parses and prints, and the two small interfaces through which an
// adapter carries them out. It does nothing by itself and imports only the standard library.
//
// The adapters stand below it: chaos/stream (faults on a byte stream, in the client's own net.Conn), chaos/packet (faults
// on IP packets, in a user-space TCP/IP stack), chaos/kernel (the same in the Linux kernel) and chaos/process (SIGSTOP,
// SIGKILL and restart of a server process).
package chaos

import (
	"time"
)

// Kind names a fault.
type Kind string

const (
	Blackhole Kind = "blackhole" // nothing arrives any more; no FIN, no RST; new connections time out
	Drop      Kind = "drop"      // single IP packets are lost
	Delay     Kind = "delay"     // a slow path
	Throttle  Kind = "throttle"  // a narrow path
	Duplicate Kind = "duplicate" // packets arrive twice
	Reorder   Kind = "reorder"   // packets overtake each other
	Corrupt   Kind = "corrupt"   // packets arrive damaged
	Kill      Kind = "kill"      // established connections end
	Stall     Kind = "stall"     // the server freezes: the kernel still acknowledges and accepts, nobody answers
	Refuse    Kind = "refuse"    // new connections are refused; established ones live
	IdleCut   Kind = "idle-cut"  // a middlebox forgets quiet connections
	Drain     Kind = "drain"     // the server says goodbye first
	Suspend   Kind = "suspend"   // the client's device sleeps, or its timers are throttled
	Partition Kind = "partition" // nodes of the server are cut off from the others; their clients notice nothing
)

// Direction of the bytes that a fault touches, seen from the client.
type Direction string

const (
	Both Direction = "both"
	Up   Direction = "up"   // client to server
	Down Direction = "down" // server to client
)

// How a kill, an idle-cut or a suspend happens.
type How string

const (
	RST     How = "rst"
	FIN     How = "fin"
	Close   How = "close"   // a close frame with Fault.Code
	Process How = "process" // SIGKILL to the server, started again after Fault.Restart
	Silent  How = "silent"  // idle-cut: packets vanish
	Sleep   How = "sleep"   // suspend: nothing runs
	Timers  How = "timers"  // suspend: timers wake at most once per Fault.Grid
)

// Fault is one line of the chaos section. Durations are wall time on the run's clock; zero means absent unless said.
type Fault struct {
	Name    string // unique within a scenario; "" gets the kind, with a number behind it when several have none
	Kind    Kind
	At      time.Duration // since the start of the run
	For     time.Duration // 0: instant (kill, drain) or until the end of the run
	Every   time.Duration // repeat with this period
	Times   int           // how often in all when Every is set; 0: as often as fits
	Clients Selector      // whom it hits; the zero Selector is everybody
	Nodes   []int         // which server nodes, from 0; nil: all

	Direction    Direction     // blackhole, drop, delay, throttle, duplicate, reorder, corrupt; "" is Both
	How          How           // kill, idle-cut, suspend
	Code         int           // kill how close, drain: close code, 1000..4999
	Restart      time.Duration // kill how process: the server is started again after this; 0 is at once
	By           time.Duration // delay: one-way extra latency
	Jitter       time.Duration // delay: spread around By, of which Distribution says what it measures; at most By
	Distribution Distribution  // delay: how Jitter spreads; "" is Uniform
	Rate         float64       // drop, duplicate, reorder, corrupt: probability in [0,1]; throttle: bytes per second
	Burst        float64       // drop: mean burst length in packets; 0 is independent loss
	After        time.Duration // idle-cut: quiet time before the cut
	Notice       string        // drain: message sent before the close; "" none
	Grace        time.Duration // drain: time between notice and close
	Spread       time.Duration // drain: {{.Retry}} in Notice is a number of milliseconds, drawn for each client below this
	Grid         time.Duration // suspend how timers: timers wake at most once per Grid
}

// Severs reports whether the fault, as configured, ends the path or the peer: a client under it ought to declare its
// peer dead, and a death that it overlaps is a detection. The other faults only degrade a path whose ends are healthy:
// a death under one of them is a false positive.
func (f *Fault) Severs() bool {
	switch f.Kind {
	case Blackhole, Kill, Stall, IdleCut, Drain, Suspend:
		return true
	}
	return false
}

// Instant reports whether the fault has no duration: it happens at one moment and is over.
func (f *Fault) Instant() bool {
	return f.Kind == Kill || f.Kind == Drain
}

// Selector names the clients that a fault hits. What it names is drawn from the seed once per occurrence.
type Selector struct {
	Percent float64 // of the clients in Group (or of all); 0: see Count
	Count   int     // this many of them; 0 with Percent 0: every one
	Group   string  // a client group; "": all clients
}

// Occurrence is one happening of a fault: a fault with Every has several.
type Occurrence struct {
	Index int           // position in the schedule, ordered by (At, position in the file)
	Fault int           // index into the faults
	Nth   int           // 0 for the first happening of its fault
	Name  string        // the fault's name, with "#2" and so on behind it from the second happening
	At    time.Duration // planned begin
	End   time.Duration // planned end; At for an instant fault; the run's end when nothing ends it before
}

// Engine carries out faults of some kinds. Begin and End are called from one goroutine, in time order. Undo is
// registered before do: after Close nothing that Begin did is left behind, whatever happened in between.
type Engine interface {
	// Can returns nil if the engine can do f, or an error that says why not.
	Can(f *Fault) error
	// Begin starts the occurrence for the victims (client numbers) and returns when it is in force.
	Begin(f *Fault, o Occurrence, victims *Set) error
	// End stops it. It is not called for a fault that is Instant.
	End(f *Fault, o Occurrence, victims *Set) error
	// Close undoes everything that is still in force.
	Close() error
}

// Observer is told what an engine sees on single paths. Times are on the run's clock. Methods may be called from any
// goroutine and must not block.
type Observer interface {
	// PathCut: the path of the client's present connection died by itself (an idle-cut), in occurrence occ.
	PathCut(now time.Duration, client, occ int)
	// ZombieBegan: the client gave up a connection that the server still holds.
	ZombieBegan(now time.Duration, client int)
	// ZombieEnded: the server closed its end (reaped), or the fault's end let the client's goodbye through (!reaped).
	ZombieEnded(now time.Duration, client int, reaped bool)
}

// PeerObserver is an Observer that is also told when the server ends a connection whose path keeps that from the client.
type PeerObserver interface {
	Observer
	// ServerGone: the server has closed its end of the client's connection, and the client cannot know yet.
	ServerGone(now time.Duration, client int)
}
