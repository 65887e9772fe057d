// Package proxy puts the chaos layer in front of any target, for clients that are not flatline's own, and measures from
// outside what they do.
//
// A client's connection is accepted, one to the target is dialled for it, and bytes pass between the two unchanged. The
// faults are those of chaos/stream: each upstream connection is one of its Conns, so that everything between the accepted
// socket and the target's is the path that suffers. What the proxy's client side does is then what a real path would do to
// the client: it falls silent, is reset, is told goodbye.
//
// # Who is a client
//
// Heartbeats belong to connections, storms to clients: a client is who comes back. [Config.Key] says how one is told:
// by its address, by a header, a query parameter or a cookie of the upgrade request, or by lineage. Lineage is for
// clients that share an address, as on loopback: a new connection continues the client without a connection that has
// waited longest among those whose upgrade request looked the same, else it is a new client. While many are away at once
// the pairs may be wrong, which leaves every sum and so every mean as it is, and blurs percentiles of reconnect delays. One
// that comes back before the proxy has read its goodbye, within a millisecond or so, is taken for a new one.
//
// # Why a record of its own
//
// report.Recorder is built around the heartbeat machines of a plan: it knows how many clients there are, what each
// tolerates and when one has declared its peer dead. Here clients come unannounced, their timers are unknown, and a death
// shows only by what it makes a client do to its sockets. So the Result is another one, with its own format name; the
// histograms, the words and the ways to print figures are those of package report.
//
// # What it cannot know
//
//   - Its kernel accepts a connection before any fault can keep it out: under a blackhole a new client is connected and
//     hears nothing, under a refuse it is connected and reset.
//   - A client is taken to have noticed at its close frame, its FIN or RST, or its next attempt, whichever is first. A
//     client that declares its peer dead and does nothing has not noticed.
//   - A client that half-closes (shutdown of its way up) is taken to have closed.
//   - The client's kernel has its bytes acknowledged by the proxy, so its own TCP timeouts do not fire.
package proxy
