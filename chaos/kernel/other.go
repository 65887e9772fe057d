//go:build !linux

package kernel

import (
	"context"
	"errors"
	"net"
	"runtime"

	"github.com/flatline-dev/flatline/chaos"
)

// Engine exists on Linux only; [New] never returns one here.
type Engine struct{}

var _ chaos.Engine = (*Engine)(nil)

// Available returns an error that says which engine can do without the Linux kernel.
func Available() error {
	return errors.New("engine kernel works on Linux only and this is " + runtime.GOOS + "; hint: " + withoutPrivilege)
}

// New fails as [Available] does.
func New(cfg Config) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return nil, Available()
}

// Can says what the engine could do on Linux.
func (*Engine) Can(f *chaos.Fault) error { return can(f) }

// Begin fails.
func (*Engine) Begin(*chaos.Fault, chaos.Occurrence, *chaos.Set) error { return Available() }

// End fails.
func (*Engine) End(*chaos.Fault, chaos.Occurrence, *chaos.Set) error { return Available() }

// Close does nothing.
func (*Engine) Close() error { return nil }

// Dial fails.
func (*Engine) Dial(context.Context, int, func(context.Context) (net.Conn, error)) (net.Conn, error) {
	return nil, Available()
}

// DialTCP fails.
func (*Engine) DialTCP(context.Context, int, string, string) (net.Conn, error) {
	return nil, Available()
}

// Zombies is 0.
func (*Engine) Zombies() int { return 0 }
