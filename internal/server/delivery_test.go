package server

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/session"
)

// say writes a frame; hear reads the next, and fails the test where it is another than expected. "*" stands for any word.
func say(t *testing.T, ws *websocket.Conn, text string) {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, ws *websocket.Conn, want ...string) {
	t.Helper()
	for _, w := range want {
		ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, data, err := ws.ReadMessage()
		if err != nil {
			t.Fatalf("instead of %.80q: %v", w, err)
		}
		if string(data) != w {
			t.Fatalf("heard %.80q instead of %.80q", data, w)
		}
	}
}

func TestDeliveryProtocol(t *testing.T) {
	s := start(t, Config{Delivery: true, Dedup: time.Minute})
	a, b := s.dial(), s.dial()
	say(t, a, "hello 1 0")
	hear(t, a, "welcome 1 0")
	say(t, a, "pub 1 1 1000 2 abc") // to a client that is not there yet
	hear(t, a, "ack 1 1")
	say(t, a, "pub 1 1 1000 2 abc") // again
	hear(t, a, "ack 1 1")
	say(t, a, "pub 1 2 2000 -")
	hear(t, a, "ack 1 2")
	say(t, b, "hello 2 0")
	hear(t, b, "welcome 2 0", "msg 1 0 1 1 1000 abc")
	say(t, b, "join lobby")
	say(t, b, "pub 2 1 3000 #lobby")
	// The join starts over behind the position of the hello.
	heard := map[string]bool{}
	for !heard["ack 2 1"] || !heard["msg 3 1 2 1 3000"] { // in either order
		ws := b
		ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, data, err := ws.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		heard[string(data)] = true
	}
	if !heard["msg 1 0 1 1 1000 abc"] || len(heard) != 3 {
		t.Fatalf("heard %v", heard)
	}
	say(t, b, "got 3")
	for _, other := range []string{"123456789", "pub 2", "pub x 1 1 -", "pub 2 0 1 -", "pub 2 1 1 #", "hello 2", "hello 2 x", "hello 2 0 a b", "hello 2 0 ", "join", "join a b", "got x"} {
		say(t, b, other)
		hear(t, b, other) // no frame of the protocol: an echo
	}
	b.Close()
	b = s.dial()
	say(t, b, "hello 2 1") // has the first
	hear(t, b, "welcome 2 1")
	say(t, b, "join lobby")
	hear(t, b, "msg 3 1 2 1 3000")
	b.Close()
	b = s.dial()
	say(t, b, "hello 2 0 lobby") // both in one order
	hear(t, b, "welcome 2 1", "msg 1 0 1 1 1000 abc", "msg 3 1 2 1 3000")
	a.Close()
	a = s.dial()
	say(t, a, "hello 1 -")
	hear(t, a, "welcome 1 2")
}

// TestPublishBehind: what the service behind the server publishes reaches who is there and who comes later, and is
// acknowledged when it is stored.
func TestPublishBehind(t *testing.T) {
	s := start(t, Config{Delivery: true})
	post := func(text string) (int, string) {
		t.Helper()
		resp, err := http.Post("http://"+s.Info.Control+"/publish", "text/plain", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(said)
	}
	here := s.dial()
	say(t, here, "hello 4 0")
	hear(t, here, "welcome 4 0")
	if code, said := post("pub 4 1 1000 4 abc\n"); code != 200 || said != "ack 4 1\n" {
		t.Fatalf("%d %q", code, said)
	}
	hear(t, here, "msg 1 0 4 1 1000 abc")
	if code, said := post("pub 5 1 2000 5"); code != 200 || said != "ack 5 1\n" {
		t.Fatalf("%d %q", code, said)
	}
	later := s.dial()
	say(t, later, "hello 5 0")
	hear(t, later, "welcome 5 1", "msg 2 0 5 1 2000")
	for text, want := range map[string]int{
		"":                                    400,
		"pub 5 0 2000 5":                      400,
		"got 5":                               400,
		strings.Repeat("x", largestPublish+1): 413,
	} {
		if code, said := post(text); code != want {
			t.Errorf("%.20q: %d %s, want %d", text, code, said, want)
		}
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Delivery.Published != 2 || st.Delivery.Stored != 2 {
		t.Errorf("%+v, %v", st.Delivery, err)
	}

	silent := start(t, Config{})
	s = silent
	if code, said := post("pub 4 1 1000 4"); code != 400 || !strings.Contains(said, "does not deliver") {
		t.Errorf("%d %s", code, said)
	}
}

// TestSlowReader: what a client does not read waits in the store and not in the server's memory, and comes whole and in
// order once it reads.
func TestSlowReader(t *testing.T) {
	s := start(t, Config{Delivery: true})
	slow, fast := s.dial(), s.dial()
	say(t, slow, "hello 7 0")
	hear(t, slow, "welcome 7 0")
	const n = 1500
	pad := strings.Repeat("x", 32_000) // more in all than socket buffers take
	go func() {
		for i := range n {
			if fast.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "pub 1 %d 0 7 %s", i+1, pad)) != nil {
				return
			}
		}
	}()
	for i := range n {
		hear(t, fast, fmt.Sprintf("ack 1 %d", i+1))
	}
	s.until("an inbox that is full", func(st Stats) bool { return st.Delivery.Overflows > 0 })
	for i := range n {
		hear(t, slow, fmt.Sprintf("msg %d %d 1 %d 0 %s", i+1, i, i+1, pad))
	}
	if st := s.until("all of it delivered", func(st Stats) bool { return st.Delivery.Delivered == n }); st.Delivery.Stored != n || st.Delivery.Replayed == 0 {
		t.Errorf("counts: %+v", st.Delivery)
	}
}

func FuzzPub(f *testing.F) {
	f.Add("1 2 3 - xyz")
	f.Add("1 2 3 #a")
	f.Add("4294967296 2 3 4")
	f.Fuzz(func(t *testing.T, text string) {
		m, ok := parsePub([]byte(text))
		if !ok {
			return
		}
		if m.Seq == 0 || m.From < 0 || m.Sent < 0 || m.To == "" {
			t.Errorf("%q is %+v", text, m)
		}
		again := fmt.Sprintf("%d %d %d %s %s", m.From, m.Seq, m.Sent, m.To, m.Pad)
		if back, ok := parsePub([]byte(again)); !ok || *back != *m {
			t.Errorf("%q is %+v, and written again %+v", text, m, back)
		}
	})
}

// TestLieShares: the share of lies is the one that was asked for, and each kind draws for itself.
func TestLieShares(t *testing.T) {
	const n = 200_000
	var hits [4]int
	both := 0
	for i := range uint32(n) {
		d, r := lie(0.01, lieDrop, int32(i%100), i/100+1), lie(0.01, lieReorder, int32(i%100), i/100+1)
		if d {
			hits[lieDrop]++
		}
		if r {
			hits[lieReorder]++
		}
		if d && r {
			both++
		}
	}
	// Five standard deviations of a binomial count.
	for _, k := range []int{lieDrop, lieReorder} {
		if p := 0.01; math.Abs(float64(hits[k])-n*p) > 5*math.Sqrt(n*p*(1-p)) {
			t.Errorf("kind %d: %d of %d", k, hits[k], n)
		}
	}
	if both > 60 {
		t.Errorf("%d of %d are hit by both, independent draws would be some 20", both, n)
	}
	if lie(0, lieDrop, 1, 1) || !lie(1, lieDrop, 1, 1) {
		t.Error("never and always")
	}
}

// asked is a store that tells when it is asked for what a client missed.
type asked struct {
	session.Store
	after atomic.Int32
}

func (s *asked) After(to []string, pos uint32, max int) ([]session.Message, error) {
	s.after.Add(1)
	return s.Store.After(to, pos, max)
}

// TestFollowsBeforeItReads: who resumes, or joins a room, hears what comes before it reads what it missed; the other way round
// what is stored between the two would be lost, and the next delivery would say that there was nothing. Here the list of
// followers is held, so that nobody can begin to follow.
func TestFollowsBeforeItReads(t *testing.T) {
	s, err := New(Config{Delivery: true})
	if err != nil {
		t.Fatal(err)
	}
	store := &asked{Store: s.office.store}
	s.office.store = store
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	defer func() {
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+ln.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	for i, text := range []string{"hello 7 0", "join lobby"} {
		before := store.after.Load()
		s.office.mu.Lock()
		say(t, ws, text)
		time.Sleep(100 * time.Millisecond)
		if n := store.after.Load() - before; n > 0 {
			t.Errorf("%s: asked for what was missed, and does not follow yet", text)
		}
		s.office.mu.Unlock()
		if i == 0 {
			hear(t, ws, "welcome 7 0")
		}
		for began := time.Now(); store.after.Load() == before; time.Sleep(time.Millisecond) {
			if time.Since(began) > 20*time.Second {
				t.Fatalf("%s: never asked for what was missed", text)
			}
		}
	}
	say(t, ws, "pub 7 1 0 #lobby")
	hear(t, ws, "ack 7 1", "msg 1 0 7 1 0")
}
