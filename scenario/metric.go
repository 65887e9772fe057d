package scenario

import "strings"

// Unit is the kind of a metric's value. It says how a value is written in an expectation; [Expect].Value holds it in the
// base unit.
type Unit string

const (
	Seconds   Unit = "seconds" // written as a duration: 8.1s, 20ms
	PerSecond Unit = "rate"    // events per second: 1500/s
	Count     Unit = "count"   // a plain number
	Ratio     Unit = "ratio"   // 1.2, or 99.9%
	Bytes     Unit = "bytes"   // 64MiB
	Cores     Unit = "cores"   // CPU cores in use, a plain number: 1.5
)

// Metric is one row of the metric table.
type Metric struct {
	Name string // in full, percentile included: detection.p99
	Unit Unit
	Doc  string // what it means; the same for all percentiles of a histogram
	// Which modifiers make sense.
	By     bool // by CAUSE
	In     bool // in GROUP
	During bool // during WINDOW
	// Histogram is the part in front of the percentile (detection), "" for a metric that is one number.
	Histogram string
}

// Percentiles are what can be asked of every histogram metric.
var Percentiles = []string{"p50", "p90", "p99", "p99.9", "max", "mean", "count"}

// family is a metric, or a histogram with its percentiles.
type family struct {
	name           string
	unit           Unit
	doc            string
	by, in, during bool
	shares         []string // nil: one number
}

var families = []family{
	{"detection", Seconds, "time from the path's death to \"declared dead\", per client and fault", true, true, true, Percentiles},
	{"detection.undetected", Count, "victims whose fault outlasted their own worst case and who never noticed", false, true, true, nil},
	{"detection.healed", Count, "victims whose fault ended before the detector could fire", false, true, true, nil},
	{"detection.unresolved", Count, "victims of whom the run's end left open whether they would have noticed", false, true, true, nil},
	{"false_positives", Count, "peers declared dead although no fault touched the silence that convinced the client", true, true, true, nil},
	{"mistakes.recurrence", Seconds, "mean time between two false positives of one client, T_MR of Chen, Toueg and Aguilera", false, true, true, nil},
	{"mistakes.duration", Seconds, "mean time from a false positive to open again, T_M", false, true, true, nil},
	{"mistakes.accuracy", Ratio, "share of the time on healthy paths in which the client held its peer for alive, P_A", false, true, true, nil},
	{"reap", Seconds, "time from the client's death to the server's close of its end", false, true, true, Percentiles},
	{"reap.pending", Count, "connections of dead clients that the server never closed", false, true, true, nil},
	{"zombies.peak", Count, "most connections at once that clients had given up and the server still held", false, true, true, nil},
	{"storm.peak", PerSecond, "connection attempts per second in the worst window of one second", false, true, true, nil},
	{"storm.attempts", Count, "connection attempts", false, true, true, nil},
	{"storm.amplification", Ratio, "connection attempts per affected client", false, true, true, nil},
	{"storm.failed", Count, "connection attempts that failed", true, true, true, nil},
	{"storm.handshake", Seconds, "TCP, TLS, upgrade and opening handshake of the affected who came back", false, true, true, Percentiles},
	{"recovery", Seconds, "time from when recovery became possible until that share of the affected is open again", false, true, true,
		[]string{"p50", "p90", "p95", "p99", "p99.9", "max", "mean", "count"}},
	{"recovery.lost", Count, "affected clients that never came back", false, true, true, nil},
	{"downtime", Seconds, "time from the path's death to open again, per client", false, true, true, Percentiles},
	{"heartbeat.rtt", Seconds, "time from the instant a beat was due to its reply", false, true, true, Percentiles},
	{"heartbeat.sent", Count, "beats sent", false, true, true, nil},
	{"heartbeat.unanswered", Count, "beats whose connection ended before a reply came", false, true, true, nil},
	{"connect.latency", Seconds, "TCP, TLS, upgrade and opening handshake of one attempt that succeeded", false, true, true, Percentiles},
	{"connect.tcp", Seconds, "the TCP handshake alone", false, true, true, Percentiles},
	{"connect.failed", Count, "connection attempts that failed", true, true, true, nil},
	{"clients.open", Count, "clients that are open at the end of the window", false, true, true, nil},
	{"clients.min_open", Count, "fewest clients that were open at once", false, true, true, nil},
	{"clients.never_opened", Count, "clients that never had an open connection", false, true, false, nil},
	{"clients.doubled", Count, "connections that opened while the client still had a live one", false, true, false, nil},
	{"clients.gave_up", Count, "clients whose policy ended reconnecting", true, true, true, nil},
	{"delivery.due", Count, "messages that came due", false, true, true, nil},
	{"delivery.sent", Count, "messages sent, each counted once", false, true, true, nil},
	{"delivery.acked", Count, "messages acknowledged", false, true, true, nil},
	{"delivery.received", Count, "deliveries that arrived, one for each message and receiver; to the server only: messages acknowledged", false, true, true, nil},
	{"delivery.lost", Count, "deliveries that were due and never arrived", false, true, true, nil},
	{"delivery.acked_lost", Count, "deliveries that never arrived although their message was acknowledged", false, true, false, nil},
	{"delivery.duplicated", Count, "arrivals of what had arrived before", false, true, true, nil},
	{"delivery.dropped", Count, "arrivals of what had arrived before, known and dropped by their receiver: effectively-once", false, true, true, nil},
	{"delivery.reordered", Count, "first arrivals behind a later message of the same publisher", false, true, true, nil},
	{"delivery.latency", Seconds, "time from the instant a message was due to its first arrival", false, true, true, Percentiles},
	{"nodes.cv.max", Ratio, "largest coefficient of variation of the clients open on each node, after the ramp", false, false, true, nil},
	{"nodes.cv.end", Ratio, "the same at the end", false, false, true, nil},
	{"nodes.max_share", Ratio, "largest share of all clients that was open on one node, after the ramp", false, false, true, nil},
	{"nodes.even", Seconds, "time from a fault of single nodes, or from its end, until that variation stays within 0.1; the slowest", false, false, true, nil},
	{"nodes.hit_twice", Ratio, "share of the clients of whom faults ended at least two connections", false, false, false, nil},
	{"target.cpu", Cores, "mean CPU cores that the target process used, with its children if flatline started it", false, false, true, nil},
	{"target.rss", Bytes, "peak resident memory of the target process", false, false, true, nil},
	{"target.fds", Count, "peak number of files that the target process had open", false, false, true, nil},
	{"target.threads", Count, "peak number of threads of the target process", false, false, true, nil},
	{"target.accept_queue", Count, "most connections seen waiting for accept() at one of the target's listening sockets", false, false, true, nil},
	{"target.accept_overflows", Count, "times that an accept queue was full, in the whole network namespace of the target", false, false, true, nil},
	{"target.syn_drops", Count, "connections that the kernel dropped at listening sockets, overflows included, in that namespace", false, false, true, nil},
	{"target.listener_drops", Count, "the same at the target's own listening sockets alone", false, false, true, nil},
	{"harness.lag", Seconds, "how late flatline's own timers ran", false, false, true, Percentiles},
	{"harness.cpu", Cores, "mean CPU cores that flatline itself used", false, false, true, nil},
	{"harness.rss", Bytes, "peak resident memory of flatline itself", false, false, true, nil},
}

// Metrics is the metric table, every percentile a row, in the order of the documentation.
var Metrics = table()

func table() []Metric {
	var out []Metric
	for _, f := range families {
		m := Metric{Name: f.name, Unit: f.unit, Doc: f.doc, By: f.by, In: f.in, During: f.during}
		if f.shares == nil {
			out = append(out, m)
			continue
		}
		for _, s := range f.shares {
			row := m
			row.Name, row.Histogram = f.name+"."+s, f.name
			if s == "count" {
				row.Unit = Count
			}
			out = append(out, row)
		}
	}
	return out
}

var metricsByName = func() map[string]*Metric {
	m := map[string]*Metric{}
	for i := range Metrics {
		m[Metrics[i].Name] = &Metrics[i]
	}
	return m
}()

// LookupMetric finds a metric by its full name.
func LookupMetric(name string) (Metric, bool) {
	m, ok := metricsByName[name]
	if !ok {
		return Metric{}, false
	}
	return *m, true
}

// Share is the percentile that the metric asks of its histogram: p99, max, count; "" for a metric that is one number.
func (m Metric) Share() string {
	if m.Histogram == "" {
		return ""
	}
	return strings.TrimPrefix(m.Name, m.Histogram+".")
}

func metricNames() []string {
	names := make([]string, len(Metrics))
	for i := range Metrics {
		names[i] = Metrics[i].Name
	}
	return names
}

// metricHint says what a name that is no metric was probably meant to be.
func metricHint(name string) string {
	for _, f := range families {
		if f.name == name && f.shares != nil {
			return "choose one: " + name + "." + strings.Join(f.shares, ", ."+"")
		}
		if rest, ok := strings.CutPrefix(name, f.name+"."); ok && f.shares != nil && strings.HasPrefix(rest, "p") {
			return name[:len(f.name)] + " has ." + strings.Join(f.shares, ", .")
		}
	}
	if near := nearest(name, metricNames()); near != "" {
		return "did you mean \"" + near + "\"?"
	}
	var heads []string
	for _, f := range families {
		if head, _, _ := strings.Cut(f.name, "."); len(heads) == 0 || heads[len(heads)-1] != head {
			heads = append(heads, head)
		}
	}
	return "metrics begin with: " + strings.Join(heads, ", ")
}
