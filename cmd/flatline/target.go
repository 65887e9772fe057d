package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/flatline-dev/flatline/chaos/process"
	"github.com/flatline-dev/flatline/internal/server"
	store "github.com/flatline-dev/flatline/internal/session"
	"github.com/flatline-dev/flatline/scenario"
)

// target is the server under test, as far as flatline can see it.
type target struct {
	url      string
	urls     []string           // of each node, where there are several
	proc     *process.Process   // of the first node; nil: it is only a URL
	procs    []*process.Process // of all nodes
	controls []string           // control API of the embedded servers
	store    *process.Process   // the NATS server that they share; nil: none of ours
	tidy     func()             // takes away what they leave at a NATS server that was given; may be nil
	log      *tail              // the last lines that they wrote
}

// startTarget brings up the target of the plan, or attaches to it, and waits until it takes a WebSocket connection.
func startTarget(ctx context.Context, plan *scenario.Plan) (*target, error) {
	t := &target{url: plan.Target.URL, log: &tail{}}
	ctx, cancel := context.WithTimeout(ctx, plan.Target.Ready)
	defer cancel()
	var err error
	switch spec := &plan.Target; {
	case spec.Serve != nil:
		if err := t.serve(ctx, spec.Serve); err != nil {
			t.close()
			return nil, err
		}
		return t, nil
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
	if t.proc != nil {
		t.procs = []*process.Process{t.proc}
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

// serve starts the embedded servers, each in a process of its own, of this same binary, and the store that they share.
func (t *target) serve(ctx context.Context, s *scenario.Serve) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find flatline's own binary: %w", err)
	}
	args := append([]string{self}, serveArgs(s)...)
	if d := s.Delivery; d != nil && d.Store == server.StoreJetStream {
		url, stream := d.NATS, "flatline"
		if url == "" {
			if url, err = t.broker(ctx, self); err != nil {
				return fmt.Errorf("start the store of the embedded servers: %w", t.words(err))
			}
			args = append(args, "--nats="+url)
		} else {
			stream = fmt.Sprintf("flatline-%d-%d", os.Getpid(), time.Now().UnixNano())
			t.tidy = func() {
				ctx, cancel := context.WithTimeout(context.Background(), controlTimeout)
				defer cancel()
				_ = store.DeleteStream(ctx, url, stream) // it goes by its age too
			}
		}
		args = append(args, "--stream="+stream)
	}
	infos := make([]server.Info, max(s.Nodes, 1))
	t.procs = make([]*process.Process, len(infos))
	var starting errgroup.Group
	for i := range infos {
		starting.Go(func() (err error) {
			t.procs[i], err = process.Start(ctx, process.Spec{
				Args:   args,
				Env:    coresOf(len(infos)),
				Stderr: t.log,
				Ready: func(line string) bool {
					infos[i], err = parseReady(line)
					return true
				},
				// After a kill it comes back where its clients look for it.
				RestartArgs: func(string) []string {
					return append(slices.Clip(args), "--listen="+infos[i].Addr, "--control="+infos[i].Control)
				},
			})
			return err
		})
	}
	if err := starting.Wait(); err != nil {
		return fmt.Errorf("start the embedded server: %w", t.words(err))
	}
	t.proc, t.url = t.procs[0], "ws://"+infos[0].Addr
	for _, i := range infos {
		t.controls = append(t.controls, i.Control)
		if len(infos) > 1 {
			t.urls = append(t.urls, "ws://"+i.Addr)
		}
	}
	return nil
}

// words adds to an error what the processes said last.
func (t *target) words(err error) error {
	if text := t.log.String(); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// broker starts a NATS server in a process of its own and returns its URL.
func (t *target) broker(ctx context.Context, self string) (url string, err error) {
	t.store, err = process.Start(ctx, process.Spec{
		Args: []string{self, "broker"}, Stderr: t.log,
		Ready: func(line string) bool {
			url = line
			return true
		},
	})
	return url, err
}

// coresOf is the environment of each of several nodes: they share the machine's cores, and where each ran on all of them,
// much of their time would be that of threads which look for work. GOMAXPROCS in flatline's own environment has the last
// word. Their store may have all cores: when a node comes back and reads what it missed, everybody waits for it.
func coresOf(nodes int) []string {
	if nodes < 2 || os.Getenv("GOMAXPROCS") != "" {
		return nil
	}
	return append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", (runtime.NumCPU()+nodes-1)/nodes))
}

func (t *target) close() {
	var closing sync.WaitGroup
	for _, p := range t.procs {
		if p != nil {
			closing.Go(func() { p.Close() })
		}
	}
	closing.Wait()
	if t.tidy != nil {
		t.tidy()
	}
	if t.store != nil {
		t.store.Close()
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
