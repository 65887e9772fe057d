package sim

import (
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// kind says what an event is for.
type kind uint8

const (
	evStart   kind = iota // client: it begins to connect
	evTimer               // client: its machine's deadline
	evMoment              // client: index into the moments; a fault begins or ends
	evSYN                 // conn: the kernel sends a SYN
	evSYNDue              // conn: a SYN has passed the slow part of its way
	evArrived             // conn: the SYN is at the server's host
	evTCP                 // conn: the SYN-ACK is at the client's host
	evFail                // conn: the attempt fails, for the cause in code
	evUp                  // conn: a frame is at the server's host
	evDown                // conn: a frame is at the client's host
	evLane                // conn: a frame has passed the slow part of its way; payload is the direction
	evCut                 // conn: perhaps it was quiet for long enough; payload is the occurrence
	evSlot                // the server's next handshake slot; payload is the process it belongs to
	evBeat                // conn: the server's beat is due
	evReap                // conn: perhaps the server's patience with it has ended
	evLinger              // conn: the server has waited long enough for the client's goodbye
	evBye                 // client: index into the drains; its grace is over
	evRestart             // the server process is up again
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
	code    uint16 // of a close frame
	wire    wire
}

// event is what happens at a moment. It holds no pointer, so that a heap of millions costs the collector nothing.
type event struct {
	at     time.Duration
	seq    uint64
	client int32
	conn   int32
	frame
	kind kind
}

// heap is a 4-ary heap of events ordered by (at, seq): a third fewer cache lines touched than by a binary one.
type heap []event

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

func (h *heap) push(e event) {
	q := append(*h, e)
	i := len(q) - 1
	for i > 0 {
		p := (i - 1) / 4
		if !e.before(&q[p]) {
			break
		}
		q[i] = q[p]
		i = p
	}
	q[i] = e
	*h = q
}

func (h *heap) pop() event {
	q := *h
	top := q[0]
	n := len(q) - 1
	e := q[n]
	q = q[:n]
	i := 0
	for {
		first := 4*i + 1
		if first >= n {
			break
		}
		best := first
		for k := first + 1; k < min(first+4, n); k++ {
			if q[k].before(&q[best]) {
				best = k
			}
		}
		if !q[best].before(&e) {
			break
		}
		q[i] = q[best]
		i = best
	}
	if n > 0 {
		q[i] = e
	}
	*h = q
	return top
}
