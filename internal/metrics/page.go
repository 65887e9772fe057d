package metrics

import (
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/flatline-dev/flatline/report"
)

// page adds up the samples of one scrape. Samples with the same labels share a line, so names that become equal when
// they are cut short or cleaned cannot make the page invalid.
type page struct {
	samples map[string]*sample
	order   []*sample
}

type sample struct {
	row    *row
	labels []string
	value  float64
	counts []uint64 // of a histogram: by bucket, the last for what is beyond all
}

func (p *page) at(name string, labels []string) *sample {
	r := rows[name]
	if r == nil || len(labels) != len(r.Labels) {
		panic(fmt.Sprintf("metrics: %s%q is not in the table", name, labels))
	}
	key := name + "\x00" + strings.Join(labels, "\x00")
	s := p.samples[key]
	if s == nil {
		s = &sample{row: r, labels: labels}
		if r.Kind == Histogram {
			s.counts = make([]uint64, len(r.bounds)+1)
		}
		if p.samples == nil {
			p.samples = map[string]*sample{}
		}
		p.samples[key] = s
		p.order = append(p.order, s)
	}
	return s
}

// add adds v to a counter or a gauge.
func (p *page) add(name string, v float64, labels ...string) { p.at(name, labels).value += v }

// count is add for the counts of a Result.
func (p *page) count(name string, n int64, labels ...string) { p.add(name, float64(n), labels...) }

// observe adds the values of h to a histogram, whose value is their sum.
func (p *page) observe(name string, h *report.Hist, labels ...string) {
	s := p.at(name, labels)
	s.value += h.AddTo(s.row.bounds, s.counts)
}

func (p *page) send(ch chan<- prometheus.Metric) {
	for _, s := range p.order {
		switch s.row.Kind {
		case Histogram:
			buckets := make(map[float64]uint64, len(s.row.Buckets))
			n := uint64(0)
			for i, le := range s.row.Buckets {
				n += s.counts[i]
				buckets[le] = n
			}
			n += s.counts[len(s.row.Buckets)]
			ch <- prometheus.MustNewConstHistogram(s.row.desc, n, s.value, buckets, s.labels...)
		case Counter:
			ch <- prometheus.MustNewConstMetric(s.row.desc, prometheus.CounterValue, s.value, s.labels...)
		default:
			ch <- prometheus.MustNewConstMetric(s.row.desc, prometheus.GaugeValue, s.value, s.labels...)
		}
	}
}
