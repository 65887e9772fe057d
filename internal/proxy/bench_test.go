package proxy

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/server"
)

// BenchmarkAddedLatency: 1,000 connections each send a beat a second and await its echo, straight to the server and through
// the proxy, all in this process. added-µs is the difference of the medians; an op is one second of it.
func BenchmarkAddedLatency(b *testing.B) {
	const n, period = 1000, time.Second
	w := start(b, Config{Connections: n + 1}, server.Config{})
	median := func(addr string) time.Duration {
		conns := make([]*websocket.Conn, n)
		for i := range conns {
			ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/", nil)
			if err != nil {
				b.Fatal(err)
			}
			defer ws.Close()
			conns[i] = ws
		}
		var mu sync.Mutex
		var all []time.Duration
		var clients sync.WaitGroup
		begin := time.Now()
		for i, ws := range conns {
			clients.Go(func() {
				var mine []time.Duration
				for k := range b.N {
					due := begin.Add(period * time.Duration(n*k+i) / n)
					time.Sleep(time.Until(due))
					sent := time.Now()
					if err := ws.WriteMessage(websocket.TextMessage, []byte("123456789")); err != nil {
						b.Error(err)
						return
					}
					if _, _, err := ws.ReadMessage(); err != nil {
						b.Error(err)
						return
					}
					mine = append(mine, time.Since(sent))
				}
				mu.Lock()
				all = append(all, mine...)
				mu.Unlock()
			})
		}
		clients.Wait()
		if len(all) == 0 {
			b.Fatal("no round trip")
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	b.ResetTimer()
	straight := median(w.proxy.config.Target.Addr)
	through := median(w.addr)
	b.ReportMetric(float64(straight.Microseconds()), "straight-µs")
	b.ReportMetric(float64(through.Microseconds()), "through-µs")
	b.ReportMetric(float64((through - straight).Microseconds()), "added-µs")
}

// BenchmarkWatch is what reading the frames of a beat, and knowing it again, costs a direction.
func BenchmarkWatch(b *testing.B) {
	frame := append([]byte{0x81, 9}, "123456789"...)
	var f frames
	var w watcher
	class := &beatClass{}
	now := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		now += time.Second
		f.feed(frame, func(m *message) {
			if _, ok := w.see(m, now, func(int, uint64, *message) *beatClass { return class }); ok {
				w.last.Store(int64(now))
			}
		})
	}
}
