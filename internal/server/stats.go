package server

import (
	"runtime"
	"sync/atomic"
)

// Why a connection that TCP had accepted never became a client.
type rejection int

const (
	noRequest  rejection = iota // closed, or timed out, or spoke garbage before a whole request had come
	badRequest                  // a request, but no WebSocket handshake: 400
	backlog                     // too many handshakes waiting: 503
	maxClients                  // too many clients: 503
	abandoned                   // the client had gone when its slot came
	closing                     // the server was shutting down: 503
	rejections
)

var rejectionNames = [rejections]string{"no_request", "bad_request", "backlog", "max_clients", "abandoned", "closing"}

// Why a client's connection ended. The first cause wins.
type cause int32

const (
	alive      cause = iota
	closeFrame       // the client sent a close frame
	eof              // the client closed TCP without one
	reset            // the client reset TCP
	reaped           // silent for Config.Reap
	drained          // a drain's close frame was sent
	tooBig           // a message over Config.MaxMessage: 1009
	protocol         // a frame that RFC 6455 forbids: 1002
	writeError       // an answer could not be written
	readError        // any other failure to read
	shutdown         // the server ended
	causes
)

var causeNames = [causes]string{"", "close_frame", "eof", "reset", "reaped", "drained", "too_big", "protocol", "write_error", "read_error", "shutdown"}

// Stats is what the server has done since it started. Every event is counted exactly once; counters that move together
// may differ by events that are under way while the snapshot is taken. At rest,
// Accepted = Pending + sum(Rejected) + Handshakes and Handshakes = Open + sum(Closed).
type Stats struct {
	UptimeSeconds float64           `json:"uptime_seconds"`
	Accepted      uint64            `json:"accepted"`   // TCP connections
	Pending       int               `json:"pending"`    // of them, still before their handshake's end
	Queued        int               `json:"queued"`     // of those, waiting for a slot
	Handshakes    uint64            `json:"handshakes"` // completed
	Rejected      map[string]uint64 `json:"rejected"`   // no_request, bad_request, backlog, max_clients, abandoned, closing
	Open          int               `json:"open"`
	MessagesIn    uint64            `json:"messages_in"` // complete text and binary messages
	MessagesOut   uint64            `json:"messages_out"`
	PingsIn       uint64            `json:"pings_in"`
	PingsOut      uint64            `json:"pings_out"`
	PongsIn       uint64            `json:"pongs_in"`
	PongsOut      uint64            `json:"pongs_out"`
	Beats         uint64            `json:"beats"` // beats written, of either frame
	Reaped        uint64            `json:"reaped"`
	Closed        map[string]uint64 `json:"closed"` // close_frame, eof, reset, reaped, drained, too_big, protocol, write_error, read_error, shutdown
	Drains        uint64            `json:"drains"` // requests
	Goroutines    int               `json:"goroutines"`
	Delivery      *DeliveryStats    `json:"delivery,omitempty"` // nil: the server does not deliver
}

// DeliveryStats counts messages. Each is counted as often as it happened: what came twice was published twice.
type DeliveryStats struct {
	Published uint64 `json:"published"` // came in
	Stored    uint64 `json:"stored"`
	Acked     uint64 `json:"acked"`     // acknowledgements written
	Delivered uint64 `json:"delivered"` // written to a client
	Replayed  uint64 `json:"replayed"`  // of those, read from the store because the client had missed them
	Overflows uint64 `json:"overflows"` // times that a client was too slow for its inbox
	Lies      uint64 `json:"lies"`      // Config.DropAcked, Duplicate and Reorder
}

type counters struct {
	accepted, handshakes                 atomic.Uint64
	open                                 atomic.Int64 // includes places reserved by a handshake under way
	messagesIn, messagesOut              atomic.Uint64
	pingsIn, pingsOut, pongsIn, pongsOut atomic.Uint64
	beats, drains                        atomic.Uint64
	rejected                             [rejections]atomic.Uint64
	closed                               [causes]atomic.Uint64
}

// Stats takes a snapshot of the server's counts.
func (s *Server) Stats() Stats {
	n := &s.n
	out := Stats{
		UptimeSeconds: s.now().Seconds(),
		Rejected:      make(map[string]uint64, rejections),
		Closed:        make(map[string]uint64, causes),
		Pending:       s.pending.len(),
		Queued:        s.queue.len(),
		MessagesIn:    n.messagesIn.Load(),
		MessagesOut:   n.messagesOut.Load(),
		PingsIn:       n.pingsIn.Load(),
		PingsOut:      n.pingsOut.Load(),
		PongsIn:       n.pongsIn.Load(),
		PongsOut:      n.pongsOut.Load(),
		Beats:         n.beats.Load(),
		Drains:        n.drains.Load(),
		Goroutines:    runtime.NumGoroutine(),
	}
	if s.office != nil {
		d := &s.office.n
		out.Delivery = &DeliveryStats{Published: d.published.Load(), Stored: d.stored.Load(), Acked: d.acked.Load(), Delivered: d.delivered.Load(),
			Replayed: d.replayed.Load(), Overflows: d.overflows.Load(), Lies: d.lies.Load()}
	}
	var closed uint64
	for i := alive + 1; i < causes; i++ {
		v := n.closed[i].Load()
		out.Closed[causeNames[i]] = v
		closed += v
	}
	out.Reaped = out.Closed[causeNames[reaped]]
	out.Handshakes = n.handshakes.Load()
	out.Open = int(out.Handshakes - closed)
	for i := range rejections {
		out.Rejected[rejectionNames[i]] = n.rejected[i].Load()
	}
	out.Accepted = n.accepted.Load()
	return out
}
