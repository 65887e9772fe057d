package report

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// event is one call of a Sink; client -1 is told to every agent.
type event struct {
	at     time.Duration
	client int
	call   func(s Sink)
}

// randomRun makes up a run of two groups under several faults: a random walk for each client, in which anything may
// happen that a client machine can do.
func randomRun(r *rand.Rand) (*scenario.Plan, []event) {
	faults := []chaos.Fault{
		{Kind: chaos.Blackhole, At: sec(10), For: sec(12), Clients: chaos.Selector{Percent: 50}},
		{Kind: chaos.Kill, How: chaos.RST, At: sec(30), Clients: chaos.Selector{Count: 9}},
		{Kind: chaos.Delay, At: sec(32), For: sec(5)},
		{Kind: chaos.Stall, At: sec(40), For: sec(9)},
		{Kind: chaos.IdleCut, At: sec(50), For: sec(5), After: sec(1)},
	}
	p := plan(sec(60), faults, browsers(12), scenario.Group{Name: "deaf", Config: deaf, Count: 8, Ramp: sec(2)})
	for i := range p.Groups { // selectors count clients over all groups
		p.Groups[i].Ramp = sec(2)
	}
	var ev []event
	add := func(at time.Duration, client int, call func(s Sink)) { ev = append(ev, event{at, client, call}) }
	for i, o := range p.Schedule {
		add(o.At, -1, func(s Sink) { s.FaultBegan(o.At, i) })
		add(o.At+sec(0.01), -1, func(s Sink) { s.FaultInForce(o.At+sec(0.01), i) })
		if !p.Faults[i].Instant() {
			add(o.End, -1, func(s Sink) { s.FaultEnded(o.End, i) })
		}
	}
	for id := range p.Clients {
		now, epoch, zombies := sec(r.Float64()*3), uint32(0), 0
		step := func() { now += time.Duration(r.Int64N(int64(4*time.Second))) + time.Millisecond }
		out := func(o heartbeat.Output) {
			o.Epoch = epoch
			at := now
			add(at, id, func(s Sink) { s.Output(at, id, &o) })
		}
		state := func(st heartbeat.State) { at := now; add(at, id, func(s Sink) { s.State(at, id, st) }) }
		for now < sec(58) {
			epoch++
			at, e := now, epoch
			add(at, id, func(s Sink) { s.Attempt(at, id, e) })
			state(heartbeat.Connecting)
			step()
			if r.IntN(4) == 0 {
				out(heartbeat.Output{Kind: heartbeat.AttemptFailed, Cause: heartbeat.Refused})
				state(heartbeat.Backoff)
				step()
				continue
			}
			out(heartbeat.Output{Kind: heartbeat.Opened})
			state(heartbeat.Open)
			heard := now
			for range r.IntN(8) {
				step()
				switch r.IntN(5) {
				case 0:
					at := now
					add(at, id, func(s Sink) { s.PathCut(at, id, 4) })
				default:
					rtt := time.Duration(r.Int64N(int64(50 * time.Millisecond)))
					out(heartbeat.Output{Kind: heartbeat.Send, Beat: true})
					out(heartbeat.Output{Kind: heartbeat.Replied, Due: now - rtt, Dur: rtt})
					heard = now
				}
			}
			step()
			causes := []heartbeat.Cause{timeout, reset, eof, heartbeat.WriteError}
			out(heartbeat.Output{Kind: heartbeat.Unanswered, N: 1})
			out(heartbeat.Output{Kind: heartbeat.Dead, Cause: causes[r.IntN(len(causes))], LastHeard: heard})
			state(heartbeat.Backoff)
			if at := now; r.IntN(2) == 0 {
				zombies++
				add(at, id, func(s Sink) { s.ZombieBegan(at, id) })
			}
			step()
			if zombies > 0 && r.IntN(2) == 0 {
				zombies--
				at, reaped := now, r.IntN(2) == 0
				add(at, id, func(s Sink) { s.ZombieEnded(at, id, reaped) })
			}
		}
		now = max(now, sec(60))
		state(heartbeat.Stopped)
	}
	slices.SortStableFunc(ev, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return p, ev
}

func record(p *scenario.Plan, ev []event, mine func(id int) bool) *Result {
	set := &chaos.Set{}
	for id := range p.Clients {
		if mine(id) {
			set.Add(id)
		}
	}
	r := NewRecorder(p, Options{Clients: set})
	for _, e := range ev {
		if e.client < 0 || mine(e.client) {
			e.call(r)
		}
	}
	return r.Snapshot(p.Duration, SnapshotOptions{Final: true})
}

// The recordings of parts of the clients, merged, are the recording of all of them.
func TestMergeIsTheWhole(t *testing.T) {
	for seed := range uint64(4) {
		p, ev := randomRun(rand.New(rand.NewPCG(seed, 99)))
		whole := record(p, ev, func(int) bool { return true })
		sane(t, whole)
		parts := make([]*Result, 3)
		for i := range parts {
			parts[i] = record(p, ev, func(id int) bool { return id%len(parts) == i })
			sane(t, parts[i])
		}
		got, err := Merge(parts...)
		if err != nil {
			t.Fatal(err)
		}
		sane(t, got)
		for _, o := range whole.Occurrences {
			if o.Severs && len(o.Groups) == 0 && o.Kind != chaos.IdleCut {
				t.Fatalf("seed %d: %s touched nobody: the test is empty", seed, o.Name)
			}
		}
		want, err := json.MarshalIndent(whole, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		have, err := json.MarshalIndent(got, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(have), "\n")); d != "" {
			t.Fatalf("seed %d: %s", seed, d)
		}
	}
}

// A snapshot in the middle of a run changes nothing, and what it shares with later ones stays as it was.
func TestSnapshotsOnTheWay(t *testing.T) {
	p, ev := randomRun(rand.New(rand.NewPCG(7, 7)))
	r := NewRecorder(p, Options{Clients: nil})
	var snaps []*Result
	var texts [][]byte
	next := sec(5)
	for _, e := range ev {
		for e.at > next && next < p.Duration {
			s := r.Snapshot(next, SnapshotOptions{})
			sane(t, s)
			if s.Status != Running || s.Verdict.Exit != 4 {
				t.Fatalf("a checkpoint is %q, exit %d", s.Status, s.Verdict.Exit)
			}
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			snaps, texts = append(snaps, s), append(texts, b)
			next += sec(7)
		}
		e.call(r)
	}
	for i, s := range snaps {
		if b, err := json.Marshal(s); err != nil || string(b) != string(texts[i]) {
			t.Fatalf("snapshot %d changed afterwards (%v)", i, err)
		}
	}
	got, err := json.Marshal(r.Snapshot(p.Duration, SnapshotOptions{Final: true}))
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(record(p, ev, func(int) bool { return true }))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("snapshots on the way changed the result")
	}
}

func TestMergeRefuses(t *testing.T) {
	a := newHistory(t, plan(sec(10), nil, browsers(2))).end()
	p := plan(sec(10), nil, browsers(2))
	p.Seed = 2
	b := newHistory(t, p).end()
	if _, err := Merge(a, b); err == nil || !strings.Contains(err.Error(), "plans differ") {
		t.Errorf("different seeds: %v", err)
	}
	if _, err := Merge(); err == nil {
		t.Error("nothing was merged")
	}
}
