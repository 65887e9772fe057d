package heartbeat

import (
	"bytes"
	"regexp"
	"time"
)

// Who says which side starts the heartbeat.
type Who uint8

const (
	Nobody Who = iota // no heartbeat: only the transport can tell that the peer is gone
	Client            // the client beats and awaits a reply
	Server            // the server beats and the client awaits the beat
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

// Pattern recognises a received message. The zero Pattern matches every message.
type Pattern struct {
	Kind PatternKind
	Text []byte
	Re   *regexp.Regexp // Kind == Regexp
}

// PatternKind says how a Pattern compares.
type PatternKind uint8

const (
	Everything PatternKind = iota
	Exact
	Prefix
	Contains
	Regexp
)

// Match reports whether data fits the pattern.
func (p *Pattern) Match(data []byte) bool {
	switch p.Kind {
	case Exact:
		return bytes.Equal(data, p.Text)
	case Prefix:
		return bytes.HasPrefix(data, p.Text)
	case Contains:
		return bytes.Contains(data, p.Text)
	case Regexp:
		return p.Re != nil && p.Re.Match(data)
	}
	return true
}

// Beat is the heartbeat of one connection.
type Beat struct {
	By       Who
	Frame    Frame         // Text, Binary or Ping: what the client sends, or what the server's beat is
	Payload  []byte        // By == Client: what the client sends
	Interval time.Duration // between beats; > 0 unless By == Nobody
	After    After         // By == Client: what arms the next beat
	AtOpen   bool          // By == Client: the first beat leaves at once when the connection opens
	First    float64       // first beat after Interval x (1 - First x U[0,1)); 0 none, 1 anywhere in the interval
	Jitter   float64       // each later beat after Interval x (1 +- Jitter), in [0, 1)
	Match    Pattern       // the frame from the server that is the other half: the reply, or the server's beat
	Answer   *Message      // By == Server: what the client answers to a beat (control frames answer themselves)
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
	Exponential                      // min(Cap, Delay x Factor^n), n = 0 for the first attempt
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
)

// CodeRange is an inclusive range of close codes.
type CodeRange struct{ From, To uint16 }

// Reconnect is the reconnect policy.
type Reconnect struct {
	Kind        ReconnectKind
	Delay       time.Duration // Fixed: the delay; Exponential: the base
	Delays      []time.Duration
	Factor      float64       // Exponential; >= 1
	Cap         time.Duration // 0: none; applied before the jitter
	Jitter      Jitter
	JitterRatio float64       // Jitter == Ratio; in [0, 1]
	MaxAttempts int           // reconnects since the back-off started over; after the last the client gives up; 0: no limit
	ResetAfter  time.Duration // the back-off starts over once a connection stayed open this long; 0: as it opens
	StopCodes   []CodeRange   // close codes from the peer that end reconnecting
	Lock        bool          // forbids two reconnects at once; see [Machine] for what its absence does
}

// Config is one client's tuning. It is read-only once a Machine uses it; thousands of machines share one.
type Config struct {
	Beat     Beat
	Liveness Liveness
	// A client that beats is dead when Timeout has passed after the Misses-th beat in a row that found no proof of life.
	// A client that awaits the server's beat is dead when Misses x Interval + Timeout passed since the last proof.
	// Misses == 0: there is no rule; silence is never noticed.
	Timeout   time.Duration
	Misses    int
	Opening   Opening
	Close     Close
	Reconnect Reconnect
	// Notice recognises the server's goodbye. The client then leaves by itself, with cause Notice. nil: none.
	Notice *Pattern
}

// Bounds returns the closed-form range of the detection latency of a silent, lossless path with round-trip time rtt:
// every death falls in (lo, hi]. ok is false when silence is never detected.
//
// With interval I, timeout T and m misses a path of round-trip time r that dies at a uniformly random moment of the
// client's cycle is noticed after a time uniform on
//
//	((m-1)I + T - r, mI + T]      where a received message arms the next beat (r < I if the client's own beat does, too),
//	((m-1)I + T - r, mI + T - r]  where the beat is a fixed tick: the reply does not move the tick that goes unanswered
//	                              (r modulo I instead of r where any message proves life),
//	((m-1)I + T, mI + T]          where the server beats.
//
// What Bounds returns holds for every round trip up to rtt, so it does not take r off the upper end. The jitter of each
// beat widens both ends. A client whose round trip reaches (m-1)I + T declares a healthy peer dead.
func (c *Config) Bounds(rtt time.Duration) (lo, hi time.Duration, ok bool) {
	if c.Beat.By == Nobody || c.Misses <= 0 || c.Beat.Interval <= 0 {
		return 0, 0, false
	}
	m, i, j := c.Misses, c.Beat.Interval, c.Beat.Jitter
	timeout := max(c.Timeout, 0)
	if c.Beat.By == Server {
		return after(times(i, m-1), timeout), after(times(i, m), timeout), true
	}
	if m > 1 && (c.Beat.After == AfterMessage || c.Beat.After == AfterReply) {
		return 0, 0, false // an unanswered beat is the last one, so the count never reaches m
	}
	lo = after(scale(times(i, m-1), 1-j), timeout) - rtt
	hi = after(scale(times(i, m), 1+j), timeout)
	return max(lo, 0), hi, true
}
