package packet

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// TCP above packets that get lost, overtake each other, come twice or damaged: everything that arrives is intact and in
// order, on both sides, or the connection ends.
func TestSequencedMessages(t *testing.T) {
	const clients, messages = exchanges, 15
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
