//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/report"
)

// patience bounds every wait of these tests; nothing is measured against it.
const patience = 20 * time.Second

// output is what a command has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// running is a flatline in a process of its own.
type running struct {
	t              *testing.T
	cmd            *exec.Cmd
	dir            string
	stdout, stderr output
	ended          chan struct{}
}

// flatline starts this binary as the command, in a directory that holds the scenario s.yaml.
func flatline(t *testing.T, scenario string, args ...string) *running {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, dir: t.TempDir(), ended: make(chan struct{})}
	if err := os.WriteFile(filepath.Join(r.dir, "s.yaml"), []byte(scenario), 0o666); err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(self, args...)
	r.cmd.Dir, r.cmd.Env = r.dir, append(os.Environ(), asCommand+"=1")
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	r.cmd.WaitDelay = patience
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		r.cmd.Wait()
		close(r.ended)
	}()
	t.Cleanup(func() {
		r.cmd.Process.Kill()
		<-r.ended
	})
	return r
}

// eventually polls until is holds.
func (r *running) eventually(what string, is func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("not within %v: %s\nstdout: %s\nstderr: %s", patience, what, r.stdout.String(), r.stderr.String())
		}
	}
}

// says waits until standard error holds the text.
func (r *running) says(text string) {
	r.t.Helper()
	r.eventually("standard error says "+text, func() bool { return strings.Contains(r.stderr.String(), text) })
}

// exit waits for the end and compares the exit code.
func (r *running) exit(want int) {
	r.t.Helper()
	r.eventually("the end", func() bool {
		select {
		case <-r.ended:
			return true
		default:
			return false
		}
	})
	if got := r.cmd.ProcessState.ExitCode(); got != want {
		r.t.Errorf("exit code %d (%v), want %d\nstdout: %s\nstderr: %s", got, r.cmd.ProcessState, want, r.stdout.String(), r.stderr.String())
	}
}

// result reads the Result that the run left.
func (r *running) result() *report.Result {
	r.t.Helper()
	res, err := report.ReadFile(filepath.Join(r.dir, "s.result.json"))
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

// procState is the state letter and the parent of a process; "" when there is none.
func procState(pid int) (state string, parent int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	_, rest, ok := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 2 {
		return "", 0
	}
	parent, _ = strconv.Atoi(f[1])
	return f[0], parent
}

func gone(pid int) bool {
	state, _ := procState(pid)
	return state == "" || state == "Z" || state == "X"
}

func stopped(pid int) bool {
	state, _ := procState(pid)
	return state == "T"
}

// children are the processes that r has started: the embedded server and the guardian.
func (r *running) children() (pids []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if _, parent := procState(pid); parent == r.cmd.Process.Pid {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// noneLeft waits until the processes are gone.
func (r *running) noneLeft(pids []int) {
	r.t.Helper()
	if len(pids) < 2 {
		r.t.Errorf("flatline had the children %v: neither server nor guardian?", pids)
	}
	for _, pid := range pids {
		r.eventually(fmt.Sprintf("process %d is gone", pid), func() bool { return gone(pid) })
	}
}

const (
	calm = `target: {serve: {}}
clients: [{count: 50, ramp: 200ms, profile: heartcheck, beat: {interval: 200ms}, timeout: 300ms, reconnect: {delay: 200ms}}]
duration: 60s
expect: [heartbeat.sent > 0]
`
	stalling = calm + "chaos: [{at: 500ms, for: 50s, fault: stall}]\n"
)

func TestInterrupt(t *testing.T) {
	for name, sig := range map[string]os.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := flatline(t, calm, "run", "s.yaml")
			r.says("t=1s ")
			children := r.children()
			r.cmd.Process.Signal(sig)
			r.exit(exitInterrupted)
			r.noneLeft(children)

			if got := r.result(); got.Status != report.Interrupted || got.Verdict.Exit != exitInterrupted || got.Series.Attempts[0] != 50 {
				t.Errorf("status %q, verdict %+v, attempts %v", got.Status, got.Verdict, got.Series.Attempts)
			}
			if out := r.stdout.String(); !strings.Contains(out, "interrupted by the user") || !strings.Contains(out, "again: flatline run") {
				t.Errorf("the report does not say that it is partial:\n%s", out)
			}
			if !strings.Contains(r.stderr.String(), "result: s.result.json") {
				t.Errorf("standard error: %s", r.stderr.String())
			}
		})
	}
}

func TestInterruptDuringStall(t *testing.T) {
	t.Parallel()
	r := flatline(t, stalling, "run", "s.yaml")
	var server int
	r.eventually("a stopped server", func() bool {
		for _, pid := range r.children() {
			if stopped(pid) {
				server = pid
			}
		}
		return server != 0
	})
	r.says("fault=stall")
	children := r.children()
	r.cmd.Process.Signal(syscall.SIGINT)
	r.exit(exitInterrupted)
	r.noneLeft(children)
	got := r.result()
	if got.Status != report.Interrupted || len(got.Occurrences) != 1 || got.Occurrences[0].Began < 0 {
		t.Errorf("status %q, occurrences %+v", got.Status, got.Occurrences)
	}
}

// Clients that drown in messages can be interrupted all the same.
func TestInterruptFlood(t *testing.T) {
	t.Parallel()
	addr, end, err := badTarget("ws-flood")
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	r := flatline(t, fmt.Sprintf(`target: {url: "ws://%s/"}
clients: [{count: 3, ramp: 100ms, profile: heartcheck}]
duration: 60s
`, addr), "run", "s.yaml")
	r.says("t=1s open=3 ")
	r.cmd.Process.Signal(syscall.SIGINT)
	r.exit(exitInterrupted)
	if got := r.result(); got.Status != report.Interrupted {
		t.Errorf("status %q", got.Status)
	}
}

// A second interrupt does not wait for anything, and still nobody is left behind.
func TestInterruptTwice(t *testing.T) {
	t.Parallel()
	r := flatline(t, stalling, "run", "s.yaml")
	r.says("fault=stall")
	children := r.children()
	r.cmd.Process.Signal(syscall.SIGINT)
	r.cmd.Process.Signal(syscall.SIGINT)
	r.exit(exitInterrupted)
	r.noneLeft(children)
	r.result() // whichever was written last, it can be read
}

// An interrupt while the target still starts: no report, for there is nothing to report.
func TestInterruptBeforeReady(t *testing.T) {
	t.Parallel()
	r := flatline(t, `target: {command: [sleep, "60"], url: "ws://127.0.0.1:1/", ready: 50s}
clients: [{count: 5, ramp: 100ms, profile: heartcheck}]
duration: 2s
`, "run", "s.yaml")
	r.eventually("guardian and target", func() bool { return len(r.children()) == 2 })
	r.says("reconnects after")
	children := r.children()
	r.cmd.Process.Signal(syscall.SIGINT)
	r.exit(exitInterrupted)
	r.noneLeft(children)
	if out := r.stdout.String(); out != "" {
		t.Errorf("standard output: %q", out)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "s.result.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a Result of nothing: %v", err)
	}
}

// flatline is killed in the middle of a stall: its guardian ends the embedded server, and what was saved can be read.
func TestKillDuringStall(t *testing.T) {
	t.Parallel()
	r := flatline(t, stalling, "run", "s.yaml")
	r.eventually("a stopped server", func() bool {
		for _, pid := range r.children() {
			if stopped(pid) {
				return true
			}
		}
		return false
	})
	children := r.children()
	r.cmd.Process.Kill()
	r.exit(-1)
	r.noneLeft(children)
	if got := r.result(); got.Status != report.Running || got.Verdict.State == report.Pass {
		t.Errorf("status %q, verdict %+v", got.Status, got.Verdict)
	}
}

// A server that flatline was only given goes on when flatline is interrupted or killed in the middle of a stall.
func TestAttachedServerRunsAgain(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGKILL": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			serve, info := startServe(t)
			pid := serve.cmd.Process.Pid
			scenario := strings.Replace(stalling, "{serve: {}}", fmt.Sprintf("{url: %q, pid: %d}", "ws://"+info.Addr+"/", pid), 1)
			r := flatline(t, scenario, "run", "s.yaml")
			r.eventually("the server stops", func() bool { return stopped(pid) })
			r.cmd.Process.Signal(sig)
			want := exitInterrupted
			if sig == syscall.SIGKILL {
				want = -1
			}
			r.exit(want)
			r.eventually("the server runs again", func() bool { return !stopped(pid) })
			if gone(pid) {
				t.Fatal("the server is gone, and flatline had not started it")
			}
			c := server.Client{Control: info.Control}
			if err := c.Healthy(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// startServe starts flatline serve and reads the line that says where it listens.
func startServe(t *testing.T, args ...string) (*running, server.Info) {
	t.Helper()
	r := flatline(t, "", append([]string{"serve"}, args...)...)
	r.eventually("the ready line", func() bool { return strings.Contains(r.stdout.String(), "\n") })
	var info server.Info
	if err := json.Unmarshal([]byte(r.stdout.String()), &info); err != nil {
		t.Fatal(err)
	}
	return r, info
}

// An interrupted search ends with a marked report and the command that continues it, and that command finds the edge.
func TestInterruptedCapacity(t *testing.T) {
	const scenario = `
target: {serve: {max_clients: 3}}
clients: [{count: 2, ramp: 100ms, profile: heartcheck, beat: {interval: 300ms}}]
duration: 2s
`
	r := flatline(t, scenario, "capacity", "--precision", "0", "--confirm", "0", "--cooldown", "10ms", "s.yaml")
	r.says("probe 2: ")
	r.cmd.Process.Signal(syscall.SIGINT)
	r.exit(130)
	again := "continue: flatline capacity --confirm=0 --cooldown=10ms --precision=0 --resume s.yaml\n"
	if out := r.stdout.String(); !strings.Contains(out, "INTERRUPTED  not finished: so far it held 2 clients\n") || !strings.HasSuffix(out, again) {
		t.Errorf("the report:\n%s", out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Fields(again)[2:]
	cmd := exec.Command(self, args...)
	cmd.Dir, cmd.Env = r.dir, append(os.Environ(), asCommand+"=1")
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "FOUND  the target holds 3 clients and not 4\n") {
		t.Errorf("%v:\n%s", err, out)
	}
	// Two probes more: the first one was not made again.
	if n := strings.Count(string(out), "\n  2 "); n != 1 || !strings.Contains(string(out), "\n3 probes, 2 clients as written") {
		t.Errorf("probes were made again or lost:\n%s", out)
	}
}
