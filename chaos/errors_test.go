package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
)

// TestErrors: a dial that met silence is a timeout under each of its names, also inside what a dialer wraps around it, and
// a forged close frame is found with its code.
func TestErrors(t *testing.T) {
	err := fmt.Errorf("connect: %w", &net.OpError{Op: "dial", Net: "tcp", Err: DialTimeout{}})
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("%v is not a deadline error, or is too much of one", err)
	}
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("%v is no timeout", err)
	}
	var frame *CloseFrameError
	if err := fmt.Errorf("read: %w", &CloseFrameError{Code: 1012}); !errors.As(err, &frame) || frame.Code != 1012 {
		t.Errorf("%v does not give its code back", err)
	}
}

// TestBeginError: an engine begins an occurrence once, while it lives, and for its own clients.
func TestBeginError(t *testing.T) {
	var two Set
	two.Add(0)
	two.Add(2)
	o := Occurrence{Name: "hole"}
	for _, tt := range []struct {
		clients         int
		closed, inForce bool
		ok              bool
	}{{3, false, false, true}, {2, false, false, false}, {3, true, false, false}, {3, false, true, false}} {
		if err := BeginError("stream", o, &two, tt.clients, tt.closed, tt.inForce); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
