// Package packet carries out faults on IP packets. Clients dial through a TCP/IP stack in user space (gVisor's netstack),
// so a lost packet is one that TCP has to send again: retransmission timeouts, head-of-line blocking and TCP's patience
// show in every latency. It needs no privileges, and none of its packets leave the process.
//
// An [Engine] has two stacks. The clients' stack holds one address per client; the gateway's stack ends their TCP
// connections. Between them is one link engine for all paths. A packet that nothing delays is handed over by whoever sends
// it; the others wait in one heap, ordered by arrival and, at equal arrival, by the order in which they were sent, for one
// goroutine. Behind the gateway there is either a connection to the target, one for each connection of a client, which
// begins when the client's SYN arrives and decides the answer to it (see [Engine.Dial]); or a server in this process that
// listens in the private network itself ([Engine.Listen]), so that both ends of TCP lose packets.
//
// # What each fault does
//
// A fault belongs to a client's path: a client that reconnects under it meets it again. Up is from the client.
//
//   - blackhole: packets of the direction vanish, also those on the way. Connections live for as long as TCP is patient;
//     after the heal they continue with the next retransmission, not at once. SYNs vanish as well.
//   - drop: each packet is lost with probability Rate, on its own or in bursts with a mean length of Burst packets (the
//     Gilbert-Elliott chain of type loss; Rate is at most Burst/(Burst+1), or 1). Several drops lose independently.
//   - delay: every packet arrives a [chaos.Latency] later, drawn for it alone, though never before a packet that was sent
//     earlier. Delays add up. netem would let jitter reorder; here only reorder does.
//   - throttle: packets leave one after the other at Rate bytes per second, IP headers included; all connections of a
//     client share the rate. The queue holds a second's worth, 32 KiB at least; what comes on top is lost. Of several
//     throttles the narrowest counts.
//   - duplicate: with probability Rate a packet arrives twice.
//   - reorder: with probability Rate a packet arrives 10 ms after its turn; what is sent within that time overtakes it.
//   - corrupt: with probability Rate one bit of the TCP segment, header or data, is flipped. The stacks verify every
//     checksum, and a single bit never escapes it, so the packet is lost where it arrives and not on the way.
//   - kill: rst gives each end a RST that seems to come from the other, past every fault. fin has the gateway end its side
//     of both connections; the FIN crosses the path like any packet. close gives the client a [chaos.CloseFrameError] and the
//     server a masked close frame, then FIN; above TLS, before the client has written, and behind half a frame the server
//     sees only the FIN. Connections that the client gave up before are left to the server.
//   - refuse: a SYN that reaches the gateway is answered with RST, which has to cross the path back. Established
//     connections live.
//   - idle-cut: a connection of which no packet was sent for After, counted from the latest of its own begin, the fault's
//     begin and its last packet in either direction, is cut. Acknowledgements and retransmissions count as packets.
//     silent: its packets vanish for ever, also after the fault's end. rst and fin are as in kill.
//
// The order on one packet is blackhole, drop, corrupt, duplicate and reorder (drawn), throttle, delay. When the last delay
// or throttle of a direction ends, what it still held arrives at once, in order, but for reordered packets.
//
// Random numbers come from rand.NewPCG(seed, 2 x client + direction): which packets of a path are lost depends on how many
// it has carried and on its own faults, and not on other paths. TCP's timers run in real time, so a second run of the same
// scenario does not send the same packets.
//
// # Zombies
//
// A client that closes a connection whose way up is dead (a blackhole, a silent cut) leaves a zombie: TCP repeats the FIN,
// but the server's end stays until the server closes it (reaped) or a FIN arrives after the heal. That the server has
// closed is known from its end of the connection behind the gateway, or from its Close.
//
// # What the model does not claim
//
//   - TCP is gVisor's, not the kernel's. As here configured: CUBIC, initial window 10, SACK, RACK with tail loss probes,
//     time stamps, receive buffer moderation; an initial retransmission timeout of 1 s, at least 200 ms afterwards (Linux's
//     TCP_RTO_MIN) and at most 120 s, doubled each time; 6 retries of a SYN, 15 of data. Every segment is acknowledged at
//     once, where Linux may delay that by 40 ms, and Nagle's algorithm is off. TIME_WAIT lasts 5 s and not 60 s.
//   - A target behind the gateway loses no packets: its kernel has a healthy loopback connection to the gateway, so what it
//     sends counts as acknowledged when it reaches the gateway, and its own TCP timeouts never fire. When the gateway's TCP
//     gives up, the target gets RST. It also sees a connection whose client gave up during the handshake. With
//     [Engine.Listen] none of this applies.
//   - No network card, no driver queue, no offload, no path MTU discovery: packets have at most 1,500 bytes unless
//     [Options.MTU] says otherwise. Blackholes and queues send no ICMP.
//   - Packets cost this process CPU, which is part of every round trip: on a busy machine TCP measures a longer path. The
//     link engine sleeps on a runtime timer; a delayed packet arrives late by the timer's lateness, some 0.1 to 1 ms.
//   - Loss moves with packets and not with time. A heartbeat in the middle of a long burst meets it again with each
//     retransmission, seconds later.
//   - [Conn.Write] never waits: what TCP's send buffer of 1 MiB does not take is refused with [ErrSendBufferFull]. A server
//     on [Engine.Listen] has ordinary blocking writes.
//
// # Calibration
//
// Measured on 2 cores of an AMD EPYC beside a bare pair of stacks (gVisor's own pipe and net.Conn), go test -bench . in
// this directory; both ends of a connection together:
//
//	                       bare pair   server in the network   the same through the heap   target on loopback
//	CPU of a round trip       115 µs                   95 µs                      100 µs               135 µs
//	memory of a connection    31 KiB                  30 KiB                      32 KiB               40 KiB
//	10,000 connections                                 1.2 s                                            3.2 s
//
// The kernel's own loopback needs 29 µs and 9 KiB for the same.
//
// With 5 % independent loss each way 11 % of the round trips take 200 ms or more; 1 - 0.95² is 9.75 %.
package packet
