package process

import "time"

// Use is what a target uses, and what the kernel counts in front of it. A nil field was not visible, which is something
// else than zero.
type Use struct {
	CPU       time.Duration // user and system time of all lives so far
	RSS       uint64        // resident bytes
	Threads   *int          // kernel threads
	FDs       *int          // open file descriptors
	Listeners []Listener    // its listening TCP sockets; nil: none, or not visible
	Netns     *Netns
}

// Listener is a listening TCP socket: what waits in front of accept().
type Listener struct {
	ID    uint32 // the socket's inode number
	Addr  string // host:port
	Queue int    // connections that the kernel has completed and the target has not accepted
	Limit int    // its backlog: the kernel drops when Queue is beyond it
	// Drops counts what the kernel has dropped at this socket since it exists, modulo 2^32: requests (SYN) and last
	// handshake packets (ACK) that found the accept queue full, and requests for which there was no room or memory.
	Drops uint32
}

// Netns are counters of the whole network namespace in which the target runs, since the namespace exists: whoever else
// listens there counts in them too. The names in brackets are those of /proc/net/netstat.
type Netns struct {
	Overflows uint64 // an accept queue was full (ListenOverflows)
	Drops     uint64 // connections dropped at listening sockets, overflows included (ListenDrops)
	SYNFull   uint64 // of these, requests that found the SYN queue full (TCPReqQFullDrop)
	Cookies   uint64 // requests that were answered with a SYN cookie instead, for the SYN queue was full (TCPReqQFullDoCookies)
}

// maxListeners bounds the listeners of one sample; whoever listens on more has the first ones shown.
const maxListeners = 16
