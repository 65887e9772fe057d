// Package sim drives heartbeat machines in virtual time: the same machines, plan and sink as internal/fleet, with a
// modelled network and server in place of real ones. Ten minutes of a storm take a second, and the same seed gives the
// same run to the nanosecond.
//
// Clients meet nowhere but at faults, which have their moments, and at limits of the server. So nothing orders one
// client's events against another's: [run] takes each client alone through its own short list of events up to the next
// moment, where all wait for each other. Only what touches a limit of the server ([desk]: handshake slots, places) is
// carried out over all clients in the order of (time, client). At one instant faults come before the server's own events,
// and those before clients. Where nothing can disturb a heartbeat, [heartbeat.Machine.Answered] takes many at once.
//
// [Run] tells one Sink. [Simulate] spreads shards of clients over the cores and adds up their records in a fixed order:
// the Result is the same, byte for byte, for any number of workers. The pieces know little of each other: client
// (machine, timers, device), path (what faults do to one client's frames), server (the target), and the faults, which
// only set and clear what path, device and server look at.
//
// # What the model says
//
// A frame takes [Model].Latency from end to end, in order. A TCP connection takes one round trip, the WebSocket upgrade
// one more and its time in the server's queue. The server follows the words of [scenario.Serve] as the embedded reference
// server does, and answers in no time: echo, pong, its own beat, reaping, handshake slots in one queue. Faults mean what
// they mean in chaos/stream: a blackhole holds what is written until it heals, a SYN is tried again after 1, 3, 7, 15,
// 31 and 63 s, a kill ends both ends. A server process that is killed sends FIN on every connection and refuses new ones
// until its restart.
//
// # What it leaves out
//
//   - CPU, memory and sockets: no machine is ever too slow, short of ports or of descriptors. A write fails only where a
//     kill has ended the connection.
//   - TCP below the byte stream: windows, congestion, retransmission timers. What a blackhole held arrives at the moment
//     it heals, where a real kernel waits for its next retransmission. Faults on packets (drop, duplicate, reorder,
//     corrupt) are refused.
//   - TLS: no round trips of its own, no certificate errors.
//   - The listen queue of a stalled server, which a real kernel fills up and then drops SYNs.
//   - Any target but the reference server: with a url or a command, the target is taken for a server that echoes, answers
//     pings, never beats, never reaps and has no limit.
//   - Lag: virtual time has none, so [report.Sink].Lag and Target are never called.
package sim
