package html

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
)

// maxFaults is how many occurrences get charts of their own; those of a fault that repeats often are much alike, and
// all of them are in the tables and on the time axis.
const maxFaults = 24

// faults makes the parts about single occurrences. Several runs meet where they have an occurrence of the same name.
func (b *builder) faults() {
	seen := map[string]bool{}
	for i, s := range b.sums {
		for k := range s.Faults {
			f := &s.Faults[k]
			if seen[f.Window] || len(b.page.Faults) >= maxFaults || f.Began < 0 || !f.Severs {
				continue
			}
			seen[f.Window] = true
			same := make([]*report.Occurrence, len(b.runs))
			for j, o := range b.sums {
				if n := slices.IndexFunc(o.Faults, func(p report.SummaryFault) bool { return p.Window == f.Window && p.Began >= 0 }); n >= 0 {
					same[j] = &b.runs[j].Occurrences[n]
				}
			}
			b.page.Faults = append(b.page.Faults, b.fault(i, k, f, same))
		}
	}
}

// fault is the part about an occurrence, the k-th of run i; same is what it was in each run, nil where it did not begin.
func (b *builder) fault(i, k int, f *report.SummaryFault, same []*report.Occurrence) Fault {
	out := Fault{ID: faultID(k), Name: clean(f.Name(), 40)}
	if i > 0 {
		out.ID += "-" + strings.ToLower(b.page.Runs[i].Label) // only there: the first run has another fault of that number
	}
	out.When = fmt.Sprintf("%s at %s", clean(string(f.Kind), 20), f.Began)
	if long := b.lasted(f); long != "-" {
		out.When += " for " + long
	}
	if b.single() {
		out.When += fmt.Sprintf(", %s of %s were connected", report.FormatCount(f.All.Hit), count(int64(f.Victims), "client"))
		if f.All.Fate != "" {
			out.Notes = append(out.Notes, clean(f.All.Fate, 300))
		}
		if len(f.All.Causes) > 0 {
			out.Notes = append(out.Notes, cleaned(b.sums[0].Aftermath(f))...)
		}
	}
	for _, c := range []Chart{b.detection(out.ID, f, same), b.downtime(out.ID, f, same), b.storm(out.ID, same)} {
		if len(c.X) > 0 {
			out.Charts = append(out.Charts, c)
		}
	}
	return out
}

// curve is a latency by the share of values that are larger, from p0 to the largest.
type curve struct {
	name, color, style string
	h                  *report.Hist
	x, y               []float64
}

// tail works out a curve: at x = 1/(1-p) stands the value of rank ceil(p n), until only the largest value is left.
// Points are a tenth of a nine apart, closer than can be seen.
func (c *curve) tail() {
	n := c.h.N()
	rank := int64(1)
	next := func(k int) (x float64, r int64) {
		x = math.Pow(10, float64(k)/20)
		return x, max(int64(math.Ceil((1-1/x)*float64(n)-1e-9)), 1)
	}
	k := 0
	var x float64
	x, rank = next(0)
	last := 0.0
	c.h.Each(func(upTo time.Duration, seen int64) {
		for rank <= seen && x <= float64(n) {
			c.x, c.y = append(c.x, x), append(c.y, upTo.Seconds())
			k++
			x, rank = next(k)
		}
		last = upTo.Seconds()
	})
	if m := len(c.x); m > 0 && c.x[m-1] < float64(n) {
		c.x, c.y = append(c.x, float64(n)), append(c.y, last)
	}
}

// percentiles is a chart of curves on an axis of nines.
func percentiles(id, title, hint string, curves []curve) Chart {
	c := Chart{ID: id, Title: title, Hint: hint, XAxis: Nines, YAxis: Latency}
	var xs [][]float64
	for i := range curves {
		curves[i].tail()
		xs = append(xs, curves[i].x)
	}
	c.X = union(xs)
	if len(c.X) == 0 {
		return c
	}
	c.XMax = math.Max(c.X[len(c.X)-1], 10)
	for _, l := range curves {
		if len(l.x) == 0 {
			continue
		}
		y := make(Numbers, len(c.X))
		k := 0
		for i, x := range c.X {
			y[i] = none
			if k < len(l.x) && l.x[k] == x {
				y[i] = l.y[k]
				k++
			}
		}
		c.Series = append(c.Series, Series{Name: l.name, Color: l.color, Style: l.style, Y: y})
		c.Counts = append(c.Counts, l.h.N())
	}
	return c
}

// union is all values of sorted lists, sorted, each once.
func union(lists [][]float64) []float64 {
	var out []float64
	for _, l := range lists {
		out = append(out, l...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var causeColors = map[heartbeat.Cause]string{heartbeat.Timeout: "c-connecting", heartbeat.Reset: "c-backoff", heartbeat.EOF: "c-suspect",
	heartbeat.PeerClose: "c-zombie", heartbeat.WriteError: "c-write", heartbeat.Notice: "c-notice"}

func (b *builder) detection(id string, f *report.SummaryFault, same []*report.Occurrence) Chart {
	var curves []curve
	text := func(metric string) string { return b.latency(metric, f.Scope(&f.All)).Text }
	sentence := "Detection latency by percentile"
	if b.single() {
		all := same[0].Sum()
		for i, h := range all.Detected {
			if h.N() > 0 {
				color := causeColors[heartbeat.Cause(i)]
				if color == "" {
					color = "c-quiet"
				}
				curves = append(curves, curve{name: heartbeat.Cause(i).String(), color: color, style: "line", h: h})
			}
		}
		sentence += fmt.Sprintf(" of %s: p50 %s, p99 %s, max %s", count(all.DetectedN(), "client"), text("detection.p50"),
			text("detection.p99"), text("detection.max"))
	} else {
		curves = b.perRun(same, func(g *report.OccGroup) *report.Hist { return g.Detected.Merged("") })
	}
	c := percentiles(id+"-detection", "Noticed after", "each nine is as wide as the one before; the curve ends at the largest of n", curves)
	for i, s := range same {
		if s == nil || !s.Silent() {
			continue
		}
		for k := range s.Groups {
			g := &b.runs[i].Plan.Groups[s.Groups[k].Group]
			band := Band{Lo: g.BoundLo.Seconds(), Hi: g.BoundHi.Seconds(), Name: "bound " + b.sums[i].Groups[s.Groups[k].Group].Bound}
			if g.Detects && !slices.Contains(c.Bands, band) && len(c.Bands) < 4 {
				c.Bands = append(c.Bands, band)
				sentence += "; " + band.Name
			}
		}
	}
	c.About = sentence + "."
	return c
}

// perRun is one curve for each run.
func (b *builder) perRun(same []*report.Occurrence, of func(g *report.OccGroup) *report.Hist) (out []curve) {
	for i, o := range same {
		if o == nil {
			continue
		}
		h := &report.Hist{}
		for k := range o.Groups {
			h.Merge(of(&o.Groups[k]))
		}
		out = append(out, curve{name: b.page.Runs[i].Label, color: fmt.Sprintf("c-run%d", i+1), style: "line", h: h})
	}
	return out
}

func (b *builder) downtime(id string, f *report.SummaryFault, same []*report.Occurrence) Chart {
	curves := b.perRun(same, func(g *report.OccGroup) *report.Hist { return g.Downtime })
	text := func(metric string) string { return b.latency(metric, f.Scope(&f.All)).Text }
	sentence := "Downtime per client by percentile"
	if b.single() {
		curves[0].name, curves[0].color = "downtime", "c-backoff"
		sentence += fmt.Sprintf(" of %s: p50 %s, p99 %s, max %s", count(curves[0].h.N(), "client"), text("downtime.p50"),
			text("downtime.p99"), text("downtime.max"))
	}
	c := percentiles(id+"-downtime", "Down for", "per client, from the path's death to open again", curves)
	c.About = sentence + "."
	return c
}

// maxBins is how many steps a storm is drawn in.
const maxBins = 400

// storm is the attempts of the clients that were hit, since the fault began.
func (b *builder) storm(id string, same []*report.Occurrence) Chart {
	c := Chart{ID: id + "-storm", XAxis: Offset, YAxis: Number}
	tries := make([]report.Buckets, len(same))
	length := time.Duration(0)
	for i, o := range same {
		if o == nil {
			continue
		}
		all := o.Sum()
		tries[i] = all.Attempts.Clone()
		length = max(length, time.Duration(len(tries[i]))*report.Tick)
		end := Mark{Name: "over"}
		switch {
		case !o.Instant && o.Ended >= 0:
			end.At = (o.Ended - o.Began).Seconds()
		case o.Instant && o.Recoverable > o.Began:
			end = Mark{At: (o.Recoverable - o.Began).Seconds(), Name: "restarted"}
		}
		if end.At > 0 && !slices.ContainsFunc(c.Marks, func(m Mark) bool { return math.Abs(m.At-end.At) < 0.05 }) {
			c.Marks = append(c.Marks, end)
			if len(tries[i]) > 0 {
				length = max(length, time.Duration(end.At*1e9))
			}
		}
	}
	if length == 0 {
		return Chart{}
	}
	step := 100 * time.Millisecond
	for _, f := range []time.Duration{2, 5, 10, 20, 50, 100, 300, 600, 3000, 6000, 36000} {
		if length > step*maxBins {
			step = f * 100 * time.Millisecond
		}
	}
	n := int(length/step) + 2
	top := int64(0)
	for i := range n {
		c.X = append(c.X, math.Round(float64(i)*step.Seconds()*10)/10)
	}
	for i, t := range tries {
		if same[i] == nil {
			continue
		}
		y := make(Numbers, n)
		for k, v := range t.Rebin(step) {
			y[k] = float64(v)
			top = max(top, v)
		}
		s := Series{Name: "attempts", Color: "c-connecting", Style: "bars", Y: y}
		if !b.single() {
			s.Name, s.Color, s.Style = b.page.Runs[i].Label, fmt.Sprintf("c-run%d", i+1), "step"
		}
		c.Series = append(c.Series, s)
	}
	c.XMax, c.Every = c.X[n-1], step.Seconds()
	c.Title = "Attempts per " + report.FormatSetting(step)
	c.Hint = "of the clients that were hit, since the fault began"
	c.About = fmt.Sprintf("Reconnect attempts per %s since the fault began: %s in the worst %s", report.FormatSetting(step), report.FormatCount(top), report.FormatSetting(step))
	for _, m := range c.Marks {
		c.About += fmt.Sprintf("; %s after %s", m.Name, report.FormatSetting(time.Duration(m.At*1e3)*time.Millisecond))
	}
	c.About += "."
	return c
}
