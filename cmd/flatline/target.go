package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/flatline-dev/flatline/chaos/process"
	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/scenario"
)

// target is the server under test, as far as flatline can see it.
type target struct {
	url     string
	proc    *process.Process // nil: it is only a URL
	control string           // control API of the embedded server
	log     *tail            // the last lines that it wrote
}

// startTarget brings up the target of the plan, or attaches to it, and waits until it takes a WebSocket connection.
func startTarget(ctx context.Context, plan *scenario.Plan) (*target, error) {
	t := &target{url: plan.Target.URL, log: &tail{}}
	ctx, cancel := context.WithTimeout(ctx, plan.Target.Ready)
	defer cancel()
	var err error
	switch spec := &plan.Target; {
	case spec.Serve != nil:
		return t, t.serve(ctx, spec.Serve)
	case len(spec.Command) > 0:
		if err := taken(ctx, spec.URL); err != nil {
			return nil, err
		}
		t.proc, err = process.Start(ctx, process.Spec{Args: spec.Command, Stdout: t.log, Stderr: t.log})
	case spec.PID != 0:
		t.proc, err = process.Attach(spec.PID)
	}
	if err != nil {
		if text := t.log.String(); text != "" {
			err = hint(err, lastWords+text)
		}
		return nil, err
	}
	if err := t.await(ctx, plan); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

const lastWords = "its last words:\n"

// await waits until a target that flatline started takes a connection or has ended; any other is meant to be there.
func (t *target) await(ctx context.Context, plan *scenario.Plan) error {
	if len(plan.Target.Command) == 0 {
		err := probe(ctx, plan, 0)
		if h := (*hinted)(nil); err != nil && !errors.As(err, &h) {
			err = hint(err, "start the target first, or let flatline start it: target.command, or target.serve for the embedded server")
		}
		return err
	}
	alive, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		how := t.proc.Wait(alive)
		if alive.Err() == nil {
			name := quote(plan.Target.Command[0])
			if how != nil {
				stop(fmt.Errorf("%s ended before it took a connection: %w", name, how))
				return
			}
			stop(hint(fmt.Errorf("%s ended before it took a connection: exit status 0", name), "target.command has to stay in the foreground"))
		}
	}()
	err := probe(alive, plan, plan.Target.Ready)
	switch text := t.log.String(); {
	case err == nil:
		return nil
	case ctx.Err() == nil && alive.Err() != nil:
		err = context.Cause(alive)
		fallthrough
	default:
		if text != "" {
			return hint(err, lastWords+text)
		}
	}
	if h := (*hinted)(nil); !errors.As(err, &h) {
		err = hint(err, "is target.url where the command listens? target.ready gives it longer than "+plan.Target.Ready.String())
	}
	return err
}

// serve starts the embedded server in a process of its own, of this same binary.
func (t *target) serve(ctx context.Context, s *scenario.Serve) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find flatline's own binary: %w", err)
	}
	args := append([]string{self}, serveArgs(s)...)
	var info server.Info
	t.proc, err = process.Start(ctx, process.Spec{
		Args:   args,
		Stderr: t.log,
		Ready: func(line string) bool {
			info, err = parseReady(line)
			return true
		},
		// After a kill it comes back where its clients look for it.
		RestartArgs: func(string) []string { return append(args, "--listen="+info.Addr, "--control="+info.Control) },
	})
	if err != nil {
		if text := t.log.String(); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		return fmt.Errorf("start the embedded server: %w", err)
	}
	t.url = "ws://" + info.Addr
	t.control = info.Control
	return nil
}

func (t *target) close() {
	if t.proc != nil {
		t.proc.Close()
	}
}

// tail keeps the last lines of what a target writes, to show when it fails.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 2048

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if n := len(t.text) - tailSize; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

var _ io.Writer = (*tail)(nil)
