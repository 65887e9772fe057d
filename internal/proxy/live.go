package proxy

import (
	"fmt"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/report"
)

// Live is the state of the proxy on one line.
func (p *Proxy) Live() string {
	s := p.status()
	r := p.rec
	r.mu.Lock()
	var last int64
	now := int((p.clock() - r.began) / bucket)
	for i := max(now-9, 0); i <= now && i < len(r.attempts); i++ {
		last += int64(r.attempts[i])
	}
	var failed int64
	for _, n := range r.failed {
		failed += n
	}
	clients, zombies, behind := r.clients.total, r.zombies, r.behind
	r.mu.Unlock()
	p.mu.Lock()
	var names []string
	for _, x := range p.force {
		names = append(names, x.fault.Name)
	}
	p.mu.Unlock()
	fault := "none"
	if len(names) > 0 {
		fault = report.Clean(strings.Join(names, ","), 60)
	}
	return fmt.Sprintf("t=%ds clients=%d open=%d attempts/s=%d failed=%d zombies=%d left_behind=%d fault=%s",
		s.Elapsed/time.Second, clients, s.Open, last, failed, zombies, behind, fault)
}
