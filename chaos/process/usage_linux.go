package process

import (
	"time"

	"github.com/prometheus/procfs"
)

// userHZ is the unit of CPU times in /proc, a constant of the kernel's interface on every architecture that Go has.
const userHZ = 100

// use sums up what processes use now: user and system time, their reaped children's included, resident bytes, open
// files. A process that vanishes meanwhile counts nothing; ok is false when nothing could be seen.
func use(pid int, group bool) (cpu time.Duration, rss uint64, fds int, ok bool) {
	var stats []procfs.ProcStat
	if group {
		stats = groupStats(pid)
	} else if s, err := stat(pid); err == nil {
		stats = append(stats, s)
	}
	for _, s := range stats {
		ticks := s.UTime + s.STime + uint(max(0, s.CUTime)) + uint(max(0, s.CSTime))
		cpu += time.Duration(ticks) * (time.Second / userHZ)
		rss += uint64(max(0, s.ResidentMemory()))
		ok = true
		if p, err := procfs.NewProc(s.PID); err == nil {
			if n, err := p.FileDescriptorsLen(); err == nil {
				fds += n
			}
		}
	}
	return cpu, rss, fds, ok
}

const usageVisible = true
