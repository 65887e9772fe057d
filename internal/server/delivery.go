package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flatline-dev/flatline/internal/session"
)

// Stores that a delivering server can keep its messages in.
const (
	StoreMemory    = "memory"
	StoreJetStream = "jetstream"
)

// office is what a server that delivers keeps for all clients: the store, who follows which destination, and its own log
// of what it stored and in what it lied.
type office struct {
	cfg   *Config
	store session.Store
	log   io.Writer // nil: none
	file  *os.File
	n     deliveries

	mu        sync.Mutex
	followers map[string][]*mailbox // by destination
}

// deliveries count what became of messages.
type deliveries struct {
	published, stored, acked, delivered, replayed, overflows, lies atomic.Uint64
}

// newOffice opens the store that cfg names.
func newOffice(ctx context.Context, cfg *Config, now func() time.Duration) (*office, error) {
	o := &office{cfg: cfg, followers: map[string][]*mailbox{}, log: cfg.LogTo}
	var err error
	if o.store, err = openStore(ctx, cfg, now); err != nil {
		return nil, err
	}
	if cfg.Log != "" {
		// A node that was killed goes on in the same file; every line is one write, so that a kill cuts none.
		if o.file, err = os.OpenFile(cfg.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
			return nil, errors.Join(fmt.Errorf("log of deliveries: %w", err), o.store.Close())
		}
		o.log = o.file
	}
	if err := o.store.Follow(o.heard); err != nil {
		return nil, errors.Join(err, o.close())
	}
	return o, nil
}

func (o *office) close() error {
	err := o.store.Close()
	if o.file != nil {
		err = errors.Join(err, o.file.Close())
	}
	return err
}

// note writes one line to the log.
func (o *office) note(format string, args ...any) {
	if o.log != nil {
		_, _ = o.log.Write(fmt.Appendf(nil, format+"\n", args...)) // a full disk must not end what is measured
	}
}

// publish stores a message that came from addr. said is called once, from any goroutine and possibly at once: with nil when
// the message is stored, or when the server lies about that, and otherwise with why nobody knows whether it is.
func (o *office) publish(m *session.Message, addr string, said func(error)) {
	n, cfg := &o.n, o.cfg
	n.published.Add(1)
	if lie(cfg.DropAcked, lieDrop, m.From, m.Seq) {
		n.lies.Add(1)
		o.note("dropped %d %d %s", m.From, m.Seq, m.To)
		said(nil)
		return
	}
	o.store.Put(m, func(err error) {
		if err == nil {
			n.stored.Add(1)
			o.note("stored %d %d %s %s", m.From, m.Seq, m.To, addr)
		}
		said(err)
	})
	if lie(cfg.Duplicate, lieDuplicate, m.From, m.Seq) {
		o.store.Put(m, func(err error) {
			if err == nil {
				n.lies.Add(1)
				o.note("duplicated %d %d %s", m.From, m.Seq, m.To)
			}
		})
	}
}

// largestPublish bounds what one request may publish, in bytes: the frames of clients have the same limit.
const largestPublish = 1 << 20

// Publish stores one message, as a pub frame of docs/delivery.md says it, for the service behind the server: it reaches
// clients who did not ask for it. from is noted in the log. It returns once the message is stored, with the
// acknowledgement; errBadPublish when text is no such frame, another error when nobody knows whether it is stored.
func (s *Server) Publish(ctx context.Context, text []byte, from string) (ack string, err error) {
	if s.office == nil {
		return "", fmt.Errorf("%w: this server does not deliver\nhint: -delivery", errBadPublish)
	}
	word, rest, _ := bytes.Cut(bytes.TrimRight(text, "\r\n"), space)
	m, ok := parsePub(rest)
	if !ok || string(word) != "pub" {
		return "", fmt.Errorf("%w: want pub CLIENT SEQ SENT TO PAD", errBadPublish)
	}
	said := make(chan error, 1)
	s.office.publish(m, from, func(err error) { said <- err })
	select {
	case err := <-said:
		if err != nil {
			return "", fmt.Errorf("publish: %w", err)
		}
	case <-ctx.Done():
		return "", fmt.Errorf("publish: %w", context.Cause(ctx))
	}
	return fmt.Sprintf("ack %d %d", m.From, m.Seq), nil
}

var errBadPublish = errors.New("publish")

// heard puts a stored message before everyone who follows its destination.
func (o *office) heard(m *session.Message) {
	current := o.store.Current()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range o.followers[m.To] {
		b.offer(m, current)
	}
}

func (o *office) follow(to string, b *mailbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.followers[to] = append(o.followers[to], b)
}

func (o *office) unfollow(to []string, b *mailbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range to {
		all := o.followers[t]
		for i := range all {
			if all[i] == b {
				all[i] = all[len(all)-1]
				all[len(all)-1] = nil
				all = all[:len(all)-1]
				break
			}
		}
		if len(all) == 0 {
			delete(o.followers, t)
		} else {
			o.followers[t] = all
		}
	}
}

// lie reports whether the message is one of the share for which the server was told to lie; what salts the draw. The
// same message gives the same answer on every node.
func lie(share float64, what uint64, from int32, seq uint32) bool {
	if share <= 0 {
		return false
	}
	// The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
	x := uint64(uint32(from))<<32 | uint64(seq)
	x += what * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11)/(1<<53) < share
}

const (
	lieDrop = iota + 1
	lieDuplicate
	lieReorder
)
