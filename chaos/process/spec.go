package process

import (
	"errors"
	"io"
)

// Spec is a command that flatline starts.
type Spec struct {
	Args   []string  // the command; a name without a slash is looked up in PATH
	Env    []string  // nil: flatline's own
	Dir    string    // "": flatline's own
	Stdout io.Writer // nil: discarded
	Stderr io.Writer // nil: discarded
	// Lifeline makes the command's standard input a pipe that stays open as long as flatline and the Process do. Without
	// it the input is empty.
	Lifeline bool

	// Ready sees every line of standard output, without its end, until it returns true: then the command counts as
	// started. It is called from one goroutine at a time. nil: it counts as started once execve has succeeded.
	Ready func(line string) bool
	// RestartArgs are the Args of every start after the first, so that a server that chose its port can be told to take
	// the same again. It gets the line for which Ready first returned true. nil: Args.
	RestartArgs func(readyLine string) []string
}

var errNoArgs = errors.New("the command is empty")

// ErrNotRunning is the reason when a process that has ended, or is about to be started again, is stopped or killed.
var ErrNotRunning = errors.New("it is not running")
