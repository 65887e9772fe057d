package calibrate

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Row is one metric, measured and simulated.
type Row struct {
	Metric, During      string // During is "" for the whole run
	Unit                scenario.Unit
	Measured, Simulated float64
}

// Off is how far the simulated value is from the measured one, as a share of it: -0.02 is 2 % less. It is 0 where both are
// the same (zero or infinite), and infinite where only the measured one is zero.
func (r *Row) Off() float64 {
	switch {
	case r.Measured == r.Simulated:
		return 0
	case r.Measured == 0:
		return math.Inf(1)
	}
	return r.Simulated/r.Measured - 1
}

// compared are the metrics of the report that a model can get wrong.
var compared = struct{ perFault, whole []string }{
	perFault: []string{"detection.p50", "detection.p90", "detection.p99", "detection.undetected", "downtime.p50", "downtime.p90", "downtime.p99",
		"recovery.p50", "recovery.p90", "recovery.p99", "storm.peak", "storm.attempts"},
	whole: []string{"heartbeat.rtt.p50", "heartbeat.rtt.p99", "connect.latency.p50", "connect.latency.p99", "false_positives"},
}

// Diff lists every metric that both Results have, per fault and then over the whole run.
func Diff(measured, simulated *report.Result) []Row {
	var out []Row
	add := func(metric, during string) {
		e := scenario.Expect{Metric: metric, During: during}
		a, err1 := measured.Value(e)
		b, err2 := simulated.Value(e)
		if err1 == nil && err2 == nil && a.Exists && b.Exists {
			out = append(out, Row{metric, during, a.Unit, float64(a.Value), float64(b.Value)})
		}
	}
	for i := range measured.Occurrences {
		if o := &measured.Occurrences[i]; o.Severs && o.Began >= 0 {
			for _, m := range compared.perFault {
				add(m, o.Name)
			}
		}
	}
	for _, m := range compared.whole {
		add(m, "")
	}
	return out
}

// WriteText writes what was fitted and how far the simulation is from the measurement, metric by metric.
func WriteText(w io.Writer, f *Fit, rows []Row, width int) error {
	var b strings.Builder
	b.WriteString("The model, as fitted\n")
	for _, n := range f.Notes {
		for i, l := range report.Wrap(report.Clean(n, 300), width-4) {
			fmt.Fprintf(&b, "  %s %s\n", [2]string{"-", " "}[min(i, 1)], l)
		}
	}
	t := &report.Table{}
	t.Add("  metric", "measured", "simulated", "off")
	last := ""
	for i := range rows {
		r := &rows[i]
		if r.During != last || i == 0 {
			last = r.During
			name := "  the whole run"
			if r.During != "" {
				name = "  during " + report.Clean(r.During, 40)
			}
			t.Line(name)
		}
		off := "="
		switch d := r.Off(); {
		case math.IsInf(d, 0) || math.IsNaN(d):
			off = "-"
		case d != 0:
			off = fmt.Sprintf("%+.1f %%", 100*d)
		}
		t.Add("    "+r.Metric, report.FormatValue(r.Measured, r.Unit), report.FormatValue(r.Simulated, r.Unit), off)
	}
	b.WriteString("\nMeasured and simulated\n")
	for _, l := range t.Lines(width) {
		b.WriteString(l + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
