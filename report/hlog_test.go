package report

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// readHLog merges the intervals of each tag, read by the library's own reader.
func readHLog(t *testing.T, report []byte) map[string]*hdrhistogram.Histogram {
	t.Helper()
	merged := map[string]*hdrhistogram.Histogram{}
	in := hdrhistogram.NewHistogramLogReader(bytes.NewReader(report))
	for n := 0; ; n++ {
		h, err := in.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			if lines := strings.Count(string(report), "\nTag="); n != lines {
				t.Errorf("%d intervals read of %d", n, lines)
			}
			return merged
		}
		if merged[h.Tag()] == nil {
			merged[h.Tag()] = hdrhistogram.New(histLowest, histHighest, histDigits)
		}
		if lost := merged[h.Tag()].Merge(h); lost > 0 {
			t.Errorf("%s: %d values are out of range", h.Tag(), lost)
		}
	}
}

// TestHLogAgrees: percentiles that any HdrHistogram tool would show are those of the report.
func TestHLogAgrees(t *testing.T) {
	for name, make := range corpus {
		t.Run(name, func(t *testing.T) {
			s := Summarize(make(t))
			tags := readHLog(t, render(t, "hlog", s.r))
			compared := 0
			check := func(tag, family string, scope Scope) {
				n := s.Figure(family+".count", scope)
				h := tags[tag]
				if h == nil {
					if n.Value > 0 {
						t.Errorf("%s: nothing, and the report has %s", tag, n.Text)
					}
					return
				}
				delete(tags, tag)
				compared++
				if float64(h.TotalCount()) != float64(n.Value) {
					t.Errorf("%s: %d values, and the report has %s", tag, h.TotalCount(), n.Text)
				}
				for share, q := range map[string]float64{"p50": 50, "p99": 99, "max": 100} {
					f := s.Figure(family+"."+share, scope)
					if math.IsInf(float64(f.Value), 1) {
						continue // some never came back: the log has those who did
					}
					if got := FormatDuration(time.Duration(h.ValueAtQuantile(q)) * time.Microsecond); got != f.Text && s.Figure("recovery.lost", scope).Value == 0 {
						t.Errorf("%s %s: %s, and the report prints %s", tag, share, got, f.Text)
					}
				}
			}
			check("rtt", "heartbeat.rtt", Scope{})
			check("connect", "connect.latency", Scope{})
			if name == "traffic" {
				check("delivery", "delivery.latency", Scope{})
			}
			check("lag", "harness.lag", Scope{})
			names := []string{}
			for i := range s.Faults {
				names = append(names, word(s.Faults[i].Name()))
			}
			for i, label := range labels(names) {
				for _, family := range []string{"detection", "recovery", "downtime"} {
					check(family+"."+label, family, Scope{During: s.Faults[i].Window})
				}
			}
			for tag := range tags {
				t.Errorf("tag %q belongs to nothing", tag)
			}
			if name == "full" && compared < 8 {
				t.Errorf("only %d tags compared", compared)
			}
		})
	}
}

func TestHLogForm(t *testing.T) {
	r := fullRun(t)
	lines := strings.Split(strings.TrimSpace(string(render(t, "hlog", r))), "\n")
	for i, want := range []string{"#[flatline: scenario by_hand, seed 1, microseconds]", "#[Histogram log format version 1.3]",
		"#[StartTime: 1772366400.000 (seconds since epoch), 2026-03-01T12:00:00Z]", "#[BaseTime: 1772366400.000 (seconds since epoch)]",
		`"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"`} {
		if lines[i] != want {
			t.Errorf("line %d: %s", i, lines[i])
		}
	}
	last := -1.0
	for _, l := range lines[5:] {
		f := strings.Split(l, ",")
		if len(f) != 5 {
			t.Fatalf("%d fields: %s", len(f), l)
		}
		d, err := time.ParseDuration(f[1] + "s")
		if err != nil || d.Seconds() < last {
			t.Errorf("begins at %s, behind %v: %v", f[1], last, err)
		}
		last = d.Seconds()
		if strings.HasPrefix(l, "Tag=detection.blackhole,10.000,") && f[3] != "7983.103" {
			t.Errorf("the slowest detection took %s ms", f[3])
		}
	}
}

func TestHLogIsInert(t *testing.T) {
	report := render(t, "hlog", hostileRun(t))
	inert(t, report)
	for tag := range readHLog(t, report) {
		if strings.ContainsAny(tag, ", \t\r\n=<>`|") {
			t.Errorf("tag %q", tag)
		}
	}
}
