package packet

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
)

// The share of lost packets and the mean length of bursts are those asked for. With n draws in bursts of mean b the
// standard error of the share is about sqrt(rate(1-rate)(2b-1)/n), of the mean length b/sqrt(bursts).
func TestLossStatistics(t *testing.T) {
	const n = 1_000_000
	for _, c := range []struct{ rate, burst float64 }{
		{0.01, 0}, {0.05, 0}, {0.5, 0}, {0.03, 4}, {0.05, 1}, {0.2, 2}, {0.1, 10}, {0.5, 1},
	} {
		rng := rand.New(rand.NewPCG(7, 1))
		l := newLoss(c.rate, c.burst, rng)
		lost, bursts, run := 0, 0, false
		for range n {
			hit := l.next(rng)
			if hit {
				lost++
				if !run {
					bursts++
				}
			}
			run = hit
		}
		mean := c.burst
		if c.burst == 0 {
			mean = 1 / (1 - c.rate) // of runs in independent loss
		}
		share, length := float64(lost)/n, float64(lost)/float64(bursts)
		if tol := 5 * math.Sqrt(c.rate*(1-c.rate)*(2*mean-1)/n); math.Abs(share-c.rate) > tol {
			t.Errorf("rate %v burst %v: share of lost packets %v, off by more than %v", c.rate, c.burst, share, tol)
		}
		if tol := 5*mean/math.Sqrt(float64(bursts)) + 1e-9; math.Abs(length-mean) > tol {
			t.Errorf("rate %v burst %v: mean burst %v, want %v ± %v", c.rate, c.burst, length, mean, tol)
		}
	}
	rng := rand.New(rand.NewPCG(7, 1))
	for _, burst := range []float64{0, 3} {
		all, none := newLoss(1, burst, rng), newLoss(0, burst, rng)
		for range 1000 {
			if !all.next(rng) || none.next(rng) {
				t.Fatalf("burst %v: rates 0 and 1 are certain", burst)
			}
		}
	}
}

// fates runs n packets, one a millisecond, through a lane.
func fates(l *lane, n int) []fate {
	var out []fate
	for i := range n {
		out = append(out, l.fate(time.Duration(i)*time.Millisecond, 100))
	}
	return out
}

var faultsOfLane = []chaos.Fault{
	{Kind: chaos.Drop, Rate: 0.1, Burst: 3},
	{Kind: chaos.Corrupt, Rate: 0.1},
	{Kind: chaos.Duplicate, Rate: 0.1},
	{Kind: chaos.Reorder, Rate: 0.1},
	{Kind: chaos.Delay, By: 80 * time.Millisecond, Jitter: 30 * time.Millisecond},
	{Kind: chaos.Throttle, Rate: 64 << 10},
}

// What happens on a path follows from the seed, the client and the direction.
func TestLaneFollowsSeed(t *testing.T) {
	run := func(seed uint64, client int32, dir int) []fate {
		l := newLane(seed, client, dir)
		for i := range faultsOfLane {
			l.begin(&faultsOfLane[i], i)
		}
		return fates(l, 1000)
	}
	want := run(1, 2, up)
	same := cmp.AllowUnexported(fate{})
	if d := cmp.Diff(want, run(1, 2, up), same); d != "" {
		t.Errorf("the same path twice:\n%s", d)
	}
	for name, other := range map[string][]fate{"seed": run(2, 2, up), "client": run(1, 3, up), "direction": run(1, 2, down)} {
		if cmp.Equal(want, other, same) {
			t.Errorf("another %s makes no difference", name)
		}
	}
}

// A lane whose faults have ended lets everything through at once and remembers none of them.
func TestLaneEnds(t *testing.T) {
	l := newLane(1, 2, up)
	for i := range faultsOfLane {
		l.begin(&faultsOfLane[i], i)
	}
	fates(l, 100)
	if l.idle(time.Hour) {
		t.Error("idle with faults in force")
	}
	for i := range faultsOfLane {
		l.end(i)
		l.end(i)
	}
	if !l.idle(0) {
		t.Errorf("not idle: %+v", l)
	}
	for i, f := range fates(l, 100) {
		if f != (fate{at: time.Duration(i) * time.Millisecond}) {
			t.Fatalf("packet %d: %+v", i, f)
		}
	}
}

// The first packet of a path waits for as long as the delay's distribution says, and none overtakes another.
func TestLaneDrawsFromTheDistribution(t *testing.T) {
	for _, d := range chaos.Distributions {
		f := chaos.Fault{Kind: chaos.Delay, By: 80 * time.Millisecond, Jitter: 60 * time.Millisecond, Distribution: d}
		l := newLane(7, 2, up)
		l.begin(&f, 0)
		got := fates(l, 1000)
		rng, last := newLane(7, 2, up).rng, time.Duration(0)
		for i := range got {
			last = max(last, time.Duration(i)*time.Millisecond+f.Latency().Draw(rng))
			if got[i].at != last {
				t.Fatalf("%s: packet %d arrives at %s, want %s", d, i, got[i].at, last)
			}
		}
	}
}

// Delay and throttle keep the order; only reorder breaks it, and only for the packets it picks.
func TestLaneOrder(t *testing.T) {
	l := newLane(1, 2, up)
	l.begin(&chaos.Fault{Kind: chaos.Delay, By: 80 * time.Millisecond, Jitter: 80 * time.Millisecond}, 0)
	l.begin(&chaos.Fault{Kind: chaos.Throttle, Rate: 1 << 20}, 1)
	l.begin(&chaos.Fault{Kind: chaos.Reorder, Rate: 0.2}, 2)
	var last time.Duration
	overtaken := 0
	for i, f := range fates(l, 2000) {
		now := time.Duration(i) * time.Millisecond
		if f.at < now {
			t.Fatalf("packet %d arrives %v before it was sent", i, now-f.at)
		}
		if f.late {
			overtaken++
			continue
		}
		if f.at < last {
			t.Fatalf("packet %d overtakes its predecessor", i)
		}
		last = f.at
	}
	if overtaken < 300 || overtaken > 500 {
		t.Errorf("%d of 2000 packets reordered, want about 400", overtaken)
	}
}

// The jitter is uniform around By, within its bounds.
func TestLaneLatency(t *testing.T) {
	l := newLane(1, 2, up)
	l.begin(&chaos.Fault{Kind: chaos.Delay, By: 80 * time.Millisecond, Jitter: 30 * time.Millisecond}, 0)
	l.begin(&chaos.Fault{Kind: chaos.Delay, By: 5 * time.Millisecond}, 1)
	var quarters [4]int
	const n = 100_000
	for range n {
		d := l.latency() - 55*time.Millisecond
		if d < 0 || d >= 60*time.Millisecond {
			t.Fatalf("latency %v is out of bounds", d+55*time.Millisecond)
		}
		quarters[d*4/(60*time.Millisecond)]++
	}
	for i, k := range quarters {
		if k < n/4-1000 || k > n/4+1000 {
			t.Errorf("quarter %d of the range holds %d of %d", i, k, n)
		}
	}
}

// A throttle lets its rate through, and its queue loses what comes too fast.
func TestLaneThrottle(t *testing.T) {
	l := newLane(1, 2, up)
	l.begin(&chaos.Fault{Kind: chaos.Throttle, Rate: 100_000}, 0)
	l.begin(&chaos.Fault{Kind: chaos.Throttle, Rate: 1_000_000}, 1) // the narrowest counts
	var got, lost int
	var last time.Duration
	for i := range 3000 { // 3 s at twice the rate
		f := l.fate(time.Duration(i)*time.Millisecond, 200)
		if f.lost {
			if !f.full {
				t.Fatal("lost, but not to the queue")
			}
			lost++
			continue
		}
		got++
		last = f.at
	}
	if share := float64(got*200) / last.Seconds(); math.Abs(share-100_000) > 1_000 {
		t.Errorf("%v bytes a second came through", share)
	}
	if last > 4*time.Second+10*time.Millisecond || lost == 0 {
		t.Errorf("the queue held up to %v; %d packets lost", last-3*time.Second, lost)
	}
}

// The link engine's heap against a sorted list: by time, then by the order of the pushes; hurried packets keep theirs.
func TestQueueOrder(t *testing.T) {
	type entry struct {
		at   time.Duration
		id   int
		late bool
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		var q queue
		var naive []entry
		id := 0
		for range rng.IntN(300) {
			switch rng.IntN(5) {
			default:
				e := entry{time.Duration(rng.IntN(20)), id, rng.IntN(4) == 0}
				first := q.push(item{at: e.at, crossing: crossing{dir: id}, late: e.late})
				naive = append(naive, e)
				id++
				slices.SortStableFunc(naive, func(a, b entry) int { return int(a.at - b.at) })
				if first != (naive[0] == e) {
					t.Fatalf("round %d: first %v after %+v", round, first, naive)
				}
			case 1:
				if len(naive) == 0 {
					if _, ok := q.first(); ok {
						t.Fatal("first of nothing")
					}
					continue
				}
				at, ok := q.first()
				it := q.pop()
				if !ok || at != it.at || it.at != naive[0].at || it.dir != naive[0].id {
					t.Fatalf("round %d: popped %v %d, want %+v", round, it.at, it.dir, naive[0])
				}
				naive = naive[1:]
			case 2:
				if rng.IntN(10) > 0 {
					continue
				}
				now := time.Duration(rng.IntN(20))
				q.hurry(now, func(it *item) bool { return it.dir%2 == 0 })
				for i := range naive {
					if e := &naive[i]; e.id%2 == 0 && !e.late && e.at > now {
						e.at = now
					}
				}
				slices.SortFunc(naive, func(a, b entry) int {
					if a.at != b.at {
						return int(a.at - b.at)
					}
					return a.id - b.id
				})
			}
		}
	}
}
