package stream

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/google/go-cmp/cmp"
)

func TestIdleCutSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, 3)
		quiet, quietPeer := w.open(0)
		busy, busyPeer := w.open(1)
		_, _ = w.open(2) // quiet, but no victim
		time.Sleep(time.Minute)
		end := w.begin(chaos.Fault{Kind: chaos.IdleCut, After: 10 * time.Second}, 0, 1)
		go echo(busyPeer)
		for range 6 {
			time.Sleep(5 * time.Second)
			w.write(busy, "beat")
			w.wantRead(busy, "beat")
		}
		// quiet counts from the fault's begin at 60 s.
		if diff := cmp.Diff([]string{"cut 0 by 0"}, w.obs.all()); diff != "" {
			t.Fatal(diff)
		}
		if at := w.obs.at[0]; at != 70*time.Second {
			t.Errorf("cut at %v, want 70s", at)
		}

		// Dead both ways, for ever.
		w.write(quiet, "into the void")
		reading := readResult(quiet)
		go w.put(quietPeer, "nobody hears")
		time.Sleep(time.Second) // busy is cut ten seconds after its last byte at 90 s
		end()
		time.Sleep(time.Hour)
		select {
		case err := <-reading:
			t.Errorf("read on a cut connection returned %v", err)
		default:
		}
		again, againPeer := w.open(0) // a new connection of the same client lives
		go w.put(again, "alive")
		w.wantRead(againPeer, "alive")

		quiet.Close()
		if err := <-reading; !errors.Is(err, net.ErrClosed) {
			t.Errorf("blocked read: %v", err)
		}
		if w.Zombies() != 1 {
			t.Errorf("%d zombies, want 1", w.Zombies())
		}
		time.Sleep(time.Second)
		quietPeer.Close()
		synctest.Wait()
		want := []string{"cut 0 by 0", "zombie 0", "ended 0 reaped=true"}
		if diff := cmp.Diff(want, w.obs.all()); diff != "" {
			t.Error(diff)
		}
		w.write(busy, "beat")
		w.wantRead(busy, "beat")
		busy.Close()
		w.Engine.Close()
	})
}

func TestIdleCutCountsFromTheLastByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, 1)
		w.begin(chaos.Fault{Kind: chaos.IdleCut, After: 10 * time.Second}, 0)
		w.begin(chaos.Fault{Kind: chaos.IdleCut, After: 4 * time.Second}, 0) // the more impatient cuts
		time.Sleep(time.Second)
		c, peer := w.open(0) // at 1 s, under the fault
		reading := readResult(c)
		time.Sleep(3 * time.Second)
		w.write(peer, "x") // at 4 s, down
		<-reading
		time.Sleep(3 * time.Second)
		go w.put(c, "y") // at 7 s, up
		w.wantRead(peer, "y")
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"cut 0 by 1"}, w.obs.all()); diff != "" {
			t.Fatal(diff)
		}
		if at := w.obs.at[0]; at != 11*time.Second {
			t.Errorf("cut at %v, want 11s", at)
		}
		c.Close()
		w.Engine.Close()
		if diff := cmp.Diff([]string{"cut 0 by 1", "zombie 0", "ended 0 reaped=false"}, w.obs.all()); diff != "" {
			t.Error(diff)
		}
	})
}

// The end of the fault comes before anybody was quiet for long enough.
func TestIdleCutThatEndsCutsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, 1)
		c, peer := w.open(0)
		end := w.begin(chaos.Fault{Kind: chaos.IdleCut, After: 10 * time.Second}, 0)
		time.Sleep(9 * time.Second)
		end()
		time.Sleep(time.Hour)
		go w.put(c, "x")
		w.wantRead(peer, "x")
		if len(w.obs.all()) != 0 {
			t.Errorf("notes %v", w.obs.all())
		}
		w.Engine.Close()
	})
}

func TestIdleCutThatBothEndsSee(t *testing.T) {
	for _, how := range []chaos.How{chaos.RST, chaos.FIN} {
		t.Run(string(how), func(t *testing.T) {
			w := loopback(t, 1)
			c, peer := w.open(0)
			want := io.EOF
			if how == chaos.RST {
				want = syscall.ECONNRESET
			}
			w.begin(chaos.Fault{Kind: chaos.IdleCut, After: 20 * time.Millisecond, How: how}, 0)
			client, server := readResult(c), readResult(peer)
			if err := within(t, client, "client"); !errors.Is(err, want) {
				t.Errorf("client reads %v, want %v", err, want)
			}
			if err := within(t, server, "server"); !errors.Is(err, want) {
				t.Errorf("server reads %v, want %v", err, want)
			}
			if diff := cmp.Diff([]string{"cut 0 by 0"}, w.obs.all()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
