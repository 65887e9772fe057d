package scenario

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDurationsOfATuneSection(t *testing.T) {
	for text, want := range map[string]string{
		"3s":                "3s",
		"1s..10s":           "1s 1.5s 2s 3s 5s 7s 10s",
		"800ms..3s":         "800ms 1s 1.5s 2s 3s",
		"40ms..200ms":       "40ms 50ms 70ms 100ms 150ms 200ms",
		"1s..1s":            "1s",
		"1s..5s by 1500ms":  "1s 2.5s 4s",
		"20s..2h":           "20s 30s 50s 60s 90s 2m 3m 5m 7m 10m 15m 20m 30m 50m 1h 1h30m 2h",
		"2s..3s by 500ms":   "2s 2.5s 3s",
		"90s..10m":          "90s 2m 3m 5m 7m 10m",
		"1ns..3ns":          "1ns 3ns",
		"5s..1s":            "! is no range",
		"0s..1s":            "! is no range",
		"1s..2s by 0s":      "! too many steps",
		"1s..100h by 1ms":   "! too many steps",
		"1s.. ":             "! ",
		"1s..2s by nothing": "! ",
	} {
		got, err := parseDurations(text)
		if what, bad := strings.CutPrefix(want, "! "); bad {
			if err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("%q: %v, want an error with %q", text, err, what)
			}
			continue
		}
		var words []string
		for _, d := range got {
			words = append(words, Duration(d).String())
		}
		if err != nil || strings.Join(words, " ") != want {
			t.Errorf("%q: %v (%v), want %s", text, words, err, want)
		}
	}
}

const tuned = `
target: {serve: {}}
clients:
  - {group: a, count: 10, profile: heartcheck}
  - {group: b, count: 10, profile: ping-pong}
chaos: [{at: 5s, fault: kill}]
duration: 60s
tune:
  group: b
  interval: [2s, 10s]
  misses: [1, 2]
  reconnect: [{kind: fixed, delay: 4s}]
`

func TestSettings(t *testing.T) {
	f, err := Parse("t.yaml", []byte(tuned))
	if err != nil {
		t.Fatal(err)
	}
	all, err := f.Settings(f.Tune)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range all {
		s := &all[i]
		got = append(got, strings.Join([]string{Duration(s.Interval).String(), Duration(s.Timeout).String(), s.Policy()}, " "))
	}
	want := []string{
		"10s 5s exponential 1s to 30s, full jitter", // the group's own
		"2s 5s fixed 4s", "10s 5s fixed 4s", "2s 5s fixed 4s", "10s 5s fixed 4s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// What a policy does not write is no leftover of the profile's delays; the lock and the reset stay.
	plan := func(s *Setting) *Plan {
		t.Helper()
		with, err := f.With(f.Tune, s)
		if err != nil {
			t.Fatal(err)
		}
		p, err := with.Plan()
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan(&all[1])
	r := p.Groups[1].Config.Reconnect
	if r.Cap != 0 || r.Jitter != 0 || r.ResetAfter != 5*time.Second || !r.Lock {
		t.Errorf("reconnect %+v", r)
	}
	if a := p.Groups[0].Config; a.Beat.Interval != 3*time.Second {
		t.Errorf("the other group changed: %+v", a)
	}
	base, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if now := plan(&all[0]); now.Hash() != base.Hash() {
		t.Error("the scenario with its own setting is another plan")
	}
	// What is printed to be pasted makes the same client.
	pasted, err := Parse("t.yaml", []byte(strings.Replace(tuned, "profile: ping-pong}", "profile: ping-pong, "+strings.ReplaceAll(strings.TrimSpace(all[1].YAML()), "\n", ", ")+"}", 1)))
	if err != nil {
		t.Fatal(err)
	}
	q, err := pasted.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if q.Hash() != p.Hash() {
		t.Errorf("pasting\n%sgives another plan", all[1].YAML())
	}
}

func TestSettingsAroundTheCurrentOne(t *testing.T) {
	f, err := Parse("t.yaml", []byte(strings.Split(tuned, "tune:")[0]))
	if err != nil {
		t.Fatal(err)
	}
	all, err := f.Settings(&FileTune{Group: "a"})
	if err != nil {
		t.Fatal(err)
	}
	// 7 intervals, 7 timeouts, 3 misses, and 6 policies: heartcheck's own is fixed 4 s.
	if len(all) != 7*7*3*6 {
		t.Errorf("%d settings", len(all))
	}
	for i := range all {
		with, err := f.With(&FileTune{Group: "a"}, &all[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := with.Plan(); err != nil {
			t.Fatalf("%+v: %v", all[i], err)
		}
	}
}
