package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind is the type of a metric, in the words of the exposition format.
type Kind string

// Kinds of metrics.
const (
	Gauge     Kind = "gauge"
	Counter   Kind = "counter"
	Histogram Kind = "histogram"
)

// Metric is one row of the table of exported metrics.
type Metric struct {
	Name    string
	Kind    Kind
	Labels  []string
	Help    string
	Buckets []float64 // upper bounds in seconds, of a histogram
}

// detectionBuckets resolve what heartbeats are tuned in: half seconds and seconds up to ten, and everything from a reset
// over loopback (1 ms) to a TCP timeout of an hour.
var detectionBuckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 10,
	12.5, 15, 20, 25, 30, 45, 60, 90, 120, 300, 600, 900, 1800, 3600}

// latencyBuckets are for round trips, handshakes and the harness's own lateness.
var latencyBuckets = []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

// Metrics is the table of exported metrics, in the order of the documentation.
var Metrics = []Metric{
	{"flatline_build_info", Gauge, []string{"version", "goversion"}, "Always 1; which flatline this is.", nil},
	{"flatline_run_info", Gauge, []string{"scenario", "plan", "seed", "driver", "engine"}, "Always 1; which run this is, plan is the hash of the resolved scenario.", nil},
	{"flatline_run_start_time_seconds", Gauge, nil, "When the run began, in seconds since the epoch.", nil},
	{"flatline_run_elapsed_seconds", Gauge, nil, "Time since the run began; it stands still when the run is over.", nil},
	{"flatline_run_duration_seconds", Gauge, nil, "Planned length of the run.", nil},
	{"flatline_clients", Gauge, []string{"state", "group"}, "Clients by the state of their machine; suspect is open with a beat that waits for its reply.", nil},
	{"flatline_connect_attempts_total", Counter, []string{"group"}, "Connection attempts, each client's first included.", nil},
	{"flatline_reconnect_attempts_total", Counter, []string{"group"}, "Connection attempts but each client's first.", nil},
	{"flatline_connect_failures_total", Counter, []string{"group", "cause"}, "Connection attempts that failed.", nil},
	{"flatline_connect_duration_seconds", Histogram, []string{"group"}, "TCP, TLS, upgrade and opening handshake of one attempt that succeeded.", latencyBuckets},
	{"flatline_heartbeats_sent_total", Counter, []string{"group"}, "Beats sent.", nil},
	{"flatline_heartbeats_unanswered_total", Counter, []string{"group"}, "Beats whose connection ended before a reply came.", nil},
	{"flatline_heartbeat_rtt_seconds", Histogram, []string{"group"}, "Time from the instant a beat was due to its reply.", latencyBuckets},
	{"flatline_detection_seconds", Histogram, []string{"fault", "cause"}, "Time from the path's death to \"declared dead\", per client and fault.", detectionBuckets},
	{"flatline_undetected_clients", Gauge, []string{"fault"}, "Victims whose fault outlasted their own worst case and who did not notice.", nil},
	{"flatline_unrecovered_clients", Gauge, []string{"fault"}, "Victims who noticed and are not back yet.", nil},
	{"flatline_false_positives_total", Counter, []string{"group", "cause"}, "Peers declared dead although no fault touched the silence that convinced the client.", nil},
	{"flatline_zombie_connections", Gauge, []string{"group"}, "Connections that clients have given up and the server still holds.", nil},
	{"flatline_fault_active", Gauge, []string{"fault"}, "Happenings of the fault that are in force; one without a length counts until its victims are back.", nil},
	{"flatline_faults_begun_total", Counter, []string{"fault"}, "Happenings of the fault that have begun.", nil},
	{"flatline_messages_due_total", Counter, []string{"group"}, "Messages of the traffic that came due, by the group that publishes.", nil},
	{"flatline_messages_sent_total", Counter, []string{"group"}, "Messages sent, each counted once.", nil},
	{"flatline_messages_acknowledged_total", Counter, []string{"group"}, "Messages acknowledged.", nil},
	{"flatline_deliveries_owed_total", Counter, []string{"group"}, "Deliveries that came due, one for each message and receiver.", nil},
	{"flatline_deliveries_received_total", Counter, []string{"group"}, "Deliveries that arrived, by the group that published.", nil},
	{"flatline_deliveries_duplicated_total", Counter, []string{"group"}, "Arrivals of what had arrived before.", nil},
	{"flatline_deliveries_dropped_total", Counter, []string{"group"}, "Arrivals of what had arrived before, known and dropped by their receiver: effectively-once.", nil},
	{"flatline_deliveries_reordered_total", Counter, []string{"group"}, "First arrivals behind a later message of the same publisher.", nil},
	{"flatline_delivery_latency_seconds", Histogram, []string{"group"}, "Time from the instant a message was due to its first arrival.", latencyBuckets},
	{"flatline_node_clients", Gauge, []string{"node"}, "Clients that are open on a node of the target, where it has several.", nil},
	{"flatline_node_connect_attempts_total", Counter, []string{"node"}, "Connection attempts that the balancer gave to a node.", nil},
	{"flatline_node_deaths_total", Counter, []string{"node"}, "Connections to a node that their clients declared dead.", nil},
	{"flatline_harness_lag_seconds", Histogram, nil, "How late flatline's own timers ran.", latencyBuckets},
	{"flatline_warnings_total", Counter, nil, "Warnings that make the numbers less trustworthy.", nil},
	{"flatline_target_cpu_seconds_total", Counter, nil, "CPU time that the target's process used during the run, with its process group if flatline started it.", nil},
	{"flatline_target_resident_memory_bytes", Gauge, nil, "Resident memory of the target's process.", nil},
	{"flatline_target_open_fds", Gauge, nil, "Files that the target's process has open.", nil},
	{"flatline_target_threads", Gauge, nil, "Threads of the target's process.", nil},
	{"flatline_target_accept_queue_connections", Gauge, []string{"listener"}, "Connections that wait for accept() at a listening socket of the target.", nil},
	{"flatline_target_accept_queue_limit_connections", Gauge, []string{"listener"}, "Backlog of a listening socket of the target.", nil},
	{"flatline_target_listener_drops_total", Counter, nil, "Connections that the kernel dropped at the target's own listening sockets.", nil},
	{"flatline_target_netns_accept_overflows_total", Counter, nil, "Times that an accept queue was full, in the whole network namespace of the target.", nil},
	{"flatline_target_netns_syn_drops_total", Counter, nil, "Connections dropped at listening sockets, overflows included, in that namespace.", nil},
	{"flatline_target_netns_syn_queue_full_total", Counter, nil, "Requests dropped since the SYN queue was full, in that namespace.", nil},
	{"flatline_target_netns_syn_cookies_total", Counter, nil, "Requests answered with a SYN cookie since the SYN queue was full, in that namespace.", nil},
}

// row is a metric made ready for collection.
type row struct {
	*Metric
	desc   *prometheus.Desc
	bounds []time.Duration
}

var rows = func() map[string]*row {
	m := make(map[string]*row, len(Metrics))
	for i := range Metrics {
		x := &row{Metric: &Metrics[i]}
		x.desc = prometheus.NewDesc(x.Name, x.Help, x.Labels, nil)
		for _, b := range x.Buckets {
			x.bounds = append(x.bounds, time.Duration(b*float64(time.Second)))
		}
		m[x.Name] = x
	}
	return m
}()
