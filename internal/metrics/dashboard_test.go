package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const dashboard = "../../docs/grafana/flatline.json"

// notShown are metrics that the dashboard leaves out on purpose.
var notShown = []string{
	"flatline_run_start_time_seconds", // the time axis has it
}

// standard are the metrics of client_golang that the dashboard may use.
var standard = []string{"process_cpu_seconds_total", "process_resident_memory_bytes"}

// grafana is as much of a dashboard as can be held against the table. The parser of PromQL would bring in all of
// Prometheus; what is checked here is names and labels.
type grafana struct {
	UID           string
	SchemaVersion int
	Annotations   struct{ List []grafanaQuery }
	Templating    struct {
		List []struct {
			Name, Type, Definition string
		}
	}
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []grafanaQuery
	}
}

type grafanaQuery struct {
	Expr, LegendFormat, TitleFormat, TagKeys, RefID string
	Datasource                                      struct{ Type, UID string }
}

var (
	metricUse   = regexp.MustCompile(`\b((?:flatline|process|go)_[a-z0-9_]+)\b(?:\{([^}]*)\})?`)
	matcher     = regexp.MustCompile(`^\s*([a-z_]+)\s*(?:=~|!~|!=|=)\s*"[^"]*"\s*$`)
	grouping    = regexp.MustCompile(`\b(?:by|without)\s*\(([^)]*)\)`)
	legendLabel = regexp.MustCompile(`\{\{\s*([a-z_]+)\s*\}\}`)
	variable    = regexp.MustCompile(`\$\{?([A-Za-z_]+)`)
)

// row finds the metric that a name in an expression is a series of.
func rowOf(name string) (m *Metric, bucket, ok bool) {
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, cut := strings.CutSuffix(name, suffix); cut && rows[base] != nil && rows[base].Kind == Histogram {
			return rows[base].Metric, suffix == "_bucket", true
		}
	}
	if r := rows[name]; r != nil && r.Kind != Histogram {
		return r.Metric, false, true
	}
	return nil, false, slices.Contains(standard, name)
}

// checkQuery complains of what an expression has wrong and returns the metrics that it uses.
func checkQuery(expr, legend string) (used, wrong []string) {
	uses := metricUse.FindAllStringSubmatch(expr, -1)
	if len(uses) == 0 {
		wrong = append(wrong, "uses no metric")
	}
	by := []string{}
	groups := grouping.FindAllStringSubmatch(expr, -1)
	for _, g := range groups {
		for _, l := range strings.Split(g[1], ",") {
			by = append(by, strings.TrimSpace(l))
		}
	}
	for _, u := range uses {
		m, bucket, ok := rowOf(u[1])
		if !ok {
			wrong = append(wrong, u[1]+" is not exported")
			continue
		}
		labels := []string{"instance", "job"}
		if m != nil {
			used = append(used, m.Name)
			labels = append(labels, m.Labels...)
		}
		if bucket {
			labels = append(labels, "le")
		}
		for _, l := range strings.Split(u[2], ", ") {
			if l == "" {
				continue
			}
			if x := matcher.FindStringSubmatch(l); x == nil {
				wrong = append(wrong, "matcher "+l+" cannot be read")
			} else if !slices.Contains(labels, x[1]) {
				wrong = append(wrong, u[1]+" has no label "+x[1])
			}
		}
		for _, l := range by {
			if !slices.Contains(labels, l) {
				wrong = append(wrong, u[1]+" cannot be grouped by "+l)
			}
		}
		if m != nil && m.Kind == Counter && len(groups) > 0 && strings.Contains(expr, "histogram_quantile") {
			wrong = append(wrong, u[1]+" is no histogram")
		}
		left := labels
		if len(groups) > 0 || strings.HasPrefix(expr, "sum(") {
			left = by
		}
		for _, x := range legendLabel.FindAllStringSubmatch(legend, -1) {
			if !slices.Contains(left, x[1]) {
				wrong = append(wrong, "the legend's "+x[1]+" is no label of what is left of "+u[1])
			}
		}
	}
	for _, pair := range []string{"()", "{}", "[]"} {
		if strings.Count(expr, pair[:1]) != strings.Count(expr, pair[1:]) {
			wrong = append(wrong, "unbalanced "+pair)
		}
	}
	return used, wrong
}

// Every query of the dashboard is of exported metrics with the labels that they have, and every exported metric is shown
// or left out on purpose.
func TestDashboard(t *testing.T) {
	b, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	var d grafana
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	if d.UID != "flatline" || d.SchemaVersion < 39 || len(d.Panels) < 15 || len(d.Annotations.List) == 0 {
		t.Errorf("uid %q, schema %d, %d panels, %d annotations", d.UID, d.SchemaVersion, len(d.Panels), len(d.Annotations.List))
	}
	variables := []string{"__rate_interval", "__all"}
	shown := map[string]bool{}
	query := func(where, expr, legend string) {
		used, wrong := checkQuery(expr, legend)
		for _, w := range wrong {
			t.Errorf("%s: %s: %s", where, expr, w)
		}
		for _, m := range used {
			shown[m] = true
		}
		for _, v := range variable.FindAllStringSubmatch(expr, -1) {
			if !slices.Contains(variables, v[1]) {
				t.Errorf("%s: %s: there is no variable %s", where, expr, v[1])
			}
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			args, ok := strings.CutPrefix(v.Definition, "label_values(")
			metric, label, cut := strings.Cut(strings.TrimSuffix(args, ")"), ", ")
			if !ok || !cut {
				t.Errorf("variable %s: %s", v.Name, v.Definition)
			}
			query("variable "+v.Name, metric, "{{"+label+"}}")
		}
		variables = append(variables, v.Name)
	}
	for _, a := range d.Annotations.List {
		query("annotation", a.Expr, a.TitleFormat+"{{"+a.TagKeys+"}}")
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.W < 1 || p.GridPos.X+p.GridPos.W > 24 || (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %d %q: id, title, place or queries", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, q := range p.Targets {
			query(p.Title, q.Expr, q.LegendFormat)
			if q.Datasource.UID != "${datasource}" || q.RefID == "" {
				t.Errorf("%s: query %q of data source %q", p.Title, q.RefID, q.Datasource.UID)
			}
		}
	}
	for i := range d.Panels {
		for k := range d.Panels[:i] {
			a, b := d.Panels[i].GridPos, d.Panels[k].GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %q and %q overlap", d.Panels[k].Title, d.Panels[i].Title)
			}
		}
	}
	for _, m := range Metrics {
		if hidden := slices.Contains(notShown, m.Name); shown[m.Name] == hidden {
			t.Errorf("%s: on the dashboard %v, left out on purpose %v", m.Name, shown[m.Name], hidden)
		}
	}
}

// The check above finds what it is for.
func TestCheckQuery(t *testing.T) {
	for expr, want := range map[string]string{
		`flatline_clinets{instance=~"$instance"}`:                                       "not exported",
		`flatline_clients{fault="x"}`:                                                   "no label fault",
		`sum by (cause) (flatline_clients)`:                                             "grouped by cause",
		`flatline_detection_seconds{fault="x"}`:                                         "not exported",
		`flatline_warnings_total_bucket`:                                                "not exported",
		`sum by (le) (flatline_detection_seconds_count)`:                                "grouped by le",
		`histogram_quantile(0.5, sum by (le) (rate(flatline_detection_seconds_bucket))`: "unbalanced",
		`1`:                           "no metric",
		`flatline_clients{state~"x"}`: "cannot be read",
	} {
		if _, wrong := checkQuery(expr, ""); !strings.Contains(strings.Join(wrong, "; "), want) {
			t.Errorf("%s: %v, want %s", expr, wrong, want)
		}
	}
	if _, wrong := checkQuery(`sum by (fault) (flatline_fault_active)`, "{{group}}"); len(wrong) != 1 {
		t.Errorf("a legend of a label that is gone: %v", wrong)
	}
	if used, wrong := checkQuery(`sum by (fault, le) (flatline_detection_seconds_bucket{instance="x"})`, "{{fault}}"); len(wrong) > 0 || len(used) != 1 {
		t.Errorf("%v, %v", used, wrong)
	}
}
