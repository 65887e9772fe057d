package packet

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
)

// TCP above packets that get lost, overtake each other, come twice or damaged: everything that arrives is intact and in
// order, on both sides, or the connection ends.
func TestSequencedMessages(t *testing.T) {
	const clients, messages = 200, 25
	for _, k := range kinds[1:3] {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			var wrong atomic.Int64
			// Each end sends its own numbers and checks the other's.
			exchange := func(c net.Conn, n int) (got int) {
				done := make(chan struct{})
				go func() {
					defer close(done)
					for i := range n {
						if _, err := c.Write(binary.BigEndian.AppendUint32(nil, uint32(i))); err != nil {
							return
						}
						time.Sleep(20 * time.Millisecond)
					}
				}()
				var b [4]byte
				for got < n {
					if _, err := io.ReadFull(c, b[:]); err != nil {
						break
					}
					if binary.BigEndian.Uint32(b[:]) != uint32(got) {
						wrong.Add(1)
					}
					got++
				}
				<-done
				return got
			}
			w := newWorld(t, clients, k.direct, Options{IPv6: k.v6}, func(c net.Conn) {
				defer c.Close()
				exchange(c, messages)
				c.Read(make([]byte, 1))
			})
			// SYNs only meet single losses: in a burst they would wait for 1, 3, 7 and 15 s.
			w.begin(chaos.Fault{Kind: chaos.Drop, Rate: 0.01})
			w.begin(chaos.Fault{Kind: chaos.Duplicate, Rate: 0.05})
			w.begin(chaos.Fault{Kind: chaos.Reorder, Rate: 0.05})
			w.begin(chaos.Fault{Kind: chaos.Corrupt, Rate: 0.02})
			var wg, dialed sync.WaitGroup
			var whole, failed atomic.Int64
			dialed.Add(clients)
			bursts := sync.OnceFunc(func() { w.begin(chaos.Fault{Kind: chaos.Drop, Rate: 0.015, Burst: 1.5}) })
			for i := range clients {
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
					defer cancel()
					c, err := w.Dial(ctx, i, w.target)
					dialed.Done()
					if err != nil {
						failed.Add(1)
						return
					}
					defer c.Close()
					dialed.Wait()
					bursts()
					c.SetReadDeadline(time.Now().Add(20 * time.Second))
					if exchange(c, messages) == messages {
						whole.Add(1)
					}
				})
			}
			wg.Wait()
			s := w.Stats()
			t.Logf("%d whole, %d not dialed, %+v", whole.Load(), failed.Load(), s)
			if wrong.Load() > 0 {
				t.Errorf("%d messages out of order or damaged", wrong.Load())
			}
			if whole.Load() < clients*95/100 {
				t.Errorf("only %d of %d exchanges were whole", whole.Load(), clients)
			}
			if s.Dropped == 0 || s.Duplicated == 0 || s.Reordered == 0 || s.Corrupted == 0 {
				t.Error("a fault did nothing")
			}
			// A copy of a damaged packet is damaged as well.
			if s.BadSums < s.Corrupted {
				t.Errorf("%d packets damaged, %d noticed", s.Corrupted, s.BadSums)
			}
		})
	}
}

func TestBlackhole(t *testing.T) {
	for _, k := range kinds {
		for _, dir := range []chaos.Direction{chaos.Both, chaos.Up, chaos.Down} {
			if k.v6 && dir != chaos.Both {
				continue
			}
			t.Run(k.name+" "+string(dir), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, 2, k.direct, Options{IPv6: k.v6}, echo)
				victim, other := w.dial(0), w.dial(1)
				defer victim.Close()
				defer other.Close()
				end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: dir}, 0)
				_, err := roundTrip(t, victim, 150*time.Millisecond)
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the victim's read: %v, want a timeout", err)
				}
				if _, err := roundTrip(t, other, 5*time.Second); err != nil {
					t.Errorf("the other client: %v", err)
				}
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				_, err = w.Dial(ctx, 0, w.target)
				if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("dial in the dark: %v, want a timeout", err)
				}
				end()
				// TCP sends again what was lost.
				var b [9]byte
				victim.SetReadDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.ReadFull(victim, b[:]); err != nil || string(b[:]) != "123456789" {
					t.Errorf("after the heal: %q, %v", b, err)
				}
				w.dial(0).Close()
			})
		}
	}
}

func TestKillRST(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, k.direct, Options{IPv6: k.v6}, nil)
			near, far := w.pair(0)
			safe, safeFar := w.pair(1)
			defer safe.Close()
			go echo(safeFar)
			go near.Write([]byte("x"))
			var b [9]byte
			if _, err := far.Read(b[:]); err != nil {
				t.Fatal(err)
			}
			w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.RST}, 0)
			near.SetReadDeadline(time.Now().Add(5 * time.Second))
			far.SetReadDeadline(time.Now().Add(5 * time.Second))
			if _, err := near.Read(b[:]); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the client's read: %v, want ECONNRESET", err)
			}
			if _, err := near.Write(b[:]); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("the client's write: %v", err)
			}
			if _, err := far.Read(b[:]); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the server's read: %v, want ECONNRESET", err)
			}
			if _, err := roundTrip(t, safe, 5*time.Second); err != nil {
				t.Errorf("the other client: %v", err)
			}
			near.Close()
			far.Close()
			again, farAgain := w.pair(0)
			again.Close()
			farAgain.Close()
		})
	}
}

// A kill gets through where packets do not.
func TestKillRSTInTheDark(t *testing.T) {
	w := newWorld(t, 1, true, Options{}, nil)
	near, far := w.pair(0)
	defer near.Close()
	defer far.Close()
	w.begin(chaos.Fault{Kind: chaos.Blackhole})
	near.Write([]byte("lost"))
	far.Write([]byte("lost"))
	w.begin(chaos.Fault{Kind: chaos.Kill})
	for _, c := range []net.Conn{near, far} {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Read(make([]byte, 9)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%v, want ECONNRESET", err)
		}
	}
}

func TestKillFIN(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{IPv6: k.v6}, nil)
			near, far := w.pair(0)
			defer near.Close()
			defer far.Close()
			w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.FIN})
			for name, c := range map[string]net.Conn{"client": near, "server": far} {
				c.SetReadDeadline(time.Now().Add(5 * time.Second))
				if _, err := c.Read(make([]byte, 9)); err != io.EOF {
					t.Errorf("the %s's read: %v, want EOF", name, err)
				}
			}
		})
	}
}

func TestKillClose(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{IPv6: k.v6}, nil)
			near, far := w.pair(0)
			defer near.Close()
			defer far.Close()
			near.Write([]byte("x"))
			w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.Close, Code: 1012})
			near.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, err := near.Read(make([]byte, 9))
			if code, ok := w.CloseCode(err); !ok || code != 1012 {
				t.Errorf("the client's read: %v, want a close frame with 1012", err)
			}
			far.SetReadDeadline(time.Now().Add(5 * time.Second))
			got, err := io.ReadAll(far)
			if err != nil || len(got) != 9 || got[1] != 0x88 {
				t.Fatalf("the server got % x, %v; want a close frame", got, err)
			}
			mask := got[3:7]
			if code := int(got[7]^mask[0])<<8 | int(got[8]^mask[1]); code != 1012 {
				t.Errorf("the server's frame has code %d", code)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, k.direct, Options{IPv6: k.v6}, echo)
			old := w.dial(0)
			defer old.Close()
			end := w.begin(chaos.Fault{Kind: chaos.Refuse}, 0)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			if _, err := w.Dial(ctx, 0, w.target); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dial: %v, want ECONNREFUSED", err)
			}
			w.dial(1).Close()
			if _, err := roundTrip(t, old, 5*time.Second); err != nil {
				t.Errorf("the established connection: %v", err)
			}
			end()
			w.dial(0).Close()
		})
	}
}

func TestIdleCut(t *testing.T) {
	for _, how := range []chaos.How{chaos.Silent, chaos.RST, chaos.FIN} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, true, Options{}, echo)
			quiet, busy := w.dial(0), w.dial(1)
			defer busy.Close()
			end := w.begin(chaos.Fault{Kind: chaos.IdleCut, How: how, After: 400 * time.Millisecond})
			for range 12 {
				if _, err := roundTrip(t, busy, 5*time.Second); err != nil {
					t.Fatalf("the busy connection: %v", err)
				}
				time.Sleep(50 * time.Millisecond)
			}
			eventually(t, "a cut", func() bool { return len(w.words()) == 1 })
			w.witness.mu.Lock()
			cut := w.seen[0]
			w.witness.mu.Unlock()
			if cut.what != "cut" || cut.client != 0 || cut.occ != 0 || cut.at < 400*time.Millisecond {
				t.Errorf("%+v", cut)
			}
			end()
			_, err := roundTrip(t, quiet, 300*time.Millisecond)
			switch how {
			case chaos.Silent:
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after the cut: %v, want silence, for good", err)
				}
			case chaos.RST:
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("after the cut: %v, want ECONNRESET", err)
				}
			case chaos.FIN:
				if err != io.EOF {
					t.Errorf("after the cut: %v, want EOF", err)
				}
			}
			quiet.Close()
			again := w.dial(0)
			defer again.Close()
			if _, err := roundTrip(t, again, 5*time.Second); err != nil {
				t.Errorf("a new connection: %v", err)
			}
		})
	}
}

// A client that gives up in the dark leaves a zombie, until the server closes or the goodbye gets through.
func TestZombies(t *testing.T) {
	for _, k := range kinds[:2] {
		t.Run(k.name+" healed", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{}, nil)
			near, far := w.pair(0)
			defer far.Close()
			end := w.begin(chaos.Fault{Kind: chaos.Blackhole})
			near.Close()
			if d := cmp.Diff([]string{"zombie"}, w.words()); d != "" {
				t.Fatal(d)
			}
			end()
			far.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := far.Read(make([]byte, 9)); err != io.EOF {
				t.Errorf("the server's read: %v, want EOF", err)
			}
			if d := cmp.Diff([]string{"zombie", "rested"}, w.words()); d != "" {
				t.Error(d)
			}
		})
		t.Run(k.name+" reaped", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{}, nil)
			near, far := w.pair(0)
			w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: chaos.Up})
			near.Close()
			far.Close()
			eventually(t, "reaped", func() bool { return cmp.Equal([]string{"zombie", "reaped"}, w.words()) })
		})
		t.Run(k.name+" cut", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{}, nil)
			near, far := w.pair(0)
			w.begin(chaos.Fault{Kind: chaos.IdleCut, After: time.Millisecond})
			eventually(t, "a cut", func() bool { return len(w.words()) == 1 })
			near.Close()
			far.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := far.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the server's read: %v, want silence", err)
			}
			far.Close()
			eventually(t, "reaped", func() bool { return cmp.Equal([]string{"cut", "zombie", "reaped"}, w.words()) })
			eventually(t, "the flow forgotten", func() bool {
				w.paths[0].mu.Lock()
				defer w.paths[0].mu.Unlock()
				return len(w.paths[0].flows) == 0
			})
		})
		t.Run(k.name+" none", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1, k.direct, Options{}, nil)
			near, far := w.pair(0)
			near.Close()
			far.Read(make([]byte, 9))
			far.Close()
			if got := w.words(); got != nil {
				t.Errorf("on a healthy path: %v", got)
			}
		})
	}
}

// Independent loss of 5 % each way puts about 1 - 0.95² = 9.75 % of the round trips above the retransmission timeout of
// 200 ms; neighbours without loss, at the same time, show what the machine adds.
func TestLossAndRetransmissionTimeout(t *testing.T) {
	const each, rounds = 50, 24
	w := newWorld(t, 2*each, true, Options{}, echo)
	var lossy []int
	for i := range each {
		lossy = append(lossy, i)
	}
	var above, n [2]atomic.Int64
	var wg, dialed sync.WaitGroup
	dialed.Add(2 * each)
	loss := sync.OnceFunc(func() { w.begin(chaos.Fault{Kind: chaos.Drop, Rate: 0.05}, lossy...) })
	for i := range 2 * each {
		wg.Go(func() {
			c, err := w.Dial(context.Background(), i, w.target)
			dialed.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			dialed.Wait()
			loss()
			time.Sleep(time.Duration(i) * time.Millisecond)
			for range rounds {
				d, err := roundTrip(t, c, 20*time.Second)
				if err != nil {
					return
				}
				n[i/each].Add(1)
				if d >= 200*time.Millisecond {
					above[i/each].Add(1)
				}
				time.Sleep(100 * time.Millisecond) // the CPU's queue is not what is measured
			}
		})
	}
	wg.Wait()
	var share [2]float64
	for k := range share {
		if n[k].Load() < each*rounds*95/100 {
			t.Errorf("only %d round trips", n[k].Load())
		}
		share[k] = float64(above[k].Load()) / float64(n[k].Load())
	}
	t.Logf("above 200 ms: %.3f with loss, %.3f without", share[0], share[1])
	if more := share[0] - share[1]; more < 0.05 || more > 0.17 {
		t.Errorf("5 %% loss each way put %.3f more of the round trips above 200 ms, want about 0.0975", more)
	}
}

func TestDelay(t *testing.T) {
	w := newWorld(t, 2, false, Options{}, echo)
	slow, fast := w.dial(0), w.dial(1)
	defer slow.Close()
	defer fast.Close()
	end := w.begin(chaos.Fault{Kind: chaos.Delay, By: 100 * time.Millisecond, Jitter: 20 * time.Millisecond, Direction: chaos.Up}, 0)
	w.begin(chaos.Fault{Kind: chaos.Delay, By: 50 * time.Millisecond, Direction: chaos.Down}, 0)
	for range 3 {
		d, err := roundTrip(t, slow, 5*time.Second)
		if err != nil || d < 130*time.Millisecond {
			t.Errorf("round trip %v, %v; want at least 130 ms", d, err)
		}
	}
	if d, err := roundTrip(t, fast, 5*time.Second); err != nil {
		t.Errorf("the other client: %v, %v", d, err)
	}
	began := time.Now()
	w.dial(0).Close()
	if d := time.Since(began); d < 130*time.Millisecond {
		t.Errorf("a dial took %v, less than one round trip", d)
	}
	end()
	if d, err := roundTrip(t, slow, 5*time.Second); err != nil || d < 50*time.Millisecond {
		t.Errorf("after the end of one: %v, %v", d, err)
	}
}

// What is on a slow path when it becomes fast arrives at once.
func TestDelayEnds(t *testing.T) {
	w := newWorld(t, 1, true, Options{}, nil)
	near, far := w.pair(0)
	defer near.Close()
	defer far.Close()
	end := w.begin(chaos.Fault{Kind: chaos.Delay, By: time.Hour, Direction: chaos.Up})
	near.Write([]byte("held"))
	end()
	far.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 9)
	if n, err := far.Read(b); err != nil || string(b[:n]) != "held" {
		t.Errorf("%q, %v", b[:n], err)
	}
}

func TestThrottle(t *testing.T) {
	const size = 100_000
	w := newWorld(t, 1, true, Options{}, nil)
	near, far := w.pair(0)
	defer near.Close()
	defer far.Close()
	end := w.begin(chaos.Fault{Kind: chaos.Throttle, Rate: 200_000, Direction: chaos.Down})
	began := time.Now()
	go far.Write(make([]byte, size))
	near.SetReadDeadline(began.Add(10 * time.Second))
	if _, err := io.ReadFull(near, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(began); d < 480*time.Millisecond {
		t.Errorf("100 kB took %v at 200 kB/s", d)
	}
	end()
}

// What the target says to a connection attempt, the client hears.
func TestTargetRefuses(t *testing.T) {
	w := newWorld(t, 1, false, Options{}, echo)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	dead := func(context.Context) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	if _, err := w.Dial(ctx, 0, dead); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, want ECONNREFUSED", err)
	}
	full := errors.New("no more descriptors")
	if _, err := w.Dial(ctx, 0, func(context.Context) (net.Conn, error) { return nil, full }); !errors.Is(err, full) {
		t.Errorf("%v, want the machine's own error", err)
	}
	hangs := func(ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	soon, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.Dial(soon, 0, hangs); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want a timeout", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.Dial(gone, 0, hangs); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// The server's own goodbye: FIN and RST arrive as they were sent.
func TestServerEnds(t *testing.T) {
	w := newWorld(t, 1, false, Options{}, nil)
	near, far := w.pair(0)
	if got, want := near.LocalAddr().String(), far.RemoteAddr().String(); got != want {
		t.Errorf("the client's address is %s, the target sees %s", got, want)
	}
	far.Write([]byte("bye"))
	far.Close()
	near.SetReadDeadline(time.Now().Add(5 * time.Second))
	if b, err := io.ReadAll(near); err != nil || string(b) != "bye" {
		t.Errorf("%q, %v", b, err)
	}
	near.Close()
	near, far = w.pair(0)
	defer near.Close()
	far.(*net.TCPConn).SetLinger(0)
	far.Close()
	near.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want ECONNRESET", err)
	}
}

// Large messages in both directions, larger than any buffer on the way.
func TestBulk(t *testing.T) {
	w := newWorld(t, 1, false, Options{}, echo)
	c := w.dial(0)
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	sent := make([]byte, 900_000) // below the send buffer: Write does not wait
	for i := range sent {
		sent[i] = byte(i * 7)
	}
	got := make([]byte, len(sent))
	for range 2 {
		if _, err := c.Write(sent); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(sent, got) {
			t.Fatal("the echo differs")
		}
	}
}

// Write does not wait for a path that takes nothing.
func TestWriteDoesNotWait(t *testing.T) {
	w := newWorld(t, 1, true, Options{}, echo)
	c := w.dial(0)
	defer c.Close()
	w.begin(chaos.Fault{Kind: chaos.Blackhole})
	var err error
	for range 10 {
		if _, err = c.Write(make([]byte, 1<<20)); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrSendBufferFull) {
		t.Errorf("%v, want ErrSendBufferFull", err)
	}
}

func TestCan(t *testing.T) {
	w := newWorld(t, 1, true, Options{}, echo)
	for _, c := range []struct {
		f    chaos.Fault
		want string // "": it can
	}{
		{chaos.Fault{Kind: chaos.Drop, Rate: 0.05}, ""},
		{chaos.Fault{Kind: chaos.Drop, Rate: 0.5, Burst: 1}, ""},
		{chaos.Fault{Kind: chaos.Drop, Rate: 1, Burst: 3}, ""},
		{chaos.Fault{Kind: chaos.Drop, Rate: 0.9, Burst: 3}, "hint: rate: 75% at most"},
		{chaos.Fault{Kind: chaos.Stall}, "engine process can"},
		{chaos.Fault{Kind: chaos.Kill, How: chaos.Process}, "engine process can"},
		{chaos.Fault{Kind: chaos.Kill, How: chaos.Close, Code: 1001}, ""},
		{chaos.Fault{Kind: chaos.Blackhole, Nodes: []int{1}}, "hint: choose clients"},
	} {
		err := w.Can(&c.f)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.f, err, c.want)
		}
	}
}

// Close lets the connections live and ends the faults, and the stacks end with the last connection.
func TestClose(t *testing.T) {
	w := newWorld(t, 1, false, Options{}, echo)
	c := w.dial(0)
	w.begin(chaos.Fault{Kind: chaos.Blackhole})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := roundTrip(t, c, 5*time.Second); err != nil {
		t.Errorf("after Close: %v", err)
	}
	if err := w.Begin(&chaos.Fault{Kind: chaos.Refuse}, chaos.Occurrence{Index: 9}, &chaos.Set{}); err == nil {
		t.Error("a fault began after Close")
	}
	c.Close()
	select {
	case <-w.gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the stacks live on without a connection")
	}
	if _, err := w.Dial(context.Background(), 0, w.target); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial after the end: %v", err)
	}
}
