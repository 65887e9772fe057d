package session

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// JetStream is a Store that any number of servers share: one stream of NATS JetStream in the memory of a NATS server.
//
// A message to TO by FROM is stored under the subject NAME.TO.FROM, and its position is its sequence in the stream. The
// stream publishes what it stored again under live.NAME.TO.FROM with that sequence (RePublish), which every server follows
// with one subscription. Each keeps what it has heard, for as long as messages are retained, and answers from that: the
// stream itself would search all messages for those of one client. Sequences have no gaps, so what was not heard is known,
// and read from the stream in bulk, before anything behind it counts as heard.
type JetStream struct {
	o     Options
	name  string
	nc    *nats.Conn
	link  *link
	inbox string // prefix of the subjects to which acknowledgements come
	began time.Time
	live  chan *nats.Msg
	back  chan struct{} // the connection was lost and is there again, or messages were dropped

	mu     sync.Mutex
	known  index
	last   uint32 // all up to it are known, or gone
	top    uint32 // the highest that is known to exist
	heard  func(*Message)
	puts   map[string]*put
	order  []*put // in the order of their deadlines; those that are answered stay until then
	next   uint64
	closed bool
	done   chan struct{}
	ended  sync.WaitGroup

	current atomic.Bool
}

type put struct {
	token string
	by    time.Time
	done  func(error) // nil: answered
}

var _ Store = (*JetStream)(nil)

const (
	putPatience = 5 * time.Second // for the acknowledgement of a message
	maxPuts     = 1 << 15         // messages without one; further ones end with ErrBusy
	liveSize    = 1 << 16         // messages that wait to be heard; further ones are read from the stream
	bulk        = 20_000          // messages read at a time: with each request the stream counts all that it has
	linkTimeout = 2 * time.Second // for a connection to the NATS server; pings go out as often
)

// ErrBusy is the reason when too many messages wait for their acknowledgement.
var ErrBusy = errors.New("session: too many messages wait for the store")

var errNoAnswer = errors.New("session: the store did not answer in time")

// OpenJetStream connects to the NATS server at url and makes the stream of that name if it is not there yet; all who name
// the same one share it. What was stored before becomes known from then on, 20,000 messages at a time. Once open, a store whose connection is lost connects again for as long as it takes.
func OpenJetStream(ctx context.Context, url, name string, o Options) (*JetStream, error) {
	if o.Retain == 0 {
		o.Retain = DefaultRetain
	}
	s := &JetStream{o: o, name: name, link: newLink(), puts: map[string]*put{}, done: make(chan struct{}), began: time.Now(), known: newIndex(),
		live: make(chan *nats.Msg, liveSize), back: make(chan struct{}, 1)}
	fail := func(err error) (*JetStream, error) {
		if s.nc != nil {
			s.nc.Close()
		}
		return nil, fmt.Errorf("open the stream %s at %s: %w", name, url, err)
	}
	var err error
	s.nc, err = nats.Connect(url, nats.Name("flatline"), nats.SetCustomDialer(s.link), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond), nats.ReconnectBufSize(-1), nats.PingInterval(linkTimeout), nats.MaxPingsOutstanding(2), nats.Timeout(linkTimeout),
		nats.ReconnectHandler(func(*nats.Conn) { s.missed() }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if sub != nil && errors.Is(err, nats.ErrSlowConsumer) {
				s.missed()
			}
		}))
	if err != nil {
		return fail(err)
	}
	js, err := jetstream.New(s.nc)
	if err != nil {
		return fail(err)
	}
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{name + ".*.*"}, Storage: jetstream.MemoryStorage, MaxAge: o.Retain, Duplicates: max(o.Dedup, 100*time.Millisecond),
		Discard: jetstream.DiscardOld, AllowDirect: true, RePublish: &jetstream.RePublish{Source: name + ".>", Destination: "live." + name + ".>"},
	})
	if err != nil {
		return fail(err)
	}
	s.heardOf(stream.CachedInfo().State.LastSeq)
	s.inbox = nats.NewInbox() + "."
	if _, err := s.nc.Subscribe(s.inbox+"*", s.answered); err != nil {
		return fail(err)
	}
	if _, err := s.nc.ChanSubscribe(s.livePrefix()+">", s.live); err != nil {
		return fail(err)
	}
	if err := s.nc.FlushTimeout(putPatience); err != nil {
		return fail(err)
	}
	s.ended.Go(s.giveUp)
	s.ended.Go(s.listen)
	return s, nil
}

func (s *JetStream) livePrefix() string { return "live." + s.name + "." }

// DeleteStream removes the stream of that name from the NATS server at url.
func DeleteStream(ctx context.Context, url, name string) error {
	nc, err := nats.Connect(url, nats.Name("flatline"), nats.Timeout(linkTimeout))
	if err != nil {
		return fmt.Errorf("delete the stream %s: %w", name, err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err == nil {
		err = js.DeleteStream(ctx, name)
	}
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("delete the stream %s: %w", name, err)
	}
	return nil
}

// token writes a destination as a part of a subject: no dots, no wildcards.
func token(to string) string {
	if room, ok := strings.CutPrefix(to, "#"); ok {
		return "r" + base64.RawURLEncoding.EncodeToString([]byte(room))
	}
	return to
}

// destination is the inverse of token.
func destination(token string) (string, bool) {
	if room, ok := strings.CutPrefix(token, "r"); ok {
		name, err := base64.RawURLEncoding.DecodeString(room)
		return "#" + string(name), err == nil
	}
	return token, token != ""
}

func publisher(from int32) string {
	if from == ServerItself {
		return "s"
	}
	return strconv.Itoa(int(from))
}

// encode writes what the subject does not say: SEQ SENT PAD.
func encode(m *Message) []byte {
	b := make([]byte, 0, 32+len(m.Pad))
	b = append(strconv.AppendUint(b, uint64(m.Seq), 10), ' ')
	b = append(strconv.AppendInt(b, m.Sent, 10), ' ')
	return append(b, m.Pad...)
}

// decode is the inverse of encode, with the subject behind the stream's name.
func decode(subject string, data []byte, m *Message) bool {
	to, from, _ := strings.Cut(subject, ".")
	var ok bool
	if m.To, ok = destination(to); !ok {
		return false
	}
	m.From = ServerItself
	if from != "s" {
		n, err := strconv.ParseInt(from, 10, 32)
		if err != nil || n < 0 {
			return false
		}
		m.From = int32(n)
	}
	f := bytes.SplitN(data, []byte{' '}, 3)
	if len(f) != 3 {
		return false
	}
	seq, err1 := strconv.ParseUint(string(f[0]), 10, 32)
	sent, err2 := strconv.ParseInt(string(f[1]), 10, 64)
	m.Seq, m.Sent, m.Pad = uint32(seq), sent, string(f[2])
	return err1 == nil && err2 == nil
}

// Put implements Store. It never blocks; a message beyond maxPuts ends with ErrBusy.
func (s *JetStream) Put(m *Message, done func(error)) {
	p := &put{by: time.Now().Add(putPatience), done: done}
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		done(ErrClosed)
		return
	case len(s.puts) >= maxPuts:
		s.mu.Unlock()
		done(ErrBusy)
		return
	}
	s.next++
	p.token = strconv.FormatUint(s.next, 36)
	s.puts[p.token] = p
	s.order = append(s.order, p)
	s.mu.Unlock()

	msg := &nats.Msg{Subject: s.name + "." + token(m.To) + "." + publisher(m.From), Reply: s.inbox + p.token, Data: encode(m)}
	if s.o.Dedup > 0 && m.From != ServerItself {
		msg.Header = nats.Header{nats.MsgIdHdr: {publisher(m.From) + "." + strconv.FormatUint(uint64(m.Seq), 10)}}
	}
	if err := s.nc.PublishMsg(msg); err != nil {
		s.finish(p.token, err)
	}
}

// finish tells whoever put it how a message fared.
func (s *JetStream) finish(token string, err error) {
	s.mu.Lock()
	p := s.puts[token]
	delete(s.puts, token)
	var done func(error)
	if p != nil {
		done, p.done = p.done, nil
	}
	s.mu.Unlock()
	if done != nil {
		done(err)
	}
}

// answered takes an acknowledgement.
func (s *JetStream) answered(m *nats.Msg) {
	var ack struct {
		Seq   uint64
		Error *struct {
			Code        int
			Description string
		}
	}
	err := json.Unmarshal(m.Data, &ack)
	switch {
	case m.Header.Get("Status") != "": // 503: nobody there to store it
		err = fmt.Errorf("session: the store is not there (%s)", m.Header.Get("Status"))
	case err != nil:
		err = fmt.Errorf("session: an acknowledgement that is none: %w", err)
	case ack.Error != nil:
		err = fmt.Errorf("session: not stored: %s", ack.Error.Description)
	case ack.Seq == 0:
		err = errors.New("session: an acknowledgement without a position")
	}
	s.heardOf(ack.Seq)
	s.finish(strings.TrimPrefix(m.Subject, s.inbox), err)
}

// giveUp ends what was not acknowledged in time.
func (s *JetStream) giveUp() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
		}
		now := time.Now()
		var late []string
		s.mu.Lock()
		n := 0
		for ; n < len(s.order) && (s.order[n].done == nil || now.After(s.order[n].by)); n++ {
			if s.order[n].done != nil {
				late = append(late, s.order[n].token)
			}
		}
		s.order = s.order[n:]
		s.mu.Unlock()
		for _, t := range late {
			s.finish(t, errNoAnswer)
		}
	}
}

// missed says that something may not have been heard.
func (s *JetStream) missed() {
	select {
	case s.back <- struct{}{}:
	default:
	}
}

// listen keeps what is stored, in order and without a gap.
func (s *JetStream) listen() {
	s.whole() // what was stored before
	for {
		select {
		case <-s.done:
			return
		case <-s.back:
			s.whole()
		case msg := <-s.live:
			pos, err := strconv.ParseUint(msg.Header.Get(jetstream.SequenceHeader), 10, 32)
			if err != nil {
				continue
			}
			if uint32(pos) > s.last+1 { // only this goroutine moves last on
				s.whole()
			}
			if uint32(pos) == s.last+1 {
				s.note(strings.TrimPrefix(msg.Subject, s.livePrefix()), uint32(pos), msg.Data)
			}
		}
	}
}

// whole reads what was not heard, for as long as it takes.
func (s *JetStream) whole() {
	s.current.Store(false)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), putPatience)
		err := s.catchUp(ctx)
		cancel()
		if err == nil {
			s.current.Store(true)
			return
		}
		select {
		case <-s.done:
			return
		case <-time.After(linkTimeout / 10):
		}
	}
}

// note takes the message at pos, behind which everything is known.
func (s *JetStream) note(subject string, pos uint32, data []byte) {
	m := Message{Pos: pos}
	ok := decode(subject, data, &m)
	s.mu.Lock()
	s.last = pos
	if ok {
		s.known.add(m, time.Since(s.began), s.o.Retain)
	}
	heard := s.heard
	s.mu.Unlock()
	if ok && heard != nil {
		heard(&m)
	}
}

// catchUp reads the stream from behind last to its end, the next part while one is noted. What the stream has let go is gone.
func (s *JetStream) catchUp(ctx context.Context) error {
	type part struct {
		msgs []stored
		err  error
	}
	from := func(pos uint32) chan part {
		out := make(chan part, 1)
		go func() {
			msgs, err := s.read(ctx, pos)
			out <- part{msgs, err}
		}()
		return out
	}
	for next := from(s.last + 1); ; {
		p := <-next
		if p.err != nil {
			return fmt.Errorf("session: read the stream: %w", p.err)
		}
		more := len(p.msgs) == bulk
		if more {
			next = from(p.msgs[bulk-1].pos + 1)
		}
		for i := range p.msgs {
			if m := &p.msgs[i]; m.pos > s.last {
				s.note(m.subject, m.pos, m.data)
			}
		}
		if !more {
			return nil
		}
	}
}

// stored is a message as the stream has it.
type stored struct {
	pos     uint32
	subject string // behind the stream's name
	data    []byte
}

// read asks for up to bulk messages from pos on.
func (s *JetStream) read(ctx context.Context, pos uint32) (out []stored, err error) {
	inbox := nats.NewInbox()
	sub, err := s.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe()
	request := fmt.Appendf(nil, `{"seq": %d, "batch": %d}`, pos, bulk)
	if err := s.nc.PublishRequest("$JS.API.DIRECT.GET."+s.name, inbox, request); err != nil {
		return nil, err
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204", "404": // no more, or none
			return out, nil
		default:
			return nil, fmt.Errorf("%s %s", status, m.Header.Get("Description"))
		}
		at, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("a message without a position, or the 2^32nd: %w", err)
		}
		out = append(out, stored{uint32(at), strings.TrimPrefix(m.Header.Get(jetstream.SubjectHeader), s.name+"."), m.Data})
	}
}

// Last implements Store.
func (s *JetStream) Last() (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	return max(s.last, s.top), nil
}

// Current implements Store.
func (s *JetStream) Current() bool { return s.current.Load() }

// heardOf notes that a position exists.
func (s *JetStream) heardOf(pos uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.top = max(s.top, uint32(min(pos, math.MaxUint32)))
}

// Follow implements Store. Whatever was not heard in time comes late, and in order.
func (s *JetStream) Follow(heard func(*Message)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.heard = heard
	return nil
}

// After implements Store.
func (s *JetStream) After(to []string, pos uint32, max int) ([]Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.known.forget(time.Since(s.began), s.o.Retain)
	return s.known.after(to, pos, max), nil
}

// Seen implements Store.
func (s *JetStream) Seen(from int32) (uint32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	return s.known.seen(from), nil
}

// Partition cuts the store off from its NATS server, silently and both ways, or ends that. Bytes that are on their way
// then arrive late, as those of TCP do.
func (s *JetStream) Partition(on bool) { s.link.partition(on) }

// Close implements Store.
func (s *JetStream) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.done)
	s.heard = nil
	var waiting []string
	for t := range s.puts {
		waiting = append(waiting, t)
	}
	s.mu.Unlock()
	s.link.partition(false)
	s.nc.Close()
	s.ended.Wait()
	for _, t := range waiting {
		s.finish(t, ErrClosed)
	}
	return nil
}
