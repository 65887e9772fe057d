package sim

import (
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// kind says what an event is for.
type kind uint8

const (
	evStart    kind = iota // client: it begins to connect
	evTimer                // client: its machine's deadline; there is one at most
	evSYN                  // conn: the kernel sends a SYN
	evSYNDue               // conn: a SYN has passed the slow part of its way
	evArrived              // conn: the SYN is at the server's host
	evTCP                  // conn: the SYN-ACK is at the client's host
	evFail                 // conn: the attempt fails, for the cause in code
	evUp                   // conn: a frame is at the server's host
	evDown                 // conn: a frame is at the client's host
	evLane                 // conn: a frame has passed the slow part of its way; payload is the direction
	evLate                 // conn: a reordered datagram has waited; code is the direction
	evCut                  // conn: perhaps it was quiet for long enough; payload is the occurrence
	evBeat                 // conn: the server's beat is due
	evReap                 // conn: perhaps the server's patience with it has ended
	evDone                 // conn: the server has done the work of a frame
	evPatience             // conn: the server has waited long enough for the upgrade request
	evGoodbye              // conn: the grace of a drain is over
	evLinger               // conn: the server has waited long enough for the client's goodbye

	// Of the server, not of a client.

	evBye     // payload is an index into the drains; its grace is over
	evRestart // the server process is up again
)

// wire is what travels over a connection: a WebSocket frame, or what surrounds the frames.
type wire uint8

const (
	wText         = wire(heartbeat.Text)
	wBinary       = wire(heartbeat.Binary)
	wPing         = wire(heartbeat.Ping)
	wPong         = wire(heartbeat.Pong)
	wClose        = wire(heartbeat.CloseFrame)
	wUpgrade wire = iota // the HTTP request
	wAccept              // HTTP 101
	wReject              // HTTP 503 and the end of the connection
	wFIN
	wRST
)

// frame is one wire unit with its content.
type frame struct {
	payload uint32 // index into the payloads
	ref     uint32 // the number in the payload, if it has one
	code    uint16 // of a close frame
	wire    wire
}

// event is what happens at a moment. It holds no pointer, so that millions cost the collector nothing.
type event struct {
	at   time.Duration
	conn int32 // -1: of the client itself
	frame
	kind kind
}

// queues hold each client's events, ordered by time and at one instant by when they were pushed: a list through one
// array for each client. It has two or three entries, so nothing beats looking through it.
type queues struct {
	nodes []entry
	free  int32 // list of unused nodes; -1: none
}

// entry is an event in a list; next is -1 at the end.
type entry struct {
	event
	next int32
}

// push puts e into the list behind everything that happens no later.
func (q *queues) push(head *int32, e event) {
	i := q.free
	if i >= 0 {
		q.free = q.nodes[i].next
		q.nodes[i].event = e
	} else {
		i = int32(len(q.nodes))
		q.nodes = append(q.nodes, entry{event: e})
	}
	at := head
	for *at >= 0 && q.nodes[*at].at <= e.at {
		at = &q.nodes[*at].next
	}
	q.nodes[i].next = *at
	*at = i
}

// pop takes the first event of the list.
func (q *queues) pop(head *int32) event {
	i := *head
	n := &q.nodes[i]
	*head = n.next
	n.next, q.free = q.free, i
	return n.event
}

// drop takes the list's timer out, if it has one.
func (q *queues) drop(head *int32) {
	for at := head; *at >= 0; at = &q.nodes[*at].next {
		if i := *at; q.nodes[i].kind == evTimer {
			*at = q.nodes[i].next
			q.nodes[i].next, q.free = q.free, i
			return
		}
	}
}
