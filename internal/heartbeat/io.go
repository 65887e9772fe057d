package heartbeat

import "time"

// Cause says how a connection was found dead or why an attempt failed.
type Cause uint8

const (
	NoCause    Cause = iota
	Timeout          // the detector's own deadline, or the opening deadline of an attempt
	Reset            // RST
	EOF              // FIN without a close frame
	PeerClose        // close frame from the peer
	WriteError       // a write failed
	Notice           // the server's goodbye message
	Refused          // an attempt met RST on its SYN
	Rejected         // an attempt met an HTTP answer that is no upgrade
	TLSError         // an attempt failed in the TLS handshake
	TooBig           // the peer sent a frame over the read limit
	Protocol         // the peer broke RFC 6455
	LocalError       // this machine could not try: no descriptor, no port
	NumCauses
)

var causeNames = [NumCauses]string{"none", "timeout", "reset", "eof", "close frame", "write error", "notice",
	"refused", "rejected", "tls", "too big", "protocol", "local error"}

func (c Cause) String() string {
	if c < NumCauses {
		return causeNames[c]
	}
	return "unknown"
}

// ParseCause is the inverse of Cause.String.
func ParseCause(s string) (Cause, bool) {
	for i, n := range causeNames {
		if n == s {
			return Cause(i), true
		}
	}
	return 0, false
}

// State of a machine. Suspect is open with a beat that waits for its proof.
type State uint8

const (
	Idle State = iota
	Connecting
	Open
	Suspect
	Closing // declared dead, waiting for the peer's half of the close handshake
	Backoff
	Stopped
	NumStates
)

var stateNames = [NumStates]string{"idle", "connecting", "open", "suspect", "closing", "backoff", "stopped"}

func (s State) String() string {
	if s < NumStates {
		return stateNames[s]
	}
	return "unknown"
}

// InputKind is what happened to the client.
type InputKind uint8

const (
	Start     InputKind = iota // begin: dial
	Connected                  // the WebSocket upgrade of Epoch succeeded
	Failed                     // the attempt Epoch failed, for Cause
	Received                   // a frame arrived on Epoch: Frame, Data
	Closed                     // the connection Epoch ended: Cause Reset, EOF, PeerClose (with Code), TooBig or Protocol
	WriteFail                  // a write on Epoch failed
	Deadline                   // Machine.Deadline was reached (or not: a spurious wake-up is harmless)
	Suspend                    // the device falls asleep: no timer fires
	Resume                     // the device wakes: overdue timers fire now
	Stop                       // the end: say goodbye, never reconnect
	NumInputs
)

// Input is one event for a Machine.
type Input struct {
	Kind  InputKind
	Frame Frame
	Cause Cause
	Code  uint16
	Epoch uint32 // which connection; ignored by Start, Deadline, Suspend, Resume and Stop
	Data  []byte // valid only during Step
	// Deadline, from a driver with coarse timers: the tick to which it had put off the machine's deadline. A beat is due
	// then, so that the driver's resolution is no part of a round trip, and its lateness after the tick is. 0: the
	// machine's own deadline.
	Tick time.Duration
}

// OutputKind says what the driver has to do, or what it should record.
type OutputKind uint8

const (
	// Commands: the driver carries them out.

	Dial    OutputKind = iota // open connection Epoch
	Send                      // write Frame with Payload on Epoch; Beat says whether it is a heartbeat, due at Due
	SendBye                   // write a close frame with Code on Epoch, then stay until the peer closes or Abandon follows
	Abandon                   // drop connection (or attempt) Epoch: close the socket now

	// Notes: the driver passes them to the recorder.

	Opened        // Epoch is open; without a lock it may be an older connection than the newest
	Dead          // Epoch was declared dead: Cause, LastHeard
	AttemptFailed // attempt Epoch failed: Cause
	Waiting       // back-off of Dur before attempt N
	Replied       // the beat that was due at Due has its reply; Dur is the round trip from Due
	Unanswered    // N beats will never get a reply (the connection is gone)
	GaveUp        // no further reconnect: Cause of the last loss; N attempts were made
	Doubled       // attempt Epoch leaves beside a connection or attempt that is still alive: the client has no reconnect lock

	// Notes of a client with traffic.

	Published // message Seq, due at Due, is about to be sent, for the N-th time
	Acked     // message Seq of this client is acknowledged; Due: when it was due, None if it waited no longer
	Delivered // message Seq of client From, due at Due by what it says, has arrived
	Dropped   // the same arrived, and is known already: EffectivelyOnce
	NumOutputs
)

var outputNames = [NumOutputs]string{"dial", "send", "send-bye", "abandon", "opened", "dead", "attempt-failed",
	"waiting", "replied", "unanswered", "gave-up", "doubled",
	"published", "acked", "delivered", "dropped"}

func (k OutputKind) String() string {
	if k < NumOutputs {
		return outputNames[k]
	}
	return "unknown"
}

// Output is one command or note of a Machine.
type Output struct {
	Kind      OutputKind
	Frame     Frame
	Cause     Cause
	Beat      bool
	Code      uint16
	Epoch     uint32
	N         int
	Payload   []byte        // shared and read-only
	Ref       uint32        // Send: the beat's number, for AppendRef; 0: Payload is sent as it is
	Due       time.Duration // when the beat was due, since the start of the run; after a sleep, when the device woke
	Dur       time.Duration
	Seq       uint32        // Published, Acked, Delivered, Dropped: number of the message, from 1 for each publishing client
	From      int32         // Delivered, Dropped: the client that published it; ServerItself for the server's own
	LastHeard time.Duration // Dead: when the last frame that proves life arrived (or the open), since the start of the run
}
