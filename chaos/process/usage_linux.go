package process

import (
	"os"
	"strconv"
	"time"

	"github.com/prometheus/procfs"
)

// userHZ is the unit of CPU times in /proc, a constant of the kernel's interface on every architecture that Go has.
const userHZ = 100

// use sums up what a process uses now, or all of its group: user and system time with that of reaped children, resident
// bytes, threads, open files. A process that vanishes meanwhile counts nothing; ok is false when nothing could be seen.
// FDs is nil if one of them hides its files (one that has raised its own privileges does, even from its own user).
func use(pid int, group bool) (u Use, pids []int, ok bool) {
	var stats []procfs.ProcStat
	if group {
		stats = groupStats(pid)
	} else if s, err := stat(pid); err == nil {
		stats = append(stats, s)
	}
	threads, fds, hidden := 0, 0, false
	for _, s := range stats {
		u.CPU += spentBy(&s)
		u.RSS += uint64(max(0, s.ResidentMemory()))
		threads += s.NumThreads
		pids = append(pids, s.PID)
		p, err := procfs.NewProc(s.PID)
		if err != nil {
			continue
		}
		if n, err := p.FileDescriptorsLen(); err == nil {
			fds += n
		} else if !os.IsNotExist(err) {
			hidden = true
		}
	}
	if len(stats) == 0 {
		return u, nil, false
	}
	u.Threads = &threads
	if !hidden {
		u.FDs = &fds
	}
	return u, pids, true
}

func spentBy(s *procfs.ProcStat) time.Duration {
	ticks := s.UTime + s.STime + uint(max(0, s.CUTime)) + uint(max(0, s.CSTime))
	return time.Duration(ticks) * (time.Second / userHZ)
}

// spent is the CPU time of a group alone.
func spent(pgid int) (cpu time.Duration, ok bool) {
	for _, s := range groupStats(pgid) {
		cpu += spentBy(&s)
		ok = true
	}
	return cpu, ok
}

// netns reads the counters of the network namespace that the processes are in; of the one that is not flatline's own if
// they are in several, as with a shell that runs the server in another.
func netns(pids []int) *Netns {
	if len(pids) == 0 {
		return nil
	}
	pid := pids[0]
	for _, other := range pids {
		if !sameNetns(other) {
			pid = other
			break
		}
	}
	p, err := procfs.NewProc(pid)
	if err != nil {
		return nil
	}
	n, err := p.Netstat()
	if err != nil || n.ListenOverflows == nil || n.ListenDrops == nil {
		return nil
	}
	count := func(v *float64) uint64 {
		if v == nil { // a kernel without it
			return 0
		}
		return uint64(*v)
	}
	return &Netns{Overflows: count(n.ListenOverflows), Drops: count(n.ListenDrops),
		SYNFull: count(n.TCPReqQFullDrop), Cookies: count(n.TCPReqQFullDoCookies)}
}

// sameNetns reports whether the process is in flatline's own network namespace.
func sameNetns(pid int) bool {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return false
	}
	its, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/net")
	return err == nil && its == own
}

// sockets calls f with the inode number of each socket that the process has open.
func sockets(pid int, f func(inode uint32)) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return
	}
	targets, err := p.FileDescriptorTargets()
	if err != nil {
		return
	}
	for _, t := range targets {
		const before, after = "socket:[", "]"
		if len(t) <= len(before)+len(after) || t[:len(before)] != before {
			continue
		}
		if n, err := strconv.ParseUint(t[len(before):len(t)-len(after)], 10, 32); err == nil {
			f(uint32(n))
		}
	}
}

const usageVisible = true
