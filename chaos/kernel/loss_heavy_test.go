//go:build linux && heavy

package kernel

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/flatline-dev/flatline/chaos"
)

// minRTO is Linux' TCP_RTO_MIN: no retransmission timeout is shorter, nor is a tail loss probe of a single packet.
const minRTO = 200 * time.Millisecond

// tally is what a number of clients saw while they exchanged single bytes with an echo server.
type tally struct {
	trips, slow  int    // round trips; and those of at least minRTO
	sent, resent uint32 // segments with data sent by the clients, and how many of them again
}

func (a tally) slowShare() float64 { return float64(a.slow) / float64(a.trips) }

// exchange lets every connection make its round trips, all at the same time, one at a time on each.
func exchange(t *testing.T, conns []net.Conn, trips int) tally {
	t.Helper()
	var mu sync.Mutex
	var all tally
	var wg sync.WaitGroup
	for _, c := range conns {
		wg.Go(func() {
			slow := 0
			for range trips {
				rtt, err := pingPong(c)
				if err != nil {
					t.Error(err)
					return
				}
				if rtt >= minRTO {
					slow++
				}
			}
			raw, err := c.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Error(err)
				return
			}
			var info *unix.TCPInfo
			raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all.trips += trips
			all.slow += slow
			all.sent += info.Data_segs_out
			all.resent += info.Total_retrans
		})
	}
	wg.Wait()
	return all
}

// TestLossIsReal: with 5 % of the packets lost each way, a round trip needs a retransmission with probability
// 1 - 0.95² = 9.75 % and then takes at least 200 ms. The share of trips, and the client's own count of what it sent
// again, are held to half and double of that.
func TestLossIsReal(t *testing.T) {
	const clients, trips, rate = 200, 30, 0.05
	for _, m := range matchings {
		t.Run(m.name, func(t *testing.T) {
			w := newWorld(t, m.listen, clients)
			conns, all := echoing(w, clients)
			settle(t, conns)
			w.begin(chaos.Fault{Kind: chaos.Drop, Rate: rate}, all...)
			wantLoss(t, exchange(t, conns, trips), 1-(1-rate)*(1-rate), chaos.Both)
		})
	}
}

// settle waits until the machine is quiet enough for round trips to be slow by loss only.
func settle(t *testing.T, conns []net.Conn) {
	t.Helper()
	var share float64
	for range 20 {
		if share = exchange(t, conns, 5).slowShare(); share <= 0.01 {
			return
		}
	}
	t.Fatalf("%.1f %% of the round trips are slow without loss", 100*share)
}

// wantLoss checks that round trips fail their first time with probability p.
func wantLoss(t *testing.T, got tally, p float64, dir chaos.Direction) {
	t.Helper()
	t.Logf("%d round trips, %.2f %% slow; %d segments sent by the clients, %d of them again (%.2f %%)", got.trips,
		100*got.slowShare(), got.sent, got.resent, 100*float64(got.resent)/float64(got.sent))
	if s := got.slowShare(); s < p/2 || s > 2*p {
		t.Errorf("%.2f %% of the round trips took %v or more, want about %.2f %%", 100*s, minRTO, 100*p)
	}
	// What is lost on the way down is for the server to send again.
	if r := float64(got.resent) / float64(got.trips); dir != chaos.Down && (r < p/2 || r > 2*p) {
		t.Errorf("%.2f retransmissions by the client a round trip, want about %.2f", r, p)
	}
}

// echoing opens a connection for each client to a server that echoes.
func echoing(w *world, clients int) (conns []net.Conn, numbers []int) {
	w.Helper()
	for i := range clients {
		c, peer := w.open(i)
		go io.Copy(peer, peer)
		conns, numbers = append(conns, c), append(numbers, i)
	}
	return conns, numbers
}

// TestLossByDirection: either way alone costs a round trip as often.
func TestLossByDirection(t *testing.T) {
	const clients, trips, rate = 100, 30, 0.1
	for _, dir := range []chaos.Direction{chaos.Up, chaos.Down} {
		t.Run(string(dir), func(t *testing.T) {
			w := newWorld(t, "127.0.0.1:0", clients)
			conns, all := echoing(w, clients)
			w.begin(chaos.Fault{Kind: chaos.Drop, Rate: rate, Direction: dir}, all...)
			wantLoss(t, exchange(t, conns, trips), rate, dir)
		})
	}
}

// TestLocalDrop measures the mistake that this engine avoids: a packet that is dropped in the sender's output hook was,
// for the sender's TCP, never sent. It is no retransmission when it is sent at last.
func TestLocalDrop(t *testing.T) {
	const clients, trips, rate = 100, 30, 0.1
	w := newWorld(t, "127.0.0.1:0", clients)
	conns, all := echoing(w, clients)
	var keys [][]byte
	for _, i := range all {
		keys = append(keys, w.keyOf(i))
	}
	_, err := w.table.add(0, []chain{{name: "local", kind: nftables.ChainTypeFilter, hook: nftables.ChainHookOutput, rules: []rule{
		{chance(rate), saddr(setName(0)), tcp(), drop()},
	}}}, w.keyType(), keys)
	if err != nil {
		t.Fatal(err)
	}
	got := exchange(t, conns, trips)
	t.Logf("%d round trips, %.2f %% slow; %d segments sent by the clients, %d of them again", got.trips, 100*got.slowShare(), got.sent, got.resent)
	if got.slowShare() < rate/2 || float64(got.resent)/float64(got.trips) > rate/4 {
		t.Errorf("a local drop looks like loss to the sender")
	}
}

// TestNothingIsCorrupted: under loss TCP still delivers every byte once, in order.
func TestNothingIsCorrupted(t *testing.T) {
	const clients, size = 20, 1 << 20
	w := newWorld(t, "127.0.0.1:0", clients)
	conns, all := echoing(w, clients)
	w.begin(chaos.Fault{Kind: chaos.Drop, Rate: 0.03}, all...)
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			out := make([]byte, size)
			for k := range out {
				out[k] = byte(k * (k>>8 + i + 1))
			}
			go c.Write(out)
			in := make([]byte, size)
			c.SetReadDeadline(time.Now().Add(60 * time.Second))
			if n, err := io.ReadFull(c, in); err != nil {
				t.Errorf("client %d: %d of %d bytes, %v", i, n, size, err)
			} else if string(in) != string(out) {
				t.Errorf("client %d: the echo differs", i)
			}
		})
	}
	wg.Wait()
}

// abroad is a world whose echo server is at the other end of a cable, in another network namespace.
func abroad(t *testing.T, clients int) *world {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), inside+"=far end")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = newNamespace()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	lines := bufio.NewReader(out)
	line := func() string {
		s, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(s)
	}
	if s := line(); s != "born" {
		t.Fatalf("the far end says %q", s)
	}
	if err := veth("near0", "far0", cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	dev, err := net.InterfaceByName("near0")
	if err != nil {
		t.Fatal(err)
	}
	if err := linkUp(dev.Index, net.IPv4(10, 9, 8, 1)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(in, "plug")
	w := &world{TB: t, obs: &notes{}, addr: line()}
	w.engine(netip.MustParseAddrPort(w.addr).Addr(), clients)
	return w
}

// TestAbroad: the faults on the way to another host, where what goes up has to be lost on this one and yet not be a
// local drop.
func TestAbroad(t *testing.T) {
	const clients, trips = 100, 30
	w := abroad(t, clients)
	var conns []net.Conn
	var all []int
	open := func(i int) net.Conn {
		c, err := w.connect(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for i := range clients {
		conns, all = append(conns, open(i)), append(all, i)
	}
	settle(t, conns)

	for _, dir := range []chaos.Direction{chaos.Up, chaos.Down} {
		fresh := make([]net.Conn, clients) // their counts begin at zero
		for i := range fresh {
			fresh[i] = open(i)
		}
		end := w.begin(chaos.Fault{Kind: chaos.Drop, Rate: 0.1, Direction: dir}, all...)
		wantLoss(t, exchange(t, fresh, trips), 0.1, dir)
		end()
	}

	for _, dir := range []chaos.Direction{chaos.Up, chaos.Down, chaos.Both} {
		end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: dir}, 0)
		write(t, conns[0], "x")
		wantSilence(t, conns[0])
		write(t, conns[1], "y")
		wantRead(t, conns[1], "y")
		end()
		wantRead(t, conns[0], "x")
	}

	end := w.begin(chaos.Fault{Kind: chaos.Refuse}, 0)
	if _, err := w.connect(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a dial that is refused: %v", err)
	}
	write(t, conns[0], "lives")
	wantRead(t, conns[0], "lives")
	end()

	w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.RST}, 0)
	wantError(t, conns[0], syscall.ECONNRESET)
	wantRead(t, open(0), "")
	if z := w.obs.all(); z != nil {
		t.Errorf("zombies of a server that cannot be seen: %v", z)
	}
}
