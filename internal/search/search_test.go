package search

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oracle answers a number, the k-th time that it is asked.
type oracle func(n, k int) Outcome

type asked struct {
	N int
	O Outcome
}

// play runs a search to its end.
func play(t *testing.T, c Config, ask oracle) (*Search, []asked) {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, finish(t, s, c, ask)
}

func finish(t *testing.T, s *Search, c Config, ask oracle) (log []asked) {
	t.Helper()
	times := map[int]int{}
	for _, y := range s.Tallies() {
		times[y.N] = y.Passed + y.Failed + y.Blank
	}
	for {
		n, done := s.Next()
		if done {
			return log
		}
		if n < c.Min || n > c.Max {
			t.Fatalf("asks for %d, outside of %d to %d", n, c.Min, c.Max)
		}
		o := ask(n, times[n])
		times[n]++
		if err := s.Observe(n, o); err != nil {
			t.Fatal(err)
		}
		if log = append(log, asked{n, o}); len(log) > c.Most() {
			t.Fatalf("%+v: %d observations and no end; Most is %d; the last %v", c, len(log), c.Most(), log[len(log)-10:])
		}
	}
}

func upTo(edge int) oracle {
	return func(n, _ int) Outcome {
		if n <= edge {
			return Pass
		}
		return Fail
	}
}

// A server that holds 300, asked from 100: up to 400, and then closer.
func TestNarrated(t *testing.T) {
	c := Config{Min: 1, Max: 100_000, Start: 100, Precision: 0.02, Confirm: 1, Repeats: 2}
	s, log := play(t, c, upTo(300))
	want := []asked{
		{100, Pass}, {200, Pass}, {400, Fail}, // doubling
		{300, Pass}, {350, Fail}, {325, Fail}, {312, Fail}, {306, Fail}, // 306 - 300 = 2 % of 300
		{300, Pass}, {306, Fail}, // each once more
	}
	if d := cmp.Diff(want, log); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Answer{Holds: 300, Fails: 306, Edge: Sharp, Sure: true}, s.Answer()); d != "" {
		t.Error(d)
	}
}

// For every edge, start and precision the true edge lies between Holds and Fails, which are as near as they ought to be,
// after no more than a logarithmic number of observations.
func TestMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		c := config(r)
		edge := r.IntN(c.Max + c.Max/4 + 1)
		s, log := play(t, c, upTo(edge))
		a := s.Answer()
		switch {
		case edge < c.Min:
			if !cmp.Equal(a, Answer{Fails: c.Min, Edge: Nothing, Sure: true}) {
				t.Fatalf("%+v, edge %d: %+v", c, edge, a)
			}
		case edge >= c.Max:
			if !cmp.Equal(a, Answer{Holds: c.Max, Edge: Ceiling, Sure: true}) {
				t.Fatalf("%+v, edge %d: %+v", c, edge, a)
			}
		default:
			if a.Edge != Sharp || !a.Sure || a.Holds > edge || a.Fails <= edge {
				t.Fatalf("%+v, edge %d: %+v", c, edge, a)
			}
			if gap := a.Fails - a.Holds; gap > 1 && float64(gap) > c.Precision*float64(a.Holds) {
				t.Fatalf("%+v, edge %d: %+v is not as near as %v", c, edge, a, c.Precision)
			}
		}
		// Doubling or halving, then halving the last step, then each side again.
		if most := 20 + 20 + 2*c.Confirm; len(log) > most {
			t.Fatalf("%+v, edge %d: %d observations, more than %d: %v", c, edge, len(log), most, log)
		}
	}
}

func config(r *rand.Rand) Config {
	c := Config{Min: 1 + r.IntN(50), Precision: []float64{0, 0.01, 0.02, 0.1}[r.IntN(4)], Confirm: r.IntN(4), Repeats: r.IntN(4)}
	c.Max = c.Min + r.IntN(1<<(1+r.IntN(19)))
	c.Start = c.Min + r.IntN(c.Max-c.Min+1)
	return c
}

// noisy: near the edge the chance to pass falls from 1 to 0, and anywhere an answer may be wrong or missing.
func noisy(r *rand.Rand, edge int, width, wrong, blank float64) oracle {
	return func(n, _ int) Outcome {
		x := r.Float64()
		switch {
		case x < blank:
			return Unclear
		case x < blank+wrong:
			return Outcome(r.IntN(2))
		}
		if float64(n) < float64(edge)*(1+width*(2*r.Float64()-1)) {
			return Pass
		}
		return Fail
	}
}

// With a soft edge and wrong answers the search ends, and its answer has the edge in it nearly always.
func TestNoisy(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const rounds = 4000
	hit, total, worst := 0, 0, 0
	for range rounds {
		c := Config{Min: 1, Max: 100_000, Start: 100, Precision: 0.02, Confirm: 1, Repeats: 2}
		edge := 50 + r.IntN(50_000)
		s, log := play(t, c, noisy(r, edge, 0.03, 0.05, 0.05))
		a := s.Answer()
		// The edge itself is 3 % soft to either side: what touches that belt is right.
		if float64(a.Holds) <= 1.03*float64(edge) && (a.Fails == 0 || float64(a.Fails) >= 0.97*float64(edge)) {
			hit++
		}
		total += len(log)
		worst = max(worst, len(log))
	}
	t.Logf("%d of %d right; %.1f observations on average, %d at most", hit, rounds, float64(total)/rounds, worst)
	if hit < rounds*97/100 {
		t.Errorf("%d of %d answers touch the edge", hit, rounds)
	}
	if mean := total / rounds; mean > 40 {
		t.Errorf("%d observations on average", mean)
	}
}

// Opponents who answer to make the search long.
func TestOpponents(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	opponents := map[string]oracle{
		"chance":                  func(int, int) Outcome { return Outcome(r.IntN(2)) },
		"chance of three":         func(int, int) Outcome { return Outcome(r.IntN(3)) },
		"anything":                func(int, int) Outcome { return Outcome(r.IntN(4)) },
		"never tells":             func(int, int) Outcome { return Unclear },
		"never tells the second":  func(_, k int) Outcome { return []Outcome{Pass, Unclear}[min(k, 1)] },
		"takes each back":         func(_, k int) Outcome { return []Outcome{Pass, Fail}[min(k, 1)] },
		"takes each back upwards": func(_, k int) Outcome { return []Outcome{Fail, Pass}[min(k, 1)] },
		"in turn":                 func(_, k int) Outcome { return Outcome(k % 2) },
		"in turn by number":       func(n, _ int) Outcome { return Outcome(n % 2) },
		"turned round":            func(n, _ int) Outcome { return []Outcome{Fail, Pass}[n%7%2] },
		"beyond 100":              func(n, k int) Outcome { return []Outcome{Outcome(k % 2), Beyond}[min(n/100, 1)] },
	}
	for name, ask := range opponents {
		t.Run(name, func(t *testing.T) {
			worst, at := 0, Config{}
			for range 500 {
				c := config(r)
				s, log := play(t, c, ask)
				if len(log) > worst {
					worst, at = len(log), c
				}
				if a := s.Answer(); a.Edge == Open || a.Fails > 0 && a.Fails <= a.Holds {
					t.Fatalf("%+v: %+v", c, a)
				}
			}
			t.Logf("%d observations at most, of %d that Most allows: %+v", worst, at.Most(), at)
		})
	}
}

// Stopped after any number of observations and fed them again, in any order, a search goes on to the same answer.
func TestResume(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 400 {
		c := config(r)
		edge := r.IntN(c.Max) + 1
		seed := r.Uint64()
		// The noise depends on the number and how often it was asked alone, so that both searches meet the same world.
		world := func(n, k int) Outcome {
			return noisy(rand.New(rand.NewPCG(seed+uint64(n), uint64(k))), edge, 0.05, 0.1, 0.1)(n, k)
		}
		whole, log := play(t, c, world)
		for cut := range log {
			again, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			head := slices.Clone(log[:cut])
			r.Shuffle(len(head), func(i, k int) { head[i], head[k] = head[k], head[i] })
			for _, x := range head {
				if err := again.Observe(x.N, x.O); err != nil {
					t.Fatal(err)
				}
			}
			rest := finish(t, again, c, world)
			if d := cmp.Diff(log[cut:], rest); d != "" {
				t.Fatalf("%+v: after %d of %d: %s", c, cut, len(log), d)
			}
			if d := cmp.Diff(whole.Answer(), again.Answer()); d != "" {
				t.Fatalf("%+v: after %d of %d: %s", c, cut, len(log), d)
			}
		}
	}
}

// A search that ended at its limit goes on when the limit is raised, and uses what it knows.
func TestRaised(t *testing.T) {
	c := Config{Min: 1, Max: 200, Start: 100, Precision: 0.02, Confirm: 1, Repeats: 1}
	s, log := play(t, c, upTo(300))
	if a := s.Answer(); a.Edge != Ceiling || a.Holds != 200 {
		t.Fatalf("%+v", a)
	}
	c.Max = 1000
	more, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range log {
		if err := more.Observe(x.N, x.O); err != nil {
			t.Fatal(err)
		}
	}
	rest := finish(t, more, c, upTo(300))
	if a := more.Answer(); a.Edge != Sharp || a.Holds != 300 || rest[0].N != 400 {
		t.Fatalf("%+v after %v", a, rest)
	}
}

// script answers each number from a list, the last for ever.
func script(m map[int][]Outcome, other oracle) oracle {
	return func(n, k int) Outcome {
		if l := m[n]; len(l) > 0 {
			return l[min(k, len(l)-1)]
		}
		return other(n, k)
	}
}

// Situations of which each needs its own sentence in a report.
func TestEdges(t *testing.T) {
	c := Config{Min: 1, Max: 1000, Start: 100, Precision: 0.02, Confirm: 1, Repeats: 2}
	for _, tt := range []struct {
		name string
		ask  oracle
		want Answer
	}{
		{"sharp", upTo(300), Answer{Holds: 300, Fails: 306, Edge: Sharp, Sure: true}},
		{"all", upTo(1000), Answer{Holds: 1000, Edge: Ceiling, Sure: true}},
		{"nothing", upTo(0), Answer{Fails: 1, Edge: Nothing, Sure: true}},
		// 300 fails once out of four times: a wrong answer, not an edge.
		{"one wrong answer", script(map[int][]Outcome{300: {Fail, Pass}}, upTo(310)), Answer{Holds: 306, Fails: 312, Edge: Sharp, Sure: true}},
		// 300 holds every second time.
		{"flapping", script(map[int][]Outcome{300: {Pass, Fail, Pass, Fail, Pass}}, upTo(299)),
			Answer{Holds: 296, Fails: 306, Edge: Ragged, Flaps: []int{300}, Sure: true}},
		{"the test is too slow", func(n, _ int) Outcome { return []Outcome{Pass, Unclear}[min(n/251, 1)] },
			Answer{Holds: 250, Fails: 253, Edge: Blurred, Sure: true}},
		{"the test ends", func(n, _ int) Outcome { return []Outcome{Pass, Beyond}[min(n/251, 1)] },
			Answer{Holds: 250, Fails: 253, Edge: Limit, Sure: true}},
		{"never a word", func(int, int) Outcome { return Unclear }, Answer{Fails: 1, Edge: Unknown, Sure: true}},
		{"fails or says nothing", func(n, _ int) Outcome { return []Outcome{Unclear, Fail}[min(n/50, 1)] },
			Answer{Fails: 1, Edge: Blurred, Sure: true}},
		// Only the first of three is unclear: it is asked again and counts then.
		{"unclear at first", func(n, k int) Outcome {
			if k == 0 {
				return Unclear
			}
			return upTo(300)(n, k)
		}, Answer{Holds: 300, Fails: 306, Edge: Sharp, Sure: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, log := play(t, c, tt.ask)
			if d := cmp.Diff(tt.want, s.Answer()); d != "" {
				t.Errorf("%s\n%v", d, log)
			}
		})
	}
}

func TestConfigCheck(t *testing.T) {
	good := Config{Min: 1, Max: 10, Start: 5}
	for _, tt := range []struct {
		change func(*Config)
		want   string
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Min = 0 }, "the smallest number must be at least 1"},
		{func(c *Config) { c.Max = 0 }, "the largest number 0 is below the smallest, 1"},
		{func(c *Config) { c.Start = 11 }, "the first number 11 is not within 1 and 10"},
		{func(c *Config) { c.Precision = 1.5 }, "the precision must be from 0 to 1"},
		{func(c *Config) { c.Confirm = -1 }, "confirmations must be from 0 to 100"},
		{func(c *Config) { c.Repeats = 101 }, "repeats must be from 0 to 100"},
	} {
		c := good
		tt.change(&c)
		_, err := New(c)
		if got := fmt.Sprint(err); got != tt.want && !(err == nil && tt.want == "") {
			t.Errorf("%+v: %v, want %q", c, err, tt.want)
		}
	}
	s, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	if s.Observe(0, Pass) == nil || s.Observe(1, outcomes) == nil || len(s.Tallies()) != 0 {
		t.Error("nonsense was observed")
	}
}
