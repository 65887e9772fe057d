package scenario

import (
	"fmt"
	"net/netip"
	"net/url"
	"runtime"
)

// sources spreads the clients of a loopback target over local addresses where sources is auto or absent.
func (c *checker) sources(f *File, p *Plan) {
	auto := 0
	for i := range f.Clients {
		if s := f.Clients[i].Sources; s == nil || s.Auto {
			auto += p.Groups[i].Count
			p.Groups[i].autoSources = true
		} else {
			p.Groups[i].Sources = s.List
		}
	}
	n := (auto + ClientsPerSource - 1) / ClientsPerSource
	if n <= 1 || runtime.GOOS != "linux" || !p.loopback() {
		return
	}
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("127.0.0.%d", i+1))
	}
	for i := range p.Groups {
		if p.Groups[i].autoSources {
			p.Groups[i].Sources = list
		}
	}
}

// loopback reports whether the target listens on this machine's IPv4 loopback.
func (p *Plan) loopback() bool {
	if p.Target.Serve != nil {
		return true
	}
	u, err := url.Parse(render(p.Target.URL, clientVars{}))
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && a.Is4() && a.IsLoopback()
}
