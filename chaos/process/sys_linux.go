package process

import (
	"fmt"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// identity tells processes with the same number apart: the kernel's start time in clock ticks since boot. A process
// that has ended but was not reaped still has it.
func identity(pid int) (uint64, error) {
	s, err := stat(pid)
	if err != nil {
		return 0, fmt.Errorf("no process %d", pid)
	}
	return s.Starttime, nil
}

func stat(pid int) (procfs.ProcStat, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return procfs.ProcStat{}, err
	}
	return p.Stat()
}

// ended reports whether the process has ended, reaped or not.
func ended(pid int) bool {
	s, err := stat(pid)
	return err != nil || s.State == "Z" || s.State == "X"
}

// members are the living processes of a process group.
func members(pgid int) []int {
	var pids []int
	for _, s := range groupStats(pgid) {
		pids = append(pids, s.PID)
	}
	return pids
}

func groupStats(pgid int) []procfs.ProcStat {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil
	}
	var group []procfs.ProcStat
	for _, p := range all {
		if s, err := p.Stat(); err == nil && s.PGRP == pgid && s.State != "Z" && s.State != "X" {
			group = append(group, s)
		}
	}
	return group
}

// stopped reports whether every thread of the process stands still: the state of the process alone is that of its first
// thread, and the others may still be on their way.
func stopped(pid int) bool {
	threads, err := procfs.AllThreads(pid)
	if err != nil {
		return false
	}
	for _, t := range threads {
		s, err := t.Stat()
		if err == nil && s.State != "T" && s.State != "t" && s.State != "Z" && s.State != "X" {
			return false
		}
	}
	return true
}

// awaitEnd returns when the child has ended and leaves it unreaped, so that its number is not given away yet.
func awaitEnd(pid int) {
	for {
		var info unix.Siginfo
		if err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != unix.EINTR {
			return
		}
	}
}

// reapedLast: a child is reaped after everything else about it is settled.
const reapedLast = true
