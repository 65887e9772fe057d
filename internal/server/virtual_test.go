package server

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
)

// received reads frames until the connection ends and notes each with its time since began. Pings are answered only
// where pong is set.
func received(ws *websocket.Conn, began time.Time, pong bool) (got []string, err error) {
	note := func(what string) { got = append(got, time.Since(began).String()+" "+what) }
	answer := ws.PingHandler()
	ws.SetPingHandler(func(data string) error {
		note("ping " + data)
		if pong {
			return answer(data)
		}
		return nil
	})
	for {
		_, data, err := ws.ReadMessage()
		if err != nil {
			note(err.Error())
			return got, err
		}
		note("text " + string(data))
	}
}

// A client that only answers pings lives, one that answers nothing is reaped one Reap after its handshake, and the
// phases of the beats follow the connects.
func TestBeatAndReap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, stop := virtual(t, Config{Beat: 3 * time.Second, BeatText: "b", Reap: 7 * time.Second})
		defer stop()
		began := time.Now()
		silent := p.dial(t)
		time.Sleep(time.Second)
		lively := p.dial(t)
		type result struct {
			who string
			got []string
		}
		results := make(chan result, 2)
		go func() { got, _ := received(silent, began, false); results <- result{"silent", got} }()
		go func() { got, _ := received(lively, began, true); results <- result{"lively", got} }()
		time.Sleep(12 * time.Second) // 13 s since the first connect: the lively client's 4th beat is in
		synctest.Wait()
		if n := s.Stats(); n.Open != 1 || n.Reaped != 1 || n.PingsOut != 6 || n.PongsIn != 4 || n.Beats != 6 {
			t.Errorf("counts after 13 s: %+v", n)
		}
		lively.Close()
		want := map[string][]string{
			"silent": {"3s ping b", "6s ping b", "7s websocket: close 1006 (abnormal closure): unexpected EOF"},
			"lively": {"4s ping b", "7s ping b", "10s ping b", "13s ping b", "13s " + io.ErrClosedPipe.Error()},
		}
		got := map[string][]string{}
		for range 2 {
			r := <-results
			got[r.who] = r.got
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func TestReapWithCloseFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, stop := virtual(t, Config{Reap: 7 * time.Second, ReapClose: true, Beat: 5 * time.Second, BeatFrame: BeatText, BeatText: "hb"})
		defer stop()
		began := time.Now()
		ws := p.dial(t)
		time.Sleep(2 * time.Second)
		if err := ws.WriteMessage(websocket.BinaryMessage, []byte("x")); err != nil { // moves the reaping to 9 s
			t.Fatal(err)
		}
		got, err := received(ws, began, true)
		want := []string{"2s text x", "5s text hb", "9s websocket: close 1001 (going away)"}
		if d := cmp.Diff(want, got); d != "" || !websocket.IsCloseError(err, 1001) {
			t.Error(d, err)
		}
		time.Sleep(2 * linger)
		if n := s.Stats(); n.Reaped != 1 || n.Open != 0 || n.Closed["close_frame"] != 0 {
			t.Errorf("%+v", n)
		}
	})
}

// Ten handshakes a second: the first passes at once, the others wait for a slot of 100 ms each in the order in which
// they came; the sixth and later of those who wait together are turned away.
func TestHandshakeQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, stop := virtual(t, Config{Handshakes: 10, Backlog: 5})
		defer stop()
		began := time.Now()
		type outcome struct {
			ID     int
			At     time.Duration
			Status int
		}
		outcomes := make(chan outcome, 9)
		for id := range 9 {
			go func() {
				time.Sleep(time.Duration(id) * time.Millisecond)
				d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return p.connect(), nil }}
				ws, resp, err := d.Dial("ws://pipe/", nil)
				if err == nil {
					defer ws.Close()
				}
				outcomes <- outcome{id, time.Since(began), resp.StatusCode}
			}()
		}
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if q := s.Stats().Queued; q != 5 {
			t.Errorf("%d wait, want 5", q)
		}
		var got []outcome
		for range 9 {
			got = append(got, <-outcomes)
		}
		const ms = time.Millisecond
		want := []outcome{
			{0, 0, 101}, {6, 6 * ms, 503}, {7, 7 * ms, 503}, {8, 8 * ms, 503},
			{1, 100 * ms, 101}, {2, 200 * ms, 101}, {3, 300 * ms, 101}, {4, 400 * ms, 101}, {5, 500 * ms, 101},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		synctest.Wait()
		n := s.Stats()
		if n.Handshakes != 6 || n.Rejected["backlog"] != 3 || n.Accepted != 9 {
			t.Errorf("%+v", n)
		}
		balanced(t, n)
	})
}

// A client that gives up while it waits still costs its slot: the one behind it is not served any earlier.
func TestAbandonedHandshakeCostsItsSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, stop := virtual(t, Config{Handshakes: 1})
		defer stop()
		began := time.Now()
		p.dial(t).Close() // takes the slot at 0 s
		gone := p.connect()
		io.WriteString(gone, "GET / HTTP/1.1\r\nHost: pipe\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		synctest.Wait()
		gone.Close()
		synctest.Wait()
		p.dial(t).Close()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("the client behind was served after %v, want 2s", took)
		}
		synctest.Wait()
		if n := s.Stats(); n.Rejected["abandoned"] != 1 || n.Handshakes != 2 {
			t.Errorf("%+v", n)
		}
	})
}

func TestQueueLosesTheSlotsOfAFrozenProcess(t *testing.T) {
	var now time.Duration
	q := newQueue(10, 0, func() time.Duration { return now })
	passed := func(tickets []<-chan struct{}) (n int) {
		for _, c := range tickets {
			select {
			case <-c:
				n++
			default:
			}
		}
		return n
	}
	q.join() // now
	var tickets []<-chan struct{}
	for range 20 {
		c, ok := q.join()
		if !ok {
			t.Fatal("turned away without a limit")
		}
		tickets = append(tickets, c)
	}
	steps := []struct {
		now    time.Duration
		passed int
	}{
		{99 * time.Millisecond, 0},
		{100 * time.Millisecond, 1},
		{220 * time.Millisecond, 2},
		{330 * time.Millisecond, 3},  // 30 ms late: made up for
		{400 * time.Millisecond, 4},  // and the schedule has not moved
		{5000 * time.Millisecond, 5}, // frozen for 4.5 s: one slot, not 46
		{5099 * time.Millisecond, 5},
		{5100 * time.Millisecond, 6},
	}
	for _, s := range steps {
		now = s.now
		q.pass()
		if n := passed(tickets); n != s.passed {
			t.Fatalf("at %v %d have passed, want %d", now, n, s.passed)
		}
	}
}

// Notice, grace, close frame, all at once; somebody who connects during the grace stays.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, stop := virtual(t, Config{})
		defer stop()
		began := time.Now()
		got := make(chan string, 2)
		for range 2 {
			ws := p.dial(t)
			go func() { lines, _ := received(ws, began, true); got <- strings.Join(lines, "; ") }()
		}
		synctest.Wait() // a client knows of its upgrade before the server has it on its list
		if r, err := s.Drain(DrainRequest{Notice: "moving", Grace: 2 * time.Second, Code: 1012}); err != nil || r.Clients != 2 {
			t.Fatal(r, err)
		}
		late := p.dial(t)
		synctest.Wait()
		if r, err := s.Drain(DrainRequest{Clients: 1, Grace: time.Hour}); err != nil || r.Clients != 1 {
			t.Fatalf("a second drain picks %d (%v), want only the newcomer", r.Clients, err)
		}
		const want = "0s text moving; 2s websocket: close 1012"
		for range 2 {
			if g := <-got; g != want {
				t.Errorf("got %q, want %q", g, want)
			}
		}
		synctest.Wait()
		if n := s.Stats(); n.Open != 1 || n.Closed["drained"] != 2 || n.Drains != 2 {
			t.Errorf("%+v", n)
		}
		go late.WriteMessage(websocket.TextMessage, []byte("still here"))
		if _, data, err := late.ReadMessage(); err != nil || string(data) != "still here" {
			t.Errorf("the newcomer read %q, %v", data, err)
		}
		late.Close()
	})
}

// A client that never answers the close frame is cut after the linger time.
func TestDrainOfADeafClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, stop := virtual(t, Config{})
		defer stop()
		ws := p.dial(t)
		ws.SetCloseHandler(func(int, string) error { return nil })
		synctest.Wait()
		go func() {
			for {
				if _, _, err := ws.NextReader(); err != nil {
					return
				}
			}
		}()
		if _, err := s.Drain(DrainRequest{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(linger - 1)
		if n := s.Stats(); n.Open != 1 {
			t.Errorf("closed early: %+v", n)
		}
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		if n := s.Stats(); n.Open != 0 || n.Closed["drained"] != 1 {
			t.Errorf("%+v", n)
		}
		ws.Close()
	})
}

func TestSlowLoris(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p, stop := virtual(t, Config{HandshakeTimeout: 3 * time.Second})
		defer stop()
		began := time.Now()
		c := p.connect()
		go func() {
			for _, b := range []byte(strings.Repeat("GET / HTTP/1.1\r\nX: ", 100)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		buf := make([]byte, 1024)
		var err error
		for err == nil {
			_, err = c.Read(buf)
		}
		if took := time.Since(began); took != 3*time.Second || !errors.Is(err, io.EOF) {
			t.Errorf("cut after %v with %v", took, err)
		}
		c.Close()
		time.Sleep(time.Second) // the writer notices
		synctest.Wait()
		n := s.Stats()
		if n.Rejected["no_request"] != 1 || n.Pending != 0 {
			t.Errorf("%+v", n)
		}
		balanced(t, n)
	})
}
