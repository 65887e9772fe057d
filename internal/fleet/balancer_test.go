package fleet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/scenario"
)

func picked(b *balancer, now time.Duration, clients ...int) []int {
	out := make([]int, len(b.nodes))
	for _, c := range clients {
		out[b.pick(now, c, 0)]++
	}
	return out
}

func numbers(n int) (out []int) {
	for i := range n {
		out = append(out, i)
	}
	return out
}

var errRefused = fmt.Errorf("dial: %w", os.NewSyscallError("connect", syscall.ECONNREFUSED))

func TestBalancerPolicies(t *testing.T) {
	const eject = 5 * time.Second
	make := func(policy string) *balancer {
		return newBalancer(scenario.Balancer{Policy: policy, Eject: eject}, 3, 3000)
	}

	b := make(scenario.RoundRobin)
	if got := picked(b, 0, numbers(301)...); !slices.Equal(got, []int{101, 100, 100}) {
		t.Errorf("round-robin: %v", got)
	}
	b.tried(time.Second, 1, errRefused)
	if got := picked(b, 2*time.Second, numbers(100)...); got[1] != 0 || got[0] != 50 || got[2] != 50 {
		t.Errorf("round-robin without node 1: %v", got)
	}
	if got := picked(b, time.Second+eject, numbers(99)...); !slices.Equal(got, []int{33, 33, 33}) {
		t.Errorf("round-robin with node 1 back: %v", got)
	}

	// The emptiest node fills up until all are even.
	b = make(scenario.Least)
	picked(b, 0, numbers(300)...)
	for range 60 {
		b.left(2)
	}
	if got := picked(b, 0, numbers(90)...); !slices.Equal(got, []int{10, 10, 70}) {
		t.Errorf("least: %v", got)
	}

	// A client has its node, finds another while that is away, and stays there.
	b = make(scenario.Sticky)
	first := picked(b, 0, numbers(3000)...)
	for i, n := range first {
		if n < 900 || n > 1100 {
			t.Errorf("sticky: %d of 3000 clients on node %d", n, i)
		}
	}
	home := b.pick(0, 17, 0)
	for range 10 {
		if n := b.pick(time.Second, 17, 0); n != home {
			t.Fatalf("sticky: client 17 moved from %d to %d", home, n)
		}
	}
	b.tried(time.Second, home, errRefused)
	away := b.pick(2*time.Second, 17, 0)
	if later := b.pick(time.Second+eject, 17, 0); away == home || later != away {
		t.Errorf("sticky: at home on %d, then %d, then %d", home, away, later)
	}
}

// TestEject: a refusal counts at once, time-outs when several come in a row, and with nobody left all are tried.
func TestEject(t *testing.T) {
	late := errors.New("timed out")
	b := newBalancer(scenario.Balancer{Policy: scenario.RoundRobin, Eject: time.Second}, 2, 10)
	for range 10 { // a way on which some get through
		b.tried(0, 0, late)
		b.tried(0, 0, late)
		b.tried(0, 0, nil)
	}
	if got := picked(b, 0, 0, 1, 2, 3); !slices.Equal(got, []int{2, 2}) {
		t.Errorf("two time-outs between successes: %v", got)
	}
	for range patience {
		b.tried(0, 0, late)
	}
	if got := picked(b, 0, 0, 1, 2, 3); !slices.Equal(got, []int{0, 4}) {
		t.Errorf("time-outs in a row: %v", got)
	}
	b.tried(0, 1, errRefused)
	if got := picked(b, 0, 0, 1, 2, 3); !slices.Equal(got, []int{2, 2}) {
		t.Errorf("nobody left: %v", got)
	}
}

// TestLoads: whatever comes and goes, the balancer's loads are what is there.
func TestLoads(t *testing.T) {
	for _, policy := range []string{scenario.RoundRobin, scenario.Least, scenario.Sticky} {
		rng := rand.New(rand.NewPCG(3, 9))
		b := newBalancer(scenario.Balancer{Policy: policy, Eject: 3}, 3, 50)
		var there []int
		for step := range 5000 {
			switch rng.IntN(4) {
			case 0, 1:
				there = append(there, b.pick(time.Duration(step), rng.IntN(50), rng.IntN(4)))
			case 2:
				if n := len(there); n > 0 {
					i := rng.IntN(n)
					b.left(there[i])
					there[i] = there[n-1]
					there = there[:n-1]
				}
			default:
				b.tried(time.Duration(step), rng.IntN(3), []error{nil, errRefused, errors.New("late")}[rng.IntN(3)])
			}
		}
		for n := range b.nodes {
			count := 0
			for _, x := range there {
				if x == n {
					count++
				}
			}
			if count != b.nodes[n].load {
				t.Errorf("%s: node %d has %d and counts %d", policy, n, count, b.nodes[n].load)
			}
		}
	}
}

// TestDrainedNode: a node that is drained gets nobody until the grace and the ejection are over, and who was told a node goes
// there.
func TestDrainedNode(t *testing.T) {
	b := newBalancer(scenario.Balancer{Policy: scenario.RoundRobin, Eject: 5 * time.Second}, 3, 100)
	b.drain(10*time.Second, &chaos.Fault{Kind: chaos.Drain, Nodes: []int{0}, Grace: 2 * time.Second})
	if got := picked(b, 16*time.Second, numbers(60)...); !slices.Equal(got, []int{0, 30, 30}) {
		t.Errorf("while it is drained: %v", got)
	}
	for range 10 {
		if n := b.pick(16*time.Second, 1, 3); n != 2 {
			t.Fatalf("told node 2, sent to %d", n)
		}
		if n := b.pick(16*time.Second, 1, 1); n == 0 {
			t.Fatal("told node 0, which is drained, and sent there")
		}
	}
	if got := picked(b, 17*time.Second, numbers(60)...); got[0] != 20 {
		t.Errorf("afterwards: %v", got)
	}
}
