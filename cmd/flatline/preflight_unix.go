//go:build unix

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// raiseDescriptors lifts the soft limit on open files to the hard one and returns what is then allowed.
func raiseDescriptors() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("read the limit on open files: %w", err)
	}
	if l.Cur < l.Max {
		raised := l
		raised.Cur = l.Max
		// macOS refuses more than kern.maxfilesperproc; the soft limit then stays as it was.
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &raised) == nil {
			l = raised
		}
	}
	return int(min(l.Cur, 1<<30)), nil
}
