package report

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/flatline-dev/flatline/scenario"
)

// benchMetrics are the metrics of a benchmark line, and which way is better. Those whose change is neither good nor bad,
// beats sent for one, are not there.
var benchMetrics = []struct {
	metric string
	higher bool
}{
	{"detection.p50", false}, {"detection.p99", false}, {"detection.max", false}, {"detection.undetected", false},
	{"false_positives", false}, {"reap.p50", false}, {"reap.max", false}, {"zombies.peak", false},
	{"storm.peak", false}, {"storm.attempts", false}, {"storm.amplification", false}, {"storm.failed", false}, {"storm.handshake.p99", false},
	{"recovery.p50", false}, {"recovery.p99", false}, {"recovery.max", false}, {"recovery.lost", false},
	{"downtime.p50", false}, {"downtime.p99", false}, {"heartbeat.rtt.p50", false}, {"heartbeat.rtt.p99", false},
	{"heartbeat.unanswered", false}, {"connect.latency.p50", false}, {"connect.latency.p99", false}, {"connect.failed", false},
	{"clients.min_open", true}, {"target.cpu", false}, {"target.rss", false}, {"target.fds", false}, {"harness.lag.p99", false},
}

// benchUnit is the name of a metric as a unit, in the order of Go's own: p99-detection-s, storm-peak-per-s.
func benchUnit(m scenario.Metric) string {
	dashes := strings.NewReplacer(".", "-", "_", "-")
	name := dashes.Replace(m.Name)
	if m.Histogram != "" {
		name = m.Share() + "-" + dashes.Replace(m.Histogram)
	}
	switch {
	case m.Unit == scenario.Seconds:
		return name + "-s"
	case m.Unit == scenario.PerSecond:
		return name + "-per-s"
	case m.Unit == scenario.Bytes:
		return name + "-bytes"
	case m.Unit == scenario.Cores:
		return name + "-cores"
	}
	return name
}

// WriteBench writes the Go benchmark format (https://go.dev/design/14313-benchmark-format): a line for the whole run, one
// for the time before the first fault, and one for each fault, with the groups where there are several. Repeated runs,
// one after the other in a file, are what benchstat compares with another such file.
//
// An infinite value (never back, never noticed) has no place in a benchmark's statistics and is left out; the counts
// beside it, detection-undetected and recovery-lost, tell of it.
func WriteBench(w io.Writer, r *Result) error {
	s := Summarize(r)
	b := bufio.NewWriter(w)
	// benchstat compares lines whose configuration is the same: what differs from one run to the next is a comment.
	fmt.Fprintf(b, "# %s, seed %d, plan %s: %s\n", Clean(s.Tool, 60), s.Seed, Clean(s.Plan, 64), s.Word)
	for _, kv := range [][2]string{{"goos", s.Host.OS}, {"goarch", s.Host.Arch}, {"pkg", "flatline"}, {"driver", s.Driver}} {
		if v := strings.TrimSpace(Clean(kv[1], 100)); v != "" {
			fmt.Fprintf(b, "%s: %s\n", kv[0], v)
		}
	}
	b.WriteByte('\n')
	lines, used := s.benchLines()
	for _, x := range benchMetrics {
		m, _ := scenario.LookupMetric(x.metric)
		unit := benchUnit(m)
		if !used[unit] {
			continue
		}
		better := "lower"
		if x.higher {
			better = "higher"
		}
		fmt.Fprintf(b, "Unit %s better=%s\n", unit, better)
	}
	b.WriteByte('\n')
	for _, l := range lines {
		b.WriteString(l)
	}
	return b.Flush()
}

// byFault reports whether a metric says what became of the clients of a severing fault: it says nothing of other times.
func byFault(metric string) bool {
	family, _, _ := strings.Cut(metric, ".")
	return slices.Contains([]string{"detection", "reap", "zombies", "storm", "recovery", "downtime"}, family)
}

// benchNumber writes a value to 12 digits, more than were measured, and without an exponent.
func benchNumber(v float64) string {
	short, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64) // what is formatted parses
	return strconv.FormatFloat(short, 'f', -1, 64)
}

// benchLines are the benchmark lines, and the units that stand in them.
func (s *Summary) benchLines() (lines []string, used map[string]bool) {
	used = map[string]bool{}
	cpus := "-" + strconv.Itoa(max(s.Host.CPUs, 1))
	add := func(name string, scope Scope, severed bool) {
		var l strings.Builder
		fmt.Fprintf(&l, "BenchmarkFlatline/scenario=%s%s%s\t1", word(s.Name), name, cpus)
		n := l.Len()
		for _, x := range benchMetrics {
			if !severed && byFault(x.metric) {
				continue
			}
			if f := s.Figure(x.metric, scope); f.Exists && !math.IsInf(float64(f.Value), 0) {
				m, _ := scenario.LookupMetric(x.metric)
				unit := benchUnit(m)
				used[unit] = true
				fmt.Fprintf(&l, "\t%s %s", benchNumber(float64(f.Value)), unit)
			}
		}
		if l.Len() > n {
			lines = append(lines, l.String()+"\n")
		}
	}
	groups := func(name string, scope Scope, severed bool) {
		add(name, scope, severed)
		if len(s.Groups) > 1 {
			for i := range s.Groups {
				scope.In = s.Groups[i].Name
				add(name+"/group="+word(scope.In), scope, severed)
			}
		}
	}
	groups("", Scope{}, len(s.Faults) > 0)
	if len(s.Faults) > 0 {
		groups("/during=baseline", Scope{During: "baseline"}, false)
	}
	for i := range s.Faults {
		f := &s.Faults[i]
		groups("/fault="+word(f.Window), Scope{During: f.Window}, f.Severs)
	}
	return lines, used
}
