package fleet

import (
	"context"
	"net"

	"github.com/flatline-dev/flatline/scenario"
)

// network dials TCP from the plan's source addresses.
type network struct {
	dialers [][]*net.Dialer // per group; one without a local address when the kernel chooses
	plan    *scenario.Plan
}

func newNetwork(plan *scenario.Plan) *network {
	n := &network{plan: plan, dialers: make([][]*net.Dialer, len(plan.Groups))}
	for i, g := range plan.Groups {
		// Keep-alive probes would be a heartbeat that the client under test does not have.
		for _, s := range g.Sources {
			n.dialers[i] = append(n.dialers[i], &net.Dialer{
				KeepAlive: -1, LocalAddr: &net.TCPAddr{IP: net.ParseIP(s)}, Control: lateBind,
			})
		}
		if len(g.Sources) == 0 {
			n.dialers[i] = []*net.Dialer{{KeepAlive: -1}}
		}
	}
	return n
}

func (n *network) dial(ctx context.Context, client int, network, addr string) (net.Conn, error) {
	g := n.plan.GroupIndex(client)
	d := n.dialers[g]
	return d[(client-n.plan.Groups[g].First)%len(d)].DialContext(ctx, network, addr)
}
