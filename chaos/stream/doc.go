// Package stream carries out faults on a byte stream, in the client's own net.Conn, below TLS and WebSocket. It needs no
// privileges and no further file descriptors, and its faults reach only the clients that they are meant for.
//
// An [Engine] dials for its clients and wraps every connection in a [Conn]. While no fault touches a client its Conn
// passes Read and Write straight to the socket: one mutex and one atomic load, no goroutine, no timer, some four
// hundred bytes. Faults belong to a client's path, not to a connection: a client that reconnects under a fault meets it
// again.
//
// # What each fault does
//
//   - blackhole up: what the client writes is kept, in order, and reaches the server when the fault ends, as TCP's
//     retransmissions would have it. blackhole down: what arrives is kept from the client until then. Either stops new
//     connections: a dial succeeds at the first of the instants 0, 1, 3, 7, 15, 31, 63 s after its begin at which the
//     path is healthy (RFC 6298: RTO 1 s, doubled; six retries), or fails with ETIMEDOUT at 127 s or with its context.
//   - delay: every chunk of bytes arrives a [chaos.Latency], drawn for it alone, later than it would have, counted from
//     its own arrival, never before an earlier one. A new connection takes one delay in each direction longer.
//   - throttle: bytes leave one after the other at Rate bytes per second; all connections of a client share the rate.
//   - kill: rst and fin act on both ends at once, even where a blackhole would stop them, and lose what the path still
//     held. close gives the client a [chaos.CloseFrameError] and the server a masked close frame, then FIN. Above TLS a
//     frame cannot be forged, nor behind a frame that is partly written: the server then sees only the FIN.
//   - refuse: a dial fails at once with ECONNREFUSED, unless a blackhole keeps even the refusal away.
//   - idle-cut: a connection that was quiet for After, counted from the latest of its own begin, the fault's begin and
//     its last byte in either direction, is cut. Bytes count when the client writes or reads them. silent: both ends
//     keep a connection that carries nothing any more; it stays so after the fault's end. rst and fin are as in kill.
//
// Faults on one client overlap freely: delays add up, the narrowest throttle counts, a path is healthy when the last
// blackhole has ended. When the last delay or throttle of a direction ends, what it still held arrives at once, in order.
//
// # Zombies
//
// A client that closes a connection whose way up is dead (a blackhole, a silent cut) has its Close return at once, but
// neither FIN nor the bytes before it reach the server. The socket stays open as a zombie, and one goroutine watches the
// server's side of it: the server closes its end, which is its time to notice, or the fault ends and the client's goodbye
// gets through. A server that closed before the client gave up leaves no zombie.
//
// # What the model does not claim
//
//   - No packets: no loss, no retransmission timing. Held bytes arrive at once on heal, where TCP would wait for its next
//     retransmission. The round-trip time of a healthy path is the socket's own. Linux since 6.5 sends its first SYN
//     retries linearly; the model doubles from the start.
//   - The server's kernel sees its data acknowledged all the time: a server notices by its own heartbeat, never by TCP's
//     retransmission timeout, keep-alive or TCP_USER_TIMEOUT.
//   - Buffers are the engine's. Write never waits: what the socket or the path does not take goes to an outbox of
//     [Engine.Outbox] bytes a connection, and beyond that Write fails with [ErrOutboxFull] where a blocking socket would
//     have waited. A write deadline therefore matters only when it has already passed. Connections without a file
//     descriptor of their own (net.Pipe), and every connection on systems other than Linux, macOS and the BSDs, block in Write as usual.
//   - A delayed direction keeps at most Outbox bytes on the way; a client that does not call Read stamps no arrivals.
//   - Bytes that were in the sockets' buffers when a fault began count as on this side of it.
//
// # For authors of further faults
//
// One fault is one file: a type that implements effect, and one line in the effects table. begin and end run for one
// client at a time with its path locked. They may change the path's own fields (counters, lists keyed by occurrence) and
// then call path.changed, which brings every connection of the client in line; they never touch a socket, a queue or
// Conn.state themselves, except through a method of Conn that says it may be called with the path locked. They do not
// block and do not start goroutines: what must happen later is an entry in the scheduler. end undoes exactly what begin
// did for the same occurrence and is harmless when begin never ran, for the Engine registers the undo before it does
// anything, and Close ends whatever is still in force. A fault that counts is a counter or a list, never a flag, so that
// two of a kind overlap.
package stream
