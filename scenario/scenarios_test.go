package scenario

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// scenarioFiles are the ready scenarios of the repository.
func scenarioFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil || len(files) < 9 {
		t.Fatalf("found %d scenarios (%v), want at least 9", len(files), err)
	}
	return files
}

func plan(t testing.TB, path string) *Plan {
	t.Helper()
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestReadyScenarios(t *testing.T) {
	warned := map[string][]string{
		// The warning is the point of the scenario.
		"never-detects": {"never notices silence"},
		"flapping-link": {"too short for group patient", "#2 begins", "#3 begins", "#4 begins", "#5 begins", "#6 begins"},
		"silent-nat":    {"cuts after 20s of quiet, and group chatty beats every 3s"},
	}
	for _, path := range scenarioFiles(t) {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		t.Run(name, func(t *testing.T) {
			p := plan(t, path)
			if p.Name != name {
				t.Errorf("name %q does not match the file", p.Name)
			}
			if p.Intent == "" {
				t.Error("it does not open with its intent")
			}
			if p.Duration < 30*time.Second || p.Duration > 2*time.Minute {
				t.Errorf("it runs for %s, want 30s to 2m", p.Duration)
			}
			if p.Clients < 1000 || p.Clients > 5000 {
				t.Errorf("%d clients, want 1000 to 5000", p.Clients)
			}
			if len(p.Expect) == 0 || len(p.Schedule) == 0 {
				t.Errorf("%d expectations, %d occurrences: want both", len(p.Expect), len(p.Schedule))
			}
			for _, w := range p.Warnings {
				if !slices.ContainsFunc(warned[name], func(known string) bool { return strings.Contains(w, known) }) {
					t.Errorf("unexpected warning: %s", w)
				}
			}
			if len(p.Warnings) != len(warned[name]) {
				t.Errorf("%d warnings, want %d: %q", len(p.Warnings), len(warned[name]), p.Warnings)
			}
			for occ := range p.Schedule {
				if p.Victims(occ).Len() == 0 {
					t.Errorf("occurrence %s hits nobody", p.Schedule[occ].Name)
				}
			}
		})
	}
}

// planOptions compare plans by what they run.
var planOptions = cmp.Options{
	cmpopts.IgnoreUnexported(Plan{}, Group{}), cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b *regexp.Regexp) bool {
		return (a == nil) == (b == nil) && (a == nil || a.String() == b.String())
	}),
}

func TestPlanTravelsAsJSON(t *testing.T) {
	for _, path := range append(scenarioFiles(t), "testdata/good/everything.yaml") {
		p := plan(t, path)
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q Plan
		if err := json.Unmarshal(text, &q); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		ignore := cmp.FilterPath(func(p cmp.Path) bool {
			return p.String() == "Expect.Text" || p.String() == "Expect.Line"
		}, cmp.Ignore())
		if diff := cmp.Diff(p, &q, planOptions, ignore); diff != "" {
			t.Errorf("%s: the plan changed on the way (-before +after):\n%s", path, diff)
		}
		if p.Hash() != q.Hash() {
			t.Errorf("%s: hash %s became %s", path, p.Hash(), q.Hash())
		}
		for occ := range p.Schedule {
			if !slices.Equal(slices.Collect(p.Victims(occ).All), slices.Collect(q.Victims(occ).All)) {
				t.Errorf("%s: other victims in occurrence %d", path, occ)
			}
		}
	}
}

func TestHash(t *testing.T) {
	src, err := os.ReadFile("../scenarios/quickstart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	hash := func(text string) string {
		t.Helper()
		f, err := Parse("x.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.Plan()
		if err != nil {
			t.Fatal(err)
		}
		return p.Hash()
	}
	original := hash(string(src))
	for _, same := range []string{
		"# another comment\n" + string(src),
		strings.Replace(string(src), "duration: 30s", "duration: 30000ms", 1),
		strings.Replace(string(src), "serve: {}", "serve: {reply: echo}", 1),
		string(src) + "seed: 1\n",
	} {
		if hash(same) != original {
			t.Errorf("the hash depends on the spelling:\n%s", same)
		}
	}
	for _, other := range []string{
		string(src) + "seed: 2\n",
		strings.Replace(string(src), "duration: 30s", "duration: 31s", 1),
		strings.Replace(string(src), "how: rst", "how: fin", 1),
		strings.Replace(string(src), "timeout: 2s\n", "timeout: 3s\n", 1),
	} {
		if hash(other) == original {
			t.Errorf("the hash does not see the change:\n%s", other)
		}
	}
}
