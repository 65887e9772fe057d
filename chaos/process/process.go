//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// stopPatience bounds how long a process may take to stand still. A thread in an uninterruptible system call stops when
// that ends.
const stopPatience = 2 * time.Second

// closeGrace is how long Close waits after SIGTERM before SIGKILL.
const closeGrace = time.Second

// Process is a target: a command that flatline started, through all its restarts, or a process that it was given. Its
// methods may be called from any goroutine.
type Process struct {
	spec   Spec
	guard  *guardian
	lost   chan error    // capacity 1: it ended and nobody had asked it to
	closed chan struct{} // closed by Close

	starting sync.Mutex // one Restart at a time

	listening listening

	mu    sync.Mutex
	life  *life
	ready string        // the line of the first start
	spent time.Duration // CPU time of the lives before
}

// Start starts a command and waits until it is ready, ends, or ctx is done, in which case it is killed. Cancelling ctx
// later does nothing; the caller calls Close.
func Start(ctx context.Context, spec Spec) (*Process, error) {
	g, err := sharedGuardian()
	if err != nil {
		return nil, err
	}
	return startWith(ctx, g, spec)
}

func startWith(ctx context.Context, g *guardian, spec Spec) (*Process, error) {
	p := &Process{spec: spec, guard: g, lost: make(chan error, 1), closed: make(chan struct{})}
	if err := p.launch(ctx, spec.Args); err != nil {
		return nil, err
	}
	return p, nil
}

// Attach takes a process that runs already. It can be stopped, continued and killed, alone and without its children,
// but not restarted; Close leaves it running.
func Attach(pid int) (*Process, error) {
	g, err := sharedGuardian()
	if err != nil {
		return nil, err
	}
	return attachWith(g, pid)
}

func attachWith(g *guardian, pid int) (*Process, error) {
	fail := func(err error) (*Process, error) { return nil, fmt.Errorf("attach to process %d: %w", pid, err) }
	switch {
	case pid <= 0:
		return fail(errors.New("not a process number"))
	case pid == 1:
		return fail(errors.New("stopping it would stop the whole system"))
	case pid == os.Getpid() || pid == g.pid:
		return fail(errors.New("that is flatline itself"))
	}
	handle, err := os.FindProcess(pid)
	if err != nil {
		return fail(err)
	}
	start, err := identity(pid)
	if err == nil {
		err = handle.Signal(syscall.Signal(0))
	}
	switch {
	case errors.Is(err, syscall.EPERM):
		err = errors.New("no permission to signal it\nhint: run flatline as the user who owns it")
	case err != nil || ended(pid):
		err = errors.New("there is no such process")
	}
	if err != nil {
		handle.Release()
		return fail(err)
	}
	p := &Process{guard: g, lost: make(chan error, 1), closed: make(chan struct{})}
	p.life = &life{pid: pid, handle: handle, start: start, done: make(chan struct{})}
	go p.watch(p.life)
	return p, nil
}

// launch begins a life and waits until it is ready.
func (p *Process) launch(ctx context.Context, args []string) error {
	fail := func(err error) error {
		name := "the target"
		if len(args) > 0 {
			name = args[0]
		}
		return fmt.Errorf("start %s: %w", name, err)
	}
	s, err := newStreams(&p.spec)
	if err != nil {
		return fail(err)
	}
	child, err := startGated(&p.spec, args, s.stdin, s.stdout, s.stderr)
	s.started()
	if err != nil {
		s.close()
		return fail(err)
	}
	l := &life{pid: child.cmd.Process.Pid, own: true, done: make(chan struct{})}
	p.mu.Lock()
	select {
	case <-p.closed:
		err = ErrNotRunning
	default:
		err = p.guard.ask("own %d", l.pid)
	}
	if err != nil {
		p.mu.Unlock()
		child.shut()
		child.cmd.Wait()
		s.close()
		return fail(err)
	}
	l.asked = true // until it is ready, its end is this function's to report
	p.life = l
	p.mu.Unlock()
	go p.bury(l, child.cmd, s.copyUntilEnd())

	if err := child.open(); err != nil {
		p.end(l, syscall.SIGKILL)
		return fail(err)
	}
	line := ""
	if p.spec.Ready != nil {
		select {
		case line = <-s.ready:
		case <-l.done:
			return fail(fmt.Errorf("it ended before it was ready: %w", l.outcome()))
		case <-ctx.Done():
			p.end(l, syscall.SIGKILL)
			return fail(fmt.Errorf("it was not ready in time: %w", context.Cause(ctx)))
		}
	}
	p.mu.Lock()
	over := l.ended
	if !over {
		l.asked = false
		if p.ready == "" {
			p.ready = line
		}
	}
	p.mu.Unlock()
	if over {
		<-l.done
		return fail(fmt.Errorf("it ended at once: %w", l.outcome()))
	}
	return nil
}

// PID is the number of the present or, between two lives, the last process.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life.pid
}

// Own reports whether flatline started the process, so that it can be restarted.
func (p *Process) Own() bool { return p.spec.Args != nil }

// Stop freezes the process and returns when all of it stands still. Stops nest: it runs again when each has had its
// Continue. A stop ends with the process; the next life runs.
func (p *Process) Stop() error {
	_, err := p.stop()
	return err
}

func (p *Process) stop() (*life, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.life
	fail := func(err error) (*life, error) { return nil, fmt.Errorf("stop process %d: %w", l.pid, err) }
	if l.ended {
		return fail(ErrNotRunning)
	}
	if l.stops > 0 {
		l.stops++
		return l, nil
	}
	if err := p.guard.ask("stopped %d %d", l.pid, l.start); err != nil { // undo before do
		return fail(err)
	}
	err := l.signal(syscall.SIGSTOP)
	for end := time.Now().Add(stopPatience); err == nil && !l.stopped(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			err = fmt.Errorf("it does not stand still %v after SIGSTOP", stopPatience)
		}
	}
	if err == nil && ended(l.pid) {
		err = ErrNotRunning
	}
	if err != nil {
		l.signal(syscall.SIGCONT)
		p.guard.ask("continued %d", l.pid)
		return fail(err)
	}
	l.stops = 1
	return l, nil
}

// Continue takes back one Stop. Without one it does nothing.
func (p *Process) Continue() error {
	p.mu.Lock()
	l := p.life
	p.mu.Unlock()
	return p.release(l)
}

// release takes back one stop of the life l, which may be over.
func (p *Process) release(l *life) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.ended || l.stops == 0 {
		return nil
	}
	if l.stops--; l.stops > 0 {
		return nil
	}
	if err := l.signal(syscall.SIGCONT); err != nil && !errors.Is(err, ErrNotRunning) {
		return fmt.Errorf("continue process %d: %w", l.pid, err)
	}
	p.guard.ask("continued %d", l.pid) // without an answer it continues it once more at the end: harmless
	return nil
}

// Kill ends the process (its whole group if it is ours) with SIGKILL, stopped or not, and returns when it is gone.
func (p *Process) Kill() error {
	p.mu.Lock()
	l := p.life
	p.mu.Unlock()
	if err := p.end(l, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill process %d: %w", l.pid, err)
	}
	return nil
}

func (p *Process) end(l *life, sig syscall.Signal) error {
	wait := patience
	p.mu.Lock()
	l.asked = l.asked || !l.ended
	if !l.ended && l.own {
		if cpu, ok := spent(l.pid); ok {
			l.cpu = max(l.cpu, cpu)
		}
	}
	err := l.signal(sig)
	if sig != syscall.SIGKILL {
		wait = closeGrace
		l.signal(syscall.SIGCONT)
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-l.done:
		return nil
	case <-time.After(wait):
		return fmt.Errorf("it still lives %v after the signal", wait)
	}
}

// Restart starts the command again, after a Kill if it still runs, and returns when it is ready, or an error as Start
// does.
func (p *Process) Restart(ctx context.Context) error {
	if !p.Own() {
		return fmt.Errorf("restart process %d: flatline did not start it and does not know its command", p.PID())
	}
	p.starting.Lock()
	defer p.starting.Unlock()
	if err := p.Kill(); err != nil && !errors.Is(err, ErrNotRunning) {
		return err
	}
	p.mu.Lock()
	args, done := p.spec.Args, p.life.done
	if p.spec.RestartArgs != nil {
		args = p.spec.RestartArgs(p.ready)
	}
	p.mu.Unlock()
	select { // it may have ended by itself a moment ago
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	return p.launch(ctx, args)
}

// Wait returns when the present life has ended, with how: nil for exit status 0 and for a process that is not ours.
func (p *Process) Wait(ctx context.Context) error {
	p.mu.Lock()
	l := p.life
	p.mu.Unlock()
	select {
	case <-l.done:
		return l.how
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Lost yields the reason when the process has ended although nobody asked it to.
func (p *Process) Lost() <-chan error { return p.lost }

func (p *Process) report(err error) {
	select {
	case p.lost <- err:
	default:
	}
}

// Close ends a process that flatline started (SIGTERM, SIGKILL a second later) and returns when it is gone; one that it
// was given is only continued.
func (p *Process) Close() error {
	p.mu.Lock()
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	l := p.life
	for l.stops > 1 {
		l.stops--
	}
	p.mu.Unlock()
	if err := p.release(l); err != nil {
		return err
	}
	if !l.own {
		return nil
	}
	err := p.end(l, syscall.SIGTERM)
	if err != nil && !errors.Is(err, ErrNotRunning) {
		err = p.end(l, syscall.SIGKILL)
	}
	if err != nil && !errors.Is(err, ErrNotRunning) {
		return fmt.Errorf("end process %d: %w", l.pid, err)
	}
	<-l.done
	return nil
}

func (p *Process) guardLost() <-chan struct{} { return p.guard.lost }
