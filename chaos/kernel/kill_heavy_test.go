//go:build linux && heavy

package kernel

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/flatline-dev/flatline/chaos"
)

func TestKill(t *testing.T) {
	for _, m := range matchings {
		for how, want := range map[chaos.How][2]error{
			chaos.RST: {syscall.ECONNRESET, syscall.ECONNRESET},
			chaos.FIN: {io.EOF, io.EOF},
		} {
			t.Run(m.name+" "+string(how), func(t *testing.T) {
				w := newWorld(t, m.listen, 2)
				c, peer := w.open(0)
				again, againPeer := w.open(0)
				other, otherPeer := w.open(1)
				w.begin(chaos.Fault{Kind: chaos.Kill, How: how}, 0)
				for _, victim := range []net.Conn{c, again} {
					wantError(t, victim, want[0])
				}
				for _, victim := range []net.Conn{peer, againPeer} {
					wantError(t, victim, want[1])
				}
				write(t, other, "lives")
				wantRead(t, otherPeer, "lives")
				w.open(0)
			})
		}
	}
}

// TestKillTwice: a connection that was reset stays reset, whoever asks and how often.
func TestKillTwice(t *testing.T) {
	w := newWorld(t, "127.0.0.1:0", 1)
	c, _ := w.open(0)
	for range 2 {
		w.begin(chaos.Fault{Kind: chaos.Kill}, 0)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write: %v", err)
	}
	wantError(t, c, syscall.ECONNRESET)
	wantError(t, c, syscall.ECONNRESET)
}

// TestKillUnderBlackhole: the RST is lost with everything else, and yet no end is left.
func TestKillUnderBlackhole(t *testing.T) {
	w := newWorld(t, "127.0.0.1:0", 1)
	c, peer := w.open(0)
	w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
	w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.RST}, 0)
	wantError(t, c, syscall.ECONNRESET)
	wantError(t, peer, syscall.ECONNABORTED)
	c.Close()
	if got := w.obs.all(); got != nil {
		t.Errorf("zombies: %v", got)
	}
}
