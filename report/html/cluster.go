package html

import (
	"fmt"
	"time"

	"github.com/flatline-dev/flatline/report"
)

// loads are the clients that were open on each node at the end of each stretch of k seconds.
func loads(r *report.Result, k int) (x []float64, level [][]float64) {
	seconds := len(r.Series.Attempts)
	for i := 0; i < seconds; i += k {
		x = append(x, min(float64(min(i+k, seconds)), max(r.Elapsed.Seconds(), float64(i))))
	}
	for n := range r.Nodes {
		changes := r.Nodes[n].Open.Rebin(time.Second)
		col := make([]float64, 0, len(x))
		open := int64(0)
		for i := range seconds {
			if i < len(changes) {
				open += changes[i]
			}
			if i%k == k-1 || i == seconds-1 {
				col = append(col, float64(open))
			}
		}
		level = append(level, col)
	}
	return x, level
}

// nodeLoads draws where the clients of a target of several nodes were, and how unevenly.
func (b *builder) nodeLoads() []Chart {
	if len(b.r().Nodes) == 0 || !b.single() {
		return nil
	}
	r := b.r()
	c := Chart{ID: "nodes", Title: "Clients on each node", YAxis: Number, Hint: "open at the end of each second"}
	x, level := loads(r, b.every())
	c.X = x
	for i, y := range level {
		c.Series = append(c.Series, Series{Name: fmt.Sprintf("node %d", i), Color: fmt.Sprintf("c-run%d", i+1), Style: "line", Y: y})
	}
	c.About = "Clients that were open on each node over time: " + b.total("nodes.max_share") + " of all on one node at most."
	cv := Chart{ID: "uneven", Title: "Unevenness of the nodes", YAxis: Number, Bands: []Band{{Lo: 0, Hi: report.EvenEnough}},
		Hint: "coefficient of variation of the clients on each node: standard deviation over mean. Even enough: the green band"}
	cv.X = x
	y := make(Numbers, len(x))
	for k := range x {
		of := make([]int64, len(level))
		for i := range level {
			of[i] = int64(level[i][k])
		}
		y[k] = report.Variation(of)
	}
	cv.Series = []Series{{Name: "variation", Color: "c-connecting", Style: "line", Y: y}}
	cv.About = fmt.Sprintf("Coefficient of variation of the clients on the nodes over time: %s at most, %s at the end.", b.total("nodes.cv.max"), b.total("nodes.cv.end"))
	return []Chart{c, cv}
}

// messageRates draws what was published and what arrived.
func (b *builder) messageRates() []Chart {
	carried := false
	for _, r := range b.runs {
		carried = carried || maxOf(r.Series.Sent) > 0
	}
	if !carried {
		return nil
	}
	const title = "Messages per second"
	if !b.single() {
		return []Chart{b.overlay("messages", "Messages arrived per second", Number, "for the first time", func(r *report.Result, k int) ([]float64, []float64) {
			return steps(r.Series.Received, k, maxOf)
		})}
	}
	r := b.r()
	c := Chart{ID: "messages", Title: title, YAxis: Number, Hint: "sent: put on the wire, each time that they were; arrived: for the first time, at each receiver"}
	if b.every() > 1 {
		c.Hint += fmt.Sprintf("; the busiest second of each %d", b.every())
	}
	var sent []float64
	c.X, sent = steps(r.Series.Sent, b.every(), maxOf)
	_, arrived := steps(r.Series.Received, b.every(), maxOf)
	c.Series = []Series{{Name: "sent", Color: "c-quiet", Style: "step", Y: sent}, {Name: "arrived", Color: "c-connecting", Style: "step", Y: arrived}}
	c.About = fmt.Sprintf("Messages sent and arrived per second: %s were owed to somebody and never arrived.", b.total("delivery.lost"))
	return []Chart{c}
}
