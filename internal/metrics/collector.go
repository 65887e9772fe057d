// Package metrics shows a run to Prometheus while it goes: a collector of the Recorder's snapshots, and the table of what
// it exports.
//
// Nothing is counted twice. Every figure is read from the same Result that the run leaves at its end, so the last scrape
// and the Result agree, and a run that nobody scrapes pays nothing for it. A scrape costs one snapshot, as the checkpoint
// every five seconds does; scrapes closer together than [Fresh] share one.
//
// Labels are bounded: states and causes are fixed lists, groups and faults come from the plan, and beyond 64 of either
// the others share the label "other". Names are anybody's input; they are cut to 64 runes, and what does not print is
// escaped.
package metrics

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
)

// Fresh is how old a snapshot may be that answers a scrape.
const Fresh = 500 * time.Millisecond

// maxNames and maxRunes bound what the plan's names may make of labels.
const (
	maxNames = 64
	maxRunes = 64
)

const other = "other"

// Options describe where a Collector reads.
type Options struct {
	Recorder  *report.Recorder
	Clock     func() time.Duration // time since the start of the run
	Version   string               // of flatline
	GoVersion string
}

// Collector is a prometheus.Collector of one run.
type Collector struct {
	o Options

	mu    sync.Mutex
	page  *page
	taken time.Duration
}

// New makes a Collector.
func New(o Options) *Collector { return &Collector{o: o} }

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for i := range Metrics {
		ch <- rows[Metrics[i].Name].desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	if now := c.o.Clock(); c.page == nil || now-c.taken >= Fresh {
		r := c.o.Recorder.Snapshot(now, report.SnapshotOptions{})
		c.page, c.taken = c.draw(r, c.o.Recorder.GroupStates(now)), now
	}
	p := c.page // it is not changed any more
	c.mu.Unlock()
	p.send(ch)
}

// draw fills in a page from a snapshot.
func (c *Collector) draw(r *report.Result, states [][heartbeat.NumStates]int64) *page {
	p := &page{}
	p.add("flatline_build_info", 1, label(c.o.Version), label(c.o.GoVersion))
	p.add("flatline_run_info", 1, label(r.Plan.Name), label(r.Plan.Hash), seed(r.Plan.Seed), label(r.Driver), label(r.Plan.Engine))
	if !r.Started.IsZero() {
		p.add("flatline_run_start_time_seconds", float64(r.Started.UnixMilli())/1000)
	}
	p.add("flatline_run_elapsed_seconds", r.Elapsed.Seconds())
	p.add("flatline_run_duration_seconds", r.Plan.Duration.Seconds())
	groups := make([]string, len(r.Plan.Groups))
	for i := range groups {
		groups[i] = name(i, r.Plan.Groups[i].Name)
	}
	for i, g := range groups {
		for s, n := range states[i] {
			p.count("flatline_clients", n, heartbeat.State(s).String(), g)
		}
		p.count("flatline_reconnect_attempts_total", r.Groups[i].Attempts.Sum(), g)
		p.count("flatline_zombie_connections", r.Groups[i].Zombies.Sum(), g)
	}
	for i := range r.Segments {
		p.observe("flatline_harness_lag_seconds", r.Segments[i].Lag)
		for k := range r.Segments[i].Groups {
			p.segment(groups[k], &r.Segments[i].Groups[k])
		}
	}
	for i := range r.Nodes {
		n, node := &r.Nodes[i], strconv.Itoa(i)
		p.count("flatline_node_clients", n.Open.Sum(), node)
		p.count("flatline_node_connect_attempts_total", n.Attempts.Sum(), node)
		p.count("flatline_node_deaths_total", n.Deaths, node)
	}
	p.faults(r)
	warnings := 0
	for _, w := range r.Warnings {
		warnings += w.Count
	}
	p.count("flatline_warnings_total", int64(warnings))
	p.target(r.Target)
	return p
}

// segment adds what one group did in a stretch of the run. Causes that have not occurred stand there with 0: a counter
// that appears only when it has jumped hides the jump from rate().
func (p *page) segment(group string, s *report.SegmentGroup) {
	p.count("flatline_connect_attempts_total", s.Attempts, group)
	p.count("flatline_heartbeats_sent_total", s.Sent, group)
	p.count("flatline_heartbeats_unanswered_total", s.Unanswered, group)
	p.observe("flatline_connect_duration_seconds", s.Connect, group)
	p.observe("flatline_heartbeat_rtt_seconds", s.RTT, group)
	if d := s.Delivery; d != nil {
		p.count("flatline_messages_due_total", d.Due, group)
		p.count("flatline_messages_sent_total", d.Sent, group)
		p.count("flatline_messages_acknowledged_total", d.Acked, group)
		p.count("flatline_deliveries_owed_total", d.Owed, group)
		p.count("flatline_deliveries_received_total", d.Received, group)
		p.count("flatline_deliveries_duplicated_total", d.Duplicated, group)
		p.count("flatline_deliveries_dropped_total", d.Dropped, group)
		p.count("flatline_deliveries_reordered_total", d.Reordered, group)
		p.observe("flatline_delivery_latency_seconds", d.Latency, group)
	}
	for c := heartbeat.NoCause + 1; c < heartbeat.NumCauses; c++ {
		p.count("flatline_connect_failures_total", s.ConnectFailed[c], group, c.String())
		p.count("flatline_false_positives_total", s.FalsePositives[c], group, c.String())
	}
}

// faults adds what the faults of the plan did, all happenings of one together.
func (p *page) faults(r *report.Result) {
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		f := name(o.Fault, r.Plan.Faults[o.Fault].Name)
		begun, active := 0.0, 0.0
		if o.Began >= 0 {
			begun = 1
			if active = 1; !inForce(o, r.Elapsed) {
				active = 0
			}
		}
		p.add("flatline_faults_begun_total", begun, f)
		p.add("flatline_fault_active", active, f)
		if !o.Severs {
			continue
		}
		undetected, lost := int64(0), int64(0)
		for k := range o.Groups {
			g := &o.Groups[k]
			undetected += g.Undetected
			lost += g.Lost
			for c, h := range g.Detected {
				if h.N() > 0 {
					p.observe("flatline_detection_seconds", h, f, heartbeat.Cause(c).String())
				}
			}
		}
		p.count("flatline_undetected_clients", undetected, f)
		p.count("flatline_unrecovered_clients", lost, f)
	}
}

// inForce reports whether a happening that has begun is still felt at now: a fault without a length is until those who
// noticed it are back.
func inForce(o *report.Occurrence, now time.Duration) bool {
	if !o.Instant {
		return o.Failed == "" && o.Ended < 0
	}
	if o.Recoverable < 0 || now < o.Recoverable {
		return true
	}
	for k := range o.Groups {
		if o.Groups[k].Lost > 0 {
			return true
		}
	}
	return false
}

// target adds what the target used. What was never visible has no samples at all.
func (p *page) target(series []report.TargetUse) {
	if len(series) == 0 {
		return
	}
	for i := range series {
		u := &series[i]
		p.add("flatline_target_cpu_seconds_total", u.CPU.Seconds())
		for k := range u.Listeners {
			p.count("flatline_target_listener_drops_total", u.Listeners[k].Drops)
		}
		if n := u.Netns; n != nil {
			p.count("flatline_target_netns_accept_overflows_total", n.Overflows)
			p.count("flatline_target_netns_syn_drops_total", n.Drops)
			p.count("flatline_target_netns_syn_queue_full_total", n.SYNFull)
			p.count("flatline_target_netns_syn_cookies_total", n.Cookies)
		}
	}
	last := &series[len(series)-1]
	p.add("flatline_target_resident_memory_bytes", float64(last.RSS))
	if last.FDs != nil {
		p.count("flatline_target_open_fds", int64(*last.FDs))
	}
	if last.Threads != nil {
		p.count("flatline_target_threads", int64(*last.Threads))
	}
	for k := range last.Listeners {
		l := &last.Listeners[k]
		p.count("flatline_target_accept_queue_connections", int64(l.Queue), label(l.Addr))
		p.count("flatline_target_accept_queue_limit_connections", int64(l.Limit), label(l.Addr))
	}
}
