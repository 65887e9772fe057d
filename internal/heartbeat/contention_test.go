//go:build !race

// One goroutine that computes: the race detector would find nothing and take minutes.

package heartbeat

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestBackoffUnderContention holds the policies against a published result: the simulator behind Marc Brooker's
// "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015; github.com/aws-samples/aws-arch-backoff-simulator,
// commit 66cb169). N clients each want one write to a row under optimistic concurrency: read the version, write with
// it, and back off if somebody else wrote in between. A message takes |N(10, 2)| ms, the base is 5 ms, the cap 2 s.
//
// The figures are the published program's, the mean of 100 of its runs; these are the mean of
// 100 or more, so the tolerance of 5 % is mostly for the noise of the published ones.
func TestBackoffUnderContention(t *testing.T) {
	type figure struct{ ms, calls float64 }
	none := Reconnect{Kind: Fixed}
	// The published program counts attempts from 1, so its first delay is 2 x base; Next counts from 0.
	expo := Reconnect{Kind: Exponential, Delay: 10 * time.Millisecond, Factor: 2, Cap: 2 * time.Second}
	full, equal, decorrelated := expo, expo, expo
	full.Jitter, equal.Jitter = Full, Equal
	decorrelated.Jitter, decorrelated.Delay = Decorrelated, 5*time.Millisecond
	for _, p := range []struct {
		name   string
		policy Reconnect
		want   map[int]figure
	}{
		{"none", none, map[int]figure{10: {375, 50}, 50: {1142, 691}, 100: {2025, 2423}, 150: {2880, 5146}, 190: {3535, 8004}}},
		{"exponential", expo, map[int]figure{10: {3530, 51}, 50: {36337, 623}, 100: {63718, 1851}, 150: {85177, 3539}, 190: {101357, 5152}}},
		{"full", full, map[int]figure{10: {451, 39}, 50: {2906, 332}, 100: {4801, 796}, 150: {6420, 1319}, 190: {7453, 1772}}},
		{"equal", equal, map[int]figure{10: {749, 42}, 50: {4242, 345}, 100: {6584, 811}, 150: {8273, 1323}, 190: {9397, 1759}}},
		{"decorrelated", decorrelated, map[int]figure{10: {449, 37}, 50: {2179, 373}, 100: {4584, 1004}, 150: {6498, 1756}, 190: {7803, 2436}}},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			for n, want := range p.want {
				runs := max(100, 20_000/n)
				var got figure
				for i := range uint64(runs) {
					end, calls := contend(n, &p.policy, rand.New(rand.NewPCG(uint64(n), i)))
					got.ms += float64(end) / float64(time.Millisecond) / float64(runs)
					got.calls += float64(calls) / float64(runs)
				}
				for _, c := range []struct {
					what      string
					got, want float64
				}{{"completion time in ms", got.ms, want.ms}, {"calls", got.calls, want.calls}} {
					off := c.got/c.want - 1
					if math.Abs(off) > 0.05 {
						t.Errorf("%d clients: %s %.0f, published %.0f: %+.1f %%", n, c.what, c.got, c.want, 100*off)
					}
				}
			}
		})
	}
}

// row is the contended row and the network before it.
type row struct {
	version, calls int
	now            time.Duration
	queue          writes
	rng            *rand.Rand
}

// write is a client's next message that reaches the row: a read, or a write of what it read.
type write struct {
	at       time.Duration
	client   int
	writes   bool
	expected int
}

type writes []write

func (w writes) Len() int           { return len(w) }
func (w writes) Less(i, j int) bool { return w[i].at < w[j].at }
func (w writes) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *writes) Push(x any)        { *w = append(*w, x.(write)) }
func (w *writes) Pop() any {
	q := *w
	last := q[len(q)-1]
	*w = q[:len(q)-1]
	return last
}

// hop is one crossing of the network.
func (r *row) hop() time.Duration {
	return time.Duration(math.Abs(10+2*r.rng.NormFloat64()) * float64(time.Millisecond))
}

// contend runs n clients until each has written once, and returns when the last one knew and how many writes it took.
func contend(n int, policy *Reconnect, rng *rand.Rand) (end time.Duration, calls int) {
	r := row{rng: rng}
	failed, prev := make([]int, n), make([]time.Duration, n)
	for i := range n {
		heap.Push(&r.queue, write{at: r.hop(), client: i})
	}
	for len(r.queue) > 0 {
		m := heap.Pop(&r.queue).(write)
		r.now = m.at
		reply := r.now + r.hop()
		switch {
		case !m.writes:
			heap.Push(&r.queue, write{at: reply + r.hop(), client: m.client, writes: true, expected: r.version})
			continue
		case m.expected == r.version:
			r.version++
		default:
			i := m.client
			prev[i] = policy.Next(failed[i], prev[i], rng.Float64)
			failed[i]++
			heap.Push(&r.queue, write{at: reply + prev[i] + r.hop(), client: i})
		}
		r.calls++
		end = max(end, reply)
	}
	return end, r.calls
}
