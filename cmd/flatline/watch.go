package main

import (
	"slices"

	"github.com/flatline-dev/flatline/chaos/process"
	"github.com/flatline-dev/flatline/report"
)

// watchUsage notes what the target uses, where its process is visible, and what flatline itself does.
func (s *session) watchUsage() {
	var all *report.TargetSample
	procs := s.target.procs
	if s.target.store != nil {
		procs = append(slices.Clip(procs), s.target.store)
	}
	for _, p := range procs {
		if u, err := p.Usage(); err == nil {
			all = plus(all, usageSample(&u))
		}
	}
	if all != nil {
		s.rec.Target(s.clock(), *all)
	}
	if u, err := process.OwnUsage(); err == nil {
		s.rec.Harness(s.clock(), usageSample(&u))
	}
}

// plus adds what another process of the target uses. The network namespace is the same for all.
func plus(all *report.TargetSample, s report.TargetSample) *report.TargetSample {
	if all == nil {
		return &s
	}
	all.CPU += s.CPU
	all.RSS += s.RSS
	sum := func(a, b *int) *int {
		if a == nil || b == nil {
			return nil
		}
		n := *a + *b
		return &n
	}
	all.FDs, all.Threads = sum(all.FDs, s.FDs), sum(all.Threads, s.Threads)
	all.Listeners = append(all.Listeners, s.Listeners...)
	return all
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
