// Package dialect says how the server of a real client talks: what it sends as a connection opens, what it answers to
// which message, and its own beat. It holds no state and reads no clock, so that the embedded server and the simulated
// one can speak the same dialect.
package dialect

import (
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// Header is the HTTP header of the upgrade request by which a client of flatline tells the embedded server which dialect
// it expects. Other servers have no use for it and do not get it.
const Header = "Flatline-Dialect"

// Dialect is the server's side of a protocol. It is read-only once in use.
type Dialect struct {
	Hello   []heartbeat.Message // sent as the connection opens, in order
	Replies []Reply             // the first whose pattern fits answers; what fits none has no answer
	Beat    *heartbeat.Message  // the server's own beat; nil: it has none
	Every   time.Duration       // between beats, the first one Every after the open; > 0 where Beat is set
}

// Reply is what the server answers to a kind of message. With may be empty: the message is known and has no answer. A
// number that To finds in the message ([heartbeat.RefWord]) stands in With, too.
type Reply struct {
	To   heartbeat.Pattern
	With []heartbeat.Message
}

// Answer finds the reply to a text or binary message, and the number in it; -1: there is none.
func (d *Dialect) Answer(data []byte) (reply int, ref uint32) {
	for i := range d.Replies {
		if ref, ok := d.Replies[i].To.MatchRef(data); ok {
			return i, ref
		}
	}
	return -1, 0
}
