package heartbeat

import "time"

// Who says which side starts the heartbeat.
type Who uint8

const (
	Nobody Who = iota // no heartbeat: only the transport can tell that the peer is gone
	Client            // the client beats and awaits a reply
	Server            // the server beats and the client awaits the beat
	Both              // either side beats by itself and no beat has a reply: the client awaits the server's
)

// Frame is a kind of WebSocket frame (RFC 6455, section 5.6).
type Frame uint8

const (
	Text Frame = iota
	Binary
	Ping
	Pong
	CloseFrame
)

// After says what arms the client's next beat.
type After uint8

const (
	// AfterMessage: only a received message (and the open) arms the next beat, as one setTimeout re-armed in onmessage
	// does. A beat that goes unanswered is the last one.
	AfterMessage After = iota
	// AfterEither: a received message or the client's own beat, whichever came last.
	AfterEither
	// AfterBeat: the client's own beat, a fixed tick that traffic does not move (setInterval).
	AfterBeat
	// AfterReply: only the matching reply (and the open).
	AfterReply
)

// Liveness says which received frames prove that the peer lives.
type Liveness uint8

const (
	// Any received text or binary message; ping and pong frames too where the beat itself is a control frame (a browser
	// page never sees control frames).
	Any Liveness = iota
	// Reply: only the frame that Beat.Match recognises.
	Reply
)

// Message is one frame to send.
type Message struct {
	Frame   Frame
	Payload []byte
}

// Beat is the heartbeat of one connection.
type Beat struct {
	By       Who
	Frame    Frame         // Text, Binary or Ping: what the client sends, or what the server's beat is
	Payload  []byte        // By == Client or Both: what the client sends; may hold RefWord once
	Ref      bool          // Payload holds RefWord: each beat carries its number, and Match may ask for it
	Interval time.Duration // between beats; > 0 unless By == Nobody
	After    After         // By == Client or Both: what arms the next beat
	AtOpen   bool          // By == Client or Both: the first beat leaves at once when the connection opens
	First    float64       // first beat after Interval x (1 - First x U[0,1)); 0 none, 1 anywhere in the interval
	Jitter   float64       // each later beat after Interval x (1 +- Jitter), in [0, 1)
	Match    Pattern       // the frame from the server that is the other half: the reply, or the server's beat
	Answer   *Message      // By == Server or Both: what the client answers to a beat (control frames answer themselves)
}

// Opening is what must happen before a connection counts as open.
type Opening struct {
	Timeout time.Duration // from the dial until open, TCP, TLS, upgrade and Steps included; 0: none
	Steps   []Step        // after the WebSocket upgrade, in order
}

// Step is one step of the opening exchange: send Send if it is set, then wait for Await if it is set.
type Step struct {
	Send  *Message
	Await *Pattern
}

// ReplyRule is what the client answers to a text or binary message of the server.
type ReplyRule struct {
	To   Pattern
	With Message
}

// Close is what the client does with a connection that it has declared dead.
type Close struct {
	Frame bool          // send a close frame; false: abandon the socket at once
	Code  uint16        // status code of the close frame; 0: a frame without status (as ws.close() sends)
	Wait  time.Duration // how long to wait for the peer's close before the client counts as closed and may reconnect
}

// ReconnectKind is the family of a back-off.
type ReconnectKind uint8

const (
	Never       ReconnectKind = iota // the first loss is the last
	Fixed                            // always Delay
	List                             // Delays in turn, then the last of them for ever
	Exponential                      // Delay x Factor^n, n = 0 for the first attempt
	Linear                           // Delay x (n+1)
)

// Jitter is how randomness spreads a back-off delay d. Full, equal and decorrelated are those of Marc Brooker,
// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
type Jitter uint8

const (
	NoJitter     Jitter = iota
	Full                // U[0, d)
	Equal               // d/2 + U[0, d/2)
	Decorrelated        // min(Cap, U[Delay, 3 x previous)); the previous delay starts at Delay
	Ratio               // d x (1 +- JitterRatio)
	Spread              // d x U[Spread[0]) x U[Spread[1]) ...: a factor from each band in turn
	Once                // d x U[Spread[0]), the factor drawn once in a client's life
	Backo2              // d x (1 -+ JitterRatio x U), the sign from the same U: the npm package backo2
)

// CapOn says what [Reconnect.Cap] bounds.
type CapOn uint8

const (
	CapDelay    CapOn = iota // the delay before the jitter: clients at the cap stay spread
	CapJittered              // the delay after the jitter: clients at the cap meet there
	CapBoth                  // either
)

// Span is a range of durations to draw from; From == To is a fixed one.
type Span struct{ From, To time.Duration }

// Band is a range of factors to draw from.
type Band struct{ From, To float64 }

// CodeRange is an inclusive range of close codes.
type CodeRange struct{ From, To uint16 }

// Reconnect is the reconnect policy.
type Reconnect struct {
	Kind        ReconnectKind
	Delay       time.Duration // Fixed: the delay; Exponential, Linear: the base
	Delays      []time.Duration
	Factor      float64       // Exponential; >= 1
	Cap         time.Duration // 0: none
	CapOn       CapOn         // what Cap bounds
	Jitter      Jitter
	JitterRatio float64 // Jitter == Ratio or Backo2; in [0, 1]
	Spread      []Band  // Jitter == Spread or Once
	Plus        Span    // drawn from and added after the jitter, at every attempt but one that First or After... rules
	First       *Span   // the first attempt comes after this; the policy counts from the second. nil: the policy rules
	// AfterLoss rules the attempt that follows the loss of an open connection, and AfterTimeout the one that follows when
	// the client itself has found the peer silent. For the rest of the policy such an attempt does not count.
	AfterLoss    *Span
	AfterTimeout *Span
	MaxAttempts  int           // reconnects since the back-off started over; after the last the client gives up; 0: no limit
	ResetAfter   time.Duration // the back-off starts over once a connection stayed open this long; 0: as it opens
	StopCodes    []CodeRange   // close codes from the peer that end reconnecting
	Lock         bool          // forbids two reconnects at once; see [Machine] for what its absence does
}

// Config is one client's tuning. It is read-only once a Machine uses it; thousands of machines share one.
type Config struct {
	Beat     Beat
	Liveness Liveness
	// A client that beats is dead when Timeout has passed after the Misses-th beat in a row that found no proof of life.
	// A client that awaits the server's beat is dead when Misses x Interval + Timeout passed since the last proof.
	// Misses == 0: there is no rule; silence is never noticed.
	Timeout time.Duration
	Misses  int
	// Silence > 0 takes the place of Timeout and Misses: the peer is dead once nothing has proved it alive for Silence,
	// whatever beats are out. With Check the client looks only then, at ticks a Check apart, the first of them after a
	// random part of one: the timer of a page runs since long before the connection.
	Silence   time.Duration
	Check     Span
	Opening   Opening
	Close     Close
	Reconnect Reconnect
	// Replies are what the client says to messages of the server beside its heartbeat, on an open connection; the first that
	// fits. A reply is no beat: nobody times it.
	Replies []ReplyRule
	// Notice recognises the server's goodbye. The client then leaves by itself, with cause Notice, and heeds what groups of
	// the expression ask for, see [Hints]. nil: none.
	Notice *Pattern
}
