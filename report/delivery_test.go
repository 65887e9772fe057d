package report

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/delivery"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// publishers is a plan of n clients that publish rate messages a second from 2 s to 50 s of 60, to themselves.
func publishers(t *testing.T, n int, rate float64, texts ...string) *scenario.Plan {
	t.Helper()
	format, err := heartbeat.ParseFormat("pub {{.Client}} {{.Seq}} {{.Sent}}", "Client", "Seq", "Sent")
	if err != nil {
		t.Fatal(err)
	}
	x := &heartbeat.Traffic{Rate: rate, Process: heartbeat.Poisson, Start: sec(2), Stop: sec(50), Publish: format, Message: format}
	g := browsers(n)
	g.Traffic = x
	return expects(t, plan(sec(60), []chaos.Fault{hole}, g), texts...)
}

// TestWindowsAddUp: on random histories what the windows between two faults count adds up to the accounts of the whole run.
func TestWindowsAddUp(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(3, seed))
		h := newHistory(t, publishers(t, 4, 1+4*rng.Float64()))
		h.began(10, 0)
		h.ended(30, 0)
		type event struct {
			at float64
			id int
			o  heartbeat.Output
		}
		var events []event
		for id := range 4 {
			for a := h.plan.GroupOf(id).Traffic.Arrivals(h.plan.TrafficRand(id)); a.Due() < heartbeat.None; a.Pop() {
				at := a.Due().Seconds()
				o := heartbeat.Output{Seq: a.Seq(), Due: a.Due(), From: int32(id)}
				add := func(k heartbeat.OutputKind) {
					o.Kind = k
					events = append(events, event{at, id, o})
					at += 3 * rng.Float64()
				}
				if rng.IntN(8) > 0 {
					add(heartbeat.Published)
					for rng.IntN(4) > 0 {
						add(heartbeat.Delivered)
					}
					if rng.IntN(4) > 0 {
						add(heartbeat.Acked)
					}
				}
			}
		}
		slices.SortStableFunc(events, func(a, b event) int { return int(1e6 * (a.at - b.at)) })
		for _, e := range events {
			h.out(e.at, e.id, e.o)
		}
		r := h.end()
		var sum SegmentDelivery
		for i := range r.Segments {
			if d := r.Segments[i].Groups[0].Delivery; d != nil {
				if d.Received > d.Owed || d.Sent > d.Due {
					t.Errorf("seed %d: a segment has more than was due in it: %+v", seed, d)
				}
				sum.add(d)
			}
		}
		a := r.Groups[0].Delivery
		want := SegmentDelivery{Due: a.Due, Owed: a.Owed, Sent: a.Sent, Acked: a.Acked, Received: a.Received, Duplicated: a.Duplicated, Reordered: a.Reordered}
		n := sum.Latency.N()
		sum.Latency = nil
		if d := gocmp.Diff(want, sum); d != "" || n != a.Received {
			t.Errorf("seed %d: the windows (+) and the whole run (-), %d latencies:\n%s", seed, n, d)
		}
		if a.Lost == 0 || a.Duplicated == 0 || a.Reordered == 0 || a.AckedLost == 0 || a.Sent == a.Due {
			t.Errorf("seed %d: too little happened: %+v", seed, a)
		}
	}
}

// TestWhatWasDueComesFromThePlan: clients that say nothing at all have lost everything.
func TestWhatWasDueComesFromThePlan(t *testing.T) {
	h := newHistory(t, publishers(t, 3, 2, "delivery.lost == 0"))
	h.began(10, 0)
	h.ended(30, 0)
	due := int64(0)
	for id := range 3 {
		for a := h.plan.GroupOf(id).Traffic.Arrivals(h.plan.TrafficRand(id)); a.Due() < heartbeat.None; a.Pop() {
			due++
		}
	}
	r := h.end()
	if d := r.Groups[0].Delivery; d.Due != due || d.Lost != due || due < 200 || r.Outcomes[0].State != Fail {
		t.Errorf("%d were due; %+v, %s", due, d, r.Outcomes[0].State)
	}
}

// TestInterruptedIsNotLost: what could still arrive when a run is cut short is not judged as lost.
func TestInterruptedIsNotLost(t *testing.T) {
	h := newHistory(t, publishers(t, 3, 2, "delivery.lost == 0", "delivery.duplicated == 0"))
	h.began(10, 0)
	a := h.plan.GroupOf(0).Traffic.Arrivals(h.plan.TrafficRand(0))
	for _, k := range []heartbeat.OutputKind{heartbeat.Published, heartbeat.Delivered, heartbeat.Delivered} {
		h.out(a.Due().Seconds()+0.001, 0, heartbeat.Output{Kind: k, Seq: 1, Due: a.Due()})
	}
	r := h.r.Snapshot(sec(20), SnapshotOptions{Interrupted: true})
	if d := r.Groups[0].Delivery; d.Lost == 0 || d.Due > 3*2*18*3/2 {
		t.Errorf("up to 20 s: %+v", d)
	}
	for i, want := range []Judgement{Inconclusive, Fail} { // a duplicate stays one
		if o := r.Outcomes[i]; o.State != want {
			t.Errorf("%s: %s (%s), want %s", o.Text, o.State, o.Note, want)
		}
	}
}

// TestPartsOfTraffic: two agents' Results add up to that of one recorder, ids included, and survive the file.
func TestPartsOfTraffic(t *testing.T) {
	p := publishers(t, 40, 5)
	record := func(clients *chaos.Set) *Result {
		r := NewRecorder(p, Options{Clients: clients})
		r.FaultBegan(sec(10), 0)
		r.FaultEnded(sec(30), 0)
		for id := range 40 {
			if clients != nil && !clients.Has(id) {
				continue
			}
			for a := p.GroupOf(id).Traffic.Arrivals(p.TrafficRand(id)); a.Due() < heartbeat.None; a.Pop() {
				for _, k := range []heartbeat.OutputKind{heartbeat.Published, heartbeat.Acked, heartbeat.Delivered} {
					if k != heartbeat.Delivered || a.Seq()%29 > 0 {
						r.Output(a.Due()+time.Millisecond, id, &heartbeat.Output{Kind: k, Seq: a.Seq(), From: int32(id), Due: a.Due()})
					}
				}
			}
		}
		r.Ended(sec(60))
		return r.Snapshot(sec(60), SnapshotOptions{Final: true})
	}
	var low, high chaos.Set
	for id := range 20 {
		low.Add(id)
		high.Add(20 + id)
	}
	merged, err := Merge(record(&high), record(&low))
	if err != nil {
		t.Fatal(err)
	}
	whole := record(nil)
	if d := gocmp.Diff(whole.Groups[0].Delivery, merged.Groups[0].Delivery); d != "" {
		t.Errorf("one recorder (-), two (+):\n%s", d)
	}
	if n := len(whole.Groups[0].Delivery.Lied); n != ListedIDs || whole.Groups[0].Delivery.AckedLost <= ListedIDs {
		t.Errorf("%d ids listed of %d", n, whole.Groups[0].Delivery.AckedLost)
	}
}

// TestDeliveryOfADamagedFile: an account that does not add up is refused.
func TestDeliveryOfADamagedFile(t *testing.T) {
	for what, d := range map[string]*GroupDelivery{
		"does not add up":   {Account: delivery.Account{Due: 5, Owed: 5, Received: 2, Lost: 2}},
		"out of range":      {Account: delivery.Account{Due: -1}},
		"than there can be": {Account: delivery.Account{Due: 1, Sent: 2}},
	} {
		if err := d.check(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

// TestSnapshotsOfTraffic: snapshots that are taken while messages go to and fro, several at a time, add up each for itself, and
// the last is as if there had been no others.
func TestSnapshotsOfTraffic(t *testing.T) {
	p := publishers(t, 300, 4)
	play := func(look func(r *Recorder, now time.Duration)) *Result {
		r := NewRecorder(p, Options{})
		r.FaultBegan(sec(10), 0)
		r.FaultEnded(sec(30), 0)
		for id := range 300 {
			for a := p.GroupOf(id).Traffic.Arrivals(p.TrafficRand(id)); a.Due() < heartbeat.None; a.Pop() {
				for _, k := range []heartbeat.OutputKind{heartbeat.Published, heartbeat.Delivered} {
					if k == heartbeat.Published || a.Seq()%7 > 0 {
						r.Output(a.Due(), id, &heartbeat.Output{Kind: k, Seq: a.Seq(), From: int32(id), Due: a.Due()})
					}
				}
			}
			look(r, sec(float64(id)/6))
		}
		r.Ended(sec(60))
		return r.Snapshot(sec(60), SnapshotOptions{Final: true})
	}
	var wg sync.WaitGroup
	busy := play(func(r *Recorder, now time.Duration) {
		if now%(5*time.Second) > 0 {
			return
		}
		for range 2 {
			wg.Go(func() {
				if err := r.Snapshot(now, SnapshotOptions{}).Groups[0].Delivery.check(); err != nil {
					t.Error(err)
				}
			})
		}
	})
	wg.Wait()
	quiet := play(func(*Recorder, time.Duration) {})
	if d := gocmp.Diff(quiet.Groups[0].Delivery, busy.Groups[0].Delivery); d != "" {
		t.Error(d)
	}
}
