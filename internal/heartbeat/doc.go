// Package heartbeat is the client under test as a sans-IO state machine: heartbeat, failure detector and reconnect
// policy of one long-lived connection.
//
// A [Machine] never sleeps, dials, locks or reads a clock. Time is an argument: a [time.Duration] since the start of
// the run, on the clock that also drives the faults. Randomness is handed in, one generator per client. The driver
// feeds it an [Input] through [Machine.Step], carries out the [Output] values it returns, and calls it again at
// [Machine.Deadline]. A wake-up that is early or repeated is harmless; an input that belongs to an earlier connection
// is dropped by its epoch.
//
// Two drivers run the same machine: internal/fleet over real sockets and internal/sim in virtual time.
package heartbeat
