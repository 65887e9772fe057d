package report

import (
	"bytes"
	"os"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestSummarySchemaIsCurrent(t *testing.T) {
	got := SummarySchema()
	if *update {
		if err := os.WriteFile("summary.schema.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("summary.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("summary.schema.json is not what the types say; go test ./report -run Schema -update (-file +types):\n%s", d)
	}
}

func summaryValidator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(SummarySchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("summary.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("summary.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJSONFollowsItsSchema(t *testing.T) {
	schema := summaryValidator(t)
	for name, make := range corpus {
		text := render(t, "json", make(t))
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := string(render(t, "json", fullRun(t)))
	for _, change := range [][2]string{
		{`"version": 1`, `"version": 2`}, {`"format": "flatline.summary"`, `"format": "flatline.result"`}, {`"seed": 1`, `"seed": "one"`},
		{`"metric":`, `"metrik":`}, {`"value":null`, `"value":"never"`}, {`"faults": [`, `"fault": [`}, {`"began_s":10`, `"began_s":"10 s"`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s is not in the summary", change[0])
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(bad))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(doc) == nil {
			t.Errorf("accepted %s", change[1])
		}
	}
}

// TestContractIsWritten: docs/formats.md names every member of the summary.
func TestContractIsWritten(t *testing.T) {
	doc, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(SummarySchema()), "\n") {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), ": ")
		name = strings.Trim(name, `"`)
		if !ok || rest != "{" || name == "properties" || name == "items" || strings.HasPrefix(name, "$") {
			continue
		}
		if !strings.Contains(string(doc), "`"+name+"`") {
			t.Errorf("docs/formats.md does not say what %q is", name)
		}
	}
	for _, f := range Renderers {
		if !strings.Contains(string(doc), "## "+f.Name+"\n") {
			t.Errorf("docs/formats.md has no section on %s", f.Name)
		}
	}
}
