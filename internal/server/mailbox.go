package server

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/session"
)

const (
	inboxSize  = 256 // messages that wait in memory for a client; beyond it reads them from the store
	replaySize = 100 // messages read from the store at a time
)

// mailbox is one connection's part in the deliveries. Its reader takes what the client publishes; its pump writes
// acknowledgements and deliveries. What the pump has not written when the connection ends is not lost: the store has it.
type mailbox struct {
	c      *client
	o      *office
	wake   chan struct{}
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	id      int32 // -1: the client has not said hello
	resumes bool  // it has told a position; what it misses comes again
	greeted bool  // a hello waits for its welcome
	opening bool  // it begins to follow; nothing is delivered until it is known behind which position
	from    uint32
	to      []string
	inbox   []session.Message
	acks    []ack
	behind  bool // the inbox lacks something: the store tells
	rewind  bool // deliveries start again behind from

	// Of the pump alone.
	sent uint32 // position of the last delivery on this connection
	held *session.Message
	text []byte
}

type ack struct {
	from int32
	seq  uint32
}

func newMailbox(c *client, o *office) *mailbox {
	b := &mailbox{c: c, o: o, id: -1, wake: make(chan struct{}, 1)}
	b.ctx, b.cancel = context.WithCancel(c.s.ctx)
	c.s.pumps.Go(b.pump)
	return b
}

// end lets go of the connection's part.
func (b *mailbox) end() {
	b.cancel()
	b.mu.Lock()
	to := b.to
	b.mu.Unlock()
	b.o.unfollow(to, b)
}

func (b *mailbox) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// offer takes a message that was just stored; where this server is not current, perhaps a while ago and through another
// one, which has delivered it already.
func (b *mailbox) offer(m *session.Message, current bool) {
	b.mu.Lock()
	switch {
	case !current && !b.resumes: // nobody gets anything twice who did not ask for it
	case b.behind: // the store has it
	case len(b.inbox) < inboxSize:
		b.inbox = append(b.inbox, *m)
	case b.resumes:
		b.o.n.overflows.Add(1)
		b.inbox, b.behind = nil, true
	default: // a client that does not resume has no claim to it
		b.o.n.overflows.Add(1)
	}
	b.mu.Unlock()
	b.ring()
}

// takes reports whether data is a frame of the delivery protocol, and takes it if so: see docs/delivery.md. kept is the
// client's mailbox so far.
func (c *client) takes(kind int, data []byte) bool {
	o := c.s.office
	if o == nil || kind != websocket.TextMessage && kind != websocket.BinaryMessage {
		return false
	}
	word, rest, _ := bytes.Cut(data, space)
	switch string(word) {
	case "pub":
		m, ok := parsePub(rest)
		if ok {
			c.mailbox().publish(m)
		}
		return ok
	case "hello":
		who, rest, _ := bytes.Cut(rest, space)
		last, room, rooms := bytes.Cut(rest, space)
		id, ok := number(who, math.MaxInt32)
		pos, resumes := number(last, math.MaxUint32)
		if !ok || !resumes && string(last) != "-" || rooms && !isRoom(room) {
			return false
		}
		c.mailbox().hello(int32(id), uint32(pos), resumes, string(room))
		return true
	case "join":
		if !isRoom(rest) {
			return false
		}
		c.mailbox().join("#" + string(rest))
		return true
	case "got":
		_, ok := number(rest, math.MaxUint32)
		return ok // messages are kept for their time, whoever has them
	}
	return false
}

var space = []byte{' '}

func isRoom(name []byte) bool { return len(name) > 0 && bytes.IndexByte(name, ' ') < 0 }

func (c *client) mailbox() *mailbox {
	if c.box == nil {
		c.box = newMailbox(c, c.s.office)
	}
	return c.box
}

// number reads a decimal number up to most.
func number(data []byte, most uint64) (uint64, bool) {
	if len(data) == 0 || len(data) > 19 {
		return 0, false
	}
	var n uint64
	for _, d := range data {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = 10*n + uint64(d-'0')
	}
	return n, n <= most
}

// parsePub reads CLIENT SEQ SENT TO, and a PAD that may be absent.
func parsePub(data []byte) (*session.Message, bool) {
	var f [5][]byte
	rest, more := data, true
	for i := range 4 {
		if !more {
			return nil, false
		}
		f[i], rest, more = bytes.Cut(rest, space)
	}
	f[4] = rest
	from, ok1 := number(f[0], math.MaxInt32)
	seq, ok2 := number(f[1], math.MaxUint32)
	sent, ok3 := number(f[2], math.MaxInt64)
	to := f[3]
	ok4 := string(to) == "-" || len(to) > 1 && to[0] == '#'
	if !ok4 {
		_, ok4 = number(to, math.MaxInt32)
	}
	if !(ok1 && ok2 && ok3 && ok4) || seq == 0 {
		return nil, false
	}
	return &session.Message{From: int32(from), Seq: uint32(seq), Sent: int64(sent), To: string(to), Pad: string(f[4])}, true
}

// hello begins deliveries behind last, to the client and, where it names one, to a room. The mailbox follows them before it
// reads what was missed: what is stored between the two comes twice to the pump, which delivers it once.
func (b *mailbox) hello(id int32, last uint32, resumes bool, room string) {
	b.open()
	b.follow(strconv.Itoa(int(id)))
	if room != "" {
		b.follow("#" + room)
	}
	if !resumes { // from now on
		last, _ = b.o.store.Last() // the server ends: nothing comes any more
	}
	b.mu.Lock()
	b.id, b.resumes, b.from = id, resumes, last
	b.greeted, b.rewind, b.behind = true, true, resumes
	if resumes {
		b.inbox = nil // the store has it
	}
	b.opening = false
	b.mu.Unlock()
	b.ring()
}

// join adds a room. What it missed of the room is behind the position of its hello, and so is what it may have got
// meanwhile from elsewhere: it comes again. Whoever loses the connection before that has come may resume behind it: a hello
// that names the room leaves nothing to chance.
func (b *mailbox) join(room string) {
	b.open()
	news := b.follow(room)
	b.mu.Lock()
	if news && b.resumes {
		b.inbox, b.behind, b.rewind = nil, true, true
	}
	b.opening = false
	b.mu.Unlock()
	b.ring()
}

// open keeps what is heard from being delivered for now.
func (b *mailbox) open() {
	b.mu.Lock()
	b.opening = true
	b.mu.Unlock()
}

// follow lets the mailbox hear of a destination from now on, and reports whether that is news. Only the reader calls it.
func (b *mailbox) follow(to string) bool {
	b.mu.Lock()
	again := slices.Contains(b.to, to)
	b.mu.Unlock()
	if again {
		return false
	}
	b.o.follow(to, b)
	b.mu.Lock()
	b.to = append(slices.Clip(b.to), to) // the pump may be reading the old one
	b.mu.Unlock()
	return true
}

// publish stores a message and acknowledges it when it is stored, or says so.
func (b *mailbox) publish(m *session.Message) {
	b.o.publish(m, b.c.addr, func(err error) {
		if err == nil { // otherwise nobody knows: the client will send it again, if it wants to
			b.acknowledge(m)
		}
	})
}

func (b *mailbox) acknowledge(m *session.Message) {
	b.mu.Lock()
	b.acks = append(b.acks, ack{m.From, m.Seq})
	b.mu.Unlock()
	b.ring()
}

// pump writes until the connection ends. What it has to say at a time leaves at once.
func (b *mailbox) pump() {
	conn, _ := b.c.ws.NetConn().(*corked)
	if conn == nil {
		conn = &corked{Conn: b.c.ws.NetConn()} // nobody writes through it: nothing is held back
	}
	var acks []ack
	var inbox []session.Message
	for {
		b.mu.Lock()
		greet, behind, rewind, id, from := b.greeted, b.behind, b.rewind, b.id, b.from
		acks, b.acks = b.acks, acks[:0]
		if inbox = inbox[:0]; !b.opening {
			inbox, b.inbox = b.inbox, inbox
		}
		b.greeted, b.behind, b.rewind = false, false, false
		to := b.to
		b.mu.Unlock()

		ok := true
		conn.cork()
		for _, a := range acks {
			ok = ok && b.say(fmt.Appendf(b.text[:0], "ack %d %d", a.from, a.seq), &b.o.n.acked)
		}
		if greet {
			ok = ok && b.welcome(id)
		}
		if rewind {
			b.sent, b.held = from, nil
		}
		if behind {
			ok = ok && b.replay(to)
		}
		for i := range inbox {
			ok = ok && b.deliver(&inbox[i])
		}
		if conn.uncork() != nil {
			ok = b.broken()
		}
		if !ok {
			return
		}
		if b.held != nil {
			select {
			case <-b.wake:
			case <-b.ctx.Done():
				return
			case <-time.After(time.Second): // nothing came that it could have gone behind
				if ok = b.transmit(b.held); !ok {
					return
				}
				b.held = nil
			}
			continue
		}
		select {
		case <-b.wake:
		case <-b.ctx.Done():
			return
		}
	}
}

// welcome tells the client up to where its messages are stored.
func (b *mailbox) welcome(id int32) bool {
	seen, err := b.o.store.Seen(id)
	if err != nil {
		return false // the server ends
	}
	return b.say(fmt.Appendf(b.text[:0], "welcome %d %d", id, seen), nil)
}

// replay delivers what the store has behind the last delivery.
func (b *mailbox) replay(to []string) bool {
	for {
		all, err := b.o.store.After(to, b.sent, replaySize)
		if err != nil {
			return false // the server ends
		}
		b.o.n.replayed.Add(uint64(len(all)))
		for i := range all {
			if !b.deliver(&all[i]) {
				return false
			}
		}
		if len(all) < replaySize {
			return true
		}
	}
}

// deliver writes m, unless it was delivered on this connection already.
func (b *mailbox) deliver(m *session.Message) bool {
	last := b.sent
	if b.held != nil {
		last = max(last, b.held.Pos)
	}
	if m.Pos <= last {
		return true
	}
	if b.held == nil && lie(b.o.cfg.Reorder, lieReorder, m.From, m.Seq) {
		b.held = new(session.Message)
		*b.held = *m
		return true
	}
	held := b.held
	if held == nil {
		return b.transmit(m)
	}
	b.held = nil
	before := b.sent
	b.sent = held.Pos // m names the one that it overtakes as the one before it
	if !b.transmit(m) {
		return false
	}
	top := b.sent
	b.sent = before
	ok := b.transmit(held)
	b.sent = top
	if ok {
		b.o.n.lies.Add(1)
		b.o.note("reordered %d %d %s", held.From, held.Seq, held.To)
	}
	return ok
}

func (b *mailbox) transmit(m *session.Message) bool {
	t := append(b.text[:0], "msg "...)
	t = strconv.AppendUint(t, uint64(m.Pos), 10)
	t = append(t, ' ')
	t = strconv.AppendUint(t, uint64(b.sent), 10)
	t = append(t, ' ')
	if m.From == session.ServerItself {
		t = append(t, 's')
	} else {
		t = strconv.AppendInt(t, int64(m.From), 10)
	}
	t = append(t, ' ')
	t = strconv.AppendUint(t, uint64(m.Seq), 10)
	t = append(t, ' ')
	t = strconv.AppendInt(t, m.Sent, 10)
	if m.Pad != "" {
		t = append(append(t, ' '), m.Pad...)
	}
	b.sent = m.Pos
	return b.say(t, &b.o.n.delivered)
}

// say writes a frame; false: the connection is over, or its end has been decided.
func (b *mailbox) say(text []byte, n interface{ Add(uint64) uint64 }) bool {
	b.text = text
	if b.c.write(websocket.TextMessage, text) != nil {
		return b.broken()
	}
	if cause(b.c.ended.Load()) != alive { // the goodbye is under way
		return false
	}
	if n != nil {
		n.Add(1)
	}
	return true
}

// broken ends a connection that cannot be written to, unless its end has been decided. It returns false.
func (b *mailbox) broken() bool {
	if b.c.end(writeError) == writeError {
		b.c.ws.Close() // the reader accounts for the end
	}
	return false
}
