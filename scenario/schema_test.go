package scenario

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite schema.json and the goldens; read the diff")

func TestSchemaIsCurrent(t *testing.T) {
	got := Schema()
	if *update {
		if err := os.WriteFile("schema.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("schema.json is not what the types say; go test ./scenario -run Schema -update (-file +types):\n%s", diff)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("scenario.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("scenario.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func asJSON(t *testing.T, src []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(src, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaAcceptsWhatTheParserAccepts(t *testing.T) {
	s := compiled(t)
	files := scenarioFiles(t)
	more, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(more) == 0 {
		t.Fatalf("testdata/good: %d files, %v", len(more), err)
	}
	for _, path := range append(files, more...) {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(asJSON(t, src)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		p := plan(t, path)
		canonical, err := marshal(encode(asValue(p.canonical())))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(asJSON(t, canonical)); err != nil {
			t.Errorf("%s, resolved: %v", path, err)
		}
	}
}

func TestSchemaRejects(t *testing.T) {
	s := compiled(t)
	good := "target: {serve: {}}\nclients: [{count: 10, profile: heartcheck}]\nchaos: [{at: 10s, for: 9s, fault: blackhole}]\nduration: 60s\n"
	if err := s.Validate(asJSON(t, []byte(good))); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"duration: 60s", "duration: 60"},
		{"duration: 60s", "duraton: 60s"},
		{"count: 10", "count: ten"},
		{"count: 10", "count: 0"},
		{"count: 10, ", ""},
		{"fault: blackhole", "fault: blackhol"},
		{"fault: blackhole", "fault: blackhole, direction: left"},
		{"at: 10s, ", ""},
		{"profile: heartcheck", "profile: heartcheck, beat: {after: lunch}"},
		{"profile: heartcheck", "profile: heartcheck, notice: {prefix: a, contains: b}"},
		{"target: {serve: {}}\n", ""},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%q is not in the good file", change[0])
		}
		if err := s.Validate(asJSON(t, []byte(bad))); err == nil {
			t.Errorf("accepted %q instead of %q", change[1], change[0])
		}
		if _, err := Parse("x.yaml", []byte(bad)); err == nil {
			t.Errorf("the parser accepted %q instead of %q", change[1], change[0])
		}
	}
}
