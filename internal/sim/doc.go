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
// A frame takes [Model].Latency, and what [Model] draws on top, from end to end, in order. A TCP connection takes one round
// trip, the WebSocket upgrade one more and its time in the server's queue. A message that is lost is sent again after
// 200 ms and a round trip, then after twice as long, and holds up what follows; with [Model].Datagram it is lost, and
// nothing waits. A SYN that is lost, or whose answer is, is tried again after 1, 3, 7, 15, 31 and 63 s.
//
// Each node of the server follows the words of [scenario.Serve] as the embedded reference server does: echo, pong, its own
// beat, reaping, handshake slots in one queue. It answers in no time, or works on one thing at a time ([Server]). A
// balancer gives each new connection a node that is there.
//
// Faults mean what they mean in chaos/stream: a blackhole holds what is written until it heals, a kill ends both ends. A
// server process that is killed sends FIN on every connection and refuses new ones until its restart. Faults on packets are
// faults on messages: drop and corrupt lose them, reorder lets one arrive 10 ms late, duplicate is noticed by datagrams
// only. Losses in bursts count the client's acknowledgements, which are packets too.
//
// # What it leaves out
//
//   - CPU, memory and sockets of the machines: none is ever short of ports or of descriptors, and the only work is
//     [Server].Message and [Server].Handshake. A write fails only where a kill has ended the connection.
//   - TCP below the message: windows, congestion, segments, tail loss probes, and the effect of a slow path on the
//     retransmission timer. What a blackhole held arrives at the moment it heals, where a real kernel waits for its next
//     retransmission. After 15 retransmissions TCP would give up the connection; here the message gets through.
//   - Bytes of acknowledgements and headers below the WebSocket frame, in throttle.
//   - TLS: no round trips of its own, no certificate errors.
//   - Health checks of a balancer: it gives connections to a frozen node, and never to one that is gone.
//   - Any target but the reference server: with a url or a command, the target is taken for a server that echoes, answers
//     pings, never beats, never reaps and has no limit.
//   - Rooms, and any format of a group's traffic that an echo does not answer: such a plan is refused.
//   - Lag: virtual time has none, so [report.Sink].Lag and Target are never called.
package sim
