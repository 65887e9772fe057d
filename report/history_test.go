package report

import (
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// sec makes a duration of seconds.
func sec(s float64) time.Duration { return time.Duration(s * 1e9) }

// heartcheck is dead 5 s after an unanswered beat, at most 8 s after the path: bounds (5, 8].
var heartcheck = heartbeat.Config{
	Beat:    heartbeat.Beat{By: heartbeat.Client, Interval: 3 * time.Second},
	Timeout: 5 * time.Second, Misses: 1,
}

// deaf never notices silence.
var deaf = heartbeat.Config{Beat: heartbeat.Beat{By: heartbeat.Client, Interval: 3 * time.Second}}

// plan is a plan built by hand: groups of 10 clients, or of the counts given.
func plan(duration time.Duration, faults []chaos.Fault, groups ...scenario.Group) *scenario.Plan {
	p := &scenario.Plan{Name: "by hand", Path: "hand.yaml", Seed: 1, Duration: duration, Faults: faults}
	for i := range groups {
		g := groups[i]
		g.First = p.Clients
		if g.Count == 0 {
			g.Count = 10
		}
		p.Groups = append(p.Groups, g)
		p.Clients += g.Count
	}
	for i := range faults {
		f := &p.Faults[i]
		if f.Name == "" {
			f.Name = string(f.Kind)
		}
		end := f.At + f.For
		if f.For == 0 && !f.Instant() {
			end = duration
		}
		p.Schedule = append(p.Schedule, chaos.Occurrence{Index: i, Fault: i, Name: f.Name, At: f.At, End: end})
	}
	return p
}

func browsers(n int) scenario.Group {
	return scenario.Group{Name: "browsers", Count: n, Config: heartcheck}
}

// history plays events into a recorder, in seconds.
type history struct {
	*testing.T
	r     *Recorder
	plan  *scenario.Plan
	epoch []uint32
	state []heartbeat.State
}

func newHistory(t *testing.T, p *scenario.Plan) *history {
	return &history{T: t, r: NewRecorder(p, Options{Driver: "fleet", Tool: "flatline test"}), plan: p,
		epoch: make([]uint32, p.Clients), state: make([]heartbeat.State, p.Clients)}
}

func (h *history) to(at float64, id int, s heartbeat.State) {
	h.state[id] = s
	h.r.State(sec(at), id, s)
}

func (h *history) out(at float64, id int, o heartbeat.Output) {
	o.Epoch = h.epoch[id]
	h.r.Output(sec(at), id, &o)
}

func (h *history) attempt(at float64, id int) {
	h.epoch[id]++
	h.r.Attempt(sec(at), id, h.epoch[id])
	h.to(at, id, heartbeat.Connecting)
}

func (h *history) failed(at float64, id int, c heartbeat.Cause) {
	h.out(at, id, heartbeat.Output{Kind: heartbeat.AttemptFailed, Cause: c})
	h.to(at, id, heartbeat.Backoff)
}

// open is an attempt that takes 1 ms to open; at is when it is open.
func (h *history) open(at float64, ids ...int) {
	for _, id := range ids {
		h.attempt(at-0.001, id)
		h.r.TCPConnected(sec(at), id, h.epoch[id], 500*time.Microsecond)
		h.out(at, id, heartbeat.Output{Kind: heartbeat.Opened})
		h.to(at, id, heartbeat.Open)
	}
}

func (h *history) reply(at float64, id int, rtt float64) {
	h.out(at-rtt, id, heartbeat.Output{Kind: heartbeat.Send, Beat: true})
	h.out(at, id, heartbeat.Output{Kind: heartbeat.Replied, Due: sec(at - rtt), Dur: sec(rtt)})
}

func (h *history) dead(at float64, id int, c heartbeat.Cause, heard float64) {
	h.out(at, id, heartbeat.Output{Kind: heartbeat.Dead, Cause: c, LastHeard: sec(heard)})
	h.to(at, id, heartbeat.Backoff)
}

func (h *history) began(at float64, occ int) {
	h.r.FaultBegan(sec(at), occ)
	h.r.FaultInForce(sec(at)+time.Millisecond, occ)
}

func (h *history) ended(at float64, occ int) { h.r.FaultEnded(sec(at), occ) }

func (h *history) stop(at float64) {
	for id := range h.state {
		h.to(at, id, heartbeat.Stopped)
	}
}

// end stops everybody at the plan's end and returns the final Result.
func (h *history) end() *Result {
	h.Helper()
	h.stop(h.plan.Duration.Seconds())
	r := h.r.Snapshot(h.plan.Duration, SnapshotOptions{Final: true})
	sane(h.T, r)
	return r
}

// sane holds what must hold in every Result: the fates of the affected add up, and the file form accepts it.
func sane(t *testing.T, r *Result) {
	t.Helper()
	for _, o := range r.Occurrences {
		for _, g := range o.Groups {
			if sum := g.DetectedN() + g.Undetected + g.Healed + g.Unresolved; sum != g.Affected {
				t.Errorf("%s: %d detected + %d undetected + %d healed + %d unresolved is not %d affected", o.Name,
					g.DetectedN(), g.Undetected, g.Healed, g.Unresolved, g.Affected)
			}
			if back := g.Recovery.N(); back+g.Lost != g.DetectedN() {
				t.Errorf("%s: %d back + %d lost is not %d detected", o.Name, back, g.Lost, g.DetectedN())
			}
		}
	}
	if err := r.check(); err != nil {
		t.Error(err)
	}
}

// wants checks expectations, which must all hold.
func wants(t *testing.T, r *Result, texts ...string) {
	t.Helper()
	for _, s := range texts {
		e, err := scenario.ParseExpect(s)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if o := r.evaluate(e); o.State != Pass {
			t.Errorf("%s: %s: %v %s", s, o.State, o.Measured, o.Note)
		}
	}
}
