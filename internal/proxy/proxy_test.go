package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/server"
)

func TestBytesPassUnchanged(t *testing.T) {
	w := start(t, Config{}, server.Config{MaxMessage: 8 << 20})
	ws := w.dial("/some/path?x=1")
	for _, size := range []int{0, 1, 125, 126, 70_000, 3 << 20} {
		w.echoes(ws, strings.Repeat("a", size))
	}
	r := w.until("six messages each way", func(r *Result) bool { return r.Messages.Up == 6 && r.Messages.Down == 6 })
	if r.Connections.Open != 1 || r.Connections.Opened != 1 || r.Clients != 1 {
		t.Errorf("connections %+v, %d clients", r.Connections, r.Clients)
	}
	ws.Close()
	w.until("closed", func(r *Result) bool { return r.Connections.Open == 0 && r.Closed["client: fin"] == 1 })
}

// A blackhole: the client hears nothing, its goodbye does not arrive, the server goes on holding its end; the fault's end
// lets the goodbye through. Detection counts from the fault to the close, and the next attempt is the reconnect.
func TestBlackholeIsNoticedAndHeals(t *testing.T) {
	w := start(t, Config{}, server.Config{})
	ws := w.dial("/")
	w.echoes(ws, "before")
	w.fault("blackhole at 0s")
	if err := ws.WriteMessage(websocket.TextMessage, []byte("held")); err != nil {
		t.Fatal(err)
	}
	const waited = 150 * time.Millisecond
	ws.SetReadDeadline(time.Now().Add(waited))
	if _, got, err := ws.ReadMessage(); err == nil {
		t.Fatalf("%q came through a blackhole", got)
	}
	ws.Close()
	r := w.until("noticed", func(r *Result) bool { return r.Faults[0].Detection.N() == 1 })
	if f := r.Faults[0]; f.Hit != 1 || f.Noticed[byFIN].N() != 1 || f.Detection.Min() < waited {
		t.Errorf("hit %d, noticed %v after %v, want 1 by FIN after at least %v", f.Hit, f.Noticed, f.Detection.Min(), waited)
	}
	w.until("a zombie", func(r *Result) bool { return r.Zombies.Now == 1 })
	if s, err := w.server.Stats(context.Background()); err != nil || s.Open != 1 {
		t.Errorf("the server holds %d connections, %v; it must not have heard the goodbye", s.Open, err)
	}

	// Under the blackhole an attempt is accepted by the kernel and hears nothing.
	d := websocket.Dialer{HandshakeTimeout: 100 * time.Millisecond}
	if _, _, err := d.Dial("ws://"+w.addr+"/", nil); err == nil {
		t.Fatal("upgraded through a blackhole")
	}
	w.until("the attempt failed", func(r *Result) bool { return r.Failed[failGaveUp] == 1 })

	if _, err := w.proxy.Stop("blackhole"); err != nil {
		t.Fatal(err)
	}
	w.until("let go", func(r *Result) bool { return r.Zombies.Now == 0 && r.Zombies.LetGo.N() == 1 })
	w.echoes(w.dial("/"), "after")
	r = w.until("back", func(r *Result) bool { return r.Faults[0].Storm.Back == 1 })
	if s := r.Faults[0].Storm; s.Attempts != 2 || s.Failed != 1 || s.Lost != 0 || r.Clients != 1 {
		t.Errorf("storm %+v, %d clients: one client came back in two attempts", s, r.Clients)
	}
	if n := r.Delays[0].N() + r.Delays[1].N(); n != 2 {
		t.Errorf("%d reconnect delays, want a first and a second", n)
	}
}

func TestBlackholeThatNobodyNotices(t *testing.T) {
	w := start(t, Config{}, server.Config{})
	ws := w.dial("/")
	w.echoes(ws, "before")
	w.fault("blackhole at 0s")
	if err := ws.WriteMessage(websocket.TextMessage, []byte("held")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if _, err := w.proxy.Stop("blackhole"); err != nil {
		t.Fatal(err)
	}
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, got, err := ws.ReadMessage(); err != nil || string(got) != "held" {
		t.Fatalf("after the heal: %q, %v", got, err)
	}
	if f := w.proxy.Result().Faults[0]; f.Kept != 1 || f.Hit != 1 || f.Detection.N() != 0 {
		t.Errorf("kept %d of %d, noticed %d; want 1 of 1 and none", f.Kept, f.Hit, f.Detection.N())
	}
}

func TestKills(t *testing.T) {
	w := start(t, Config{}, server.Config{})
	read := func(ws *websocket.Conn) error {
		ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, _, err := ws.ReadMessage()
		return err
	}
	for _, c := range []struct {
		line string
		want func(err error) bool
		by   string // how the network shows that the client knows, once it has closed and come back
	}{
		{"kill rst at 0s", func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }, byAttempt},
		{"kill fin at 0s", func(err error) bool {
			return websocket.IsCloseError(err, websocket.CloseAbnormalClosure) || errors.Is(err, io.EOF)
		}, byFIN},
		{"kill close(4321) at 0s", func(err error) bool { return websocket.IsCloseError(err, 4321) }, byCloseFrame},
	} {
		ws := w.dial("/")
		w.echoes(ws, "before")
		w.fault(c.line)
		if err := read(ws); !c.want(err) {
			t.Errorf("%s: the client sees %v", c.line, err)
		}
		ws.Close()
		if c.by != byAttempt {
			w.until(c.line+" answered", func(r *Result) bool { return r.Faults[len(r.Faults)-1].Detection.N() == 1 })
		}
		next := w.dial("/")
		r := w.until(c.line+" noticed", func(r *Result) bool { return r.Faults[len(r.Faults)-1].Storm.Back == 1 })
		if f := r.Faults[len(r.Faults)-1]; f.Noticed[c.by].N() != 1 {
			t.Errorf("%s: noticed %v, want by %s", c.line, f.Noticed, c.by)
		}
		next.Close()
		w.until("nobody left", func(r *Result) bool { return r.Connections.Open == 0 })
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if s, err := w.server.Stats(context.Background()); err == nil && s.Open == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the server still holds a killed connection")
		}
	}
}

func TestRefuse(t *testing.T) {
	w := start(t, Config{}, server.Config{})
	ws := w.dial("/")
	w.fault("refuse at 0s")
	if _, _, err := websocket.DefaultDialer.Dial("ws://"+w.addr+"/", nil); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a refused client sees %v, want a reset", err)
	}
	w.echoes(ws, "established connections live")
	w.until("counted", func(r *Result) bool { return r.Failed[failRefused] == 1 })
}

// idle-cut rst ends what is quiet; the client under traffic keeps its connection.
func TestIdleCut(t *testing.T) {
	w := start(t, Config{}, server.Config{})
	quiet := w.dial("/")
	w.fault("idle-cut rst after 200ms at 0s")
	quiet.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, _, err := quiet.ReadMessage(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a quiet client sees %v, want a reset", err)
	}
	r := w.until("cut", func(r *Result) bool { return r.Faults[0].Hit == 1 })
	if r.Closed["fault: reset"] != 1 {
		t.Errorf("closed: %v", r.Closed)
	}
}

// A share of the clients is that share, of those who are there and those who come later.
func TestVictimsAreAShare(t *testing.T) {
	w := start(t, Config{Key: Key{"query", "client"}, Seed: 7}, server.Config{})
	for i := range 12 {
		w.dial(fmt.Sprintf("/?client=%d", i))
	}
	if info := w.fault("delay by 1ms at 0s clients 25%"); info.Clients != 3 {
		t.Errorf("%d of 12 clients hit, want 3", info.Clients)
	}
	for i := 12; i < 40; i++ {
		w.dial(fmt.Sprintf("/?client=%d", i))
	}
	hit := func() (names []string) {
		for _, c := range w.proxy.clientList() {
			if len(c.Faults) > 0 {
				names = append(names, c.Name)
			}
		}
		return names
	}
	first := hit()
	if len(first) != 10 {
		t.Errorf("%d of 40 clients hit, want 10: %v", len(first), first)
	}
	w.dial("/?client=0") // a second connection of a client does not change whom it hits
	if again := hit(); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("victims were %v and are %v", first, again)
	}
	if r := w.proxy.Result(); r.Clients != 40 || r.Connections.Open != 41 {
		t.Errorf("%d clients, %d connections, want 40 and 41", r.Clients, r.Connections.Open)
	}
}

func TestOneClientByName(t *testing.T) {
	w := start(t, Config{Key: Key{From: "connection"}}, server.Config{})
	a, b := w.dial("/"), w.dial("/")
	w.fault("kill rst at 0s clients c2")
	b.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, _, err := b.ReadMessage(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("c2 sees %v", err)
	}
	w.echoes(a, "c1 lives")
	f, err := chaos.ParseFault("kill at 0s clients browsers")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.proxy.Start(f); err == nil || !strings.Contains(err.Error(), "no group") {
		t.Errorf("a group: %v", err)
	}
	if _, err := w.proxy.Start(chaos.Fault{Kind: chaos.Stall}); err == nil || !strings.Contains(err.Error(), "cannot") {
		t.Errorf("a stall: %v", err)
	}
}

// What the server ends while the path is dead leaves the client behind; the heal tells it.
func TestLeftBehind(t *testing.T) {
	w := start(t, Config{}, server.Config{Reap: 150 * time.Millisecond})
	ws := w.dial("/")
	w.echoes(ws, "before")
	w.fault("blackhole at 0s")
	r := w.until("left behind", func(r *Result) bool { return r.LeftBehind.Now == 1 })
	if r.Connections.Open != 1 {
		t.Errorf("%d connections open: the client cannot know yet", r.Connections.Open)
	}
	w.proxy.Reset()
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, _, err := ws.ReadMessage(); err == nil {
		t.Error("the heal did not bring the end")
	}
	w.until("told", func(r *Result) bool { return r.LeftBehind.Now == 0 && len(r.Faults) == 0 })
}
