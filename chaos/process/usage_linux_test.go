package process

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
)

// smallBacklog is what the listening child asks for. The kernel's queue is full when it is longer.
const smallBacklog = 4

// listensMain listens, says where, and never accepts.
func listensMain() {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err == nil {
		err = syscall.Listen(fd, smallBacklog)
	}
	var name syscall.Sockaddr
	if err == nil {
		name, err = syscall.Getsockname(fd)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("ready 127.0.0.1:%d\n", name.(*syscall.SockaddrInet4).Port)
	select {}
}

// A frozen target has more connects than its backlog holds: its queue is full, and the kernel drops.
func TestUsageOverflow(t *testing.T) {
	var out screen
	p := startChild(t, child("listens", &out))
	addr := strings.TrimSpace(strings.TrimPrefix(out.all(), "ready "))
	before, err := p.Usage()
	if err != nil || before.Netns == nil {
		t.Fatalf("%+v, %v", before, err)
	}
	if len(before.Listeners) != 1 || before.Listeners[0].Addr != addr {
		t.Fatalf("listeners %+v, want the one on %s", before.Listeners, addr)
	}
	if l := before.Listeners[0]; l.Queue != 0 || l.Limit != smallBacklog || l.Drops != 0 {
		t.Errorf("at first: %+v", l)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	// A second listener, of this process: it is not the target's.
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	const clients = 3 * smallBacklog
	var dials sync.WaitGroup
	conns := make(chan net.Conn, clients)
	for range clients {
		dials.Go(func() {
			if c, err := net.DialTimeout("tcp", addr, 500*time.Millisecond); err == nil {
				conns <- c
			}
		})
	}
	dials.Wait()
	close(conns)
	t.Cleanup(func() {
		for c := range conns {
			c.Close()
		}
	})
	after, err := p.Usage()
	if err != nil || after.Netns == nil || len(after.Listeners) != 1 {
		t.Fatalf("%+v, %v", after, err)
	}
	l := after.Listeners[0]
	// The kernel takes one more than the limit (it compares with >), and a few more where handshakes end on several
	// processors between its look at the queue and its push.
	if l.Addr != addr || l.Queue <= smallBacklog || l.Queue >= clients || l.Drops < 1 {
		t.Errorf("after %d connects: %+v", clients, l)
	}
	n, was := after.Netns, before.Netns
	// The listener's own count may be the higher one: it has what the socket discarded without a word to the namespace.
	if n.Overflows <= was.Overflows || n.Drops-was.Drops < n.Overflows-was.Overflows {
		t.Errorf("in the namespace: %+v, before %+v; dropped at the listener itself: %d", n, was, l.Drops)
	}
}

// A command whose work is done by its child is seen with it.
func TestUsageOfGroup(t *testing.T) {
	var out screen
	p := startChild(t, child("tree", &out))
	single, _, ok := use(p.PID(), false)
	u, err := p.Usage()
	if !ok || err != nil || *u.Threads <= *single.Threads || u.RSS <= single.RSS || *u.FDs <= *single.FDs {
		t.Errorf("%+v, alone %+v, %v", u, single, err)
	}
}

func TestOwnUsage(t *testing.T) {
	before, err := OwnUsage()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	after, err := OwnUsage()
	if err != nil || *after.FDs < *before.FDs+10 || after.CPU < before.CPU || after.RSS < 1<<20 || *after.Threads < 2 {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
}

// What is not a listening socket's message, or is cut short, is passed over.
func TestParseListener(t *testing.T) {
	b := make([]byte, diagMessageSize)
	b[0], b[1] = syscall.AF_INET, tcpListen
	copy(b[4:], []byte{0x1f, 0x90})
	copy(b[8:], []byte{10, 0, 0, 7})
	for at, v := range map[int]uint32{56: 3, 60: 128, 68: 42} {
		binary.NativeEndian.PutUint32(b[at:], v)
	}
	drops := make([]byte, 4*(memInfoDrops+1))
	binary.NativeEndian.PutUint32(drops[4*memInfoDrops:], 9)
	info, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: diagSkMemInfo, Data: drops}})
	if err != nil {
		t.Fatal(err)
	}
	want := Listener{ID: 42, Addr: "10.0.0.7:8080", Queue: 3, Limit: 128}
	if s, ok := parseListener(b); !ok || s != want {
		t.Errorf("%+v, %v", s, ok)
	}
	want.Drops = 9
	if s, ok := parseListener(append(b, info...)); !ok || s != want {
		t.Errorf("%+v, %v", s, ok)
	}
	for n := range b {
		if s, ok := parseListener(b[:n]); ok {
			t.Errorf("%d bytes: %+v", n, s)
		}
	}
	if s, ok := parseListener(append(b, 255, 255, 7, 0)); ok {
		t.Errorf("an attribute beyond the end: %+v", s)
	}
	b[1] = 1 // TCP_ESTABLISHED
	if s, ok := parseListener(b); ok {
		t.Errorf("a connection: %+v", s)
	}
}
