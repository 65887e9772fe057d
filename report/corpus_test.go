package report

import (
	"testing"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

func expects(t *testing.T, p *scenario.Plan, texts ...string) *scenario.Plan {
	t.Helper()
	for _, s := range texts {
		e, err := scenario.ParseExpect(s)
		if err != nil {
			t.Fatal(err)
		}
		p.Expect = append(p.Expect, e)
	}
	return p
}

func started(h *history) *history {
	h.r.opts.Started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	h.r.opts.Command = "flatline run hand.yaml --seed 1"
	h.r.info.Target = "ws://127.0.0.1:8080/"
	for s := 1.0; s < h.plan.Duration.Seconds(); s++ {
		h.r.Lag(sec(s), sec(s-0.0004))
	}
	return h
}

// fullRun has two groups under a blackhole, a delay and a kill, with zombies, mistakes and a visible target.
func fullRun(t *testing.T) *Result {
	p := plan(sec(60), []chaos.Fault{
		{Kind: chaos.Blackhole, At: sec(10), For: sec(15)},
		{Kind: chaos.Delay, At: sec(35), For: sec(4), By: sec(0.2)},
		{Kind: chaos.Kill, How: chaos.RST, At: sec(45)},
	}, browsers(150), scenario.Group{Name: "deaf\x1b[31m", Count: 20, Config: deaf})
	p.Name = "by hand"
	p.Intent = "Two kinds of clients lose the network, find it slow, and are thrown out.\nHow long until they notice?"
	h := started(newHistory(t, expects(t, p, "detection.p99 < 8.1s in browsers", "detection.undetected == 0", "false_positives <= 1",
		"reap.p50 < 10s", "storm.peak < 200/s during kill", "delivery.lost == 0")))
	for id := range p.Clients {
		h.open(0.5+float64(id)/100, id)
		h.reply(4, id, 0.0002+float64(id)/1e6)
	}
	for s := range 60 {
		h.r.Harness(sec(float64(s)), TargetSample{CPU: sec(0.4 * float64(s)), RSS: 30 << 20})
		dropped := int64(max(s-46, 0)) // from the kill on
		h.r.Target(sec(float64(s)), TargetSample{CPU: sec(0.13 * float64(s)), RSS: 40<<20 + uint64(s)<<18, FDs: count(180), Threads: count(9),
			Listeners: []ListenerSample{{7, ListenerUse{"127.0.0.1:8080", int(min(dropped, 9)), 8, 5 + 2*dropped}}},
			Netns:     &NetnsUse{Overflows: 100 + 2*dropped, Drops: 200 + 3*dropped, Cookies: 7}})
	}
	h.dead(7, 3, timeout, 2)
	h.open(9, 3)
	h.began(10, 0)
	for id := range 150 {
		at := 15 + 3*float64(id)/150
		h.out(at, id, heartbeat.Output{Kind: heartbeat.Unanswered, N: 1})
		h.dead(at, id, timeout, 9)
		h.r.ZombieBegan(sec(at), id)
	}
	for id := range 150 {
		at := 19 + 3*float64(id)/150
		h.attempt(at, id)
		h.failed(at+2, id, timeout)
		if id%2 == 0 {
			h.r.ZombieEnded(sec(22), id, true)
		}
	}
	h.ended(25, 0)
	for id := range 150 {
		if id%2 == 1 {
			h.r.ZombieEnded(sec(25), id, false)
		}
		h.open(25+4*float64(id)/150, id)
	}
	h.began(35, 1)
	h.ended(39, 1)
	h.began(45, 2)
	for id := range p.Clients {
		h.dead(45.002, id, reset, 44)
	}
	for id := range p.Clients - 1 {
		h.open(49+float64(id)/1000, id)
	}
	h.r.Warn(sec(50), "2 messages were too long")
	h.r.Warn(sec(51), "2 messages were too long")
	return h.end()
}

var hole = chaos.Fault{Kind: chaos.Blackhole, At: sec(10), For: sec(20)}

// corpus is one Result of each kind that a report has to say something true about. Every renderer prints all of them,
// see TestAgreement and the goldens in testdata.
var corpus = map[string]func(t *testing.T) *Result{
	"full": fullRun,
	"empty": func(t *testing.T) *Result {
		return started(newHistory(t, plan(sec(60), []chaos.Fault{hole}, browsers(10)))).r.Snapshot(0, SnapshotOptions{})
	},
	"interrupted": func(t *testing.T) *Result {
		h := started(newHistory(t, expects(t, plan(sec(60), []chaos.Fault{hole}, browsers(10)), "detection.undetected == 0")))
		h.open(1, 0, 1, 2)
		h.began(10, 0)
		return h.r.Snapshot(sec(14.2), SnapshotOptions{Interrupted: true, Reason: "interrupt from the keyboard"})
	},
	"target-lost": func(t *testing.T) *Result {
		h := started(newHistory(t, plan(sec(60), []chaos.Fault{hole}, browsers(10))))
		h.attempt(1, 0)
		h.failed(1, 0, heartbeat.Refused)
		return h.r.Snapshot(sec(2), SnapshotOptions{Final: true, TargetLost: true, Reason: "connection refused"})
	},
	"one-client": func(t *testing.T) *Result {
		h := started(newHistory(t, expects(t, plan(sec(60), []chaos.Fault{hole}, browsers(1)), "detection.p99 < 8.1s", "recovery.max < 5s")))
		h.open(1, 0)
		h.reply(4, 0, 0.00025)
		h.began(10, 0)
		h.dead(16.51, 0, timeout, 9)
		h.ended(30, 0)
		h.open(31.25, 0)
		return h.end()
	},
	"no-faults": func(t *testing.T) *Result {
		h := started(newHistory(t, expects(t, plan(sec(60), nil, browsers(2)), "false_positives == 0", "heartbeat.rtt.p50 < 1ms")))
		h.open(1, 0, 1)
		for s := 4.0; s < 58; s += 3 {
			h.reply(s, 0, 0.0002)
			h.reply(s, 1, 0.0003)
		}
		return h.end()
	},
	"inconclusive": func(t *testing.T) *Result {
		h := started(newHistory(t, expects(t, plan(sec(60), []chaos.Fault{hole}, browsers(10)), "detection.max < 6.5s")))
		for s := 1.0; s < 60; s++ {
			h.r.Lag(sec(s), sec(s-0.5))
		}
		for id := range 10 {
			h.open(1, id)
		}
		h.began(10, 0)
		for id := range 10 {
			h.dead(16+float64(id)/10, id, timeout, 9)
		}
		h.ended(30, 0)
		for id := range 10 {
			h.open(31, id)
		}
		return h.end()
	},
	"undetected": func(t *testing.T) *Result {
		h := started(newHistory(t, expects(t, plan(sec(60), []chaos.Fault{hole}, scenario.Group{Name: "deaf", Count: 100, Config: deaf}),
			"detection.undetected == 0", "detection.p99 < 8.1s")))
		for id := range 100 {
			h.open(1, id)
		}
		h.began(10, 0)
		h.ended(30, 0)
		return h.end()
	},
	"repeated": func(t *testing.T) *Result {
		flaps := []chaos.Fault{{Kind: chaos.Blackhole, At: sec(10), For: sec(10)}, {Kind: chaos.Blackhole, At: sec(30), For: sec(10)}}
		p := plan(sec(60), flaps, browsers(200))
		p.Faults, p.Schedule[0].Name, p.Schedule[1].Name = p.Faults[:1], "blackhole", "blackhole#2"
		p.Schedule[1].Fault, p.Schedule[1].Nth = 0, 1
		h := started(newHistory(t, expects(t, p, "detection.count == 300", "detection.p99 < 7s during blackhole#2")))
		for id := range p.Clients {
			h.open(1, id)
		}
		for n, lost := range []int{200, 100} {
			at := float64(10 + 20*n)
			h.began(at, n)
			for id := range lost {
				h.dead(at+6+float64(id)/100, id, timeout, at-1)
			}
			h.ended(at+10, n)
			for id := range lost {
				h.open(at+12+float64(id)/200, id)
			}
		}
		return h.end()
	},
	"traffic": trafficRun,
	"hostile": hostileRun,
}

// nasty is what names may be made of by somebody who wishes a reader ill: markup, terminal escapes, line breaks, the
// ends of Markdown cells, code spans and CDATA, a formula, separators that are no line feeds, and text that runs backwards.
const nasty = "=cmd|' /C calc'!A0<script>alert(1)</script>\x1b[31m\x1b]0;owned\x07\n\nPASS  all is well\r\n| a | b |```]]>-->&amp;\"'" +
	"\u2028\u2029\u202e\u2066\u009b2J\x7f\x00\xff[x](javascript:alert(1))<img src=x onerror=alert(1)>"

// hostileRun is fullRun with nasty in every text that comes from elsewhere. Some begin in another way, since what is cut
// short shows its beginning alone.
func hostileRun(t *testing.T) *Result {
	r := fullRun(t)
	bad := func(begin string) string { return begin + nasty }
	r.Tool, r.Driver, r.Command, r.Reason = bad("flatline "), bad("f"), bad("\x1b[2J"), bad("]]>")
	r.Plan.Name, r.Plan.Intent, r.Plan.Path, r.Plan.Target, r.Plan.Hash, r.Plan.Engine = bad(""), bad("</details>\n\n# "), bad("-"), bad("@"), bad("+"), bad("`")
	r.Host = Host{OS: bad(""), Arch: bad("|"), Go: bad("\n"), Kernel: bad("<b>")}
	for i := range r.Plan.Groups {
		r.Plan.Groups[i].Name, r.Plan.Groups[i].Profile = bad([]string{"\n", "|`"}[i]), bad("<")
	}
	for i := range r.Plan.Faults {
		name := bad([]string{"<script>", "\x1b[2J", "`|]]>"}[i])
		r.Plan.Faults[i].Name, r.Occurrences[i].Name = name, name
	}
	r.Occurrences[0].Failed = bad("\u202e")
	r.Warnings = append(r.Warnings, Warning{At: sec(3), Text: bad("close reason: "), Count: 1}, Warning{At: sec(4), Text: bad("\n=1+1"), Count: 2})
	for i := range r.Plan.Expect {
		e := &r.Plan.Expect[i]
		if e.In != "" {
			e.In = r.Plan.Groups[0].Name
		}
		if e.During != "" {
			e.During = r.Occurrences[2].Name
		}
		e.Text += " " + nasty
	}
	r.Judge()
	return r
}

// trafficRun has two groups that publish one message a second, to themselves and to the server, and a server that lies.
func trafficRun(t *testing.T) *Result {
	format, err := heartbeat.ParseFormat("pub {{.Client}} {{.Seq}} {{.Sent}}", "Client", "Seq", "Sent")
	if err != nil {
		t.Fatal(err)
	}
	self := &heartbeat.Traffic{Rate: 1, Size: 20, Start: sec(2), Stop: sec(50), Publish: format, Message: format}
	up := &heartbeat.Traffic{Rate: 1, Size: 20, Start: sec(2), Stop: sec(50), Publish: format, Message: format, Ack: format, To: "-"}
	h := started(newHistory(t, expects(t, plan(sec(60), []chaos.Fault{hole}, scenario.Group{Name: "echo", Count: 3, Config: heartcheck, Traffic: self},
		scenario.Group{Name: "up", Count: 2, Config: heartcheck, Traffic: up}), "delivery.lost == 0", "delivery.duplicated == 1 in echo", "delivery.acked_lost == 0 in up",
		"delivery.lost == 20 in up", "delivery.lost > 0 during blackhole", "delivery.latency.p50 < 3ms in echo")))
	h.open(1, 0, 1, 2, 3, 4)
	h.began(10, 0)
	h.ended(30, 0)
	for id := range 5 {
		g := h.plan.GroupOf(id)
		for a := g.Traffic.Arrivals(h.plan.TrafficRand(id)); a.Due() < sec(60); a.Pop() {
			at, seq := a.Due().Seconds(), a.Seq()
			o := heartbeat.Output{Kind: heartbeat.Published, Seq: seq, Due: a.Due(), N: 1}
			if id == 4 && seq%5 == 0 { // it never leaves
				continue
			}
			h.out(at+0.001, id, o)
			if at > 12 && at < 23 && id != 4 {
				continue
			}
			o.Kind, o.From = heartbeat.Acked, int32(id)
			h.out(at+0.002, id, o)
			if id == 1 && (seq == 7 || seq == 40) { // acknowledged, and it never arrives
				continue
			}
			if o.Kind = heartbeat.Delivered; id < 3 {
				h.out(at+0.002, id, o)
				if id == 2 && seq == 3 {
					h.out(at+0.003, id, o)
				}
			}
		}
	}
	h.out(55, 0, heartbeat.Output{Kind: heartbeat.Delivered, From: 0, Seq: 999, Due: sec(54)})
	return h.end()
}
