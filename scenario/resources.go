package scenario

import (
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// Resources is what a run needs on the machine that runs flatline.
type Resources struct {
	Descriptors    int   // open files: connections, zombies beside them, and what the process needs itself
	PortsPerSource int   // local ports that one source address needs towards the target
	Sources        int   // source addresses that the clients use; 1: the kernel chooses
	Memory         int64 // bytes
	Zombies        int   // connections given up by clients that may stay open at once, the worst case
}

// Estimates behind [Plan.Resources].
const (
	clientBytes     = 16 << 10 // a client with its connection: goroutine, buffers, recorder
	zombieBytes     = 4 << 10
	packetBytes     = 64 << 10 // both ends of a connection in a user-space TCP stack, and the gateway's to the target
	processBytes    = 64 << 20
	descriptorSlack = 128
)

// Resources estimates what the run needs in the worst case: every victim of a silent fault leaves a zombie behind while
// it connects anew, once per detection bound as long as the fault lasts.
func (p *Plan) Resources() Resources {
	var r Resources
	for i := range p.Schedule {
		o := &p.Schedule[i]
		if f := &p.Faults[o.Fault]; silent(f) || f.Kind == chaos.Suspend {
			_, n := p.span(f.Clients.Group)
			r.Zombies = max(r.Zombies, min(selected(f.Clients, n)*p.lives(o), 2*p.Clients))
		}
	}
	busiest := 0
	r.Sources, busiest = p.perSource()
	r.Descriptors = p.Clients + r.Zombies + descriptorSlack
	if p.Target.Publish != nil {
		r.Descriptors += p.Target.Publish.Connections
	}
	r.PortsPerSource = busiest + (r.Zombies*busiest+p.Clients-1)/p.Clients // zombies where their clients are
	r.Memory = processBytes + int64(p.Clients)*clientBytes + int64(r.Zombies)*zombieBytes
	if p.PathEngine == "packet" {
		r.Memory += int64(p.Clients+r.Zombies) * packetBytes
	}
	return r
}

// perSource returns how many source addresses the clients use, and how many clients use the busiest one.
func (p *Plan) perSource() (sources, busiest int) {
	kernels := "" // what the kernel chooses
	if p.loopback() {
		kernels = "127.0.0.1"
	}
	use := map[string]int{}
	for i := range p.Groups {
		from := p.Groups[i].Sources
		if len(from) == 0 {
			from = []string{kernels}
		}
		for k, s := range from { // in turn
			use[s] += (p.Groups[i].Count + len(from) - 1 - k) / len(from)
		}
	}
	for _, n := range use {
		busiest = max(busiest, n)
	}
	return len(use), busiest
}

// lives is how many connections a victim can lose while the occurrence lasts. Behind a blackhole no new connection
// comes about; a stalled server's kernel still accepts, but nobody answers the upgrade.
func (p *Plan) lives(o *chaos.Occurrence) int {
	var shortest time.Duration
	for i := range p.Groups {
		if t := p.Groups[i].Config.Opening.Timeout; t > 0 && (shortest == 0 || t < shortest) {
			shortest = t
		}
	}
	if p.Faults[o.Fault].Kind != chaos.Stall || shortest == 0 {
		return 1
	}
	return 1 + int((o.End-o.At)/shortest)
}
