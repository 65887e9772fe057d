package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// p_stat of sys/proc.h.
const (
	stateStopped = 4
	stateZombie  = 5
)

// identity tells processes with the same number apart: the start time in microseconds.
func identity(pid int) (uint64, error) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return 0, fmt.Errorf("no process %d", pid)
	}
	return uint64(k.Proc.P_starttime.Sec)*1e6 + uint64(k.Proc.P_starttime.Usec), nil
}

// ended reports whether the process has ended, reaped or not.
func ended(pid int) bool {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	return err != nil || int(k.Proc.P_pid) != pid || k.Proc.P_stat == stateZombie
}

// members are the living processes of a process group.
func members(pgid int) []int {
	all, err := unix.SysctlKinfoProcSlice("kern.proc.pgrp", pgid)
	if err != nil {
		return nil
	}
	var pids []int
	for i := range all {
		if all[i].Proc.P_stat != stateZombie {
			pids = append(pids, int(all[i].Proc.P_pid))
		}
	}
	return pids
}

// stopped reports whether the process stands still.
func stopped(pid int) bool {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	return err == nil && (k.Proc.P_stat == stateStopped || k.Proc.P_stat == stateZombie)
}

// awaitEnd returns at once: waitid on macOS returns for a stopped child too, whatever it was asked for. The child is
// then reaped before the rest of its group is killed, which leaves its number free for that moment.
func awaitEnd(int) {}

// reapedLast: see awaitEnd.
const reapedLast = false
