package report

import (
	"errors"
	"time"
)

// TargetSample is what the target's process used up to a moment: the whole process group of a target that flatline
// started, the one process of a target that was given by its number. A nil field was not visible.
type TargetSample struct {
	CPU       time.Duration // user and system time since the process started
	RSS       uint64        // bytes
	FDs       *int          // open file descriptors
	Threads   *int
	Listeners []ListenerSample
	Netns     *NetnsUse // since the network namespace exists
}

// ListenerSample is one listening socket of the target.
type ListenerSample struct {
	ID uint32 // tells it from another on the same address; Drops counts anew with it
	ListenerUse
}

// TargetUse is what the target used between the sample before and this one, with children as in [TargetSample]. A field
// that is nil was not visible, which is something else than 0; Results of earlier versions have CPU, RSS and FDs alone.
type TargetUse struct {
	At        time.Duration `json:"at"`
	Span      time.Duration `json:"span"` // since the sample before; 0: the first one, whose counts are 0
	CPU       time.Duration `json:"cpu"`
	RSS       uint64        `json:"rss"`
	FDs       *int          `json:"fds,omitempty"`
	Threads   *int          `json:"threads,omitempty"`
	Listeners []ListenerUse `json:"listeners,omitempty"` // its listening TCP sockets by address, 16 at most
	Netns     *NetnsUse     `json:"netns,omitempty"`
}

// ListenerUse is what waited in front of a listening socket's accept() when the sample was taken, and what the kernel
// dropped there since the sample before.
type ListenerUse struct {
	Addr  string `json:"addr"`            // host:port
	Queue int    `json:"queue"`           // connections completed by the kernel and not accepted by the target
	Limit int    `json:"limit"`           // its backlog; a queue beyond it is full
	Drops int64  `json:"drops,omitempty"` // requests and last handshake packets that found no room
}

// NetnsUse counts in the whole network namespace of the target, since the sample before: all who listen there count,
// not the target alone. The names in brackets are those of Linux in /proc/net/netstat.
type NetnsUse struct {
	Overflows int64 `json:"accept_overflows"` // an accept queue was full (ListenOverflows)
	Drops     int64 `json:"syn_drops"`        // dropped at listening sockets, overflows included (ListenDrops)
	SYNFull   int64 `json:"syn_queue_full"`   // of these, requests that found the SYN queue full (TCPReqQFullDrop)
	Cookies   int64 `json:"syn_cookies"`      // requests answered with a SYN cookie since it was full (TCPReqQFullDoCookies)
}

// since is what was counted between two readings. A counter that went down belongs to another namespace, that of a
// process started anew, and counts from zero.
func (n *NetnsUse) since(before *NetnsUse) *NetnsUse {
	switch {
	case n == nil:
		return nil
	case before == nil:
		return &NetnsUse{}
	}
	grown := func(now, was int64) int64 {
		if now < was {
			return now
		}
		return now - was
	}
	return &NetnsUse{grown(n.Overflows, before.Overflows), grown(n.Drops, before.Drops), grown(n.SYNFull, before.SYNFull),
		grown(n.Cookies, before.Cookies)}
}

// listenersSince is the same for listeners. One that was not there at the reading before has counted from zero since.
func listenersSince(now, before []ListenerSample, first bool) []ListenerUse {
	var out []ListenerUse
	for _, l := range now {
		u := l.ListenerUse
		if first {
			u.Drops = 0
		}
		for i := range before {
			if b := &before[i]; b.ID == l.ID {
				u.Drops = int64(uint32(l.Drops) - uint32(b.Drops)) // the kernel counts modulo 2^32
			}
		}
		out = append(out, u)
	}
	return out
}

// usage is a series of samples.
type usage struct {
	series []TargetUse
	last   TargetSample
	// The last readings that there were.
	netns     *NetnsUse
	listeners []ListenerSample
}

// add appends a sample. A CPU time that went down belongs to a new process: it counts from zero.
func (u *usage) add(now time.Duration, s TargetSample) {
	x := TargetUse{At: now, CPU: s.CPU, RSS: s.RSS, FDs: s.FDs, Threads: s.Threads}
	n := len(u.series)
	if n > 0 {
		x.Span = max(now-u.series[n-1].At, 0)
		if s.CPU >= u.last.CPU {
			x.CPU = s.CPU - u.last.CPU
		}
	} else {
		x.CPU = 0 // what it used before the run is not the run's
	}
	x.Netns = s.Netns.since(u.netns)
	x.Listeners = listenersSince(s.Listeners, u.listeners, n == 0)
	if s.Netns != nil {
		u.netns = s.Netns
	}
	if s.Listeners != nil {
		u.listeners = s.Listeners
	}
	u.last = s
	u.series = append(u.series, x)
}

// check refuses counts that sums could overflow with.
func (u *TargetUse) check() error {
	var counts []int64
	for _, n := range []*int{u.FDs, u.Threads} {
		if n != nil {
			counts = append(counts, int64(*n))
		}
	}
	for i := range u.Listeners {
		l := &u.Listeners[i]
		counts = append(counts, int64(l.Queue), int64(l.Limit), l.Drops)
	}
	if n := u.Netns; n != nil {
		counts = append(counts, n.Overflows, n.Drops, n.SYNFull, n.Cookies)
	}
	for _, n := range counts {
		if n < 0 || n > 1<<40 {
			return errors.New("a count is out of range")
		}
	}
	return nil
}
