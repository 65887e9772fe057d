package packet

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

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

// Shutdown wakes everybody: servers in Accept and both ends in Read.
func TestShutdown(t *testing.T) {
	w := newWorld(t, 1, true, Options{}, nil)
	near, far := w.pair(0)
	w.begin(chaos.Fault{Kind: chaos.Blackhole})
	ended := make(chan error, 3)
	go func() { _, err := near.Read(make([]byte, 1)); ended <- err }()
	go func() { _, err := far.Read(make([]byte, 1)); ended <- err }()
	go func() { _, err := w.ln.Accept(); ended <- err }()
	time.Sleep(10 * time.Millisecond) // let them wait; earlier is harmless
	if err := w.Shutdown(); err != nil {
		t.Fatal(err)
	}
	for range cap(ended) {
		select {
		case err := <-ended:
			if err == nil {
				t.Error("a call succeeded after the end")
			}
		case <-time.After(5 * time.Second):
			t.Fatal("somebody still waits")
		}
	}
}
