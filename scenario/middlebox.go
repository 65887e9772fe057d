package scenario

import (
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// Preset is a box or a device of the real world that a fault can be like: `{fault: idle-cut, like: nginx}`. What the
// fault writes itself goes before what the preset says.
type Preset struct {
	Name   string
	Kind   chaos.Kind    // idle-cut or suspend
	After  time.Duration // idle-cut: quiet time before the cut
	How    chaos.How
	Grid   time.Duration // suspend how timers
	Source string        // where the figures are from, and what the preset leaves out
}

// presets in the order of the schema: proxies, clouds, networks, devices.
var presets = []Preset{
	{Name: "nginx", Kind: chaos.IdleCut, After: time.Minute, How: chaos.FIN,
		Source: "proxy_read_timeout 60 s (ngx_http_proxy_module); measured with 1.22.1: traffic either way re-arms it, FIN to both sides, no close frame"},
	{Name: "ingress-nginx", Kind: chaos.IdleCut, After: time.Minute, How: chaos.FIN,
		Source: "proxy-read-timeout and proxy-send-timeout 60 s (ingress-nginx config.go), which its documentation wants above an hour for WebSocket"},
	{Name: "haproxy", Kind: chaos.IdleCut, After: time.Hour, How: chaos.FIN,
		Source: "no default: timeout tunnel 1h is its documentation's example; measured with 2.6.12: FIN to the client, RST to the server, no close frame"},
	{Name: "envoy", Kind: chaos.IdleCut, After: 5 * time.Minute, How: chaos.RST,
		Source: "stream_idle_timeout 5 min (Envoy FAQ on timeouts); that it resets was not measured"},
	{Name: "alb", Kind: chaos.IdleCut, After: time.Minute, How: chaos.FIN,
		Source: "AWS Application Load Balancer, idle timeout 60 s (ELB user guide); FIN is assumed, the guide does not say"},
	{Name: "nlb", Kind: chaos.IdleCut, After: 350 * time.Second, How: chaos.Silent,
		Source: "AWS Network Load Balancer, TCP idle timeout 350 s (ELB user guide); the RST to whoever sends next is left out"},
	{Name: "api-gateway", Kind: chaos.IdleCut, After: 10 * time.Minute, How: chaos.FIN,
		Source: "AWS API Gateway WebSocket, 10 min idle (limits table); how it closes was not measured, and its 2 h in all are left out"},
	{Name: "azure", Kind: chaos.IdleCut, After: 4 * time.Minute, How: chaos.Silent,
		Source: "Azure Load Balancer, 4 min (load-balancer-tcp-idle-timeout); with TCP reset enabled: how: rst"},
	{Name: "gcp-nat", Kind: chaos.IdleCut, After: 20 * time.Minute, How: chaos.Silent,
		Source: "GCP Cloud NAT, TCP established 1200 s (second hand)"},
	{Name: "cloudflare", Kind: chaos.IdleCut, After: 100 * time.Second, How: chaos.FIN,
		Source: "proxy read timeout 100 s (cloudflare-docs connection-limits); a probe of 2026 found idle sockets to live from 216 s to over an hour"},
	{Name: "cloudflare-gateway", Kind: chaos.IdleCut, After: 270 * time.Second, How: chaos.Silent,
		Source: "Cloudflare Gateway (Zero Trust), 270 s (cloudflare-docs PR 3405); TCP keep-alive does not help"},
	{Name: "heroku", Kind: chaos.IdleCut, After: 55 * time.Second, How: chaos.FIN,
		Source: "Heroku router, rolling 55 s window (help.heroku.com BZGH6WMY); H15 and H28 in its log"},
	{Name: "carrier-nat", Kind: chaos.IdleCut, After: 5 * time.Minute, How: chaos.Silent,
		Source: "Wang et al., SIGCOMM 2011 (second hand): of 73 carriers 11 below 10 min, 4 at 5 min or less, one with RST"},
	{Name: "home-router", Kind: chaos.IdleCut, After: 124 * time.Minute, How: chaos.Silent,
		Source: "RFC 5382 REQ-5: not below 2 h 4 min, which OpenWrt's conntrack sets and many a cheap router does not"},
	{Name: "chrome-hidden-tab", Kind: chaos.Suspend, How: chaos.Timers, Grid: time.Minute,
		Source: "Chrome 88 on: timers of a page hidden for five minutes wake once a minute (intensive throttling); at is when the five minutes are over"},
	{Name: "chrome-background-tab", Kind: chaos.Suspend, How: chaos.Timers, Grid: time.Second,
		Source: "Chrome: timers of a hidden page wake at most once a second"},
	{Name: "phone-asleep", Kind: chaos.Suspend, How: chaos.Sleep,
		Source: "iOS suspends an app about 5 s after it went to the background (TN2277): nothing runs until it is back"},
}

// Presets are what a fault can be like.
func Presets() []Preset { return append([]Preset(nil), presets...) }

func presetOf(name string) *Preset {
	for i := range presets {
		if presets[i].Name == name {
			return &presets[i]
		}
	}
	return nil
}

// like is the preset of fault i; nil: there is none.
func (p *Plan) like(i int) *Preset {
	if i >= len(p.Likes) {
		return nil
	}
	return presetOf(p.Likes[i])
}

// like lays the fault over its preset.
func (c *checker) like(path string, w *FileFault) *FileFault {
	p := presetOf(w.Like)
	if p == nil {
		if c.bad[join(path, "like")] { // what it would have said is not missing
			c.bad[join(path, "after")] = true
		}
		return w
	}
	if string(p.Kind) != w.Kind {
		var same []string
		for i := range presets {
			if string(presets[i].Kind) == w.Kind {
				same = append(same, presets[i].Name)
			}
		}
		hint := "leave it out: no " + w.Kind + " is like anything"
		if same != nil {
			hint = "for " + w.Kind + ": " + strings.Join(same, ", ")
		}
		c.reportKey(join(path, "like"), hint, "like %s belongs to %s, not %s", p.Name, p.Kind, w.Kind)
		return w
	}
	out := *w
	if w.How == nil {
		out.How = &How{How: p.How}
	}
	if w.After == nil && p.After > 0 {
		out.After = ptr(Duration(p.After))
	}
	if w.Grid == nil && p.Grid > 0 && out.How.How == chaos.Timers {
		out.Grid = ptr(Duration(p.Grid))
	}
	return &out
}

// quiet is the longest time for which a healthy, idle connection of the group carries nothing, as far as it is known: the
// embedded server's own beat breaks the quiet as well.
func (p *Plan) quiet(g *Group) (time.Duration, bool) {
	quiet, ok := g.Config.Quiet()
	s := p.Target.Serve
	if s == nil {
		return quiet, ok
	}
	every := s.Beat
	if d := g.Speaks(); every == 0 && d != nil {
		every = d.Every
	}
	if every > 0 && (!ok || every < quiet) {
		return every, true
	}
	return quiet, ok
}

// warnMiddlebox says whose connections a middlebox will cut, and what would keep them.
func (p *Plan) warnMiddlebox(f *chaos.Fault, like *Preset, add adder) {
	for k := range p.Groups {
		g := &p.Groups[k]
		if f.Clients.Group != "" && f.Clients.Group != g.Name {
			continue
		}
		quiet, beats := p.quiet(g)
		// Below the limit by a quarter: a beat may be late.
		enough := chaos.FormatDuration((f.After * 3 / 4).Truncate(max(time.Millisecond, min(time.Second, f.After/100))))
		switch {
		case !beats:
			add("%s cuts after %s of quiet, as %s does, and group %s never breaks the quiet: its idle connections will not survive (beat: {by: client, interval: %s})",
				f.Name, chaos.FormatDuration(f.After), like.Name, g.Name, enough)
		case quiet >= f.After:
			add("%s cuts after %s of quiet, as %s does, and group %s is quiet for up to %s: its idle connections will not survive (beat: {interval: %s})",
				f.Name, chaos.FormatDuration(f.After), like.Name, g.Name, chaos.FormatDuration(quiet), enough)
		}
	}
}
