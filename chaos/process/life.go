//go:build linux || darwin

package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// life is one incarnation of a target: it begins with a start (or an attach) and ends with the process.
type life struct {
	pid    int
	own    bool
	handle *os.Process   // !own
	start  uint64        // !own: identity
	done   chan struct{} // closed when it has ended and, if own, all of its group and output too

	// Guarded by Process.mu.
	ended bool // its number may be another's from here on: no more signals
	asked bool // flatline ended it
	stops int  // how many Stops are in force
	cpu   time.Duration

	how error // how it ended; nil: exit status 0, or unknown; set before done closes
}

func (l *life) signal(sig syscall.Signal) error {
	if l.ended {
		return ErrNotRunning
	}
	var err error
	if l.own {
		err = syscall.Kill(-l.pid, sig)
	} else {
		err = l.handle.Signal(sig)
	}
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, os.ErrProcessDone) {
		return ErrNotRunning
	}
	return err
}

// stopped reports whether all of it stands still.
func (l *life) stopped() bool {
	if !l.own {
		return stopped(l.pid)
	}
	for _, pid := range members(l.pid) {
		if !stopped(pid) {
			return false
		}
	}
	return true
}

// streams are a child's standard files: its ends, and the copying at ours.
type streams struct {
	stdin, stdout, stderr *os.File // the child's ends; nil: /dev/null
	ours                  []*os.File
	lifeline              *os.File
	copying               []func()
	ready                 chan string // gets the line that was Ready's
}

func newStreams(spec *Spec) (*streams, error) {
	s := &streams{ready: make(chan string, 1)}
	var err error
	pipe := func(child **os.File, read func(io.Reader)) {
		var r, w *os.File
		if err != nil {
			return
		}
		if r, w, err = os.Pipe(); err == nil {
			*child = w
			s.ours = append(s.ours, r)
			s.copying = append(s.copying, func() { read(r) })
		}
	}
	if spec.Stdout != nil || spec.Ready != nil {
		pipe(&s.stdout, func(r io.Reader) { s.readOutput(r, spec) })
	}
	if spec.Stderr != nil {
		pipe(&s.stderr, func(r io.Reader) { io.Copy(spec.Stderr, r) })
	}
	if spec.Lifeline && err == nil {
		s.stdin, s.lifeline, err = os.Pipe()
	}
	if err != nil {
		s.started()
		s.close()
		return nil, err
	}
	return s, nil
}

// readOutput passes on what the child prints, and shows its lines to Ready for as long as that wants to see them.
func (s *streams) readOutput(r io.Reader, spec *Spec) {
	out := spec.Stdout
	if out == nil {
		out = io.Discard
	}
	lines := bufio.NewReaderSize(r, 64<<10)
	for ready := spec.Ready; ready != nil; {
		line, err := lines.ReadSlice('\n') // a longer line comes in pieces
		out.Write(line)
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		if text := string(line); ready(text) {
			s.ready <- text
			ready = nil
		}
	}
	if _, err := io.Copy(out, lines); err != nil {
		io.Copy(io.Discard, lines) // the child must not block on a writer that has failed
	}
}

// started closes the child's ends here.
func (s *streams) started() {
	for _, f := range []*os.File{s.stdin, s.stdout, s.stderr} {
		if f != nil {
			f.Close()
		}
	}
}

func (s *streams) close() {
	for _, f := range s.ours {
		f.Close()
	}
	if s.lifeline != nil {
		s.lifeline.Close()
	}
}

// copyUntilEnd starts the copying; the returned function waits for its end, which a process that left the group with
// the pipe in its hand must not delay for long.
func (s *streams) copyUntilEnd() (wait func()) {
	done := make(chan struct{}, len(s.copying))
	for _, c := range s.copying {
		go func() { c(); done <- struct{}{} }()
	}
	return func() {
		late := time.After(time.Second)
		for range s.copying {
			select {
			case <-done:
			case <-late:
			}
		}
		s.close()
	}
}

// bury waits for the child's end, ends the rest of its group, releases it from the guardian and reaps it.
func (p *Process) bury(l *life, cmd *exec.Cmd, output func()) {
	awaitEnd(l.pid)
	if !reapedLast {
		l.how = cmd.Wait()
	}
	p.mu.Lock()
	if cpu, ok := spent(l.pid); ok {
		l.cpu = max(l.cpu, cpu)
	}
	syscall.Kill(-l.pid, syscall.SIGKILL)
	l.ended = true
	p.guard.ask("released %d", l.pid) // a guardian that is gone needs no release
	p.mu.Unlock()
	if reapedLast {
		l.how = cmd.Wait()
	}
	// Its port is free when the rest of the group is gone.
	for end := time.Now().Add(patience); len(members(l.pid)) > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	output()
	p.mu.Lock()
	if s := cmd.ProcessState; s != nil {
		l.cpu = max(l.cpu, s.UserTime()+s.SystemTime())
	}
	p.spent += l.cpu
	l.cpu = 0
	asked := l.asked
	p.mu.Unlock()
	close(l.done)
	if !asked {
		p.report(fmt.Errorf("the target (process %d) ended by itself: %w", l.pid, l.outcome()))
	}
}

// outcome is how it ended, in words.
func (l *life) outcome() error {
	if l.how == nil {
		return errors.New("exit status 0")
	}
	return l.how
}

// watch is bury for a process that is not a child.
func (p *Process) watch(l *life) {
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-p.closed:
			return
		case <-poll.C:
		}
		if is, err := identity(l.pid); err == nil && is == l.start && !ended(l.pid) {
			continue
		}
		p.mu.Lock()
		l.ended = true
		if l.stops > 0 {
			p.guard.ask("continued %d", l.pid)
		}
		asked := l.asked
		p.mu.Unlock()
		close(l.done)
		if !asked {
			p.report(fmt.Errorf("the target (process %d) has ended", l.pid))
		}
		return
	}
}
