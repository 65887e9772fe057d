package chaos

import (
	"context"
	"fmt"
	"os"
)

// CloseFrameError is what Read returns after a kill by close: the peer's close frame as far as the client is concerned.
// The driver reports it as a close by the peer with Code, 1000 to 4999. It passes through crypto/tls and
// gorilla/websocket unchanged; find it with errors.As.
type CloseFrameError struct {
	Code int
}

func (e *CloseFrameError) Error() string {
	return fmt.Sprintf("closed by the peer with code %d", e.Code)
}

// DialTimeout is the error of a connection attempt that met silence, under every name that callers look for.
type DialTimeout struct{}

func (DialTimeout) Error() string { return "i/o timeout" }

// Timeout is true, as of any net.Error for which waiting longer might have helped.
func (DialTimeout) Timeout() bool { return true }

// Temporary is true.
func (DialTimeout) Temporary() bool { return true }

// Is makes it the deadline error of package os and of package context.
func (DialTimeout) Is(target error) bool {
	return target == os.ErrDeadlineExceeded || target == context.DeadlineExceeded
}

// BeginError is nil when the named engine may begin o: it is not closed, o is not in force already, and every victim is one
// of its clients. The caller holds the lock under which closed and inForce are true.
func BeginError(engine string, o Occurrence, victims *Set, clients int, closed, inForce bool) error {
	if closed {
		return fmt.Errorf("engine %s: begin %s: the engine is closed", engine, o.Name)
	}
	if inForce {
		return fmt.Errorf("engine %s: begin %s: occurrence %d is in force already", engine, o.Name, o.Index)
	}
	for i := range victims.All {
		if i >= clients {
			return fmt.Errorf("engine %s: begin %s: client %d of %d", engine, o.Name, i, clients)
		}
	}
	return nil
}
