// Package server is the embedded reference target: a WebSocket server whose behaviour under load is known, so that what
// a run measures can be told from what the target did. It answers, beats first, reaps, drains and limits handshakes as
// its [Config] says, counts exactly what it did ([Stats]), and is steered over a second listener on loopback
// ([Client]).
//
// It is meant to run as a process of its own, so that it can be stopped and killed without touching the clients.
//
// # What it costs
//
// One goroutine, a 512-byte read buffer and no write buffer for each idle client: write buffers are shared, and those
// of net/http are given back as soon as the upgrade is done. Beats and reaping of all clients hang on one heap with one
// timer. The path of a message is one read, one write, one uncontended lock.
//
// # What it models
//
// Handshakes per second: handshakes wait in one queue, first come first served, and leave it at a fixed rate. A
// handshake whose client has gone away in the meantime still costs its slot, since a real server notices only when it
// has done the work. This makes a reconnect storm metastable: once clients give up faster than the queue moves, every
// slot is spent on somebody who has left.
//
// Reaping: as on a real server with read deadlines, a process that was frozen for longer than the reap timeout may reap
// clients whose bytes already wait in its socket buffers.
package server
