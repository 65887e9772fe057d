package proxy

import (
	"errors"
	"net"

	"github.com/flatline-dev/flatline/chaos/stream"
)

// patient is a stream.Conn whose Write waits while the path takes no more, as a socket's does: what a client sends under a
// blackhole fills its own buffers in the end, and crypto/tls must not see an error that passes.
type patient struct {
	*stream.Conn
	done <-chan struct{} // closed when the proxy ends
}

func (c patient) Write(b []byte) (sent int, err error) {
	for {
		n, err := c.Conn.Write(b[sent:])
		if sent += n; err == nil || !errors.Is(err, stream.ErrOutboxFull) {
			return sent, err
		}
		select {
		case <-c.Room():
		case <-c.done:
			return sent, net.ErrClosed
		}
	}
}
