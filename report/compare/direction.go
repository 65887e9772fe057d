package compare

import "github.com/flatline-dev/flatline/scenario"

// Direction says which way a metric is better.
type Direction string

const (
	Lower   Direction = "lower"
	Higher  Direction = "higher"
	Neutral Direction = "" // neither: how much of something happened
)

// directions of the metrics by their names without percentile.
var directions = map[string]Direction{
	"detection": Lower, "detection.undetected": Lower, "detection.healed": Neutral, "detection.unresolved": Neutral,
	"false_positives": Lower, "mistakes.recurrence": Higher, "mistakes.duration": Lower, "mistakes.accuracy": Higher,
	"reap": Lower, "reap.pending": Lower, "zombies.peak": Lower,
	"storm.peak": Lower, "storm.attempts": Lower, "storm.amplification": Lower, "storm.failed": Lower,
	"storm.handshake": Lower, "recovery": Lower, "recovery.lost": Lower, "downtime": Lower,
	"heartbeat.rtt": Lower, "heartbeat.sent": Neutral, "heartbeat.unanswered": Lower,
	"connect.latency": Lower, "connect.tcp": Lower, "connect.failed": Lower,
	"clients.open": Higher, "clients.min_open": Higher, "clients.never_opened": Lower, "clients.gave_up": Lower,
	"clients.doubled": Lower,
	"delivery.due":    Neutral, "delivery.sent": Neutral, "delivery.acked": Higher, "delivery.received": Higher, "delivery.lost": Lower, "delivery.acked_lost": Lower, "delivery.duplicated": Lower,
	"delivery.reordered": Lower, "delivery.dropped": Lower, "delivery.latency": Lower,
	"nodes.cv.max": Lower, "nodes.cv.end": Lower, "nodes.max_share": Lower, "nodes.even": Lower, "nodes.hit_twice": Lower,
	"target.cpu": Lower, "target.rss": Lower, "target.fds": Lower,
	"target.threads": Lower, "target.accept_queue": Lower, "target.accept_overflows": Lower, "target.syn_drops": Lower,
	"target.listener_drops": Lower,
	// flatline's own: no property of what was tested.
	"harness.lag": Neutral, "harness.cpu": Neutral, "harness.rss": Neutral,
}

// DirectionOf a metric. How many values a histogram has is neutral.
func DirectionOf(m scenario.Metric) Direction {
	switch {
	case m.Share() == "count":
		return Neutral
	case m.Histogram != "":
		return directions[m.Histogram]
	}
	return directions[m.Name]
}

// events are the metrics that count what happens to single clients, and so have an exact test. Peaks and levels are
// counts of another kind.
func isEvents(m scenario.Metric) bool {
	switch m.Name {
	case "zombies.peak", "clients.open", "clients.min_open", "target.fds", "target.threads", "target.accept_queue":
		return false
	}
	return m.Unit == scenario.Count
}

// headline are the figures that a report always shows; others show where they changed.
var headline = map[string]bool{
	"detection.p50": true, "detection.p99": true, "detection.undetected": true, "false_positives": true,
	"reap.p50": true, "zombies.peak": true, "storm.peak": true, "storm.attempts": true, "storm.failed": true,
	"recovery.p50": true, "recovery.p99": true, "recovery.lost": true, "downtime.p50": true, "downtime.p99": true,
	"heartbeat.rtt.p50": true, "heartbeat.rtt.p99": true, "connect.latency.p50": true, "connect.latency.p99": true,
	"clients.open": true, "target.cpu": true, "target.rss": true,
}
