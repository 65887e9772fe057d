package proxy

import (
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/server"
)

// stepper beats in step with a server that beats every interval, until nothing has come for patience; then it leaves with a
// close frame and comes back after delay. In a silence it goes on beating, or not.
type stepper struct {
	interval, patience, delay time.Duration
	goesOn                    bool
}

func (s stepper) run(addr string, over <-chan struct{}) {
	for {
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/", nil)
		if err != nil {
			return
		}
		heard := make(chan struct{}, 100)
		go func() {
			defer close(heard)
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					return
				}
				heard <- struct{}{}
			}
		}()
		dead := time.NewTimer(s.patience)
		var tick <-chan time.Time
		beat := func() { _ = ws.WriteMessage(websocket.TextMessage, []byte("mine")) }
		for open := true; open; {
			select {
			case _, open = <-heard:
				dead.Reset(s.patience)
				switch {
				case open && !s.goesOn:
					beat()
				case open && tick == nil:
					time.Sleep(s.interval / 4) // behind the server's beats, not before them: that would make them look like replies
					ticker := time.NewTicker(s.interval)
					defer ticker.Stop()
					tick = ticker.C
				}
			case <-tick:
				beat()
			case <-dead.C:
				_ = ws.WriteControl(websocket.CloseMessage, nil, time.Time{})
				open = false
			case <-over:
				ws.Close()
				return
			}
		}
		ws.Close()
		time.Sleep(s.delay)
	}
}

// TestLearnInSilence: in step with the server's beats, an answer and a beat of the client's own look alike; a silence tells
// them apart. The delay after a silence is kept apart from that after a loss that the client was told of.
func TestLearnInSilence(t *testing.T) {
	for name, tc := range map[string]struct {
		goesOn bool
		by     string
	}{"answers": {false, "server"}, "beats on": {true, "both"}} {
		t.Run(name, func(t *testing.T) {
			const clients, every = 6, 100 * time.Millisecond
			w := start(t, Config{}, server.Config{Beat: every, BeatFrame: server.BeatText, BeatText: "yours", Reply: server.ReplyNone})
			over := make(chan struct{})
			var running sync.WaitGroup
			for range clients {
				running.Go(func() { stepper{every, 6 * every, 3 * every, tc.goesOn}.run(w.addr, over) })
			}
			t.Cleanup(func() {
				close(over)
				running.Wait()
			})
			w.until("both beat", func(r *Result) bool {
				return len(r.Beats) == 2 && r.Beats[0].Interval.N() > 5*clients && r.Beats[1].Interval.N() > 5*clients
			})
			if _, err := w.proxy.Start(chaos.Fault{Kind: chaos.Blackhole, For: 15 * every}); err != nil {
				t.Fatal(err)
			}
			r := w.until("they are back", func(r *Result) bool { return r.Faults[0].Storm.Back == clients })
			if in := r.Learned; in.By != tc.by || in.AfterSilence != nil || len(in.Delays) == 0 {
				t.Errorf("learned %+v, want that %s beats, and the delay after the silence as the only one", in, tc.by)
			}
			if _, err := w.proxy.Start(chaos.Fault{Kind: chaos.Kill, How: chaos.RST}); err != nil {
				t.Fatal(err)
			}
			r = w.until("they are back again", func(r *Result) bool { return len(r.Faults) == 2 && r.Faults[1].Storm.Back == clients })
			in := r.Learned
			if in.AfterSilence == nil || in.AfterSilence.N != clients || in.Delays[0].N != clients || in.Delays[0].P5 < 3*every*9/10 {
				t.Errorf("learned %+v, want the delays of %d after the silence and of %[2]d after the reset", in, clients)
			}
			planOf(t, in.Profile())
		})
	}
}

// TestProfileAfterSilence: less than the policy's delay is a rule of its own, more is something that the client waited for.
func TestProfileAfterSilence(t *testing.T) {
	in := Inference{Clients: 1, By: "nobody", Kind: "fixed", Jitter: "none", Delays: []Delay{{20, time.Second, time.Second, time.Second}}}
	for _, tc := range []struct {
		after time.Duration
		rule  bool
	}{{0, true}, {1050 * time.Millisecond, false}, {9 * time.Second, false}} {
		in.AfterSilence = &Delay{20, tc.after, tc.after, tc.after}
		rule := planOf(t, in.Profile()).Groups[0].Config.Reconnect.AfterTimeout
		if (rule != nil) != tc.rule || rule != nil && (rule.From != tc.after || rule.To != tc.after) {
			t.Errorf("%v after a silence: after_timeout %v\n%s", tc.after, rule, in.Profile())
		}
	}
}
