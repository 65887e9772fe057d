package report

import (
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// Sink receives everything that a driver sees, on one clock: now is the time since the start of the run. Methods are
// safe for concurrent use, never block for long, and for one client are called in the order in which things happened.
// [Recorder] is the Sink that makes a [Result]; tests use one that keeps the trace.
type Sink interface {
	chaos.Observer

	// Attempt: the client's connection attempt epoch leaves now (connect() is about to be called).
	Attempt(now time.Duration, client int, epoch uint32)
	// TCPConnected: attempt epoch has its TCP connection, took after it left.
	TCPConnected(now time.Duration, client int, epoch uint32, took time.Duration)
	// Output: the client's machine said o at now. o is valid only during the call.
	Output(now time.Duration, client int, o *heartbeat.Output)
	// State: the machine's state after its last step, when it differs from the one before.
	State(now time.Duration, client int, s heartbeat.State)

	// FaultBegan: occurrence occ is about to be put in force; this is the t0 of all its victims (but for idle-cut, where
	// PathCut tells each client's own).
	FaultBegan(now time.Duration, occ int)
	// FaultInForce: it is in force for every victim.
	FaultInForce(now time.Duration, occ int)
	// FaultEnded: it is about to end; recovery is possible from here.
	FaultEnded(now time.Duration, occ int)
	// FaultFailed: it could not be put in force (or undone).
	FaultFailed(now time.Duration, occ int, err error)

	// Ended: the run is over. What is still told afterwards is the clearing up, which a Result does not count.
	Ended(now time.Duration)

	// Lag: a timer of the harness that was due at due ran at now.
	Lag(now, due time.Duration)
	// Target: what the target process uses, once a second, where it can be seen.
	Target(now time.Duration, s TargetSample)
	// Warn: something that makes the numbers less trustworthy.
	Warn(now time.Duration, text string)
}
