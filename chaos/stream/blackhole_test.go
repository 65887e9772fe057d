package stream

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/google/go-cmp/cmp"
)

func TestBlackholeUpHoldsAndHeals(t *testing.T) {
	w := loopback(t, 2)
	c, peer := w.open(0)
	other, otherPeer := w.open(1)
	w.write(c, "before ")
	w.wantRead(peer, "before ")

	end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Up}, 0)
	w.write(c, "one ")
	w.write(c, "two ")
	w.wantSilence(peer)
	w.write(peer, "down is healthy")
	w.wantRead(c, "down is healthy")
	w.write(other, "not a victim")
	w.wantRead(otherPeer, "not a victim")

	end()
	w.wantRead(peer, "one two ")
	w.write(c, "after")
	w.wantRead(peer, "after")
}

func TestBlackholeDownHoldsAndHeals(t *testing.T) {
	w := loopback(t, 1)
	c, peer := w.open(0)
	end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Down}, 0)
	w.write(peer, "held")
	w.wantSilence(c)
	w.write(c, "up is healthy")
	w.wantRead(peer, "up is healthy")
	w.write(peer, " back")
	end()
	w.wantRead(c, "held back")
}

// A reader that was blocked in the socket before the fault must neither get what arrives under it nor lose it.
func TestBlackholeUnderABlockedRead(t *testing.T) {
	w := loopback(t, 1)
	c, peer := w.open(0)
	got := make(chan string, 1)
	go func() {
		buf := make([]byte, 16)
		n, _ := c.Read(buf)
		got <- string(buf[:n])
	}()
	time.Sleep(20 * time.Millisecond) // lets the reader block; the test holds either way
	end := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
	w.write(peer, "x")
	select {
	case s := <-got:
		t.Fatalf("read %q under a blackhole", s)
	case <-time.After(50 * time.Millisecond):
	}
	end()
	if s := within(t, got, "read after the heal"); s != "x" {
		t.Errorf("read %q, want x", s)
	}
}

func TestBlackholesOverlap(t *testing.T) {
	w := loopback(t, 1)
	c, peer := w.open(0)
	endBoth := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
	endUp := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Up}, 0)
	w.write(c, "up")
	w.write(peer, "down")
	endBoth()
	w.wantRead(c, "down")
	w.wantSilence(peer)
	endUp()
	w.wantRead(peer, "up")
}

func TestBlackholedServerCloseIsSeenAfterTheHeal(t *testing.T) {
	w := loopback(t, 1)
	c, peer := w.open(0)
	end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Down}, 0)
	w.write(peer, "bye")
	peer.Close()
	w.wantSilence(c)
	end()
	w.wantRead(c, "bye")
	if err := within(t, readResult(c), "EOF"); err != io.EOF {
		t.Errorf("read: %v, want EOF", err)
	}
}

func TestOutboxIsBounded(t *testing.T) {
	w := loopback(t, 1)
	w.Outbox = 100
	c, peer := w.open(0)
	end := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
	big := make([]byte, 60)
	pattern(big, 0)
	w.write(c, string(big))
	if n, err := c.Write(big); n != 0 || !errors.Is(err, ErrOutboxFull) {
		t.Errorf("write beyond the outbox: %d, %v", n, err)
	}
	w.write(c, "small")
	end()
	w.wantRead(peer, string(big)+"small")
}

func TestCloseUnderBlackholeLeavesAZombie(t *testing.T) {
	for _, dir := range []chaos.Direction{chaos.Up, chaos.Both} {
		t.Run(string(dir)+", healed", func(t *testing.T) {
			w := loopback(t, 1)
			c, peer := w.open(0)
			end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: dir}, 0)
			reading := readResult(c)
			w.write(c, "goodbye")
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if err := within(t, reading, "blocked read"); !errors.Is(err, net.ErrClosed) {
				t.Errorf("blocked read: %v", err)
			}
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("read after close: %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("write after close: %v", err)
			}
			if n := w.Zombies(); n != 1 {
				t.Errorf("%d zombies, want 1", n)
			}
			w.wantSilence(peer)
			w.write(peer, "still there?")
			end()
			w.wantRead(peer, "goodbye")
			if err := within(t, readResult(peer), "FIN"); err != io.EOF {
				t.Errorf("server reads %v, want EOF", err)
			}
			eventually(t, "the zombie's end", func() bool { return w.Zombies() == 0 && len(w.obs.all()) == 2 })
			if diff := cmp.Diff([]string{"zombie 0", "ended 0 reaped=false"}, w.obs.all()); diff != "" {
				t.Error(diff)
			}
		})
		t.Run(string(dir)+", reaped", func(t *testing.T) {
			w := loopback(t, 1)
			c, peer := w.open(0)
			end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: dir}, 0)
			c.Close()
			time.Sleep(20 * time.Millisecond)
			at := w.clock()
			peer.Close() // the server's timeout
			eventually(t, "the reaping", func() bool { return w.Zombies() == 0 && len(w.obs.all()) == 2 })
			if diff := cmp.Diff([]string{"zombie 0", "ended 0 reaped=true"}, w.obs.all()); diff != "" {
				t.Error(diff)
			}
			if w.obs.at[1] < at {
				t.Errorf("reaped at %v, before the server closed at %v", w.obs.at[1], at)
			}
			end()
		})
	}
}

// The server gave up before the client: nothing is left that the server holds.
func TestNoZombieWhenTheServerClosedFirst(t *testing.T) {
	w := loopback(t, 1)
	c, peer := w.open(0)
	reading := readResult(c)
	w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
	peer.Close()
	eventually(t, "the held FIN", func() bool {
		w.paths[0].mu.Lock()
		defer w.paths[0].mu.Unlock()
		return c.peerGone
	})
	c.Close()
	if err := within(t, reading, "blocked read"); !errors.Is(err, net.ErrClosed) {
		t.Errorf("blocked read: %v", err)
	}
	if n := w.Zombies(); n != 0 || len(w.obs.all()) != 0 {
		t.Errorf("%d zombies, notes %v", n, w.obs.all())
	}
}

func TestCloseUnderBlackholeDownReachesTheServer(t *testing.T) {
	w := loopback(t, 1)
	c, peer := w.open(0)
	w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Down}, 0)
	c.Close()
	if err := within(t, readResult(peer), "FIN"); err != io.EOF {
		t.Errorf("server reads %v, want EOF", err)
	}
	if w.Zombies() != 0 {
		t.Error("a zombie without a reason")
	}
}

func TestEngineCloseEndsZombies(t *testing.T) {
	w := loopback(t, 3)
	var peers []net.Conn
	w.begin(chaos.Fault{Kind: chaos.Refuse}, 0) // something else in force
	for i := 1; i < 3; i++ {
		c, peer := w.open(i)
		w.begin(chaos.Fault{Kind: chaos.Blackhole}, i)
		w.write(c, "last words")
		c.Close()
		peers = append(peers, peer)
	}
	if w.Zombies() != 2 {
		t.Fatalf("%d zombies, want 2", w.Zombies())
	}
	if err := w.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	if w.Zombies() != 0 {
		t.Errorf("%d zombies after Close", w.Zombies())
	}
	for _, peer := range peers {
		w.wantRead(peer, "last words")
		if err := within(t, readResult(peer), "FIN"); err != io.EOF {
			t.Errorf("server reads %v, want EOF", err)
		}
	}
	c, peer := w.open(0) // undone: no longer refused
	w.write(c, "free")
	w.wantRead(peer, "free")
}
