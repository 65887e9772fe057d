//go:build !linux && !darwin

package process

import (
	"context"
	"errors"
)

var (
	errUnsupported  = errors.New("flatline cannot start, stop or kill processes on this system\nhint: run flatline on Linux or macOS, or point target.url at a running server")
	errGuardianGone = errUnsupported
)

// Process cannot exist on this system.
type Process struct{}

type life struct{}

// IsGuardian is false: there are no guardians on this system.
func IsGuardian() bool { return false }

// GuardianMain does nothing on this system.
func GuardianMain() {}

// Start returns an error on this system.
func Start(context.Context, Spec) (*Process, error) { return nil, errUnsupported }

// Attach returns an error on this system.
func Attach(int) (*Process, error) { return nil, errUnsupported }

// PID is 0 on this system.
func (p *Process) PID() int { return 0 }

// Own is false on this system.
func (p *Process) Own() bool { return false }

// Stop returns an error on this system.
func (p *Process) Stop() error { return errUnsupported }

// Continue returns an error on this system.
func (p *Process) Continue() error { return errUnsupported }

// Kill returns an error on this system.
func (p *Process) Kill() error { return errUnsupported }

// Restart returns an error on this system.
func (p *Process) Restart(context.Context) error { return errUnsupported }

// Wait returns an error on this system.
func (p *Process) Wait(context.Context) error { return errUnsupported }

// Usage returns an error on this system.
func (p *Process) Usage() (Use, error) { return Use{}, errUnsupported }

// OwnUsage returns an error on this system.
func OwnUsage() (Use, error) { return Use{}, errUnsupported }

// Lost never yields anything on this system.
func (p *Process) Lost() <-chan error { return nil }

// Close does nothing on this system.
func (p *Process) Close() error { return nil }

func (p *Process) stop() (*life, error)       { return nil, errUnsupported }
func (p *Process) release(*life) error        { return errUnsupported }
func (p *Process) guardLost() <-chan struct{} { return nil }
