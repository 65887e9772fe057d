package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// hlogUnit is what the column Interval_Max is divided by: our histograms hold microseconds, and by custom the column
// shows milliseconds.
const hlogUnit = 1e3

// interval is a histogram of a stretch of the run.
type interval struct {
	tag      string
	from, to time.Duration
	h        *Hist
}

// WriteHLog writes the interval log of HdrHistogram, version 1.3, that its own tools read: HistogramLogAnalyzer and
// HistogramLogProcessor. The histograms hold microseconds. Tags say what an interval is of: rtt, connect and lag for each
// segment of the run, and for each fault detection.NAME, recovery.NAME and downtime.NAME over the time until its last
// client was back. Timestamps are relative to the base time, the start of the run.
func WriteHLog(w io.Writer, r *Result) error {
	b := bufio.NewWriter(w)
	log := hdrhistogram.NewHistogramLogWriter(b)
	start := int64(0)
	if !r.Started.IsZero() {
		start = r.Started.UnixMilli()
	}
	stamp := fmt.Sprintf("%.3f", float64(start)/1e3)
	// The library's own StartTime and BaseTime lines have whole seconds only.
	fmt.Fprintf(b, "#[flatline: scenario %s, seed %d, microseconds]\n", word(r.Plan.Name), r.Plan.Seed)
	_ = log.OutputLogFormatVersion() // an error stays with b
	fmt.Fprintf(b, "#[StartTime: %s (seconds since epoch), %s]\n", stamp, time.UnixMilli(start).UTC().Format(time.RFC3339))
	fmt.Fprintf(b, "#[BaseTime: %s (seconds since epoch)]\n", stamp)
	_ = log.OutputLegend()
	for _, x := range r.intervals() {
		text, err := x.h.p.Encode()
		if err != nil {
			return fmt.Errorf("encode histogram %s: %w", x.tag, err)
		}
		fmt.Fprintf(b, "Tag=%s,%.3f,%.3f,%.3f,%s\n", x.tag, x.from.Seconds(), (x.to - x.from).Seconds(), float64(x.h.p.Max())/hlogUnit, text)
	}
	return b.Flush()
}

// intervals are those with values, by their begin, as tools expect them.
func (r *Result) intervals() (out []interval) {
	add := func(tag string, from, to time.Duration, h *Hist) {
		if h.N() > 0 {
			out = append(out, interval{tag, from, max(to, from), h})
		}
	}
	for i := range r.Segments {
		s := &r.Segments[i]
		rtt, connect, delivery := &Hist{}, &Hist{}, &Hist{}
		for k := range s.Groups {
			rtt.Merge(s.Groups[k].RTT)
			connect.Merge(s.Groups[k].Connect)
			if d := s.Groups[k].Delivery; d != nil {
				delivery.Merge(d.Latency)
			}
		}
		add("rtt", s.From, s.To, rtt)
		add("connect", s.From, s.To, connect)
		add("delivery", s.From, s.To, delivery)
		add("lag", s.From, s.To, s.Lag)
	}
	names := make([]string, len(r.Occurrences))
	for i := range r.Occurrences {
		names[i] = word(r.Occurrences[i].Name)
	}
	for i, name := range labels(names) {
		o := &r.Occurrences[i]
		if o.Began < 0 {
			continue
		}
		g := o.sum()
		last, all := o.allBack()
		if !all {
			last = r.Elapsed
		}
		to := max(last, r.faultSpan(o).to)
		add("detection."+name, o.Began, to, g.Detected.Merged(""))
		add("recovery."+name, o.Began, to, g.Recovery)
		add("downtime."+name, o.Began, to, g.Downtime)
	}
	slices.SortStableFunc(out, func(a, b interval) int { return cmp.Compare(a.from, b.from) })
	return out
}
