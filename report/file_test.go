package report

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestFileRoundTrip(t *testing.T) {
	p, ev := randomRun(rand.New(rand.NewPCG(11, 12)))
	r := record(p, ev, func(int) bool { return true })
	path := filepath.Join(t.TempDir(), "result.json")
	if err := r.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if err := WriteText(&a, r, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := WriteText(&b, got, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(a.String(), b.String()); d != "" {
		t.Error(d)
	}
	if err := got.WriteFile(path); err != nil { // over itself
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestWriteFileFails(t *testing.T) {
	r := newHistory(t, plan(sec(10), nil, browsers(1))).end()
	dir := t.TempDir()
	if err := r.WriteFile(filepath.Join(dir, "nowhere", "x.json")); err == nil || !strings.Contains(err.Error(), "write result") {
		t.Errorf("missing directory: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "taken", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteFile(filepath.Join(dir, "taken")); err == nil {
		t.Error("a directory was replaced")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestReadRefuses(t *testing.T) {
	good, err := json.Marshal(newHistory(t, plan(sec(10), nil, browsers(1))).end())
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) string {
		s := strings.Replace(string(good), old, new, 1)
		if s == string(good) {
			t.Fatalf("%s is not in the file", old)
		}
		return s
	}
	for _, c := range []struct{ name, text, want string }{
		{"empty", " \n", "empty"},
		{"garbage", "\x00\xff garbage", "not a flatline result"},
		{"other json", `{"a": 1}`, "not a flatline result"},
		{"list", `[1, 2]`, "not a flatline result: it is no JSON object"},
		{"later version", change(`"version":1`, `"version":2`), "version 2"},
		{"no version", change(`"version":1`, `"version":"1"`), "version"},
		{"cut off", string(good[:len(good)/2]), "cut short"},
		{"unknown key", change(`"tool":`, `"tools":`), "unknown field"},
		{"groups that do not fit", change(`"groups":[{"name"`, `"groups":[{"name":"x"},{"name"`), "group"},
		{"time out of range", change(`"elapsed":10000000000`, `"elapsed":9000000000000000000`), "out of range"},
		{"unequal columns", change(`"attempts":[0,`, `"attempts":[0,0,`), "columns"},
		{"negative time", change(`"elapsed":10000000000`, `"elapsed":-7`), "out of range"},
	} {
		if _, err := ReadResult(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file was read")
	}
}

// Whatever ReadResult accepts can be judged, rendered, merged and written again.
func FuzzReadResult(f *testing.F) {
	p, ev := randomRun(rand.New(rand.NewPCG(1, 1)))
	r := record(p, ev, func(id int) bool { return id < 2 })
	r.Segments = r.Segments[:3]
	b, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":"flatline.result","version":1}`))
	f.Add([]byte(`{"format":"flatline.result","version":1,"occurrences":[{"groups":[{}]}]}`))
	f.Add([]byte(`{"format":"flatline.result","version":1,"plan":{"groups":[{"name":"\u001b[31m"}]},"groups":[{"open":"eJwBAAD//wAAAAE="}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		r, err := ReadResult(bytes.NewReader(data))
		if err != nil {
			return
		}
		r.Judge()
		var out bytes.Buffer
		if err := WriteText(&out, r, TextOptions{ASCII: true}); err != nil {
			t.Fatal(err)
		}
		if i := bytes.IndexFunc(out.Bytes(), func(c rune) bool { return c < ' ' && c != '\n' }); i >= 0 {
			t.Fatalf("control character in the report: %q", out.Bytes()[i:min(i+20, out.Len())])
		}
		if _, err := Merge(r, r); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadResult(bytes.NewReader(b)); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
	})
}
