//go:build linux || darwin

package process

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// role is the environment variable that makes this binary a guardian or a gate.
const (
	role         = "FLATLINE_PROCESS_ROLE"
	roleGuardian = "guardian"
	roleGate     = "gate"
)

// patience bounds what is done at once unless the machine is in trouble: an acknowledgement, a stop, a death.
const patience = 5 * time.Second

var errGuardianGone = errors.New("the guardian process has ended; without it a stopped server could be left behind")

var errNoHook = errors.New("this binary does not become one\nhint: main, or TestMain, must begin with process.IsGuardian")

// IsGuardian reports whether this process was started by this package and must call [GuardianMain] at once.
func IsGuardian() bool { return os.Getenv(role) != "" }

// GuardianMain is the main function of the guardian and of the gate. It does not return.
func GuardianMain() {
	if os.Getenv(role) == roleGate {
		os.Exit(gateMain())
	}
	os.Exit(guardianMain(os.Stdin, os.Stdout))
}

// guardian is flatline's end of the pipe. A line asks, a line answers.
type guardian struct {
	pid     int
	replies chan string
	lost    chan struct{} // closed when the guardian has ended

	mu  sync.Mutex
	out *os.File
}

var shared struct {
	sync.Mutex
	g *guardian
}

// sharedGuardian is started with the first process and lives as long as flatline.
func sharedGuardian() (*guardian, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.g != nil {
		return shared.g, nil
	}
	g, err := newGuardian()
	if err == nil {
		shared.g = g
	}
	return g, err
}

// self is the path of this binary; on Linux it holds even when the file has been replaced since.
func self() (string, error) {
	const exe = "/proc/self/exe"
	if _, err := os.Stat(exe); err == nil {
		return exe, nil
	}
	return os.Executable()
}

func newGuardian() (*guardian, error) {
	fail := func(err error) (*guardian, error) { return nil, fmt.Errorf("start the guardian process: %w", err) }
	if IsGuardian() { // a main without its first lines: what is started would start its like in turn, for ever
		return fail(errNoHook)
	}
	path, err := self()
	if err != nil {
		return fail(err)
	}
	theirIn, out, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer theirIn.Close()
	in, theirOut, err := os.Pipe()
	if err != nil {
		out.Close()
		return fail(err)
	}
	defer theirOut.Close()
	cmd := exec.Cmd{
		Path: path, Args: []string{"flatline-guardian"}, Env: append(os.Environ(), role+"="+roleGuardian),
		Stdin: theirIn, Stdout: theirOut, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		in.Close()
		out.Close()
		return fail(err)
	}
	g := &guardian{pid: cmd.Process.Pid, out: out, replies: make(chan string, 1), lost: make(chan struct{})}
	go func() {
		defer close(g.lost)
		defer in.Close()
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			g.replies <- lines.Text()
		}
		cmd.Wait()
	}()
	if err := g.reply(); err != nil {
		cmd.Process.Kill()
		g.close()
		return fail(fmt.Errorf("%w: %w", err, errNoHook))
	}
	return g, nil
}

// ask sends one line and returns when the guardian has acted on it.
func (g *guardian) ask(format string, args ...any) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.lost:
		return errGuardianGone
	default:
	}
	if _, err := fmt.Fprintf(g.out, format+"\n", args...); err != nil {
		return errGuardianGone
	}
	return g.reply()
}

func (g *guardian) reply() error {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case r := <-g.replies:
		if r != "ok" {
			return fmt.Errorf("the guardian process refused: %s", strings.TrimPrefix(r, "error "))
		}
		return nil
	case <-g.lost:
		return errGuardianGone
	case <-late.C:
		g.out.Close() // a late answer would be taken for the next one's
		return fmt.Errorf("the guardian process has not answered within %v", patience)
	}
}

// close lets the guardian go; it first ends whatever is still registered.
func (g *guardian) close() {
	g.out.Close()
	<-g.lost
}
