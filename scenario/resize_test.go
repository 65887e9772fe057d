package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const resizeText = `
target: {serve: {}}
clients:
  - {group: a, count: 600, ramp: 100/s, profile: heartcheck}
  - {group: b, count: 300, ramp: 2s, profile: heartcheck}
chaos:
  - {at: 10s, for: 5s, fault: blackhole, clients: 90 of a}
  - {at: 20s, fault: kill, how: rst, clients: 33%}
duration: 40s
expect:
  - clients.open == 900
  - clients.min_open >= 299 in b
  - detection.p99 < 9s
  - detection.count == 90
  - storm.peak < 500/s
  - storm.peak > 10/s
  - target.rss < 100MiB
  - false_positives == 0
  - heartbeat.sent > 100
`

func parsed(t *testing.T, text string) *File {
	t.Helper()
	f, err := Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestResize(t *testing.T) {
	f := parsed(t, resizeText)
	s, err := f.Resize(1801)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		A, B         int
		RampA, RampB time.Duration
		At           []time.Duration
		Duration     time.Duration
		Hit          int
		Shifted      time.Duration
	}
	// a takes 12.01 s at 100/s where it took 6 s, and everything after it is 6.01 s later.
	want := row{1201, 600, 12010 * time.Millisecond, 2 * time.Second, []time.Duration{16010 * time.Millisecond, 26010 * time.Millisecond},
		46010 * time.Millisecond, 180, 6010 * time.Millisecond}
	got := row{p.Groups[0].Count, p.Groups[1].Count, p.Groups[0].Ramp, p.Groups[1].Ramp, []time.Duration{p.Faults[0].At, p.Faults[1].At},
		p.Duration, p.Faults[0].Clients.Count, s.Shifted}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	var lines []string
	for _, e := range p.Expect {
		lines = append(lines, e.String())
	}
	if d := cmp.Diff([]string{"clients.open == 1801", "clients.min_open >= 598 in b", "detection.p99 < 9s", "storm.peak < 500/s",
		"target.rss < 100MiB", "false_positives == 0"}, lines); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"detection.count == 90", "storm.peak > 10/s", "heartbeat.sent > 100"}, s.Aside); d != "" {
		t.Error(d)
	}
	if f.Clients[0].Count != 600 || time.Duration(*f.Chaos.Faults[0].At) != 10*time.Second || f.Chaos.Faults[0].Clients.Count != 90 || len(f.Expect) != 9 {
		t.Error("the scenario itself has changed")
	}
}

// Fewer clients never move a fault forward.
func TestResizeDown(t *testing.T) {
	s, err := parsed(t, resizeText).Resize(9)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if p.Clients != 9 || p.Faults[0].At != 10*time.Second || p.Duration != 40*time.Second || s.Shifted != 0 || p.Faults[0].Clients.Count != 1 {
		t.Errorf("%+v", p.Faults)
	}
}

func TestResizeErrors(t *testing.T) {
	f := parsed(t, strings.Replace(resizeText, "33%", "1%", 1))
	for _, tt := range []struct {
		n    int
		want string
	}{{1, "1 clients are too few for 2 groups"}, {0, "0 clients are too few"}, {2, "nobody"}, {2_000_000, "too many"}} {
		if _, err := f.Resize(tt.n); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%d: %v, want %q", tt.n, err, tt.want)
		}
	}
}

// Resized to its own size, every ready scenario is the plan that it was, but for the expectations that are left out.
func TestResizeToItself(t *testing.T) {
	files, err := filepath.Glob("../scenarios/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := parsed(t, string(text))
		was, err := f.Plan()
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.Resize(was.Clients)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		is, err := s.Plan()
		if err != nil {
			t.Fatal(err)
		}
		if len(is.Expect)+len(s.Aside) != len(was.Expect) {
			t.Errorf("%s: %d expectations and %d aside, of %d", path, len(is.Expect), len(s.Aside), len(was.Expect))
		}
		was.Expect, is.Expect = nil, nil
		if was.Hash() != is.Hash() {
			t.Errorf("%s: another plan:\n%s", path, cmp.Diff(was.String(), is.String()))
		}
	}
}
