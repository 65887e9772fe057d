package process

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What linux/sock_diag.h, linux/inet_diag.h and net/tcp_states.h call it.
const (
	sockDiagByFamily = 20
	tcpListen        = 10 // TCP_LISTEN
	diagSkMemInfo    = 7  // INET_DIAG_SKMEMINFO
	memInfoDrops     = 8  // SK_MEMINFO_DROPS, an index of 32-bit words
	diagRequestSize  = 56 // struct inet_diag_req_v2
	diagMessageSize  = 72 // struct inet_diag_msg
)

// listening finds the listening sockets of a target. Which of all the listening sockets are the target's, only its table
// of open files says, and that has a line for each of its connections: it is read again only when a socket has appeared
// that was not there before.
type listening struct {
	mu    sync.Mutex
	known map[uint32]bool // by inode: whether it is the target's
	pids  []int
}

// of returns the listeners of the processes; nil where they cannot be seen, as in another network namespace.
func (l *listening) of(pids []int) []Listener {
	pids = slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return !sameNetns(pid) })
	if len(pids) == 0 {
		return nil
	}
	all, err := listeners()
	if err != nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := !slices.Equal(pids, l.pids)
	for i := range all {
		if _, ok := l.known[all[i].ID]; !ok {
			fresh = true
		}
	}
	if fresh {
		l.known, l.pids = make(map[uint32]bool, len(all)), pids
		for i := range all {
			l.known[all[i].ID] = false
		}
		for _, pid := range pids {
			sockets(pid, func(inode uint32) {
				if _, listens := l.known[inode]; listens {
					l.known[inode] = true
				}
			})
		}
	}
	all = slices.DeleteFunc(all, func(s Listener) bool { return !l.known[s.ID] })
	slices.SortFunc(all, func(a, b Listener) int { return strings.Compare(a.Addr, b.Addr) })
	return all[:min(len(all), maxListeners)]
}

// listeners asks the kernel for all listening TCP sockets of this network namespace, as ss -ltm does (sock_diag(7)).
func listeners() ([]Listener, error) {
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, fmt.Errorf("open sock_diag: %w", err)
	}
	defer c.Close()
	var all []Listener
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		ask := make([]byte, diagRequestSize)
		ask[0], ask[1], ask[2] = family, unix.IPPROTO_TCP, 1<<(diagSkMemInfo-1)
		binary.NativeEndian.PutUint32(ask[4:], 1<<tcpListen)
		answers, err := c.Execute(netlink.Message{
			Header: netlink.Header{Type: sockDiagByFamily, Flags: netlink.Request | netlink.Dump}, Data: ask})
		if err != nil {
			return nil, fmt.Errorf("ask sock_diag for listening sockets: %w", err)
		}
		for _, a := range answers {
			if s, ok := parseListener(a.Data); ok {
				all = append(all, s)
			}
		}
	}
	return all, nil
}

// parseListener reads a struct inet_diag_msg and the attributes behind it. For a listening socket the receive queue is
// the number of connections that wait, the send queue the backlog.
func parseListener(b []byte) (s Listener, ok bool) {
	if len(b) < diagMessageSize || b[1] != tcpListen {
		return s, false
	}
	addr, _ := netip.AddrFromSlice(b[8:12])
	if b[0] == unix.AF_INET6 {
		addr, _ = netip.AddrFromSlice(b[8:24])
	}
	s = Listener{
		ID:    binary.NativeEndian.Uint32(b[68:]),
		Addr:  netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[4:])).String(),
		Queue: int(binary.NativeEndian.Uint32(b[56:])),
		Limit: int(binary.NativeEndian.Uint32(b[60:])),
	}
	attributes, err := netlink.UnmarshalAttributes(b[diagMessageSize:])
	if err != nil {
		return s, false
	}
	for _, a := range attributes {
		if a.Type == diagSkMemInfo && len(a.Data) >= 4*(memInfoDrops+1) {
			s.Drops = binary.NativeEndian.Uint32(a.Data[4*memInfoDrops:])
		}
	}
	return s, true
}
