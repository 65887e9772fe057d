package stream

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// talker writes the pattern to an echo server and checks what comes back.
type talker struct {
	c        *Conn
	sent     int
	got      atomic.Int64
	damaged  bool
	readErr  error
	finished chan struct{}
}

func (k *talker) listen() {
	defer close(k.finished)
	buf, want := make([]byte, 3000), make([]byte, 3000)
	for {
		n, err := k.c.Read(buf)
		pattern(want[:n], int(k.got.Load()))
		if !bytes.Equal(buf[:n], want[:n]) {
			k.damaged = true
		}
		k.got.Add(int64(n))
		if err != nil {
			k.readErr = err
			return
		}
	}
}

// say writes n bytes; a full outbox or a killed connection takes none.
func (k *talker) say(n int) {
	b := make([]byte, n)
	pattern(b, k.sent)
	m, _ := k.c.Write(b)
	k.sent += m
}

// faultOf draws a fault; the instant kills and the cuts are the ones that may lose bytes.
func faultOf(rng *rand.Rand, lossy bool) chaos.Fault {
	dir := []chaos.Direction{chaos.Up, chaos.Down, chaos.Both}[rng.IntN(3)]
	ms := func(n int) time.Duration { return time.Duration(1+rng.IntN(n)) * time.Millisecond }
	kinds := 4
	if lossy {
		kinds = 8
	}
	switch rng.IntN(kinds) {
	case 0:
		return chaos.Fault{Kind: chaos.Blackhole, Direction: dir}
	case 1:
		by := ms(30)
		return chaos.Fault{Kind: chaos.Delay, Direction: dir, By: by, Jitter: by}
	case 2:
		return chaos.Fault{Kind: chaos.Throttle, Direction: dir, Rate: float64(20000 + rng.IntN(2000000))}
	case 3:
		return chaos.Fault{Kind: chaos.Refuse}
	case 4:
		return chaos.Fault{Kind: chaos.Kill, How: chaos.FIN}
	case 5:
		return chaos.Fault{Kind: chaos.Kill, How: chaos.RST}
	case 6:
		return chaos.Fault{Kind: chaos.Kill, How: chaos.Close, Code: 1012}
	}
	return chaos.Fault{Kind: chaos.IdleCut, After: ms(20), How: []chaos.How{chaos.Silent, chaos.RST, chaos.FIN}[rng.IntN(3)]}
}

// mistreat lets clients talk to an echo server under random faults. Without lossy faults every byte must come back, in
// order; with them what comes back must be a beginning of what was sent, and nothing may hang.
func mistreat(t *testing.T, w *world, rng *rand.Rand, steps int, lossy bool, maxSay int) {
	const clients = 3
	var talkers []*talker
	for i := range clients {
		c, err := w.Dial(t.Context(), i, w.dial)
		if err != nil {
			t.Fatal(err)
		}
		k := &talker{c: c.(*Conn), finished: make(chan struct{})}
		talkers = append(talkers, k)
		go echo(<-w.peers)
		go k.listen()
	}
	var ends []func()
	for range steps {
		switch r := rng.IntN(10); {
		case r < 5:
			k := talkers[rng.IntN(clients)]
			k.say(1 + rng.IntN(maxSay))
		case r < 7:
			f := faultOf(rng, lossy)
			end := w.begin(f, rng.IntN(clients), rng.IntN(clients))
			if !f.Instant() {
				ends = append(ends, end)
			}
		case r < 9 && len(ends) > 0:
			i := rng.IntN(len(ends))
			ends[i]()
			ends = append(ends[:i], ends[i+1:]...)
		default:
			time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
		}
	}
	if lossy && rng.IntN(2) == 0 {
		talkers[0].c.Close() // perhaps under a fault: a zombie
	}
	for _, end := range ends {
		end()
	}
	for i, k := range talkers {
		if !lossy {
			for limit := time.Now().Add(20 * time.Second); int(k.got.Load()) < k.sent && time.Now().Before(limit); {
				time.Sleep(time.Millisecond)
			}
			if got := int(k.got.Load()); got != k.sent {
				t.Errorf("client %d: %d bytes of %d came back", i, got, k.sent)
			}
		}
		k.c.Close()
		<-k.finished
		got := int(k.got.Load())
		if k.damaged {
			t.Errorf("client %d: damaged within %d bytes", i, got)
		}
		if got > k.sent {
			t.Errorf("client %d: %d bytes came back, %d were sent", i, got, k.sent)
		}
		if k.readErr == nil || !lossy && !errors.Is(k.readErr, net.ErrClosed) {
			t.Errorf("client %d: read ended with %v", i, k.readErr)
		}
	}
	w.Engine.Close()
	if n := w.Zombies(); n != 0 {
		t.Errorf("%d zombies", n)
	}
}

func TestRandomFaultsOnLoopback(t *testing.T) {
	for seed := range uint64(6) {
		lossy := seed%2 == 1
		mistreat(t, loopback(t, 3), rand.New(rand.NewPCG(seed, 0)), 150, lossy, 20000)
	}
}

func TestRandomFaultsInABubble(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			mistreat(t, piped(t, 3), rand.New(rand.NewPCG(seed, 1)), 150, seed%2 == 1, 2000)
		})
	}
}

func FuzzFaults(f *testing.F) {
	f.Add(uint64(1), uint8(50), true)
	f.Add(uint64(2), uint8(200), false)
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8, lossy bool) {
		synctest.Test(t, func(t *testing.T) {
			mistreat(t, piped(t, 3), rand.New(rand.NewPCG(seed, 2)), int(steps), lossy, 2000)
		})
	})
}
