//go:build linux

package main

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// scrape reads a page of metrics: name{labels} to value, with the types by name.
func scrape(t *testing.T, url string) (samples map[string]float64, types map[string]string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
	samples, types = map[string]float64{}, map[string]string{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		line := lines.Text()
		if of, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(of, " ")
			types[name] = kind
		}
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			v, err := strconv.ParseFloat(line[i+1:], 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			samples[line[:i]] = v
		}
	}
	return samples, types
}

// total adds up the samples of one name.
func total(samples map[string]float64, name string) (sum float64) {
	for key, v := range samples {
		if key == name || strings.HasPrefix(key, name+"{") {
			sum += v
		}
	}
	return sum
}

const watched = `target: {serve: {}}
clients: [{count: 60, ramp: 200ms, profile: heartcheck, beat: {interval: 200ms}, timeout: 300ms, reconnect: {delay: 200ms}}]
chaos: [{at: 800ms, for: 1s, fault: blackhole, clients: 50%}]
duration: 4s
`

var metricsURL = regexp.MustCompile(`metrics: (http://127\.0\.0\.1:\d+/metrics)`)

// A run is scraped while it goes: counters never go back, and the last scrape, after its end, says what the Result says.
func TestMetricsOfRun(t *testing.T) {
	r := flatline(t, watched, "run", "-q", "--metrics", "0", "--metrics-linger", "1h", "s.yaml")
	r.says("metrics: http")
	url := metricsURL.FindStringSubmatch(r.stderr.String())[1]
	last := map[string]float64{}
	look := func() {
		t.Helper()
		now, types := scrape(t, url)
		for key, was := range last {
			name, _, _ := strings.Cut(key, "{")
			counts := types[name] == "counter"
			for _, suffix := range []string{"_count", "_bucket"} { // not _sum: go_gc_duration_seconds is a summary
				counts = counts || strings.HasPrefix(name, "flatline_") && strings.HasSuffix(name, suffix)
			}
			if v, ok := now[key]; counts && (!ok || v < was) {
				t.Errorf("%s went from %v to %v", key, was, v)
			}
		}
		last = now
	}
	scrapes := 0
	for !strings.Contains(r.stderr.String(), "the final ones are served for 1h0m0s more") {
		look()
		scrapes++
		time.Sleep(50 * time.Millisecond)
	}
	if scrapes < 10 {
		t.Errorf("scraped %d times", scrapes)
	}
	result := r.result()
	value := func(metric string) float64 {
		t.Helper()
		m, err := result.Value(scenario.Expect{Metric: metric})
		if err != nil || !m.Exists {
			t.Fatalf("%s: %+v, %v", metric, m, err)
		}
		return float64(m.Value)
	}
	// A scrape of less than half a second before may still be the one that is answered with.
	r.eventually("a scrape of after the end", func() bool { look(); return last["flatline_run_elapsed_seconds"] == result.Elapsed.Seconds() })
	for name, metric := range map[string]string{
		"flatline_heartbeats_sent_total":          "heartbeat.sent",
		"flatline_heartbeat_rtt_seconds_count":    "heartbeat.rtt.count",
		"flatline_reconnect_attempts_total":       "storm.attempts",
		"flatline_connect_failures_total":         "connect.failed",
		"flatline_detection_seconds_count":        "detection.count",
		"flatline_false_positives_total":          "false_positives",
		"flatline_harness_lag_seconds_count":      "harness.lag.count",
		"flatline_target_netns_syn_drops_total":   "target.syn_drops",
		"flatline_target_listener_drops_total":    "target.listener_drops",
		"flatline_connect_duration_seconds_count": "connect.latency.count",
	} {
		if got, want := total(last, name), value(metric); got != want {
			t.Errorf("%s is %v, %s is %v", name, got, metric, want)
		}
	}
	if value("detection.count") == 0 || total(last, "flatline_target_threads") < 1 || total(last, "flatline_target_open_fds") < 3 ||
		total(last, "flatline_target_resident_memory_bytes") < 1<<20 || total(last, "process_resident_memory_bytes") < 1<<20 {
		t.Errorf("%d detections; %v", int(value("detection.count")), last)
	}
	r.cmd.Process.Signal(syscall.SIGINT) // an impatient user: the run is over, and its verdict stands
	r.exit(exitPass)
	if strings.Contains(r.stderr.String(), "undoing faults") || result.Status != report.Complete {
		t.Errorf("status %s, stderr %s", result.Status, r.stderr.String())
	}
	if _, err := http.Get(url); err == nil {
		t.Error("it is served on")
	}
}

func TestListenAddress(t *testing.T) {
	for value, want := range map[string]string{
		"9123": "127.0.0.1:9123", ":9123": "127.0.0.1:9123", "0": "127.0.0.1:0", "0.0.0.0:9123": "0.0.0.0:9123", "[::]:80": "[::]:80",
		"[::1]:80": "[::1]:80", "localhost:80": "localhost:80",
	} {
		if got, err := listenAddress("metrics", value); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", value, got, err, want)
		}
	}
	for _, value := range []string{"", ":", "http", "65536", "-1", "localhost", "::1:80", "[::1]", "1:2:3", "127.0.0.1:", "127.0.0.1:http", "\x1b[31m"} {
		got, err := listenAddress("metrics", value)
		var exit *exitError
		if !errors.As(err, &exit) || exit.code != exitUsage {
			t.Errorf("%q is %q, %v", value, got, err)
		}
	}
}

// Two flags with one address share a server; another address, or any free port, is another server.
func TestPagesShare(t *testing.T) {
	var p pages
	defer p.close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.on("metrics", port); err == nil || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("an address that is taken: %v", err)
	}
	free.Close()
	on := func(flag, value string) *page {
		t.Helper()
		x, err := p.on(flag, value)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	a, b, c, d := on("metrics", port), on("live", "127.0.0.1:"+port), on("metrics", "0"), on("live", "0")
	if a != b || c == d || a == c {
		t.Errorf("%p %p %p %p", a, b, c, d)
	}
	a.mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	p.serve()
	answer, err := http.Get(b.url("/metrics"))
	if err != nil || answer.StatusCode != http.StatusTeapot {
		t.Errorf("%v, %v", answer, err)
	}
}
