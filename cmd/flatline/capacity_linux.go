package main

import (
	"time"

	"github.com/prometheus/procfs"
)

// busyTime is the CPU time that all processes of this machine have used, since it started.
func busyTime() time.Duration {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	s, err := fs.Stat()
	if err != nil {
		return 0
	}
	c := &s.CPUTotal // guests count in user already
	return time.Duration((c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ + c.Steal) * float64(time.Second))
}

// fileLimit is how many files the process may open; 0 where that is not to be seen or has no limit.
func fileLimit(pid int) int {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0
	}
	l, err := p.Limits()
	if err != nil || l.OpenFiles > 1<<30 {
		return 0
	}
	return int(l.OpenFiles)
}

// totalMemory is what this machine has, in bytes.
func totalMemory() int64 {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	m, err := fs.Meminfo()
	if err != nil || m.MemTotal == nil {
		return 0
	}
	return int64(*m.MemTotal) << 10
}

// timeWait is how many sockets of this network namespace are in TIME_WAIT.
func timeWait() (n int) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0
	}
	s, err := fs.NetSockstat()
	if err != nil {
		return 0
	}
	for _, p := range s.Protocols {
		if p.Protocol == "TCP" && p.TW != nil {
			n += *p.TW
		}
	}
	return n
}
