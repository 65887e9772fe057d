package session

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Broker is a NATS server with JetStream on loopback, for the servers of one run to share.
type Broker struct {
	s   *server.Server
	dir string
}

// StartBroker starts one that listens on the port; 0 takes a free one. It returns when it takes connections.
func StartBroker(port int) (*Broker, error) {
	dir, err := os.MkdirTemp("", "flatline-jetstream-")
	if err != nil {
		return nil, fmt.Errorf("start the NATS server: %w", err)
	}
	b := &Broker{dir: dir}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	b.s, err = server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true, DisableShortFirstPing: true,
		MaxPending: 256 << 20, JetStreamMaxMemory: 8 << 30, JetStreamMaxStore: 1 << 30,
	})
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start the NATS server: %w", err)
	}
	b.s.Start()
	if !b.s.ReadyForConnections(10 * time.Second) {
		return nil, errors.Join(errors.New("start the NATS server: it takes no connections after 10 s"), b.Close())
	}
	return b, nil
}

// URL is where clients reach it.
func (b *Broker) URL() string { return b.s.ClientURL() }

// Close ends it and removes its directory.
func (b *Broker) Close() error {
	b.s.Shutdown()
	b.s.WaitForShutdown()
	return os.RemoveAll(b.dir)
}
