package metrics

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
)

const large = `
name: large
seed: 3
target: {url: "ws://127.0.0.1:1/"}
clients: [{group: browsers, count: 10000, ramp: 10s, profile: heartcheck}]
chaos:
  - {at: 15s, for: 12s, fault: blackhole, clients: 40%}
  - {at: 60s, fault: kill, how: rst, every: 30s, times: 3}
duration: 150s
`

// BenchmarkScrape is one scrape of a run of 10,000 clients after two and a half minutes and four storms, snapshot
// included.
func BenchmarkScrape(b *testing.B) {
	plan := load(b, large)
	rec := report.NewRecorder(plan, report.Options{})
	if err := sim.Run(b.Context(), plan, sim.Options{Sink: rec, Model: sim.Model{Latency: time.Millisecond}}); err != nil {
		b.Fatal(err)
	}
	now := plan.Duration
	h := Handler(New(Options{Recorder: rec, Clock: func() time.Duration { now += Fresh; return now }}))
	for b.Loop() {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if answer.Code != http.StatusOK {
			b.Fatal(answer.Code)
		}
		io.Copy(io.Discard, answer.Body)
	}
}

// BenchmarkBeat is the recorder's part of a beat and its reply, unwatched and scraped as often as snapshots are made. The hot
// path has no code for scrapes; what is left is the wait for the lock while a snapshot holds it, and a core to share.
func BenchmarkBeat(b *testing.B) {
	for _, watched := range []bool{false, true} {
		b.Run(fmt.Sprintf("scraped=%v", watched), func(b *testing.B) {
			plan := load(b, large)
			rec := report.NewRecorder(plan, report.Options{})
			for id := range plan.Clients {
				rec.Attempt(0, id, 1)
				rec.State(0, id, heartbeat.Open)
				rec.Output(0, id, &heartbeat.Output{Kind: heartbeat.Opened, Epoch: 1})
			}
			stop, stopped := make(chan struct{}), make(chan struct{})
			scrapes := 0
			go func() {
				defer close(stopped)
				began := time.Now()
				h := Handler(New(Options{Recorder: rec, Clock: func() time.Duration { return time.Second + time.Since(began) }}))
				pause := time.NewTicker(Fresh)
				defer pause.Stop()
				for watched {
					select {
					case <-stop:
						return
					case <-pause.C:
						h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
						scrapes++
					}
				}
			}()
			sent, replied := heartbeat.Output{Kind: heartbeat.Send, Beat: true}, heartbeat.Output{Kind: heartbeat.Replied, Dur: time.Millisecond}
			id := 0
			for b.Loop() {
				rec.Output(time.Second, id, &sent)
				rec.Output(time.Second, id, &replied)
				id = (id + 7919) % plan.Clients
			}
			close(stop)
			<-stopped
			b.ReportMetric(float64(scrapes)/b.Elapsed().Seconds(), "scrapes/s")
		})
	}
}
