package stream

import (
	"errors"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// A number that joins a fault is under it, one that has left is free of it, and the fault's end finds neither twice.
func TestJoinAndLeave(t *testing.T) {
	w := loopback(t, 2)
	c, peer := w.open(1)
	end := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
	w.write(c, "not yet ")
	w.wantRead(peer, "not yet ")
	o := chaos.Occurrence{Index: w.next - 1}
	for range 2 { // the second time changes nothing
		if err := w.Join(o, 1); err != nil {
			t.Fatal(err)
		}
	}
	w.write(c, "held")
	w.wantSilence(peer)
	w.Leave(1)
	w.wantRead(peer, "held")
	if err := w.Join(o, 1); err != nil {
		t.Fatal(err)
	}
	w.write(c, " again")
	w.wantSilence(peer)
	end()
	w.wantRead(peer, " again")
	if err := w.Join(o, 1); err == nil {
		t.Error("joined a fault that is over")
	}
	if err := w.Join(chaos.Occurrence{Index: 99}, 7); err == nil {
		t.Error("joined a fault that never was")
	}
}

// Room opens when the path takes bytes again, and when it never will.
func TestRoom(t *testing.T) {
	for name, finish := range map[string]func(w *world, c *Conn, heal func()){
		"heal":  func(_ *world, _ *Conn, heal func()) { heal() },
		"kill":  func(w *world, _ *Conn, _ func()) { w.begin(chaos.Fault{Kind: chaos.Kill}, 0) },
		"close": func(_ *world, c *Conn, _ func()) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			w := loopback(t, 1)
			w.Outbox = 1000
			c, _ := w.open(0)
			w.write(c, "fresh")
			heal := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
			w.write(c, string(make([]byte, 900)))
			if _, err := c.Write(make([]byte, 200)); !errors.Is(err, ErrOutboxFull) {
				t.Fatalf("a full outbox takes more: %v", err)
			}
			room := c.Room()
			select {
			case <-room:
				t.Fatal("room in a full outbox")
			case <-time.After(20 * time.Millisecond):
			}
			finish(w, c, heal)
			within(t, room, "room after "+name)
		})
	}
}

type gone struct {
	notes
	server []int
}

func (g *gone) ServerGone(_ time.Duration, client int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.server = append(g.server, client)
}

// Only an end that the path keeps from the client is told, and once.
func TestServerGone(t *testing.T) {
	w := loopback(t, 2)
	obs := &gone{}
	w.Engine = New(w.clock, obs, 1, 2)
	healthy, peer := w.open(0)
	peer.Close()
	if err := within(t, readResult(healthy), "the end"); err == nil {
		t.Fatal("no end of stream")
	}
	c, peer := w.open(1)
	heal := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 1)
	read := readResult(c)
	peer.Close()
	eventually(t, "the server's end", func() bool {
		obs.mu.Lock()
		defer obs.mu.Unlock()
		return len(obs.server) == 1 && obs.server[0] == 1
	})
	heal()
	if err := within(t, read, "the end after the heal"); err == nil {
		t.Fatal("no end of stream")
	}
	if len(obs.server) != 1 {
		t.Errorf("told of %v, want of client 1 once", obs.server)
	}
}
