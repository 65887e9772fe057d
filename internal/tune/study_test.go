package tune

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/scenario"
)

func file(t *testing.T, text string) *scenario.File {
	t.Helper()
	f, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func search(t *testing.T, f *scenario.File, o Options) *Study {
	t.Helper()
	section := f.Tune
	if section == nil {
		section = &scenario.FileTune{}
	}
	st, err := Search(context.Background(), f, section, o)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestKnownOptimum: a fixed tick of interval I with one miss notices a dead path after at most I + T, so with the
// detection bounded by 6 s and the timeout at its floor of 1 s, the cheapest interval is the largest below 5 s. The scenario
// says p99, and 99 % of the phases are noticed within I x 0.99 + T: 5 s still pass (5.95 s), 5.1 s do not (6.05 s).
func TestKnownOptimum(t *testing.T) {
	f := file(t, `
name: cheapest
target: {serve: {}}
clients: [{count: 400, ramp: 30s, profile: heartcheck, beat: {after: beat}}]
chaos: [{at: 40s, for: 20s, fault: blackhole}]
duration: 70s
expect: [detection.p99 < 6s, detection.undetected == 0, false_positives == 0]
tune:
  interval: 4s..6s by 100ms
  timeout: [1s, 2s, 3s]
`)
	st := search(t, f, Options{Workers: 2, Minimize: Beats, Model: sim.Model{Latency: time.Millisecond}})
	best := st.Candidates[st.Best]
	if best.Setting.Interval != 5*time.Second || best.Setting.Timeout != time.Second {
		t.Errorf("recommends %s with %v; want 5 s and 1 s", describe(&best.Setting), best.Score.Values)
	}
	if !best.Score.Feasible() || !best.Front {
		t.Errorf("recommends %+v", best)
	}
	if n := len(st.Candidates); n != 21*3+1 {
		t.Errorf("%d settings, want 21 x 3 and the scenario's own", n)
	}
	if got := st.Candidates[0].Score.Values[Beats]; math.Abs(got-400.0/3) > 1e-9 {
		t.Errorf("%v beats/s, want 400 clients / 3 s", got)
	}
}

// TestTimeoutAgainstMistakes: under a delay that is exponential with a mean of 200 ms each way, a round trip exceeds T with
// the probability of a gamma law, (1 + T/200 ms) exp(-T/200 ms): 9.2 % at 0.8 s, 0.4 % at 1.6 s, 0.03 % at 2.2 s. Longer
// timeouts err less and notice later, and no setting is best in both.
func TestTimeoutAgainstMistakes(t *testing.T) {
	f := file(t, `
name: slow
target: {serve: {}}
clients: [{count: 300, ramp: 4s, profile: heartcheck, beat: {interval: 2s}}]
chaos:
  - {at: 5s, for: 60s, fault: delay, by: 200ms, jitter: 200ms, distribution: exponential}
  - {at: 70s, for: 20s, fault: blackhole}
duration: 100s
tune: {timeout: [800ms, 1600ms, 2200ms, 5s]}
`)
	st := search(t, f, Options{Workers: 2, Minimize: FalsePositives})
	if best := st.Candidates[st.Best].Setting.Timeout; best != 5*time.Second {
		t.Errorf("the fewest mistakes with a timeout of %v, want 5s", best)
	}
	var previous *Candidate
	for _, want := range []time.Duration{800 * time.Millisecond, 1600 * time.Millisecond, 2200 * time.Millisecond} {
		for i := range st.Candidates {
			c := &st.Candidates[i]
			if c.Setting.Timeout != want {
				continue
			}
			x := want.Seconds() / 0.2
			beats := 300 * 60 / (2.0 + 0.4) // a beat follows the reply, 400 ms on average
			if mistakes := beats * (1 + x) * math.Exp(-x); math.Abs(float64(c.Score.Mistakes)-mistakes) > 4*math.Sqrt(mistakes)+mistakes/5 {
				t.Errorf("timeout %v: %d mistakes, the gamma law has %.0f", want, c.Score.Mistakes, mistakes)
			}
			if previous != nil && (c.Score.Values[Detection] <= previous.Score.Values[Detection] || c.Score.Mistakes >= previous.Score.Mistakes) {
				t.Errorf("timeout %v: %v with %d mistakes after %v with %d", want, c.Score.Values[Detection], c.Score.Mistakes, previous.Score.Values[Detection], previous.Score.Mistakes)
			}
			if !c.Front {
				t.Errorf("timeout %v is not on the front", want)
			}
			previous = c
		}
	}
}

// TestSameForAnyNumberOfWorkers: settings are simulated in any order, and the study does not show it.
func TestSameForAnyNumberOfWorkers(t *testing.T) {
	const text = `
name: same
target: {serve: {handshakes: 100/s}}
clients: [{count: 100, ramp: 3s, profile: heartcheck}]
chaos: [{at: 5s, for: 9s, fault: blackhole, clients: 50%}, {at: 20s, fault: kill, how: rst}]
duration: 30s
tune: {interval: [1s, 3s], misses: [1, 2], reconnect: [{kind: fixed, delay: 1s}, {kind: exponential, delay: 1s, cap: 500ms}, {kind: never}]}
`
	var first []byte
	for _, workers := range []int{1, 2, 5} {
		st := search(t, file(t, text), Options{Workers: workers, Minimize: Objectives})
		var out bytes.Buffer
		if err := WriteText(&out, st, TextOptions{Rows: -1}); err != nil {
			t.Fatal(err)
		}
		raw, err := st.JSON()
		if err != nil {
			t.Fatal(err)
		}
		all := append(out.Bytes(), raw...)
		if first == nil {
			first = all
		}
		if diff := cmp.Diff(string(first), string(all)); diff != "" {
			t.Errorf("%d workers (-1 +%d):\n%s", workers, workers, diff)
		}
	}
	if !strings.Contains(string(first), "more make no client") || !strings.Contains(string(first), "cap 500ms is below the first delay") {
		t.Errorf("a cap below the first delay is not refused:\n%s", first)
	}
}

// TestCaveats: what a scenario cannot say stands beside the recommendation.
func TestCaveats(t *testing.T) {
	quiet := file(t, `
name: quiet
target: {serve: {}}
clients: [{count: 50, ramp: 3s, profile: heartcheck}]
chaos: [{at: 5s, for: 5s, fault: delay, by: 1ms}]
duration: 20s
tune: {interval: [2s]}
`)
	short := file(t, `
name: short
target: {serve: {}}
clients: [{count: 50, ramp: 3s, profile: heartcheck}]
chaos: [{at: 5s, for: 9s, fault: blackhole}]
duration: 30s
tune: {interval: [2s, 10s]}
`)
	for _, tc := range []struct {
		f    *scenario.File
		want []string
	}{
		{quiet, []string{"no setting made a mistake", "Add a blackhole", "Add a kill"}},
		{short, []string{"end before one client in a hundred", "any number of handshakes"}},
	} {
		st := search(t, tc.f, Options{Workers: 1, Minimize: Objectives})
		all := strings.Join(st.Caveats, "\n")
		for _, w := range tc.want {
			if !strings.Contains(all, w) {
				t.Errorf("no caveat says %q:\n%s", w, all)
			}
		}
	}
	st := search(t, short, Options{Workers: 1, Minimize: Detection})
	for _, c := range st.Candidates {
		if late := c.Setting.Interval == 10*time.Second; late != c.Score.Closed {
			t.Errorf("interval %v: closed form %v, detection %v", c.Setting.Interval, c.Score.Closed, c.Score.Values[Detection])
		} else if want := 5 + 0.99*10; late && math.Abs(c.Score.Values[Detection]-want) > 1e-6 {
			t.Errorf("the closed form says %v, want %v", c.Score.Values[Detection], want)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f := file(t, "name: x\ntarget: {serve: {}}\nclients: [{count: 50, ramp: 3s, profile: heartcheck}]\nduration: 20s\n")
	if _, err := Search(ctx, f, &scenario.FileTune{}, Options{Workers: 2}); err == nil {
		t.Error("a search that was cancelled gave a study")
	}
}

// TestFrontAgainstBruteForce: the front of random scores is what comparing all pairs gives.
func TestFrontAgainstBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		all := make([]Candidate, 1+rng.IntN(40))
		for i := range all {
			for o := range all[i].Score.Values {
				all[i].Score.Values[o] = []float64{0, 1, 1.001, 2, 4, math.Inf(1), math.NaN()}[rng.IntN(7)]
			}
			if rng.IntN(10) == 0 {
				all[i].Refused = "no"
			}
		}
		front(all)
		for i := range all {
			want := all[i].Refused == ""
			a := levels(&all[i].Score)
			for k := range all {
				b := levels(&all[k].Score)
				if all[k].Refused == "" && k != i && (dominates(&b, &a) || a == b && k < i) {
					want = false
				}
			}
			if all[i].Front != want {
				t.Fatalf("candidate %d of %v: front %v, want %v", i, all, all[i].Front, want)
			}
		}
		if best := recommend(all, Objective(rng.IntN(int(Objectives)+1))); best >= 0 && !all[best].Front {
			t.Fatal("recommends what another one beats")
		}
	}
}

// TestInfeasible: where nothing meets every expectation, the recommendation says which ones fail.
func TestInfeasible(t *testing.T) {
	f := file(t, `
name: hard
target: {serve: {}}
clients: [{count: 50, ramp: 3s, profile: heartcheck}]
chaos: [{at: 5s, for: 20s, fault: blackhole}]
duration: 40s
expect: [detection.p99 < 1s]
tune: {interval: [2s]}
`)
	st := search(t, f, Options{Workers: 1, Minimize: Objectives})
	if advice := st.Advice(); !strings.Contains(advice, "No setting meets every expectation") || !strings.Contains(advice, "`detection.p99 < 1s`") {
		t.Error(advice)
	}
	var b bytes.Buffer
	if err := WriteText(&b, st, TextOptions{Width: 80, ASCII: true}); err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(b.String()) {
		if n := len(strings.TrimRight(l, "\n")); n > 80 {
			t.Errorf("%d columns of 80: %s", n, l)
		}
	}
	if !strings.Contains(b.String(), "fixed 4s ") { // whole, since another policy differs only behind it
		t.Errorf("cuts the policy:\n%s", b.String())
	}
	var back studyJSON
	if raw, err := st.JSON(); err != nil || json.Unmarshal(raw, &back) != nil || back.Settings[0].Failed == nil {
		t.Errorf("JSON: %v, %+v", err, back)
	}
}
