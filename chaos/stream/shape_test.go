package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

func TestDelayIsALowerBound(t *testing.T) {
	w := loopback(t, 1)
	c, peer := w.open(0)
	go echo(peer)
	by := 40 * time.Millisecond
	end := w.begin(chaos.Fault{Kind: chaos.Delay, By: by}, 0)
	t0 := time.Now()
	w.write(c, "ping")
	w.wantRead(c, "ping")
	if rtt := time.Since(t0); rtt < 2*by {
		t.Errorf("round trip %v with %v each way", rtt, by)
	}
	end()
	w.write(c, "pong")
	w.wantRead(c, "pong")
}

// Latency counts from each chunk's own arrival: ten chunks sent 10 ms apart arrive 10 ms apart, each 100 ms late.
func TestDelayDoesNotSerialise(t *testing.T) {
	for _, dir := range []chaos.Direction{chaos.Up, chaos.Down} {
		t.Run(string(dir), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := piped(t, 1)
				c, peer := w.open(0)
				from, to := io.Writer(c), io.Reader(peer)
				if dir == chaos.Down {
					from, to = peer, c
				}
				arrivals := make(chan time.Duration, 10)
				go func() { // blocked in its Read before the fault begins
					buf := make([]byte, 8)
					for range 10 {
						to.Read(buf)
						arrivals <- w.clock()
					}
				}()
				synctest.Wait()
				w.begin(chaos.Fault{Kind: chaos.Delay, By: 100 * time.Millisecond, Direction: dir}, 0)
				for i := range 10 {
					if _, err := from.Write([]byte{byte(i)}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(10 * time.Millisecond)
				}
				for i := range 10 {
					want := time.Duration(100+10*i) * time.Millisecond
					if at := <-arrivals; at != want {
						t.Errorf("chunk %d at %v, want %v", i, at, want)
					}
				}
				w.Engine.Close()
			})
		})
	}
}

func TestDelaysAddUpAndEndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, 1)
		c, peer := w.open(0)
		endOne := w.begin(chaos.Fault{Kind: chaos.Delay, By: time.Second, Direction: chaos.Up}, 0)
		endTwo := w.begin(chaos.Fault{Kind: chaos.Delay, By: 2 * time.Second, Direction: chaos.Up}, 0)
		w.write(c, "a")
		w.wantRead(peer, "a")
		if now := w.clock(); now != 3*time.Second {
			t.Errorf("a arrived at %v, want 3s", now)
		}
		w.write(c, "b") // due at 6 s
		endTwo()
		w.write(c, "c") // due at 4 s, but not before b
		time.Sleep(time.Second)
		endOne() // at 4 s: nothing holds them any more
		w.wantRead(peer, "bc")
		if now := w.clock(); now != 4*time.Second {
			t.Errorf("bc arrived at %v, want 4s", now)
		}
		w.Engine.Close()
	})
}

func TestJitterIsSeededAndBounded(t *testing.T) {
	run := func(t *testing.T) (at []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			w := piped(t, 1)
			c, peer := w.open(0)
			w.begin(chaos.Fault{Kind: chaos.Delay, By: 100 * time.Millisecond, Jitter: 50 * time.Millisecond, Direction: chaos.Up}, 0)
			for range 20 {
				t0 := w.clock()
				w.write(c, "x")
				w.wantRead(peer, "x")
				late := w.clock() - t0
				if late < 50*time.Millisecond || late > 150*time.Millisecond {
					t.Errorf("%v late, want 100 ms ± 50 ms", late)
				}
				at = append(at, late)
			}
			w.Engine.Close()
		})
		return at
	}
	a, b := run(t), run(t)
	distinct := map[time.Duration]bool{}
	for i := range a {
		distinct[a[i]] = true
		if a[i] != b[i] {
			t.Errorf("draw %d: %v and %v from the same seed", i, a[i], b[i])
		}
	}
	if len(distinct) < 15 {
		t.Errorf("only %d different delays in 20", len(distinct))
	}
}

func TestDelayDrawsFromTheDistribution(t *testing.T) {
	for _, d := range chaos.Distributions {
		synctest.Test(t, func(t *testing.T) {
			w := piped(t, 1)
			c, peer := w.open(0)
			f := chaos.Fault{Kind: chaos.Delay, By: 100 * time.Millisecond, Jitter: 80 * time.Millisecond, Distribution: d, Direction: chaos.Up}
			w.begin(f, 0)
			rng := rand.New(rand.NewPCG(w.Engine.seed, 0))
			for range 20 {
				t0 := w.clock()
				w.write(c, "x")
				w.wantRead(peer, "x")
				if late, want := w.clock()-t0, f.Latency().Draw(rng); late != want {
					t.Errorf("%s: %v late, want %v", d, late, want)
				}
			}
			w.Engine.Close()
		})
	}
}

func TestDialTakesARoundTripLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, 1)
		w.begin(chaos.Fault{Kind: chaos.Delay, By: 200 * time.Millisecond}, 0)
		w.open(0)
		if now := w.clock(); now != 400*time.Millisecond {
			t.Errorf("connected at %v, want 400ms", now)
		}
		w.Engine.Close()
	})
}

func TestThrottleTakesItsTime(t *testing.T) {
	for _, dir := range []chaos.Direction{chaos.Up, chaos.Down} {
		t.Run(string(dir), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := piped(t, 1)
				c, peer := w.open(0)
				from, to := io.Writer(c), io.Reader(peer)
				if dir == chaos.Down {
					from, to = peer, c
				}
				w.begin(chaos.Fault{Kind: chaos.Throttle, Rate: 1000, Direction: dir}, 0)
				w.begin(chaos.Fault{Kind: chaos.Throttle, Rate: 500, Direction: dir}, 0) // the narrowest counts
				sent := make([]byte, 1000)
				pattern(sent, 0)
				go from.Write(sent)
				got := make([]byte, 1000)
				if _, err := io.ReadFull(to, got[:100]); err != nil {
					t.Fatal(err)
				}
				if early := w.clock(); early < 200*time.Millisecond || early > 400*time.Millisecond {
					t.Errorf("the first 100 bytes at %v: a large write must trickle", early)
				}
				if _, err := io.ReadFull(to, got[100:]); err != nil || !bytes.Equal(got, sent) {
					t.Fatalf("%v; intact: %v", err, bytes.Equal(got, sent))
				}
				if now := w.clock(); now < 2*time.Second || now > 2010*time.Millisecond {
					t.Errorf("1000 bytes at 500 B/s took %v, want 2s", now)
				}
				w.Engine.Close()
			})
		})
	}
}

func TestReadDeadlineUnderEveryHold(t *testing.T) {
	for _, f := range []chaos.Fault{{Kind: chaos.Blackhole}, {Kind: chaos.Delay, By: time.Hour}, {Kind: chaos.Throttle, Rate: 1}} {
		t.Run(string(f.Kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := piped(t, 1)
				w.Outbox = 4 // the reader parks once it holds that much
				c, peer := w.open(0)
				end := w.begin(f, 0)
				for _, s := range []string{"", "hell", "o"} {
					go w.put(peer, s)
					synctest.Wait()
					t0 := w.clock()
					c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
					if n, err := c.Read(make([]byte, 16)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Fatalf("read: %d, %v", n, err)
					}
					if d := w.clock() - t0; d != 300*time.Millisecond {
						t.Errorf("the deadline came after %v", d)
					}
				}
				// A deadline set while the Read is blocked counts too.
				c.SetReadDeadline(time.Time{})
				reading := readResult(c)
				synctest.Wait()
				c.SetReadDeadline(time.Now().Add(time.Millisecond))
				if err := <-reading; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("blocked read: %v", err)
				}
				end()
				w.wantRead(c, "hello")
				c.Close()
				w.Engine.Close()
			})
		})
	}
}

// A megabyte each way through delay and throttle, over real sockets, while other faults come and go.
func TestMegabyteArrivesIntact(t *testing.T) {
	w := loopback(t, 1)
	w.Outbox = 2 << 20
	c, peer := w.open(0)
	go echo(peer)
	w.begin(chaos.Fault{Kind: chaos.Delay, By: 5 * time.Millisecond, Jitter: 5 * time.Millisecond}, 0)
	endThrottle := w.begin(chaos.Fault{Kind: chaos.Throttle, Rate: 2 << 20}, 0)
	sent := make([]byte, 1<<20)
	pattern(sent, 0)
	t0 := time.Now()
	for i := 0; i < len(sent); i += 64 << 10 {
		w.write(c, string(sent[i:i+64<<10]))
	}
	got := make([]byte, len(sent))
	c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if n, err := io.ReadFull(c, got); err != nil {
		t.Fatalf("%d bytes, then %v", n, err)
	}
	if !bytes.Equal(got, sent) {
		t.Error("the stream was damaged")
	}
	if d := time.Since(t0); d < 500*time.Millisecond {
		t.Errorf("1 MiB at 2 MiB/s took only %v", d)
	}
	endThrottle()
}

func TestCloseFollowsTheBytesOnTheWay(t *testing.T) {
	w := loopback(t, 1)
	c, peer := w.open(0)
	w.begin(chaos.Fault{Kind: chaos.Delay, By: 30 * time.Millisecond}, 0)
	reading := readResult(c)
	w.write(c, "bye")
	c.Close()
	if err := within(t, reading, "blocked read"); err == nil {
		t.Error("a blocked read survived Close")
	}
	w.wantRead(peer, "bye")
	if err := within(t, readResult(peer), "FIN"); err != io.EOF {
		t.Errorf("server reads %v, want EOF", err)
	}
}

// The goodbye was on a slow way when the way died.
func TestGoodbyeOnTheWayBecomesAZombie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, 1)
		c, peer := w.open(0)
		w.begin(chaos.Fault{Kind: chaos.Delay, By: time.Second}, 0)
		w.write(c, "bye")
		c.Close()
		end := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
		if w.Zombies() != 1 {
			t.Errorf("%d zombies, want 1", w.Zombies())
		}
		time.Sleep(10 * time.Second)
		end()
		w.wantRead(peer, "bye")
		if _, err := peer.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("server reads %v", err)
		}
		synctest.Wait()
		if w.Zombies() != 0 || w.clock() != 10*time.Second {
			t.Errorf("%d zombies at %v", w.Zombies(), w.clock())
		}
		w.Engine.Close()
	})
}

// A server that does not read must not block the client's Write, and loses nothing when it reads again.
func TestWriteNeverWaits(t *testing.T) {
	w := loopback(t, 1)
	w.Outbox = 32 << 20
	c, peer := w.open(0)
	sent := make([]byte, 16<<20) // more than the sockets' buffers hold
	pattern(sent, 0)
	const piece = 256 << 10
	for i := 0; i < len(sent); i += piece {
		if _, err := c.Write(sent[i : i+piece]); err != nil {
			t.Fatal(err)
		}
	}
	if c.state.Load()&outWaits == 0 {
		t.Fatal("the sockets took everything: the test shows nothing")
	}
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%v; intact: %v", err, bytes.Equal(got, sent))
	}
	eventually(t, "the flusher's end", func() bool { return c.state.Load()&outWaits == 0 })
	w.write(c, "direct again")
	w.wantRead(peer, "direct again")
}

func TestDialOfNoClient(t *testing.T) {
	w := newWorld(t, 1)
	for _, i := range []int{-1, 1} {
		if _, err := w.Dial(context.Background(), i, nil); err == nil {
			t.Errorf("client %d of 1 dialled", i)
		}
	}
}
