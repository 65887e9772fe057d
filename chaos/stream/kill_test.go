package stream

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

func TestKillRST(t *testing.T) {
	w := loopback(t, 2)
	c, peer := w.open(0)
	other, otherPeer := w.open(1)
	reading := readResult(c)
	w.write(c, "x")
	w.wantRead(peer, "x")
	w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.RST}, 0)
	if err := within(t, reading, "blocked read"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("blocked read: %v, want ECONNRESET", err)
	}
	if err := within(t, readResult(peer), "server"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("server reads %v, want ECONNRESET", err)
	}
	if _, err := c.Write([]byte("y")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("write after the kill: %v", err)
	}
	if err := within(t, readResult(c), "read"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after the kill: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("close after the kill: %v", err)
	}
	w.write(other, "alive")
	w.wantRead(otherPeer, "alive")
	again, againPeer := w.open(0) // only established connections end
	w.write(again, "back")
	w.wantRead(againPeer, "back")
}

func TestKillFIN(t *testing.T) {
	w := loopback(t, 1)
	c, peer := w.open(0)
	w.write(peer, "received before")
	time.Sleep(20 * time.Millisecond)
	w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.FIN}, 0)
	if err := within(t, readResult(peer), "server"); err != io.EOF {
		t.Errorf("server reads %v, want EOF", err)
	}
	w.wantRead(c, "received before")
	if err := within(t, readResult(c), "client"); err != io.EOF {
		t.Errorf("client reads %v, want EOF", err)
	}
	if _, err := c.Write([]byte("y")); err == nil {
		t.Error("a write after the kill went through")
	}
}

func TestKillClose(t *testing.T) {
	w := loopback(t, 2)
	c, peer := w.open(0)
	reading := readResult(c)
	w.write(c, "GET ")
	w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.Close, Code: 1012}, 0)
	var closed *chaos.CloseFrameError
	if err := within(t, reading, "client"); !errors.As(err, &closed) || closed.Code != 1012 {
		t.Errorf("client reads %v, want code 1012", err)
	}
	got, err := io.ReadAll(peer)
	if err != nil || len(got) != 12 || string(got[:4]) != "GET " {
		t.Fatalf("server reads %x, %v", got, err)
	}
	frame := got[4:]
	code := int(frame[6]^frame[2])<<8 | int(frame[7]^frame[3])
	if !bytes.Equal(frame[:2], []byte{0x88, 0x82}) || code != 1012 {
		t.Errorf("server gets frame %x, want a masked close frame with 1012", frame)
	}

	// A frame forged into a TLS stream would be garbage.
	c, peer = w.open(1)
	w.write(c, "\x16\x03\x01")
	w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.Close, Code: 1001}, 1)
	if got, err := io.ReadAll(peer); err != nil || string(got) != "\x16\x03\x01" {
		t.Errorf("TLS server reads %x, %v", got, err)
	}
	if err := within(t, readResult(c), "client"); !errors.As(err, &closed) || closed.Code != 1001 {
		t.Errorf("TLS client reads %v, want code 1001", err)
	}
}

func TestKillUnderBlackhole(t *testing.T) {
	w := loopback(t, 1)
	c, peer := w.open(0)
	end := w.begin(chaos.Fault{Kind: chaos.Blackhole}, 0)
	reading := readResult(c)
	w.write(c, "lost")
	w.begin(chaos.Fault{Kind: chaos.Kill, How: chaos.RST}, 0)
	if err := within(t, reading, "client"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("client reads %v", err)
	}
	if err := within(t, readResult(peer), "server"); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("server reads %v", err)
	}
	c.Close()
	end()
	if len(w.obs.all()) != 0 {
		t.Errorf("notes %v", w.obs.all())
	}
}

func TestKillsOverPipes(t *testing.T) {
	for _, f := range []chaos.Fault{{How: chaos.RST}, {How: chaos.FIN}, {How: chaos.Close, Code: 4000}} {
		t.Run(string(f.How), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := piped(t, 1)
				c, peer := w.open(0)
				go w.put(c, "x")
				w.wantRead(peer, "x")
				reading := readResult(c)
				synctest.Wait()
				f.Kind = chaos.Kill
				w.begin(f, 0)
				err := <-reading
				var closed *chaos.CloseFrameError
				switch f.How {
				case chaos.RST:
					if !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("client reads %v", err)
					}
				case chaos.FIN:
					if err != io.EOF {
						t.Errorf("client reads %v", err)
					}
				default:
					if !errors.As(err, &closed) || closed.Code != 4000 {
						t.Errorf("client reads %v", err)
					}
				}
				got, err := io.ReadAll(peer)
				if want := map[chaos.How]int{chaos.Close: 8}[f.How]; err != nil || len(got) != want {
					t.Errorf("server reads %x, %v; want %d bytes", got, err, want)
				}
				w.Engine.Close()
			})
		})
	}
}
