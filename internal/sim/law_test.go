//go:build !race

// One goroutine that computes: the race detector would find nothing and take minutes.

package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/sim"
)

// laws are the closed forms of the detection latency, r = 2 ms; the ramp is one cycle, so that paths die at a uniform
// moment of it. See heartbeat.Config.Bounds.
var laws = []struct {
	name, serve, clients string
	lo, hi               time.Duration // 0: never noticed
}{
	{"heartcheck: (5 - r, 8]", "", "ramp: 3002ms, profile: heartcheck", 4998 * ms, 8 * time.Second},
	{"counted: (6 - r, 9]", "", "ramp: 3002ms, profile: heartcheck-counted", 5998 * ms, 9 * time.Second},
	{"as published: never", "", "ramp: 3002ms, profile: heartcheck-counted-as-published", 0, 0},
	{"fixed tick: (T - r, I + T - r]", "", "ramp: 10s, beat: {interval: 10s, after: beat, frame: ping}, timeout: 2s, reconnect: {kind: fixed, delay: 9s}", 1998 * ms, 11998 * ms},
	{"server beats: (T, I + T]", "beat: 10s", "ramp: 10s, beat: {by: server, frame: ping, interval: 10s}, timeout: 3s, reconnect: {kind: fixed, delay: 9s}", 3 * time.Second, 13 * time.Second},
}

// deaths keeps how long each client took to notice, exactly.
type deaths struct {
	null
	t0  time.Duration
	all []time.Duration
}

func (d *deaths) Output(now time.Duration, _ int, o *heartbeat.Output) {
	if o.Kind == heartbeat.Dead {
		d.all = append(d.all, now-d.t0)
	}
}

// holdLaws kills n paths under each law and compares: the Kolmogorov-Smirnov distance to the law stays below 0.005.
func holdLaws(t *testing.T, n int) {
	for _, law := range laws {
		t.Run(law.name, func(t *testing.T) {
			p, err := plan(t, `
name: law
target: {serve: {`+law.serve+`}}
clients: [{count: 1000, `+law.clients+`}]
chaos: [{at: 33s, for: 15s, fault: blackhole}]
duration: 48s
`).Scaled(n)
			if err != nil {
				t.Fatal(err)
			}
			d := &deaths{t0: 33 * time.Second, all: make([]time.Duration, 0, n)}
			if err := sim.Run(t.Context(), p, sim.Options{Sink: d, Model: sim.Model{Latency: ms}}); err != nil {
				t.Fatal(err)
			}
			if law.hi == 0 {
				if len(d.all) > 0 {
					t.Errorf("%d of %d noticed, want none", len(d.all), n)
				}
				return
			}
			if len(d.all) != n {
				t.Fatalf("%d of %d noticed", len(d.all), n)
			}
			slices.Sort(d.all)
			if first, last := d.all[0], d.all[n-1]; first < law.lo || last > law.hi { // the end itself: a reply of that very instant is held
				t.Errorf("within [%v, %v], want all in [%v, %v]", first, last, law.lo, law.hi)
			}
			var ks float64
			for i, x := range d.all {
				f := float64(x-law.lo) / float64(law.hi-law.lo)
				ks = max(ks, f-float64(i)/float64(n), float64(i+1)/float64(n)-f)
			}
			if ks >= 0.005 {
				t.Errorf("Kolmogorov-Smirnov distance %.5f, want below 0.005", ks)
			}
		})
	}
}

func TestLawsOfDetection(t *testing.T) { holdLaws(t, 50_000) }
