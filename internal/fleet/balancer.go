package fleet

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/scenario"
)

// balancer gives each attempt a node. It stands where a layer-4 balancer does that rewrites addresses (IPVS, kube-proxy):
// it adds no hop, sees that a node refuses connections or lets them time out, and knows nothing of what passes afterwards.
type balancer struct {
	policy string
	eject  time.Duration

	mu    sync.Mutex
	nodes []backend
	turn  int
	own   []int8 // sticky: the node of each client; -1: none yet
}

// backend is what the balancer knows of a node.
type backend struct {
	load int           // connections and attempts
	back time.Duration // ejected until then
	late int           // attempts in a row that nothing came of
}

func newBalancer(b scenario.Balancer, nodes, clients int) *balancer {
	out := &balancer{policy: b.Policy, eject: b.Eject, nodes: make([]backend, nodes)}
	if b.Policy == scenario.Sticky {
		out.own = make([]int8, clients)
		for i := range out.own {
			out.own[i] = -1
		}
	}
	return out
}

// pick chooses the client's node and counts it there: the one that a goodbye named, 1 above its number (0: none did), if that
// takes connections. With every node ejected, none is: to refuse all is worse than to try.
func (b *balancer) pick(now time.Duration, client, told int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	usable := func(i int) bool { return b.nodes[i].back <= now }
	all := true
	for i := range b.nodes {
		all = all && !usable(i)
	}
	if all {
		usable = func(int) bool { return true }
	}
	node := told - 1
	if node < 0 || node >= len(b.nodes) || !usable(node) {
		node = b.choose(client, usable)
	} else if b.own != nil {
		b.own[client] = int8(node)
	}
	b.nodes[node].load++
	return node
}

func (b *balancer) choose(client int, usable func(int) bool) int {
	first, n := b.turn, len(b.nodes)
	switch b.policy {
	case scenario.Least: // in turn among those with the fewest
		best := -1
		for k := range n {
			if i := (first + k) % n; usable(i) && (best < 0 || b.nodes[i].load < b.nodes[best].load) {
				best = i
			}
		}
		b.turn = (best + 1) % n
		return best
	case scenario.Sticky:
		if b.own[client] >= 0 && usable(int(b.own[client])) {
			return int(b.own[client])
		}
		// Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, section 6.4).
		first = int(uint64(client) * 0x9e3779b97f4a7c15 >> 32 % uint64(n))
	}
	for k := range n {
		i := (first + k) % n
		if !usable(i) {
			continue
		}
		if b.own != nil {
			b.own[client] = int8(i)
		} else {
			b.turn = (i + 1) % n
		}
		return i
	}
	return first // not reached: some node is usable
}

// patience is how many attempts in a row may time out before that is held against the node, and not the way to it.
const patience = 3

// tried notes how an attempt to reach a node fared: one that refuses is ejected at once, one that lets attempts time out
// when several in a row have.
func (b *balancer) tried(now time.Duration, node int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := &b.nodes[node]
	switch {
	case err == nil:
		n.late = 0
		return
	case errors.Is(err, syscall.ECONNREFUSED):
	default:
		if n.late++; n.late < patience {
			return
		}
	}
	n.late, n.back = 0, now+b.eject
}

// drain takes the nodes of a drain out: the deployment that drains a node tells the balancer first. It comes back as an
// ejected one does, counted from the end of the grace.
func (b *balancer) drain(now time.Duration, f *chaos.Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range f.Nodes {
		b.nodes[n].back = max(b.nodes[n].back, now+f.Grace+b.eject)
	}
}

// left takes a connection or an attempt back.
func (b *balancer) left(node int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nodes[node].load--
}
