package session

import (
	"errors"
	"time"
)

// Message is one that was published.
type Message struct {
	Pos  uint32 // in the order of the store, from 1; 0: not stored yet. It grows, with gaps where others' messages lie
	From int32  // number of the publishing client; ServerItself
	Seq  uint32 // number of the message, from 1 for each publisher
	Sent int64  // when it was due, in microseconds of the publisher's clock
	To   string // "-" (nobody), the number of a client, or "#" and the name of a room
	Pad  string // filler
}

// ServerItself is the publisher of a server's own messages.
const ServerItself int32 = -1

// Store keeps messages in one order. Its methods may be called from any goroutine.
type Store interface {
	// Put stores m. It may return before that is done; done is called once, from any goroutine and possibly before Put
	// returns, with nil when m is stored for good, or was already (within Options.Dedup), and otherwise with the reason
	// for which nobody knows whether it is. done must not block.
	Put(m *Message, done func(error))
	// After returns the stored messages to one of the destinations with positions above pos, in order, at most max of
	// them. What Options.Retain has let go is not among them, nor what another server stored and this one has not heard yet.
	After(to []string, pos uint32, max int) ([]Message, error)
	// Seen is a number up to which all messages of the publisher are known to be stored; it may be too low, never too high.
	Seen(from int32) (uint32, error)
	// Last is a position behind which everything lies that is put from now on: at most that of the newest message, and that
	// where this server knows of it. 0: nothing was stored.
	Last() (uint32, error)
	// Current is false while what is heard lies behind what is stored: the server was away, and catches up.
	Current() bool
	// Follow calls heard with every message that is stored from now on, by whichever server, once and in order. It must not
	// block. There is one follower; it is set once.
	Follow(heard func(*Message)) error
	// Close lets go of everything. Puts that are under way end with an error.
	Close() error
}

// Options of a store.
type Options struct {
	Retain time.Duration // a message is kept so long; 0: DefaultRetain
	Dedup  time.Duration // a message of the same publisher and number is stored only once within so long; 0: every time
}

// DefaultRetain bounds what a store holds: two minutes of 10,000 messages/s are some 240 MB.
const DefaultRetain = 2 * time.Minute

// ErrClosed is the reason when a store is used after Close.
var ErrClosed = errors.New("session: the store is closed")
