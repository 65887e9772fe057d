package packet

import (
	"slices"
	"sync"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// path is what lies between one client and the gateway. Its lock is taken while gVisor holds the lock of an endpoint, so
// nothing that holds it may call into gVisor.
type path struct {
	mu     sync.Mutex
	lanes  [2]*lane // nil until a fault first needs one
	queued [2]int32 // packets in the link engine that keep their place
	blocks [2]uint16
	corks  [2]uint16     // senders that deliver later
	corked [2][]crossing // what they will deliver
	refuse uint16
	known  bool // the client stack has the client's address
	client int32
	flows  []*flow
	idle   []idleRule
	tapped bool // the client's packets are captured
}

// lane makes the direction's lane.
func (p *path) lane(seed uint64, dir int) *lane {
	if p.lanes[dir] == nil {
		p.lanes[dir] = newLane(seed, p.client, dir)
	}
	return p.lanes[dir]
}

// flow finds a connection by the client's port; nil when there is none.
func (p *path) flow(port uint16) *flow {
	for _, f := range p.flows {
		if f.port == port {
			return f
		}
	}
	return nil
}

// drop forgets the flow once neither end uses it.
func (p *path) drop(f *flow) {
	if f.clientGone && f.gatewayGone {
		p.flows = slices.DeleteFunc(p.flows, func(g *flow) bool { return g == f })
	}
}

// block counts, so that overlapping blackholes heal with the last. A client's goodbye that is still on the way when the
// way up closes makes a zombie.
func (p *path) block(dir int, n int, now time.Duration, obs chaos.Observer) {
	p.blocks[dir] = uint16(max(int(p.blocks[dir])+n, 0))
	if dir == up && n > 0 {
		for _, f := range p.flows {
			f.strand(now, p.client, obs)
		}
	}
}

// directions lists the lanes that a fault touches.
func directions(d chaos.Direction) []int {
	switch d {
	case chaos.Up:
		return []int{up}
	case chaos.Down:
		return []int{down}
	}
	return []int{up, down}
}
