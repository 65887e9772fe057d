package sim

import (
	"time"

	"github.com/flatline-dev/flatline/internal/dialect"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// answers reports whether the server's answer to the beat of group i is its reply, for certain and a constant time later.
func (w *world) answers(i int) bool {
	cfg := &w.plan.Groups[i].Config
	b := &cfg.Beat
	if b.By != heartbeat.Client || b.Jitter != 0 || len(cfg.Replies) > 0 || !w.net.plain || w.works {
		return false
	}
	if b.Frame == heartbeat.Ping {
		return true
	}
	if d := w.plan.Groups[i].Speaks(); d != nil {
		return spoken(d, cfg)
	}
	echo := w.plan.Target.Serve == nil || w.plan.Target.Serve.Reply != "none"
	return echo && b.Match.Match(b.Payload) && (cfg.Notice == nil || !cfg.Notice.Match(b.Payload))
}

// spoken is answers for a server that speaks a dialect: it has one answer to the beat, and that is the reply.
func spoken(d *dialect.Dialect, cfg *heartbeat.Config) bool {
	const some = 7 // a beat's number
	reply, ref := d.Answer(heartbeat.AppendRef(nil, cfg.Beat.Payload, some))
	if reply < 0 || len(d.Replies[reply].With) != 1 {
		return false
	}
	m := &d.Replies[reply].With[0]
	text := heartbeat.AppendRef(nil, m.Payload, ref)
	back, ok := cfg.Beat.Match.MatchRef(text)
	return m.Frame <= heartbeat.Binary && ok && (!cfg.Beat.Match.Ref || back == some) && (cfg.Notice == nil || !cfg.Notice.Match(text))
}

// skip takes the client, whose next event is the timer n, through all the beats whose replies come before its event after
// that and before until, if the path and the server can do nothing but pass them on: a machine that is asked for a beat
// every 3 s for an hour answers once. It is false, and nothing has happened, if that is not certain.
func (s *shard) skip(id int32, n *entry, until time.Duration) bool {
	c := &s.clients[id]
	if s.bulk == nil || !s.quiet[c.group] || c.conns < 0 || n.at != c.timer || c.path.touches() || c.device.touches() {
		return false
	}
	x := s.conns.at(c.conns)
	if x.next >= 0 || x.lanes != nil || !x.open || x.left || x.cut || x.over || x.ending || x.epoch != c.machine.Epoch() ||
		x.server != sServed || !s.server.holds(x) || s.server.frozen(int(x.node)) {
		return false
	}
	if n.next >= 0 {
		until = min(until, s.events.nodes[n.next].at)
	}
	rtt := 2 * s.net.latency
	due, period, beats := c.machine.Answered(rtt, until)
	if beats == 0 {
		return false
	}
	s.bulk.Beats(s.number(id), due, period, rtt, beats)
	last := due + time.Duration(beats-1)*period
	x.heard, x.active = last+s.net.latency, last+rtt
	s.now = last + rtt
	s.arm(id)
	return true
}
