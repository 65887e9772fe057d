// Package fleet drives heartbeat machines over real sockets: one machine, one lock and one goroutine (the reader) per
// connected client, one goroutine for all timers.
//
// The way of one event: a frame arrives or a timer is due, the client's lock is taken, its machine steps, and what the
// machine says is carried out (dial, send, close) and noted in the recorder, before the lock is released. So the events
// of one client reach the recorder in the order in which they happened.
//
// The seam between machine and socket is link: dial, send, bye and close on one side, client.step with what happened on
// the other. Another transport has to bring no more than that.
package fleet
