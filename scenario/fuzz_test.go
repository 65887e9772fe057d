package scenario

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse: nothing makes the parser panic, and what it accepts can be planned, printed, and read back as the same plan.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"../scenarios/*.yaml", "testdata/good/*.yaml", "testdata/errors/*.yaml", "profiles/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, path := range files {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("target: {serve: {}}\nclients: [&g {count: 1, beat: {interval: 1ms}, timeout: 1ns}]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := Parse("fuzz.yaml", src)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without a text")
			}
			return
		}
		p, err := file.Plan()
		if err != nil {
			t.Fatalf("accepted, but no plan: %v", err)
		}
		if p.String() == "" || p.Resources().Descriptors < p.Clients {
			t.Fatal("no plan to print, or no resources")
		}
		for occ := range min(3, len(p.Schedule)) {
			if p.Victims(occ).Len() == 0 {
				t.Fatalf("%s hits nobody", p.Schedule[occ].Name)
			}
		}
		if p.Clients > 0 {
			p.ClientHeaders(p.Clients - 1)
			if p.Target.URL != "" {
				if _, err := p.ClientURL(p.Target.URL, p.Clients-1); err != nil {
					t.Fatalf("a client without an address: %v", err)
				}
			}
		}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q Plan
		if err := json.Unmarshal(text, &q); err != nil {
			t.Fatalf("the plan does not read back: %v\n%s", err, text)
		}
		if p.Hash() != q.Hash() {
			t.Fatalf("another plan came back:\n%s", cmp.Diff(p, &q, planOptions))
		}
	})
}

// FuzzExpect: what parses prints, and what is printed parses back to the same.
func FuzzExpect(f *testing.F) {
	for _, text := range []string{
		"detection.p99 < 8.1s", "storm.peak<1500/s", "mistakes.accuracy >= 99.9%", "target.rss <= 64 MiB",
		"detection.count == 0 by close frame in a during kill#2", "recovery.p95 < 1m30s during recovery",
		"target.cpu < 0.1", "connect.failed == 0 by tls during baseline", "harness.lag.max < 1ns",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseExpect(text)
		if err != nil {
			if x, ok := err.(*ExpectError); !ok || x.Column < 1 || x.Column > len([]rune(text))+1 || x.Message == "" {
				t.Fatalf("%q: a bad error: %#v", text, err)
			}
			return
		}
		again, err := ParseExpect(e.String())
		if err != nil {
			t.Fatalf("%q prints %q: %v", text, e, err)
		}
		e.Text, again.Text = "", ""
		if e != again {
			t.Fatalf("%q: %+v prints %q, which is %+v", text, e, e, again)
		}
	})
}
