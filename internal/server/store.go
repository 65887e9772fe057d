package server

import (
	"context"
	"errors"
	"time"

	"github.com/flatline-dev/flatline/internal/session"
)

// openStore opens the store that cfg names.
func openStore(_ context.Context, cfg *Config, now func() time.Duration) (session.Store, error) {
	o := session.Options{Retain: cfg.Retain, Dedup: cfg.Dedup}
	if cfg.Store == StoreJetStream {
		return nil, errors.New("store jetstream is not there yet")
	}
	return session.NewMemory(o, now), nil
}
