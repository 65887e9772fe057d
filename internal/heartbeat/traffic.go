package heartbeat

import (
	"strconv"
	"time"
)

// Mode is what a client promises for the messages that it publishes and receives.
type Mode uint8

const (
	// AtMostOnce: a message leaves when it is due if there is a connection, and is lost otherwise. Nothing is sent again.
	AtMostOnce Mode = iota
	// AtLeastOnce: a message waits until it is acknowledged, and is sent again after a time-out or on a new connection.
	// Whatever arrives twice is delivered twice.
	AtLeastOnce
	// EffectivelyOnce: as AtLeastOnce, and what was delivered already, as far back as Window, is not delivered again.
	EffectivelyOnce
)

// Traffic is what the clients of a group publish and receive beside their heartbeat. It is read-only once a Machine uses
// it; all clients of a group share one.
type Traffic struct {
	Rate    float64 // messages per second and client; 0: the client only receives
	Process ArrivalKind
	Burst   int // messages of a burst
	Sizes   SizeKind
	Size    int // bytes of a message; one that is shorter than its format has no padding
	SizeMax int
	Sigma   float64
	Start   time.Duration // no message is due before, in the time of the run
	Stop    time.Duration // nor from here on

	// FromServer: the service behind the server publishes, through an address that the server has for it, and the client only
	// receives. Rate, Mode, Retransmit and Queue are then that service's, one stream for each client.
	FromServer  bool
	To          string // as Format has it: -, #room; "": the client itself
	Mode        Mode
	Retransmit  time.Duration // send again what was not acknowledged for so long; 0: never by time
	OnReconnect bool          // send again on each new connection what was not acknowledged
	Resume      bool          // tell the position of the last message in the opening
	Window      int           // EffectivelyOnce: how many numbers back a duplicate is known
	Queue       int           // messages that wait for their acknowledgement; one more and the oldest is given up
	GotEvery    int           // send Got after so many deliveries; 0: never
	Join        string        // the room that the client joins; "": none

	Frame Frame // Text or Binary
	// Formats of the frames; nil: there is none. Publish and Message are always there. Without an Ack a message that
	// comes back to its publisher is its own acknowledgement, as an echo is.
	Hello, JoinRoom, Publish, Got *Format // what the client says
	Welcome, Ack, Message         *Format // what the server says
}

// Self reports whether the messages of each client are for itself.
func (t *Traffic) Self() bool { return t.To == "" }

// Destination is whom the messages of client id are for, as {{.To}} says it.
func (t *Traffic) Destination(id int) string {
	if t.Self() {
		return strconv.Itoa(id)
	}
	return t.To
}
