//go:build linux || darwin

package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// termGrace is how long a server has between the guardian's SIGTERM and SIGKILL.
const termGrace = 500 * time.Millisecond

// ward is a process that the guardian answers for.
type ward struct {
	pid     int
	handle  *os.Process // a pidfd where the kernel has them
	start   uint64      // the identity of pid, see identity
	own     bool        // started by flatline: a whole process group that goes with it
	stopped bool
}

// guardianMain answers lines on in until it closes, then puts everything right. The lines are
//
//	own PID           a child with a process group of its own
//	stopped PID START about to be stopped; START is its identity for one that is not ours, 0 for one that is
//	continued PID     was continued
//	released PID      has ended
func guardianMain(in io.Reader, out io.Writer) int {
	// SIGPIPE too: the answer to a flatline that has just died must not end us.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	os.Chdir("/") // hold no mount
	wards := map[int]*ward{}
	fmt.Fprintln(out, "ok")
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := obey(wards, lines.Text()); err != nil {
			fmt.Fprintln(out, "error", err)
		} else {
			fmt.Fprintln(out, "ok")
		}
	}
	rescue(wards)
	return 0
}

func obey(wards map[int]*ward, line string) error {
	var verb string
	var pid int
	var start uint64
	if _, err := fmt.Sscan(line, &verb, &pid); err != nil || pid <= 1 {
		return fmt.Errorf("%q makes no sense", line)
	}
	fmt.Sscan(line, &verb, &pid, &start)
	w := wards[pid]
	switch {
	case verb == "own" && w == nil:
		w, err := newWard(pid, 0)
		if err != nil {
			return err
		}
		if group, err := syscall.Getpgid(pid); err != nil || group != pid {
			w.handle.Release()
			return fmt.Errorf("process %d does not lead a process group", pid)
		}
		w.own = true
		wards[pid] = w
	case verb == "stopped" && w != nil:
		w.stopped = true
	case verb == "stopped":
		w, err := newWard(pid, start)
		if err != nil {
			return err
		}
		w.stopped = true
		wards[pid] = w
	case verb == "continued" && w != nil:
		w.stopped = false
		if !w.own {
			w.handle.Release()
			delete(wards, pid)
		}
	case verb == "released" && w != nil:
		w.handle.Release()
		delete(wards, pid)
	default:
		return fmt.Errorf("%q makes no sense now", line)
	}
	return nil
}

func newWard(pid int, start uint64) (*ward, error) {
	handle, err := os.FindProcess(pid)
	if err != nil {
		return nil, err
	}
	is, err := identity(pid)
	if err == nil && start != 0 && start != is {
		err = fmt.Errorf("process %d is another one now", pid)
	}
	if err != nil {
		handle.Release()
		return nil, err
	}
	return &ward{pid: pid, handle: handle, start: is}, nil
}

// rescue continues what is stopped and ends what flatline started.
func rescue(wards map[int]*ward) {
	own := false
	for _, w := range wards {
		if w.stopped || w.own {
			w.signal(syscall.SIGCONT)
		}
		own = own || w.own
	}
	if !own {
		return
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, termGrace}, {syscall.SIGKILL, patience}} {
		for _, w := range wards {
			if w.own {
				w.signal(step.signal)
			}
		}
		for end := time.Now().Add(step.wait); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			left := false
			for _, w := range wards {
				left = left || w.own && len(members(w.pid)) > 0
			}
			if !left {
				return
			}
		}
	}
}

// signal reaches the ward, or what is left of its group, and nobody who has inherited its number.
func (w *ward) signal(sig syscall.Signal) {
	is, err := identity(w.pid)
	same := err == nil && is == w.start
	switch {
	case !w.own && same:
		w.handle.Signal(sig)
	case w.own && same:
		syscall.Kill(-w.pid, sig)
	case w.own && err != nil:
		// The first process is gone. While one of its group lives, the number cannot be a new process's, so that nobody
		// having it means that the group's members are still ours.
		for _, pid := range members(w.pid) {
			if p, err := os.FindProcess(pid); err == nil {
				if now, err := syscall.Getpgid(pid); err == nil && now == w.pid {
					p.Signal(sig)
				}
				p.Release()
			}
		}
	}
}
