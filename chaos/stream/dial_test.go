package stream

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// The retransmissions of a SYN leave 0, 1, 3, 7, 15, 31 and 63 s after the dial; the first that meets a healthy path
// connects.
func TestDialFollowsTheSYNSchedule(t *testing.T) {
	for _, tt := range []struct {
		dir       chaos.Direction
		dial, end time.Duration
		want      time.Duration
	}{
		{chaos.Both, 0, 500 * time.Millisecond, time.Second},
		{chaos.Up, 0, 1500 * time.Millisecond, 3 * time.Second},
		{chaos.Down, 0, 6 * time.Second, 7 * time.Second},
		{chaos.Both, 2 * time.Second, 20 * time.Second, 33 * time.Second},
		{chaos.Both, 2 * time.Second, 40 * time.Second, 65 * time.Second},
		{chaos.Both, 0, 16 * time.Second, 31 * time.Second},
		{chaos.Both, 5 * time.Second, 4 * time.Second, 5 * time.Second}, // healthy again before the dial
	} {
		synctest.Test(t, func(t *testing.T) {
			w := piped(t, 1)
			end := w.begin(chaos.Fault{Kind: chaos.Blackhole, Direction: tt.dir}, 0)
			time.AfterFunc(tt.end, end)
			time.Sleep(tt.dial)
			c, _ := w.open(0)
			if now := w.clock(); now != tt.want {
				t.Errorf("%s until %v, dialled at %v: connected at %v, want %v", tt.dir, tt.end, tt.dial, now, tt.want)
			}
			c.Close()
			w.Engine.Close()
		})
	}
}

func TestDialTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, 1)
		w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
		w.begin(chaos.Fault{Kind: chaos.Refuse}, 0) // the refusal does not arrive either

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := w.Dial(ctx, 0, w.dial)
		var op *net.OpError
		if !errors.As(err, &op) || !op.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial: %v", err)
		}
		if now := w.clock(); now != 10*time.Second {
			t.Errorf("timed out at %v, want 10s", now)
		}

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		if _, err := w.Dial(ctx, 0, w.dial); !errors.As(err, &op) || op.Timeout() || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled dial: %v", err)
		}

		t0 := w.clock()
		_, err = w.Dial(t.Context(), 0, w.dial)
		if !errors.As(err, &op) || !op.Timeout() || !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("dial without a limit: %v", err)
		}
		if d := w.clock() - t0; d != 127*time.Second {
			t.Errorf("the kernel gave up after %v, want 127s", d)
		}

		waiting := make(chan error)
		go func() {
			_, err := w.Dial(t.Context(), 0, w.dial)
			waiting <- err
		}()
		synctest.Wait()
		w.Engine.Close()
		if err := <-waiting; err != nil {
			t.Errorf("a dial that waits when the engine closes: %v", err)
		}
	})
}

func TestRefuse(t *testing.T) {
	w := loopback(t, 2)
	c, peer := w.open(0)
	end := w.begin(chaos.Fault{Kind: chaos.Refuse}, 0)
	endToo := w.begin(chaos.Fault{Kind: chaos.Refuse}, 0)
	var op *net.OpError
	if _, err := w.Dial(t.Context(), 0, w.dial); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) {
		t.Errorf("dial: %v, want ECONNREFUSED in a *net.OpError", err)
	}
	w.write(c, "established")
	w.wantRead(peer, "established")
	w.open(1)
	end()
	if _, err := w.Dial(t.Context(), 0, w.dial); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial under the second refuse: %v", err)
	}
	endToo()
	w.open(0)
}

func TestDialErrorPassesThrough(t *testing.T) {
	w := newWorld(t, 1)
	want := errors.New("no route")
	_, err := w.Dial(t.Context(), 0, func(context.Context) (net.Conn, error) { return nil, want })
	if !errors.Is(err, want) {
		t.Errorf("dial: %v", err)
	}
}

func TestBlackholeHoldsThePipeToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := piped(t, 1)
		c, peer := w.open(0)
		written := make(chan error, 1)
		go func() { // blocks inside the pipe, for nobody reads
			_, err := c.Write([]byte("one "))
			written <- err
		}()
		synctest.Wait()
		end := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
		if err := <-written; err != nil { // the fault takes the bytes over
			t.Fatal(err)
		}
		w.write(c, "two ")
		got := make(chan string)
		go func() {
			buf := make([]byte, 16)
			var all string
			for len(all) < 8 {
				n, _ := peer.Read(buf)
				all += string(buf[:n])
			}
			got <- all
		}()
		time.Sleep(time.Minute)
		select {
		case s := <-got:
			t.Fatalf("%q arrived under a blackhole", s)
		default:
		}
		end()
		if s := <-got; s != "one two " {
			t.Errorf("read %q", s)
		}
		w.Engine.Close()
	})
}
