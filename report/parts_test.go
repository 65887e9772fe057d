package report

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// TestPartsAreTheWhole records random runs by one Recorder and by parts of a few clients, one after the other: each is
// told its clients' whole story up to the next begin or end of a fault before the next client's, as a simulation does.
func TestPartsAreTheWhole(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 4))
		p, ev := randomRun(r)
		want := record(p, ev, func(int) bool { return true })
		parts := NewParts(p, Options{})
		for first := 0; first < p.Clients; {
			n := 1 + r.IntN(p.Clients-first)
			rec := parts.Recorder(first, n)
			for i := 0; i < len(ev); {
				end := i
				for end < len(ev) && ev[end].client >= 0 {
					end++
				}
				for id := first; id < first+n; id++ {
					for _, e := range ev[i:end] {
						if e.client == id {
							e.call(rec)
						}
					}
				}
				if i = end; i < len(ev) {
					ev[i].call(rec)
					i++
				}
			}
			rec.Ended(p.Duration)
			if err := parts.Add(rec, p.Duration, SnapshotOptions{Final: true}); err != nil {
				t.Fatal(err)
			}
			first += n
		}
		want.Judge()
		a, _ := json.MarshalIndent(want, "", " ")
		b, _ := json.MarshalIndent(parts.Result(), "", " ")
		if d := gocmp.Diff(string(a), string(b)); d != "" {
			t.Fatalf("seed %d: whole (-), parts (+):\n%.3000s", seed, d)
		}
	}
}

// TestBeatsAreSingleBeats tells the same beats one by one and in one call.
func TestBeatsAreSingleBeats(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 16 {
		p, ev := randomRun(r)
		for i := range ev { // no beats but ours
			if ev[i].client >= 0 && ev[i].at > sec(9) {
				ev = ev[:i]
				break
			}
		}
		due, period := sec(9.01)+time.Duration(r.Int64N(int64(time.Second))), time.Duration(1+r.Int64N(int64(3*time.Second)))
		rtt := time.Duration(r.Int64N(int64(period)))
		n := 1 + int((sec(39)-due)/period)
		var results []string
		for _, many := range []bool{false, true} {
			rec := NewRecorder(p, Options{})
			for _, e := range ev {
				e.call(rec)
			}
			rec.Output(sec(9), 3, &heartbeat.Output{Kind: heartbeat.Opened, Epoch: 99})
			rec.State(sec(9), 3, heartbeat.Open)
			rec.FaultBegan(sec(9.001), 0)
			rec.FaultEnded(sec(9.002), 0)
			if many {
				rec.Beats(3, due, period, rtt, n)
			} else {
				for i := range n {
					at := due + time.Duration(i)*period
					rec.Output(at, 3, &heartbeat.Output{Kind: heartbeat.Send, Beat: true, Epoch: 99, Due: at})
					rec.State(at, 3, heartbeat.Suspect)
					rec.Output(at+rtt, 3, &heartbeat.Output{Kind: heartbeat.Replied, Epoch: 99, Due: at, Dur: rtt})
					rec.State(at+rtt, 3, heartbeat.Open)
				}
			}
			text, err := json.MarshalIndent(rec.Snapshot(sec(60), SnapshotOptions{Final: true}), "", " ")
			if err != nil {
				t.Fatal(err)
			}
			results = append(results, string(text))
		}
		if d := gocmp.Diff(results[0], results[1]); d != "" {
			t.Fatalf("due %v, every %v, rtt %v, %d times: one by one (-), at once (+):\n%.3000s", due, period, rtt, n, d)
		}
	}
}
