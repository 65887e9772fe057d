//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

func occ(i int) chaos.Occurrence { return chaos.Occurrence{Index: i} }

var (
	stall = &chaos.Fault{Kind: chaos.Stall}
	kill  = &chaos.Fault{Kind: chaos.Kill, How: chaos.Process}
)

func newEngine(t *testing.T, p ...*Process) *Engine {
	e := New(p...)
	e.OnError = func(err error) { t.Errorf("OnError: %v", err) }
	t.Cleanup(func() { e.Close() })
	return e
}

func TestOverlappingStalls(t *testing.T) {
	var out screen
	e := newEngine(t, startChild(t, child("ticks", &out)))
	for i := range 2 {
		if err := e.Begin(stall, occ(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	frozen(t, &out)
	e.End(stall, occ(0), nil)
	frozen(t, &out)
	e.End(stall, occ(0), nil) // a second End of one occurrence takes nothing from the other
	frozen(t, &out)
	e.End(stall, occ(1), nil)
	runs(t, &out)
}

func TestNodes(t *testing.T) {
	var a, b screen
	e := newEngine(t, startChild(t, child("ticks", &a)), startChild(t, child("ticks", &b)))
	second := &chaos.Fault{Kind: chaos.Stall, Nodes: []int{1}}
	if err := e.Begin(second, occ(0), nil); err != nil {
		t.Fatal(err)
	}
	runs(t, &a)
	frozen(t, &b)
	if err := e.Begin(stall, occ(1), nil); err != nil {
		t.Fatal(err)
	}
	frozen(t, &a)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	runs(t, &a)
	runs(t, &b)
	if err := e.Begin(stall, occ(2), nil); err == nil {
		t.Error("a stall after Close")
	}
}

// All or nothing: where one node cannot be stopped the others are let go.
func TestStallOfADeadNode(t *testing.T) {
	var a, b screen
	dead := startChild(t, child("ticks", &b))
	e := newEngine(t, startChild(t, child("ticks", &a)), dead)
	if err := dead.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := e.Begin(stall, occ(0), nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("got %v", err)
	}
	runs(t, &a)
}

// A kill in the middle of a stall ends it; the restarted server runs, and the stall's end does not matter to it.
func TestKillAndRestart(t *testing.T) {
	var out screen
	p := startChild(t, child("ticks", &out))
	e := newEngine(t, p)
	was := p.PID()
	if err := e.Begin(stall, occ(0), nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	later := *kill
	later.Restart = 150 * time.Millisecond
	if err := e.Begin(&later, occ(1), nil); err != nil {
		t.Fatal(err)
	}
	if !ended(was) {
		t.Error("Begin returned before it was gone")
	}
	if err := e.Begin(&later, occ(2), nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("a kill of a dead server: %v", err)
	}
	if err := e.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if time.Since(began) < later.Restart {
		t.Error("it was restarted early")
	}
	if p.PID() == was {
		t.Error("the same process again")
	}
	runs(t, &out)
	if err := e.Begin(stall, occ(3), nil); err != nil {
		t.Fatal(err)
	}
	e.End(stall, occ(0), nil) // the stall of the earlier life
	frozen(t, &out)
	e.End(stall, occ(3), nil)
	runs(t, &out)
	select {
	case err := <-e.Lost():
		t.Errorf("a kill looks like a loss: %v", err)
	default:
	}
}

func TestRestartFails(t *testing.T) {
	spec := child("ticks", &screen{})
	spec.RestartArgs = func(string) []string { return []string{"/none/x"} }
	e := New(startChild(t, spec))
	defer e.Close()
	said := make(chan error, 1)
	e.OnError = func(err error) { said <- err }
	if err := e.Begin(kill, occ(0), nil); err != nil {
		t.Fatal(err)
	}
	if err := <-said; err == nil || err.Error() != "after a kill: start /none/x: no such file or directory" {
		t.Errorf("got %v", err)
	}
}

func TestCloseGivesUpARestart(t *testing.T) {
	p := startChild(t, child("ticks", &screen{}))
	e := newEngine(t, p)
	later := *kill
	later.Restart = time.Hour
	if err := e.Begin(&later, occ(0), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Wait(ctx); err == nil {
		t.Error("Wait says that no restart is pending")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if !ended(p.PID()) {
		t.Error("it was restarted")
	}
}

func TestLost(t *testing.T) {
	p := startChild(t, child("ticks", &screen{}))
	e := newEngine(t, p)
	lost := e.Lost()
	proc, err := os.FindProcess(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	proc.Kill()
	if err := <-lost; err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("got %v", err)
	}
}

func TestCan(t *testing.T) {
	var out screen
	given, err := Attach(plain(t, "ticks", &out).Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	e := newEngine(t, startChild(t, child("ticks", &out)), given)
	for _, c := range []struct {
		e    *Engine
		f    chaos.Fault
		want string // "": it can
	}{
		{e, *stall, ""},
		{e, chaos.Fault{Kind: chaos.Kill, How: chaos.Process, Nodes: []int{0}}, ""},
		{e, *kill, "could not start it again"},
		{e, chaos.Fault{Kind: chaos.Stall, Nodes: []int{2}}, "there is no node 2; nodes are 0 to 1"},
		{e, chaos.Fault{Kind: chaos.Blackhole}, "engine process cannot do blackhole"},
		{e, chaos.Fault{Kind: chaos.Kill, How: chaos.RST}, "engine process cannot do kill how rst"},
		{New(), *stall, "knows no process"},
	} {
		err := c.e.Can(&c.f)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.f, err, c.want)
		}
		if c.want != "" && c.e.Begin(&c.f, occ(9), nil) == nil {
			t.Errorf("%v: begun all the same", c.f)
		}
	}
}
