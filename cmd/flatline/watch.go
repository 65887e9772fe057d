package main

import (
	"github.com/flatline-dev/flatline/chaos/process"
	"github.com/flatline-dev/flatline/report"
)

// watchUsage notes what the target uses, where its process is visible, and what flatline itself does.
func (s *session) watchUsage() {
	if s.target.proc != nil {
		if u, err := s.target.proc.Usage(); err == nil {
			s.rec.Target(s.clock(), usageSample(&u))
		}
	}
	if u, err := process.OwnUsage(); err == nil {
		s.rec.Harness(s.clock(), usageSample(&u))
	}
}

func usageSample(u *process.Use) report.TargetSample {
	out := report.TargetSample{CPU: u.CPU, RSS: u.RSS, FDs: u.FDs, Threads: u.Threads}
	for _, l := range u.Listeners {
		out.Listeners = append(out.Listeners, report.ListenerSample{ID: l.ID,
			ListenerUse: report.ListenerUse{Addr: l.Addr, Queue: l.Queue, Limit: l.Limit, Drops: int64(l.Drops)}})
	}
	if n := u.Netns; n != nil {
		out.Netns = &report.NetnsUse{Overflows: int64(n.Overflows), Drops: int64(n.Drops), SYNFull: int64(n.SYNFull), Cookies: int64(n.Cookies)}
	}
	return out
}
