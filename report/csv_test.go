package report

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"testing"

	"github.com/flatline-dev/flatline/scenario"
)

// TestCSVAgrees: what the seconds add up to, or reach at most, is what the report prints of the run.
func TestCSVAgrees(t *testing.T) {
	for name, make := range corpus {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			s := Summarize(r)
			rows, err := csv.NewReader(bytes.NewReader(render(t, "csv", r))).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			sum, most, least := map[string]float64{}, map[string]float64{}, map[string]float64{}
			for i, row := range rows[1:] {
				if row[0] != strconv.Itoa(i) {
					t.Errorf("second %d is called %s", i, row[0])
				}
				states, cells := 0.0, map[string]float64{}
				for k, cell := range row[:len(row)-1] {
					v, err := strconv.ParseFloat(cell, 64)
					if err != nil && cell != "" {
						t.Errorf("%s: %v", rows[0][k], err)
					}
					column := rows[0][k]
					cells[column] = v
					sum[column] += v
					most[column] = max(most[column], v)
					least[column] = min(least[column], v)
					if len(column) > 8 && column[:8] == "clients_" {
						states += v
					}
				}
				if cells["rtt_p50_us"] > cells["rtt_p99_us"] || cells["rtt_p99_us"] > cells["rtt_max_us"] {
					t.Errorf("second %d: round trips %v, %v, %v", i, cells["rtt_p50_us"], cells["rtt_p99_us"], cells["rtt_max_us"])
				}
				if int(states) != r.Plan.Clients {
					t.Errorf("second %d has %v clients of %d", i, states, r.Plan.Clients)
				}
			}
			for metric, got := range map[string]float64{
				"storm.attempts": sum["retries"], "connect.failed": sum["failed"], "connect.latency.count": sum["opens"],
				"target.rss": most["target_rss_bytes"], "target.fds": most["target_fds"], "target.threads": most["target_threads"],
				"target.accept_queue": most["target_accept_queue"], "target.listener_drops": sum["target_accept_drops"],
			} {
				f := s.Figure(metric, Scope{})
				if want := FormatMetric(metric, got, f.Unit); len(rows) > 1 && f.Exists && f.Text != want {
					t.Errorf("%s: the seconds have %s, the report %s", metric, want, f.Text)
				}
			}
			for metric, us := range map[string]float64{"heartbeat.rtt.max": most["rtt_max_us"], "harness.lag.max": most["lag_max_us"]} {
				// A histogram's largest value is the upper end of its bucket: within 0.1 %.
				if f := s.Figure(metric, Scope{}); len(rows) > 1 && f.Exists && (us/1e6 > float64(f.Value) || us/1e6 < float64(f.Value)*0.999-1e-6) {
					t.Errorf("%s: the seconds have %s, the report %s", metric, FormatValue(us/1e6, scenario.Seconds), f.Text)
				}
			}
		})
	}
}

func TestCSVNamesFaults(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(render(t, "csv", fullRun(t)))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[int]string{9: "", 10: "blackhole", 24: "blackhole", 26: "", 36: "delay", 45: "kill", 46: ""} {
		if got := rows[1+at][len(rows[0])-1]; got != want {
			t.Errorf("second %d: %q, want %q", at, got, want)
		}
	}
}
