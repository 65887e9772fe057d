//go:build linux || darwin

package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStopsNest(t *testing.T) {
	var out screen
	p := startChild(t, child("ticks", &out))
	runs(t, &out)
	for range 2 {
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
		if !stopped(p.PID()) {
			t.Error("Stop returned before the kernel had stopped it")
		}
	}
	frozen(t, &out)
	p.Continue()
	frozen(t, &out)
	p.Continue()
	runs(t, &out)
	if err := p.Continue(); err != nil {
		t.Errorf("one too many: %v", err)
	}
	runs(t, &out)
}

// A command that works in a child: the child is stopped, continued, killed with it.
func TestWholeGroup(t *testing.T) {
	var out screen
	p := startChild(t, child("tree", &out))
	group := members(p.PID())
	if len(group) < 2 {
		t.Fatalf("the group is %v", group)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	frozen(t, &out)
	p.Continue()
	runs(t, &out)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil { // while it is stopped
		t.Fatal(err)
	}
	for _, pid := range group {
		if !ended(pid) {
			t.Errorf("process %d of the group lives on", pid)
		}
	}
	if err := p.Stop(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("stop of a dead process: %v", err)
	}
	if err := p.Kill(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("kill of a dead process: %v", err)
	}
}

// When the first process of a command ends, so does the rest, and the end is reported.
func TestTheRestFollowsTheFirst(t *testing.T) {
	var out screen
	p := startChild(t, child("tree", &out))
	group := members(p.PID())
	syscall.Kill(p.PID(), syscall.SIGKILL)
	err := <-p.Lost()
	if err == nil || !strings.Contains(err.Error(), "ended by itself: signal: killed") {
		t.Errorf("got %v", err)
	}
	for _, pid := range group {
		if !ended(pid) {
			t.Errorf("process %d of the group lives on", pid)
		}
	}
}

func TestRestart(t *testing.T) {
	var out screen
	spec := child("ticks", &out, "first")
	var line string
	spec.RestartArgs = func(l string) []string { line = l; return []string{os.Args[0], "again"} }
	p := startChild(t, spec)
	was := p.PID()
	for range 2 { // from a running process both times
		if err := p.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if p.PID() == was || !ended(was) {
		t.Errorf("process %d became %d", was, p.PID())
	}
	runs(t, &out)
	if !strings.HasSuffix(line, "[first]") {
		t.Errorf("RestartArgs got %q, want the line of the first start", line)
	}
	out.mu.Lock()
	defer out.mu.Unlock()
	if n := strings.Count(out.text.String(), "[again]"); n != 2 {
		t.Errorf("%d restarts with RestartArgs, want 2", n)
	}
	select {
	case err := <-p.Lost():
		t.Errorf("a restart looks like a loss: %v", err)
	default:
	}
}

func TestStartFails(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("no shebang, no ELF"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spec Spec
		want string
	}{
		{Spec{}, "start the target: the command is empty"},
		{Spec{Args: []string{"no-such-command-anywhere"}}, `start no-such-command-anywhere: exec: "no-such-command-anywhere": executable file not found in $PATH`},
		{Spec{Args: []string{"/none/x"}}, "start /none/x: no such file or directory"},
		{Spec{Args: []string{script}}, "start " + script + ": exec format error"},
		{child("fails", &screen{}), "start " + os.Args[0] + ": it ended before it was ready: exit status 3"},
	} {
		if _, err := Start(context.Background(), c.spec); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestStartGivesUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, child("mute", &screen{}))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not ready in time") {
		t.Errorf("got %v", err)
	}
}

// A command that must not begin never does: nothing stands between its start and its registration.
func TestGateStaysShut(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	spec := child("ticks", nil)
	g, err := startGated(&spec, spec.Args, nil, w, nil)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	g.shut() // as the kernel does when flatline dies
	if err := g.cmd.Wait(); err == nil {
		t.Error("the gate ended with success")
	}
	if n, _ := r.Read(make([]byte, 100)); n > 0 {
		t.Error("the command has printed something")
	}
}

func TestLifeline(t *testing.T) {
	spec := child("input", &screen{})
	spec.Lifeline = true
	p := startChild(t, spec)
	if ended(p.PID()) {
		t.Error("ended although its input is open")
	}
	spec.Lifeline = false
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if q, err := Start(ctx, spec); err == nil { // it may end before it counts as started
		if err := q.Wait(ctx); err != nil {
			t.Errorf("without a lifeline: %v", err)
		}
		q.Close()
	}
}

func TestCloseOfAStubbornServer(t *testing.T) {
	var out screen
	p := startChild(t, child("stubborn", &out))
	p.Stop()
	p.Stop()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if !ended(p.PID()) {
		t.Error("it lives")
	}
	if err := p.Restart(context.Background()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("restart after Close: %v", err)
	}
}

func TestAttach(t *testing.T) {
	var out screen
	cmd := plain(t, "ticks", &out)
	p, err := Attach(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "it ticks", func() bool { return out.ticks(t) > 0 })
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	frozen(t, &out)
	if err := p.Restart(context.Background()); err == nil || !strings.Contains(err.Error(), "did not start it") {
		t.Errorf("restart: %v", err)
	}
	if err := p.Close(); err != nil { // runs on
		t.Fatal(err)
	}
	runs(t, &out)

	again, err := Attach(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill() // not reaped yet: its number is taken, and it has ended all the same
	if err := <-again.Lost(); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Errorf("lost: %v", err)
	}
	if err := again.Stop(); !errors.Is(err, ErrNotRunning) {
		t.Errorf("stop of a dead process: %v", err)
	}
	if _, err := Attach(cmd.Process.Pid); err == nil {
		t.Error("attached to a zombie")
	}
	cmd.Wait()
	g, err := sharedGuardian()
	if err != nil {
		t.Fatal(err)
	}
	for pid, want := range map[int]string{
		0: "not a process number", -5: "not a process number", 1: "whole system", os.Getpid(): "flatline itself",
		g.pid: "flatline itself", cmd.Process.Pid: "no such process",
	} {
		if _, err := Attach(pid); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("attach to %d: %v, want %s", pid, err, want)
		}
	}
}

func TestUsage(t *testing.T) {
	var out screen
	p := startChild(t, child("ticks", &out))
	if runtime.GOOS != "linux" {
		if _, err := p.Usage(); !errors.Is(err, errInvisible) {
			t.Errorf("got %v", err)
		}
		return
	}
	var samples []time.Duration
	sample := func() {
		u, err := p.Usage()
		if err != nil || u.RSS < 1<<16 || u.FDs == nil || *u.FDs < 3 || u.Threads == nil || *u.Threads < 2 || u.Netns == nil {
			t.Fatalf("%+v, %v", u, err)
		}
		samples = append(samples, u.CPU)
	}
	for range 2 {
		until(t, "it has used CPU", func() bool { sample(); return samples[len(samples)-1] > samples[0] })
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		u, err := p.Usage()
		if err != nil || u.RSS != 0 || *u.FDs != 0 || *u.Threads != 0 || u.Listeners != nil || u.Netns != nil {
			t.Errorf("between two lives: %+v, %v", u, err)
		}
		samples = append(samples, u.CPU)
		if err := p.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
		samples[0] = samples[len(samples)-1]
	}
	sample()
	if !slices.IsSorted(samples[1:]) {
		t.Errorf("CPU time went back: %v", samples)
	}
}
