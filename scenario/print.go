package scenario

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/flatline-dev/flatline/chaos"
)

// String is the resolved plan in a few lines, as [Plan.Fprint] prints it.
func (p *Plan) String() string {
	var b strings.Builder
	p.Fprint(&b)
	return b.String()
}

// Fprint prints the resolved plan with its seed: what runs, against what, how each group detects and within which
// bounds, which faults hit whom and when.
func (p *Plan) Fprint(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s, seed %d, plan %.12s\n", p.Name, plural(p.Clients, "client", "clients"), chaos.FormatDuration(p.Duration), p.Seed, p.Hash())
	fmt.Fprintf(&b, "target   %s\n", p.Target.String())
	if u := p.Target.Publish; u != nil {
		fmt.Fprintf(&b, "publish  %s\n", u)
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		profile := ""
		if g.Profile != "" {
			profile = ", profile " + g.Profile
		}
		if g.Dialect != "" && g.Dialect != g.Profile {
			profile += ", its server talks as that of " + g.Dialect
		}
		fmt.Fprintf(&b, "group    %s: %s%s, ramp %s", g.Name, plural(g.Count, "client", "clients"), profile, chaos.FormatDuration(g.Ramp))
		if g.Delay > 0 {
			fmt.Fprintf(&b, " after %s", chaos.FormatDuration(g.Delay))
		}
		if n := len(g.Sources); n > 0 {
			fmt.Fprintf(&b, ", from %s", plural(n, "source address", "source addresses"))
		}
		fmt.Fprintf(&b, "\n         %s\n         detects silence %s\n         reconnects %s\n", describeBeat(&g.Config), Detection(&g.Config), describeReconnect(&g.Config.Reconnect))
		if g.Traffic != nil {
			fmt.Fprintf(&b, "         traffic %s\n", describeTraffic(g.Traffic))
		}
	}
	fmt.Fprintf(&b, "engine   %s: %s\n", p.PathEngine, p.EngineReason)
	for i := range p.Faults {
		f := p.Faults[i]
		name := f.Name
		f.Name = ""
		hits, times := 0, 0
		for k := range p.Schedule {
			if p.Schedule[k].Fault == i {
				times++
			}
		}
		_, n := p.span(f.Clients.Group)
		hits = selected(f.Clients, n)
		if strings.TrimRight(name, "0123456789") == string(f.Kind) {
			name = ""
		} else {
			name = " (" + name + ")"
		}
		fmt.Fprintf(&b, "fault    %s%s: %s", f, name, plural(hits, "client", "clients"))
		if times != 1 {
			fmt.Fprintf(&b, ", %d times", times)
		}
		if f.Kind == chaos.Delay && f.Jitter > 0 {
			l := f.Latency()
			at := func(u float64) string { return chaos.FormatDuration(l.Quantile(u).Round(max(f.By/1000, 1))) }
			fmt.Fprintf(&b, ", one way p50 %s, p99 %s", at(0.5), at(0.99))
		}
		b.WriteByte('\n')
		if like := p.like(i); like != nil {
			fmt.Fprintf(&b, "         like %s: %s\n", like.Name, like.Source)
		}
	}
	for i := range p.Expect {
		fmt.Fprintf(&b, "expect   %s\n", p.Expect[i])
	}
	for _, text := range p.Warnings {
		fmt.Fprintf(&b, "warning  %s\n", text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// String says on one line what the clients connect to.
func (t *Target) String() string {
	switch {
	case t.Serve != nil:
		s := "embedded server"
		if n := t.Nodes(); n > 1 {
			s = fmt.Sprintf("%d embedded servers, balanced %s", n, t.Balancer.Policy)
		}
		if x := t.Serve; x.Beat > 0 {
			s += fmt.Sprintf(", beats (%s) every %s", frames[x.BeatFrame], chaos.FormatDuration(x.Beat))
		}
		if x := t.Serve; x.Reap > 0 {
			s += ", reaps after " + chaos.FormatDuration(x.Reap)
		}
		if x := t.Serve; x.Handshakes > 0 {
			s += ", " + formatRate(x.Handshakes) + " handshakes"
		}
		if d := t.Serve.Delivery; d != nil {
			s += ", delivers from " + d.Store
			if d.DropAcked+d.Duplicate+d.Reorder > 0 {
				s += ", lies"
			}
		}
		return s
	case len(t.Command) > 0:
		return t.URL + ", started as: " + strings.Join(t.Command, " ")
	case t.PID != 0:
		return fmt.Sprintf("%s, process %d", t.URL, t.PID)
	}
	if len(t.URLs) > 1 {
		return strings.Join(t.URLs, ", ") + ", balanced " + t.Balancer.Policy
	}
	return t.URL
}

// String describes the way in for what the service behind the server publishes, in one line.
func (u *Publish) String() string {
	at := "the embedded server's own address"
	if len(u.URLs) > 0 {
		var all []string
		for _, f := range u.URLs {
			all = append(all, f.String())
		}
		at = strings.Join(all, ", ")
	}
	return fmt.Sprintf("POST to %s, %s at once, %s for each", at, plural(u.Connections, "request", "requests"), chaos.FormatDuration(u.Timeout))
}
