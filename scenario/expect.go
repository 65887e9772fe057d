package scenario

// Expect is one expectation: Metric Op Value [by By] [in In] [during During].
type Expect struct {
	Metric string  // a name of the metric table, such as detection.p99
	Op     string  // < <= == >= >
	Value  float64 // in the metric's base unit: seconds, events per second, count, ratio, bytes, cores
	By     string  // a cause (heartbeat.Cause names); "": all
	In     string  // a group; "": all
	During string  // baseline, recovery, a fault's or an occurrence's name; "": the whole run
	Text   string  // as written
	Line   int
}
