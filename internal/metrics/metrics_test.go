package metrics

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

const stormy = `
name: stormy
seed: 3
target: {url: "ws://127.0.0.1:1/"}
clients:
  - {group: browsers, count: 200, ramp: 2s, profile: heartcheck}
  - {group: counted, count: 100, ramp: 2s, profile: heartcheck-counted}
chaos:
  - {at: 10s, for: 12s, fault: blackhole, clients: 40%}
  - {at: 40s, fault: kill, how: rst, every: 10s, times: 2}
  - {at: 62s, for: 5s, fault: refuse}
duration: 75s
`

func load(t testing.TB, text string) *scenario.Plan {
	t.Helper()
	f, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// page is a gathered scrape: name{label="value",...} to value, histograms as their _count, _sum and _bucket.
type scrape map[string]float64

func gather(t testing.TB, c *Collector) scrape {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := scrape{}
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			key := func(suffix string, more ...string) string {
				return f.GetName() + suffix + "{" + strings.Join(append(labels, more...), ",") + "}"
			}
			switch h := m.Histogram; {
			case h != nil:
				out[key("_count")], out[key("_sum")] = float64(h.GetSampleCount()), h.GetSampleSum()
				for _, b := range h.Bucket {
					out[key("_bucket", fmt.Sprintf("le=%q", fmt.Sprint(b.GetUpperBound())))] = float64(b.GetCumulativeCount())
				}
			case m.Counter != nil:
				out[key("")] = m.Counter.GetValue()
			default:
				out[key("")] = m.Gauge.GetValue()
			}
		}
	}
	return out
}

// sum adds up all samples of a metric whose labels contain the text.
func (s scrape) sum(name, labels string) (v float64) {
	for key, x := range s {
		if strings.HasPrefix(key, name+"{") && strings.Contains(key, labels) {
			v += x
		}
	}
	return v
}

// drive simulates the plan and returns what was scraped in its course, the Result, and the collector.
func drive(t testing.TB, plan *scenario.Plan) ([]scrape, *report.Result, *Collector) {
	t.Helper()
	run := &tape{}
	if err := sim.Run(t.Context(), plan, sim.Options{Sink: run, Model: sim.Model{Latency: time.Millisecond}}); err != nil {
		t.Fatal(err)
	}
	for n := int64(0); time.Duration(n)*time.Second < plan.Duration; n++ { // what a simulated target does not have
		at := time.Duration(n) * time.Second
		run.Lag(at, at-time.Millisecond)
		run.Target(at, report.TargetSample{CPU: time.Duration(n) * time.Millisecond, RSS: 1 << 20, FDs: new(int), Threads: new(int),
			Netns: &report.NetnsUse{Overflows: n, Drops: 2 * n}, Listeners: []report.ListenerSample{{ID: 1,
				ListenerUse: report.ListenerUse{Addr: "127.0.0.1:80", Queue: 3, Limit: 4, Drops: 3 * n}}}})
	}
	slices.SortStableFunc(run.events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	rec := report.NewRecorder(plan, report.Options{Driver: "sim", Started: time.Unix(1_700_000_000, 0)})
	now, next := time.Duration(0), time.Second
	c := New(Options{Recorder: rec, Clock: func() time.Duration { return now }, Version: "v0", GoVersion: "go1"})
	var seen []scrape
	for _, e := range run.events {
		if now = max(now, e.at); now >= next {
			seen = append(seen, gather(t, c))
			next = now + Fresh
		}
		e.do(rec)
	}
	r := rec.Snapshot(plan.Duration, report.SnapshotOptions{Final: true})
	now += Fresh
	return append(seen, gather(t, c)), r, c
}

// value looks up METRIC [in GROUP] [by CAUSE] [during WINDOW].
func value(t *testing.T, r *report.Result, text string) float64 {
	t.Helper()
	words := strings.Fields(text)
	e := scenario.Expect{Metric: words[0]}
	for i := 1; i+1 < len(words); i += 2 {
		switch words[i] {
		case "in":
			e.In = words[i+1]
		case "by":
			e.By = words[i+1]
		case "during":
			e.During = words[i+1]
		}
	}
	m, err := r.Value(e)
	if err != nil || !m.Exists {
		t.Fatalf("%s: %+v, %v", text, m, err)
	}
	return float64(m.Value)
}

// Counters and histograms never go back, gauges add up to the clients, and the last scrape says what the Result says.
func TestScrapesOfRun(t *testing.T) {
	plan := load(t, stormy)
	seen, r, _ := drive(t, plan)
	if len(seen) < 50 {
		t.Fatalf("%d scrapes", len(seen))
	}
	kinds := map[string]Kind{}
	for _, m := range Metrics {
		kinds[m.Name] = m.Kind
	}
	active := map[string]bool{}
	for i, now := range seen {
		if n := now.sum("flatline_clients", ""); n != float64(plan.Clients) {
			t.Fatalf("scrape %d: %v clients of %d", i, n, plan.Clients)
		}
		for key, v := range now {
			name, _, _ := strings.Cut(key, "{")
			if strings.HasPrefix(key, "flatline_fault_active") && v > 0 {
				active[key] = true
			}
			if kinds[name] == Gauge {
				continue
			}
			if v < 0 || i > 0 && v < seen[i-1][key] {
				t.Errorf("scrape %d: %s went from %v to %v", i, key, seen[i-1][key], v)
			}
		}
		for key := range seen[max(i-1, 0)] {
			if _, ok := now[key]; !ok {
				t.Errorf("scrape %d: %s is gone", i, key)
			}
		}
	}
	if len(active) != 3 {
		t.Errorf("faults that were seen in force: %v", active)
	}
	last := seen[len(seen)-1]
	for _, x := range []struct {
		metric, labels, of string
	}{
		{"flatline_heartbeats_sent_total", "", "heartbeat.sent"},
		{"flatline_heartbeats_sent_total", `group="counted"`, "heartbeat.sent in counted"},
		{"flatline_heartbeats_unanswered_total", "", "heartbeat.unanswered"},
		{"flatline_heartbeat_rtt_seconds_count", "", "heartbeat.rtt.count"},
		{"flatline_heartbeat_rtt_seconds_count", `group="browsers"`, "heartbeat.rtt.count in browsers"},
		{"flatline_reconnect_attempts_total", "", "storm.attempts"},
		{"flatline_connect_failures_total", "", "connect.failed"},
		{"flatline_connect_failures_total", `cause="refused"`, "connect.failed by refused"},
		{"flatline_connect_duration_seconds_count", "", "connect.latency.count"},
		{"flatline_detection_seconds_count", "", "detection.count"},
		{"flatline_detection_seconds_count", `cause="timeout"`, "detection.count by timeout"},
		{"flatline_detection_seconds_count", `fault="kill"`, "detection.count during kill"},
		{"flatline_false_positives_total", "", "false_positives"},
		{"flatline_undetected_clients", "", "detection.undetected"},
		{"flatline_unrecovered_clients", "", "recovery.lost"},
		{"flatline_harness_lag_seconds_count", "", "harness.lag.count"},
		{"flatline_target_netns_accept_overflows_total", "", "target.accept_overflows"},
		{"flatline_target_netns_syn_drops_total", "", "target.syn_drops"},
		{"flatline_target_listener_drops_total", "", "target.listener_drops"},
		{"flatline_target_open_fds", "", "target.fds"},
		{"flatline_target_resident_memory_bytes", "", "target.rss"},
		{"flatline_target_accept_queue_connections", "", "target.accept_queue"},
	} {
		if got, want := last.sum(x.metric, x.labels), value(t, r, x.of); got != want {
			t.Errorf("%s{%s} is %v, %s is %v", x.metric, x.labels, got, x.of, want)
		}
	}
	if n := value(t, r, "detection.count"); n < 500 {
		t.Errorf("only %v detections: nothing was shown", n)
	}
	if last.sum("flatline_faults_begun_total", `fault="kill"`) != 2 || last.sum("flatline_connect_attempts_total", "") !=
		last.sum("flatline_reconnect_attempts_total", "")+float64(plan.Clients) {
		t.Errorf("%v", last)
	}
	// The mean of a histogram is that of the Result, to its three digits.
	mean := last.sum("flatline_detection_seconds_sum", "") / last.sum("flatline_detection_seconds_count", "")
	if want := value(t, r, "detection.mean"); mean < want*0.999 || mean > want*1.001 {
		t.Errorf("mean detection %v, in the Result %v", mean, want)
	}
}

// Every row of the table is exported with its labels and its kind, and nothing else; names and texts follow Prometheus's
// own lint.
func TestTable(t *testing.T) {
	everything := strings.Replace(strings.Replace(stormy, "profile: heartcheck}", "profile: heartcheck, traffic: {rate: 1/s}}", 1), `url: "ws://127.0.0.1:1/"`, `url: ["ws://127.0.0.1:1/", "ws://127.0.0.1:2/"]`, 1)
	_, _, c := drive(t, load(t, everything))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	exported := map[string][]string{}
	for _, f := range families {
		labels := []string{}
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		exported[f.GetName()] = labels
		row := rows[f.GetName()]
		if row == nil || f.GetHelp() != row.Help || !strings.EqualFold(f.GetType().String(), string(row.Kind)) {
			t.Errorf("%s is exported as %s %q", f.GetName(), f.GetType(), f.GetHelp())
		}
	}
	want := map[string][]string{}
	for _, m := range Metrics {
		want[m.Name] = slices.Sorted(slices.Values(m.Labels))
	}
	if d := gocmp.Diff(want, exported, gocmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })); d != "" {
		t.Error(d)
	}
}

// A target that is only a URL has no samples at all, which is something else than 0.
func TestInvisibleTarget(t *testing.T) {
	plan := load(t, stormy)
	rec := report.NewRecorder(plan, report.Options{})
	s := gather(t, New(Options{Recorder: rec, Clock: func() time.Duration { return 0 }}))
	for key := range s {
		if strings.HasPrefix(key, "flatline_target") {
			t.Errorf("%s of a target that nobody sees", key)
		}
	}
	rec.Target(0, report.TargetSample{RSS: 5})
	s = gather(t, New(Options{Recorder: rec, Clock: func() time.Duration { return 0 }}))
	if _, ok := s["flatline_target_open_fds{}"]; ok || s["flatline_target_resident_memory_bytes{}"] != 5 {
		t.Errorf("hidden files are %v", s["flatline_target_open_fds{}"])
	}
}

// Names are anybody's. They stay apart, valid and short; of very many the rest is added up.
func TestHostileNames(t *testing.T) {
	plan := load(t, stormy)
	nasty := []string{"a\"} 1\nflatline_clients{state=\"open\"} 99\n#", "\xff\xfe\x1b[31m", strings.Repeat("x", 5000), strings.Repeat("x", 4000), ""}
	base := plan.Groups[0]
	plan.Groups, plan.Clients = nil, 0
	for i := range 100 {
		g := base
		if g.Name = fmt.Sprintf("group %d", i); i < len(nasty) {
			g.Name = nasty[i]
		}
		g.First, g.Count = plan.Clients, 1
		plan.Groups = append(plan.Groups, g)
		plan.Clients++
	}
	plan.Faults[0].Name = nasty[0]
	plan.Name = nasty[1]
	rec := report.NewRecorder(plan, report.Options{Driver: "\xff"})
	c := New(Options{Recorder: rec, Clock: func() time.Duration { return 0 }, Version: nasty[2]})
	s := gather(t, c)
	groups := map[string]float64{}
	for key, v := range s {
		if !utf8.ValidString(key) || strings.ContainsAny(key, "\n\x1b") || len(key) > 1000 {
			t.Errorf("%q", key)
		}
		if strings.HasPrefix(key, "flatline_clients{") {
			_, g, _ := strings.Cut(key, "group=")
			g, _, _ = strings.Cut(g, ",state=")
			groups[g] += v
		}
	}
	// 64 of their own, of which two became equal, and the others.
	if len(groups) != maxNames-1+1 || groups[`"other"`] != 100-maxNames || s.sum("flatline_clients", "") != 100 {
		t.Errorf("%d groups: %v", len(groups), groups)
	}
	answer := httptest.NewRecorder()
	Handler(c).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatal(answer.Code, answer.Body)
	}
	for _, line := range strings.Split(answer.Body.String(), "\n") {
		if strings.Contains(line, "99") && strings.HasPrefix(line, `flatline_clients{state="open"}`) {
			t.Errorf("a name became a sample: %s", line)
		}
	}
}

// Scrapes close together share one snapshot.
func TestFresh(t *testing.T) {
	rec := report.NewRecorder(load(t, stormy), report.Options{})
	now := time.Duration(0)
	c := New(Options{Recorder: rec, Clock: func() time.Duration { return now }})
	sent := func() float64 { return gather(t, c).sum("flatline_heartbeats_sent_total", "") }
	beat := func() { rec.Output(now, 0, &heartbeat.Output{Kind: heartbeat.Send, Beat: true}) }
	beat()
	if n := sent(); n != 1 {
		t.Fatalf("%v beats", n)
	}
	now = Fresh - 1
	beat()
	if n := sent(); n != 1 {
		t.Errorf("%v beats within %v", n, Fresh)
	}
	now = Fresh
	if n := sent(); n != 2 {
		t.Errorf("%v beats after %v", n, Fresh)
	}
}

func TestHandler(t *testing.T) {
	_, _, c := drive(t, load(t, strings.Replace(stormy, "duration: 75s", "duration: 70s", 1)))
	server := httptest.NewServer(Handler(c))
	defer server.Close()
	for _, x := range []struct {
		method string
		accept string
		code   int
		kind   string
		has    string
	}{
		{http.MethodGet, "", http.StatusOK, "text/plain", "flatline_detection_seconds_bucket{"},
		{http.MethodGet, "", http.StatusOK, "text/plain", "\nprocess_cpu_seconds_total "},
		{http.MethodGet, "application/openmetrics-text; version=1.0.0", http.StatusOK, "application/openmetrics-text", "\n# EOF\n"},
		{http.MethodHead, "", http.StatusOK, "text/plain", ""},
		{http.MethodPost, "", http.StatusMethodNotAllowed, "text/plain", "GET"},
		{http.MethodDelete, "", http.StatusMethodNotAllowed, "text/plain", ""},
	} {
		request, err := http.NewRequest(x.method, server.URL+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", x.accept)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != x.code || !strings.HasPrefix(answer.Header.Get("Content-Type"), x.kind) || !strings.Contains(string(body), x.has) {
			t.Errorf("%s %s: %s, %v, %d bytes without %q", x.method, x.accept, answer.Status, answer.Header, len(body), x.has)
		}
	}
}
