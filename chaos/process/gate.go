//go:build linux || darwin

package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// What a gate inherits beside the standard files.
const (
	gateFD   = 3 // a byte from flatline opens it; the end of file means that flatline has died
	statusFD = 4 // why execve failed; it closes by itself when that succeeds
)

// gateMain waits and becomes os.Args[1], with the arguments os.Args[2:].
func gateMain() int {
	syscall.CloseOnExec(gateFD)
	syscall.CloseOnExec(statusFD)
	if n, _ := os.NewFile(gateFD, "gate").Read(make([]byte, 1)); n == 0 {
		return 1
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, role+"=") })
	err := syscall.Exec(os.Args[1], os.Args[2:], env)
	fmt.Fprint(os.NewFile(statusFD, "status"), err)
	return 127
}

// gated is a child that stands at its gate.
type gated struct {
	cmd          *exec.Cmd
	gate, status *os.File
}

// startGated starts the gate of a command, as the leader of a process group, with the given standard files.
func startGated(spec *Spec, args []string, stdin, stdout, stderr *os.File) (*gated, error) {
	if len(args) == 0 {
		return nil, errNoArgs
	}
	path := args[0]
	if !strings.Contains(path, "/") {
		found, err := exec.LookPath(path)
		if err != nil {
			return nil, err
		}
		path = found
	}
	own, err := self()
	if err != nil {
		return nil, err
	}
	theirGate, gate, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirGate.Close()
	status, theirStatus, err := os.Pipe()
	if err != nil {
		gate.Close()
		return nil, err
	}
	defer theirStatus.Close()
	env := spec.Env
	if env == nil {
		env = os.Environ()
	}
	cmd := &exec.Cmd{
		Path: own, Args: append([]string{"flatline-gate", path}, args...), Dir: spec.Dir,
		Env:        append(slices.Clip(env), role+"="+roleGate),
		ExtraFiles: []*os.File{theirGate, theirStatus}, SysProcAttr: &syscall.SysProcAttr{Setpgid: true},
	}
	// Files only, and no typed nil: then Wait waits for the process alone.
	if stdin != nil {
		cmd.Stdin = stdin
	}
	if stdout != nil {
		cmd.Stdout = stdout
	}
	if stderr != nil {
		cmd.Stderr = stderr
	}
	if err := cmd.Start(); err != nil {
		gate.Close()
		status.Close()
		return nil, err
	}
	return &gated{cmd, gate, status}, nil
}

// open lets the command begin and returns once it has, or why it could not.
func (g *gated) open() error {
	defer g.status.Close()
	_, err := g.gate.Write([]byte{1})
	g.gate.Close()
	if err != nil {
		return fmt.Errorf("its gate has ended: %w", err)
	}
	said, err := io.ReadAll(g.status)
	if err != nil {
		return err
	}
	if len(said) > 0 {
		return errors.New(string(said))
	}
	return nil
}

// shut ends the gate without letting the command begin.
func (g *gated) shut() {
	g.gate.Close()
	g.status.Close()
}
