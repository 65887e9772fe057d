//go:build linux || darwin

package process

import (
	"errors"
	"os"
)

// Usage is what the target uses, its whole process group if flatline started it, else the one process that was given.
// CPU is that of all lives so far; while nothing runs it is all that is not zero. Listeners and Netns are of Linux, the
// former only for a target in flatline's own network namespace. On systems other than Linux it returns an error.
func (p *Process) Usage() (Use, error) {
	p.mu.Lock()
	l := p.life
	var u Use
	var pids []int
	if !l.ended {
		var ok bool
		if u, pids, ok = use(l.pid, l.own); ok {
			// A child's share falls out of the sum between its end and its parent's wait.
			l.cpu = max(l.cpu, u.CPU)
		} else if !l.own || !usageVisible {
			p.mu.Unlock()
			return Use{}, errInvisible
		}
	} else if usageVisible {
		u.Threads, u.FDs = new(int), new(int)
	}
	u.CPU = p.spent + l.cpu
	p.mu.Unlock()
	// Not under the lock: a stall must not wait for it.
	if len(pids) > 0 {
		u.Listeners = p.listening.of(pids)
		u.Netns = netns(pids) // behind them: what a listener dropped, its namespace has counted
	}
	return u, nil
}

// OwnUsage is what this very process uses: CPU, RSS, Threads and FDs of Use. On systems other than Linux it returns an
// error.
func OwnUsage() (Use, error) {
	u, _, ok := use(os.Getpid(), false)
	if !ok {
		return Use{}, errInvisible
	}
	return u, nil
}

// errInvisible is Usage's error where there is nothing to see.
var errInvisible = errors.New("not visible on this system")
