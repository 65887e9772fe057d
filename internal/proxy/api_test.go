package proxy

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/report"
)

func (w *world) call(api *httptest.Server, method, path, body string, want int) string {
	w.t.Helper()
	req, err := http.NewRequest(method, api.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := api.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.StatusCode != want {
		w.t.Fatalf("%s %s: %d, want %d: %s", method, path, resp.StatusCode, want, text)
	}
	return string(text)
}

func TestAPI(t *testing.T) {
	scenario := []chaos.Fault{{Name: "later", Kind: chaos.Blackhole, At: time.Hour}}
	w := start(t, Config{Scenario: scenario}, server.Config{})
	api := httptest.NewServer(w.proxy.Handler())
	defer api.Close()
	ws := w.dial("/")
	w.echoes(ws, "hello")

	text := w.call(api, "POST", "/v1/faults", `{"fault":"blackhole","for":"10m","clients":"100%"}`, 201)
	var f FaultInfo
	if err := json.Unmarshal([]byte(text), &f); err != nil || f.Name != "blackhole" || f.State != InForce || f.Clients != 1 {
		t.Errorf("started: %s, %v", text, err)
	}
	var conns ConnectionList
	if err := json.Unmarshal([]byte(w.call(api, "GET", "/v1/connections", "", 200)), &conns); err != nil || len(conns.Connections) != 1 || !slices.Equal(conns.Connections[0].Faults, []string{"blackhole"}) {
		t.Errorf("connections: %+v, %v", conns, err)
	}
	for body, want := range map[string]string{
		`{"fault":"blackhole","name":"blackhole"}`: "already",
		`{"fault":"blackhole","for":5}`:            "no unit",
		`{"fault":"stall"}`:                        "cannot",
		`{"fault":"drop","rate":"1%"}`:             "packet",
		`[`:                                        "YAML",
	} {
		if got := w.call(api, "POST", "/v1/faults", body, 400); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %q", body, got, want)
		}
	}
	w.call(api, "DELETE", "/v1/faults/nothing", "", 404)
	if got := w.call(api, "DELETE", "/v1/faults/blackhole", "", 200); !strings.Contains(got, Stopped) {
		t.Errorf("stopped: %s", got)
	}
	w.echoes(ws, "the path is back")
	if got := w.call(api, "POST", "/v1/scenario", "", 200); !strings.Contains(got, `"later"`) || !strings.Contains(got, Waiting) {
		t.Errorf("scenario: %s", got)
	}
	w.call(api, "POST", "/v1/scenario", "", 400)
	if r, err := ReadResult([]byte(w.call(api, "GET", "/v1/stats", "", 200))); err != nil || r.Connections.Open != 1 || len(r.Faults) != 1 {
		t.Errorf("stats: %+v, %v", r, err)
	}
	w.call(api, "POST", "/v1/reset", "", 200)
	if got := w.call(api, "GET", "/v1/faults", "", 200); strings.Contains(got, "later") {
		t.Errorf("after a reset: %s", got)
	}
	w.call(api, "GET", "/v1/nothing", "", 404)
}

// A page that an attacker shows in a browser on this machine reaches nothing.
func TestAPIRefusesStrangers(t *testing.T) {
	w := start(t, Config{}, server.Config{})
	for _, c := range []struct {
		name string
		mend func(r *http.Request)
		want int
	}{
		{"localhost", func(r *http.Request) { r.Host = "localhost:1" }, 200},
		{"IPv6", func(r *http.Request) { r.Host = "[::1]:1" }, 200},
		{"a rebound name", func(r *http.Request) { r.Host = "evil.example" }, 403},
		{"an address elsewhere", func(r *http.Request) { r.Host = "10.0.0.1:80" }, 403},
		{"a page's fetch", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }, 403},
		{"a form", func(r *http.Request) {
			r.Method, r.URL.Path = "POST", "/v1/faults"
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), 2
			r.Header.Set("Content-Type", "text/plain")
		}, 415},
	} {
		req := httptest.NewRequest("GET", "/v1/status", nil)
		req.Host = "127.0.0.1:1"
		c.mend(req)
		rec := httptest.NewRecorder()
		w.proxy.Handler().ServeHTTP(rec, req)
		if rec.Code != c.want {
			t.Errorf("%s: %d, want %d", c.name, rec.Code, c.want)
		}
	}
}

// schema is what the OpenAPI file says of a value.
type schema struct {
	Ref        string            `yaml:"$ref"`
	Type       any               `yaml:"type"`
	Properties map[string]schema `yaml:"properties"`
	Items      *schema           `yaml:"items"`
	Values     any               `yaml:"additionalProperties"`
}

type openAPI struct {
	Paths map[string]map[string]struct {
		Summary     string `yaml:"summary"`
		RequestBody any    `yaml:"requestBody"`
		Responses   map[string]struct {
			Content map[string]struct {
				Schema schema `yaml:"schema"`
			} `yaml:"content"`
		} `yaml:"responses"`
	} `yaml:"paths"`
	Components struct {
		Schemas map[string]schema `yaml:"schemas"`
	} `yaml:"components"`
}

// The OpenAPI file has every route and every field, and no other.
func TestOpenAPI(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "proxy.openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc openAPI
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, r := range routes {
		want = append(want, r.method+" "+r.path)
		op := doc.Paths[r.path][strings.ToLower(r.method)]
		answer, ok := op.Responses[itoa(r.status)]
		if !ok || op.Summary == "" {
			t.Errorf("%s %s: no summary, or no answer %d", r.method, r.path, r.status)
			continue
		}
		compare(t, &doc, r.method+" "+r.path, answer.Content["application/json"].Schema, reflect.TypeOf(r.answer))
	}
	for path, ops := range doc.Paths {
		for method := range ops {
			got = append(got, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-served +documented):\n%s", diff)
	}
	compare(t, &doc, "refused", schema{Ref: "#/components/schemas/Problem"}, reflect.TypeOf(Problem{}))
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// compare walks a Go type and a schema side by side.
func compare(t *testing.T, doc *openAPI, at string, s schema, v reflect.Type) {
	t.Helper()
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		if s, ok = doc.Components.Schemas[name]; !ok {
			t.Errorf("%s: no schema %s", at, name)
			return
		}
	}
	want := ""
	switch {
	case v == reflect.TypeOf(&report.Hist{}), v == reflect.TypeOf(time.Time{}), v.Kind() == reflect.String, v == reflect.TypeOf([]byte(nil)):
		want = "string"
	case v == reflect.TypeOf(json.RawMessage(nil)):
		want = "object"
	case v.Kind() == reflect.Pointer: // may be left out
		compare(t, doc, at, s, v.Elem())
		return
	case v.Kind() == reflect.Bool:
		want = "boolean"
	case v.Kind() == reflect.Float64:
		want = "number"
	case v.Kind() == reflect.Slice:
		want = "array"
		if s.Items == nil {
			t.Errorf("%s: a list without items", at)
			return
		}
		compare(t, doc, at+"[]", *s.Items, v.Elem())
	case v.Kind() == reflect.Map:
		want = "object"
		if s.Values == nil {
			t.Errorf("%s: a map without additionalProperties", at)
		}
	case v.Kind() == reflect.Struct:
		want = "object"
		seen := map[string]bool{}
		for _, f := range reflect.VisibleFields(v) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			seen[name] = true
			p, ok := s.Properties[name]
			if !ok {
				t.Errorf("%s: field %s is not documented", at, name)
				continue
			}
			compare(t, doc, at+"."+name, p, f.Type)
		}
		for name := range s.Properties {
			if !seen[name] {
				t.Errorf("%s: field %s is documented and does not exist", at, name)
			}
		}
	default:
		want = "integer"
	}
	if s.Type != want {
		t.Errorf("%s: type %v, want %s", at, s.Type, want)
	}
}
