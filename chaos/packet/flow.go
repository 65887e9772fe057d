package packet

import (
	"context"
	"net"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// flow is one connection as the network between its ends sees it. Its fields are guarded by the lock of its path.
type flow struct {
	port uint16 // the client's
	p    *path

	// The attempt that made it; both are only used until the gateway has its connection.
	dial func(context.Context) (net.Conn, error)
	ctx  context.Context
	fail chan error // what the gateway met on the way to the target

	client *Conn // nil until Dial returns
	far    ender // the gateway's end; nil until it is established

	next   [2]uint32 // the sequence number after everything sent, by direction
	seen   [2]bool   // next holds one
	last   time.Duration
	idleAt time.Duration // when the scheduled look comes up
	timed  bool

	local, remote net.Addr // the connection as the target sees it, when there is one

	cut         bool // silently: nothing passes any more
	killed      bool
	finish      bool // a kill by FIN waits for the gateway's end
	clientGone  bool // the client has closed its end, or its dial has failed
	goodbye     bool // the client's FIN or RST has reached the gateway
	gatewayGone bool // the server has no connection any more, or never had one
	serverBye   bool // the server has closed its end
	zombie      bool
}

// ender ends the gateway's side of a connection: both its halves in order (FIN), or at once and without a word to the
// client.
type ender interface {
	finish()
	abandon()
}

// established reports whether the client has the connection, and with it the server's kernel: it has answered the SYN.
func (f *flow) established() bool { return f.client != nil }

// watch keeps what a forged packet needs. The segment enters direction dir.
func (f *flow) watch(dir int, s *segment, now time.Duration) {
	f.last = now
	end := s.seq + s.length
	if !f.seen[dir] || int32(end-f.next[dir]) > 0 {
		f.next[dir], f.seen[dir] = end, true
	}
}

// stuck reports whether the client's goodbye cannot reach the gateway now.
func (f *flow) stuck() bool { return f.cut || f.p.blocks[up] > 0 }

// strand begins a zombie if the client has gone and the server cannot learn of it.
func (f *flow) strand(now time.Duration, client int32, obs chaos.Observer) {
	if f.clientGone && (f.client != nil || f.far != nil) && f.stuck() && !f.zombie && !f.goodbye && !f.serverBye && !f.gatewayGone {
		f.zombie = true
		obs.ZombieBegan(now, int(client))
	}
}

// rest ends the zombie, if the flow is one.
func (f *flow) rest(now time.Duration, client int32, obs chaos.Observer, reaped bool) {
	if f.zombie {
		f.zombie = false
		obs.ZombieEnded(now, int(client), reaped)
	}
}
