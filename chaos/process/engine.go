package process

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// RestartPatience is how long a killed server may take to be ready again.
const RestartPatience = 30 * time.Second

// Engine does stall, and kill how process, to server processes. Node i of a fault is the i-th process.
//
// A kill ends a stall of the process that it hits: the restarted server runs.
type Engine struct {
	// OnError is told what happens between Begin and End: a restart that failed, a guardian that is gone. It may be called
	// from any goroutine; set it before the first call of another method.
	OnError func(error)

	procs  []*Process
	ctx    context.Context
	cancel context.CancelFunc
	watch  sync.Once
	lost   chan error

	mu       sync.Mutex
	held     map[int][]hold // by Occurrence.Index
	closed   bool
	restarts sync.WaitGroup
}

// hold is one stop in force.
type hold struct {
	p *Process
	l *life
}

var _ chaos.Engine = (*Engine)(nil)

// New makes an engine for the processes, which stay the caller's: Close does not end them.
func New(p ...*Process) *Engine {
	e := &Engine{procs: p, lost: make(chan error, 1), held: map[int][]hold{}}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e
}

// watchers start late, so that OnError can be set before.
func (e *Engine) watchers() {
	e.watch.Do(func() {
		guards := map[<-chan struct{}]bool{}
		for _, p := range e.procs {
			go func() {
				select {
				case err := <-p.Lost():
					select {
					case e.lost <- err:
					default:
					}
				case <-e.ctx.Done():
				}
			}()
			guards[p.guardLost()] = true
		}
		for gone := range guards {
			go func() {
				select {
				case <-gone:
					e.fail(errGuardianGone)
				case <-e.ctx.Done():
				}
			}()
		}
	})
}

func (e *Engine) fail(err error) {
	if e.OnError != nil {
		e.OnError(err)
	}
}

// Lost yields the reason when a process has ended that no fault had killed.
func (e *Engine) Lost() <-chan error {
	e.watchers()
	return e.lost
}

// Can implements [chaos.Engine].
func (e *Engine) Can(f *chaos.Fault) error {
	if err := chaos.CannotError("process", f); err != nil {
		return err
	}
	if len(e.procs) == 0 {
		return fmt.Errorf("%s: flatline knows no process of the target\nhint: target.serve, target.command or target.pid", f.Kind)
	}
	for _, n := range f.Nodes {
		if n < 0 || n >= len(e.procs) {
			return fmt.Errorf("%s: there is no node %d; nodes are 0 to %d", f.Kind, n, len(e.procs)-1)
		}
	}
	if f.Kind == chaos.Kill {
		for _, p := range e.nodes(f) {
			if !p.Own() {
				return fmt.Errorf("kill how process: flatline did not start process %d and could not start it again\nhint: target.command lets flatline start the server", p.PID())
			}
		}
	}
	return nil
}

func (e *Engine) nodes(f *chaos.Fault) []*Process {
	if f.Nodes == nil {
		return e.procs
	}
	var ps []*Process
	for _, n := range f.Nodes {
		ps = append(ps, e.procs[n])
	}
	return ps
}

// Begin implements [chaos.Engine]. A stall is in force when every process stands still; a kill when every process is
// gone. The restart follows Fault.Restart after that by itself.
func (e *Engine) Begin(f *chaos.Fault, o chaos.Occurrence, _ *chaos.Set) error {
	if err := e.Can(f); err != nil {
		return err
	}
	e.watchers()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return errors.New("the engine is closed")
	}
	nodes := e.nodes(f)
	if f.Kind == chaos.Stall {
		return e.stall(o.Index, nodes)
	}
	return e.kill(nodes, f.Restart)
}

func (e *Engine) stall(occ int, nodes []*Process) error {
	var holds []hold
	for _, p := range nodes {
		l, err := p.stop()
		if err != nil {
			return errors.Join(append([]error{err}, release(holds)...)...)
		}
		holds = append(holds, hold{p, l})
	}
	e.held[occ] = append(e.held[occ], holds...)
	return nil
}

func (e *Engine) kill(nodes []*Process, after time.Duration) error {
	began := time.Now()
	errs := make([]error, len(nodes))
	var killing sync.WaitGroup
	for i, p := range nodes {
		killing.Go(func() { errs[i] = p.Kill() })
	}
	killing.Wait()
	for i, p := range nodes {
		if errs[i] == nil {
			e.restarts.Go(func() { e.restart(p, time.Until(began.Add(after))) })
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) restart(p *Process, after time.Duration) {
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-e.ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(e.ctx, RestartPatience)
	defer cancel()
	if err := p.Restart(ctx); err != nil && e.ctx.Err() == nil {
		e.fail(fmt.Errorf("after a kill: %w", err))
	}
}

// End implements [chaos.Engine]: a stalled process runs again unless another stall holds it.
func (e *Engine) End(_ *chaos.Fault, o chaos.Occurrence, _ *chaos.Set) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	holds := e.held[o.Index]
	delete(e.held, o.Index)
	return errors.Join(release(holds)...)
}

func release(holds []hold) (errs []error) {
	for _, h := range holds {
		if err := h.p.release(h.l); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Wait returns when no restart is pending or ctx is done.
func (e *Engine) Wait(ctx context.Context) error {
	idle := make(chan struct{})
	go func() {
		e.restarts.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close continues everything that is stalled and gives up restarts that are pending; a server whose restart is under
// way is killed.
func (e *Engine) Close() error {
	e.cancel()
	e.mu.Lock()
	e.closed = true
	var errs []error
	for occ, holds := range e.held {
		errs = append(errs, release(holds)...)
		delete(e.held, occ)
	}
	e.mu.Unlock()
	e.restarts.Wait()
	return errors.Join(errs...)
}
