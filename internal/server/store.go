package server

import (
	"context"
	"errors"
	"time"

	"github.com/flatline-dev/flatline/internal/session"
)

// storeOpens is how long a store may take to be there: as long as it takes one that a storm has just hit to answer.
const storeOpens = time.Minute

// openStore opens the store that cfg names.
func openStore(ctx context.Context, cfg *Config, now func() time.Duration) (session.Store, error) {
	o := session.Options{Retain: cfg.Retain, Dedup: cfg.Dedup}
	if cfg.Store != StoreJetStream {
		return session.NewMemory(o, now), nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeOpens)
	defer cancel()
	return session.OpenJetStream(ctx, cfg.NATS, cfg.Stream, o)
}

// Partition cuts the server off from the store that it shares with others, silently, or ends that. Its clients stay, and
// their heartbeats are answered; what they publish is not stored and so not acknowledged. It is an error for a server that
// shares none.
func (s *Server) Partition(on bool) error {
	if s.office != nil {
		if shared, ok := s.office.store.(interface{ Partition(bool) }); ok {
			shared.Partition(on)
			return nil
		}
	}
	return errors.New("partition: the server shares no store with others\nhint: -delivery -store jetstream")
}
