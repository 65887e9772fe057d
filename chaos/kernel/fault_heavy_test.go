//go:build linux && heavy

package kernel

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"

	"github.com/flatline-dev/flatline/chaos"
)

// flatlineTables are the tables of the namespace whose name begins with ours.
func flatlineTables(t testing.TB) []string {
	t.Helper()
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, one := range all {
		if strings.HasPrefix(one.Name, "flatline") {
			names = append(names, one.Name)
		}
	}
	return names
}

func TestAvailable(t *testing.T) {
	if err := Available(); err != nil {
		t.Fatal(err)
	}
	if left := flatlineTables(t); left != nil { // no test runs beside this one
		t.Errorf("left behind: %v", left)
	}
}

// TestWithoutPrivilege: the same kernel, asked by somebody who may not.
func TestWithoutPrivilege(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), inside+"=nobody")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER, // its privileges end at this user namespace, and the network's is outside
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "engine kernel needs CAP_NET_ADMIN: netlink receive: operation not permitted; hint: run as root, or engine stream needs no privilege (engine packet where packets are lost)"
	if got := string(out); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestAlone: two engines would hit each other's clients.
func TestAlone(t *testing.T) {
	w := newWorld(t, "127.0.0.1:0", 1)
	cfg := w.cfg
	if e, err := New(cfg); err == nil || !strings.Contains(err.Error(), "already") {
		if err == nil {
			e.Close()
		}
		t.Errorf("a second engine: %v", err)
	}
	w.Close()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
}

func TestOwnAddresses(t *testing.T) {
	w := newWorld(t, "127.0.0.1:0", 300)
	for _, i := range []int{0, 255, 299} {
		_, peer := w.open(i)
		if got, want := addrPort(peer.RemoteAddr()).Addr(), Address(i, w.cfg.Target); got != want {
			t.Errorf("client %d comes from %v, want %v", i, got, want)
		}
	}
}

// TestBlackhole runs the directions side by side, on different clients.
func TestBlackhole(t *testing.T) {
	for _, m := range matchings {
		t.Run(m.name, func(t *testing.T) {
			w := newWorld(t, m.listen, 6)
			for i, dir := range []chaos.Direction{chaos.Up, chaos.Down, chaos.Both} {
				t.Run(string(dir), func(t *testing.T) {
					t.Parallel()
					blackhole(t, w, dir, i, i+3)
				})
			}
		})
	}
}

func blackhole(t *testing.T, w *world, dir chaos.Direction, client, bystander int) {
	victim, victimPeer := w.open(client)
	other, otherPeer := w.open(bystander)
	end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: dir}, client)

	write(t, other, "up")
	wantRead(t, otherPeer, "up")
	write(t, otherPeer, "down")
	wantRead(t, other, "down")

	write(t, victim, "up")
	if dir == chaos.Down {
		wantRead(t, victimPeer, "up")
	} else {
		wantSilence(t, victimPeer)
	}
	write(t, victimPeer, "down")
	if dir == chaos.Up {
		wantRead(t, victim, "down")
	} else {
		wantSilence(t, victim)
	}
	// A new connection of the victim is hit as well.
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	if c, err := w.connect(ctx, client); err == nil {
		c.Close()
		t.Error("a new connection came through")
	} else if !isTimeout(err) {
		t.Errorf("a new connection: %v, want a timeout", err)
	}

	end()
	if dir != chaos.Down {
		wantRead(t, victimPeer, "up")
	}
	if dir != chaos.Up {
		wantRead(t, victim, "down")
	}
	w.open(client)
}

// TestOverlap: two blackholes on one client, and a refusal that a blackhole keeps away.
func TestOverlap(t *testing.T) {
	for _, m := range matchings {
		t.Run(m.name, func(t *testing.T) {
			w := newWorld(t, m.listen, 1)
			c, peer := w.open(0)
			first := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
			refuse := w.begin(chaos.Fault{Kind: chaos.Refuse}, 0)
			second := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Up}, 0)
			first()
			write(t, c, "a")
			wantSilence(t, peer)
			ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			if _, err := w.connect(ctx, 0); !isTimeout(err) {
				t.Errorf("a dial into a blackhole that refuses: %v, want a timeout", err)
			}
			second()
			wantRead(t, peer, "a")
			if _, err := w.connect(context.Background(), 0); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("a dial that is refused: %v", err)
			}
			refuse()
			w.open(0)
		})
	}
}

func TestRefuse(t *testing.T) {
	for _, m := range matchings {
		t.Run(m.name, func(t *testing.T) {
			w := newWorld(t, m.listen, 2)
			c, peer := w.open(0)
			end := w.begin(chaos.Fault{Kind: chaos.Refuse}, 0)
			if _, err := w.connect(context.Background(), 0); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("a new connection: %v, want ECONNREFUSED", err)
			}
			w.open(1)
			write(t, c, "lives")
			wantRead(t, peer, "lives")
			end()
			w.open(0)
		})
	}
}

func TestZombies(t *testing.T) {
	for _, m := range matchings {
		t.Run(m.name, func(t *testing.T) {
			w := newWorld(t, m.listen, 4)
			reaped, reapedPeer := w.open(0)
			healed, healedPeer := w.open(1)
			unharmed, _ := w.open(2)
			gone, gonePeer := w.open(3)
			end := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0, 1, 3)
			gonePeer.Close() // before its client notices
			gone.Close()
			unharmed.Close()
			reaped.Close()
			healed.Close()
			if got, want := w.obs.all(), []string{"zombie 0", "zombie 1"}; !cmp.Equal(got, want) {
				t.Fatalf("observed %q, want %q", got, want)
			}
			if n := w.Zombies(); n != 2 {
				t.Errorf("%d zombies, want 2", n)
			}
			wantSilence(t, healedPeer)
			reapedPeer.Close()
			eventually(t, "reaping", func() bool { return w.Zombies() == 1 })
			end()
			wantError(t, healedPeer, io.EOF)
			eventually(t, "goodbye", func() bool { return w.Zombies() == 0 })
			want := []string{"zombie 0", "zombie 1", "ended 0 reaped=true", "ended 1 reaped=false"}
			if got := w.obs.all(); !cmp.Equal(got, want) {
				t.Errorf("observed %q, want %q", got, want)
			}
		})
	}
}

// TestCloseEndsAll: Close undoes what is in force and reports the zombies that are left.
func TestCloseEndsAll(t *testing.T) {
	w := newWorld(t, "127.0.0.1:0", 2)
	c, peer := w.open(0)
	gone, _ := w.open(1)
	w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0, 1)
	w.begin(chaos.Fault{Kind: chaos.Drop, Rate: 1}, 0)
	gone.Close()
	write(t, c, "held")
	wantSilence(t, peer)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	wantRead(t, peer, "held")
	if got, want := w.obs.all(), []string{"zombie 1", "ended 1 reaped=false"}; !cmp.Equal(got, want) {
		t.Errorf("observed %q, want %q", got, want)
	}
	if err := w.Begin(&chaos.Fault{Kind: chaos.Refuse}, chaos.Occurrence{Index: 9}, &chaos.Set{}); err == nil {
		t.Error("a closed engine begins a fault")
	}
}

// TestManyVictims: a set of more elements than one message holds, begun and ended several times.
func TestManyVictims(t *testing.T) {
	for _, m := range matchings {
		t.Run(m.name, func(t *testing.T) {
			const n = 100_000
			w := newWorld(t, m.listen, n)
			var all []int
			for i := range n {
				all = append(all, i)
			}
			c, peer := w.open(n - 1)
			for range 3 {
				end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Up}, all...)
				write(t, c, "x")
				wantSilence(t, peer)
				end()
				wantRead(t, peer, "x")
			}
		})
	}
}
