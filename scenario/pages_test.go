package scenario

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
)

// TestPages keeps the tables of docs/profiles.md and docs/middleboxes.md what the code says; run with -update to write
// them anew, and read the diff.
func TestPages(t *testing.T) {
	for _, page := range []struct {
		path, name string
		make       func() string
	}{
		{"../docs/profiles.md", "profiles", profileTable},
		{"../docs/middleboxes.md", "presets", presetTable},
		{"../docs/middleboxes.md", "survival", survivalTable},
	} {
		text, err := os.ReadFile(page.path)
		if err != nil {
			t.Fatal(err)
		}
		begin, end := "<!-- "+page.name+": begin -->\n", "<!-- "+page.name+": end -->"
		before, rest, ok1 := strings.Cut(string(text), begin)
		have, after, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s has no place for its table %s", page.path, page.name)
		}
		want := page.make()
		if *update {
			if err := os.WriteFile(page.path, []byte(before+begin+want+end+after), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if d := cmp.Diff(have, want); d != "" {
			t.Errorf("%s is not what the code says; go test ./scenario -run Pages -update (-page +code):\n%s", page.path, d)
		}
	}
}

// profileTable compares the clients: detection, beats, and how far each attempt spreads a storm.
func profileTable() string {
	var b strings.Builder
	b.WriteString("| profile | silence noticed after | beats/h | reconnects | mean delay 1 · 4 · 8 | peak share 1 · 4 · 8 |\n")
	b.WriteString("|---|---|---:|---|---|---|\n")
	together := 0
	for _, name := range Profiles() {
		cfg, _, _ := Profile(name)
		bounds := "never"
		if lo, hi, ok := cfg.Bounds(0); ok {
			bounds = chaos.FormatDuration(lo) + " to " + chaos.FormatDuration(hi)
		}
		var means, peaks []string
		most := 1.0
		for _, n := range []int{1, 4, 8} {
			mean, peak := "–", "–"
			if s, ok := cfg.Reconnect.Scatter(n, 100_000, 100*time.Millisecond, 1); ok {
				mean, peak = shortDelay(s.Mean), fmt.Sprintf("%.3f", s.Peak)
				most = min(most, s.Peak)
			}
			means, peaks = append(means, mean), append(peaks, peak)
		}
		if most == 1 {
			together++
		}
		fmt.Fprintf(&b, "| `%s` | %s | %.0f | %s | %s | %s |\n", name, bounds, cfg.BeatsPerHour(), describeReconnect(&cfg.Reconnect),
			strings.Join(means, " · "), strings.Join(peaks, " · "))
	}
	fmt.Fprintf(&b, "\n%d of these %d do not spread at any of the three attempts.\n", together, len(Profiles()))
	return b.String()
}

// shortDelay is a delay with three digits.
func shortDelay(d time.Duration) string {
	switch {
	case d >= 100*time.Second:
		return chaos.FormatDuration(d.Round(time.Second))
	case d >= 10*time.Second:
		return chaos.FormatDuration(d.Round(100 * time.Millisecond))
	case d >= time.Second:
		return chaos.FormatDuration(d.Round(10 * time.Millisecond))
	}
	return chaos.FormatDuration(d.Round(time.Millisecond))
}

func presetTable() string {
	var b strings.Builder
	b.WriteString("| `like` | fault | figures | source |\n|---|---|---|---|\n")
	for _, p := range presets {
		var figures []string
		if p.After > 0 {
			figures = append(figures, "after "+chaos.FormatDuration(p.After))
		}
		figures = append(figures, "how "+string(p.How))
		if p.Grid > 0 {
			figures = append(figures, "grid "+chaos.FormatDuration(p.Grid))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Name, p.Kind, strings.Join(figures, ", "), p.Source)
	}
	return b.String()
}

// survivalTable says which idle clients keep their connection through which box: quiet for less than the box allows.
func survivalTable() string {
	var b strings.Builder
	b.WriteString("| profile | quiet for | cut by |\n|---|---:|---|\n")
	for _, name := range Profiles() {
		cfg, _, _ := Profile(name)
		p := &Plan{Target: Target{Serve: &Serve{}}}
		g := &Group{Config: cfg}
		if written, _ := profileOf(name); written.Server != nil {
			g.Dialect = name
		}
		quiet, ok := p.quiet(g)
		length, cut := "ever", []string{}
		if ok {
			length = chaos.FormatDuration(quiet)
		}
		for _, p := range presets {
			if p.Kind == chaos.IdleCut && (!ok || quiet >= p.After) {
				cut = append(cut, p.Name)
			}
		}
		who := strings.Join(cut, ", ")
		switch {
		case !ok:
			who = "all"
		case who == "":
			who = "–"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, length, who)
	}
	return b.String()
}

// TestPresets: a fault that is like something has its figures, but for those that it writes itself, and its plan tells
// where they are from.
func TestPresets(t *testing.T) {
	for _, p := range Presets() {
		src := fmt.Sprintf("target: {serve: {}}\nclients: [{count: 10, profile: heartcheck}]\nduration: 2m\nchaos: [{at: 10s, fault: %s, like: %s}]\n", p.Kind, p.Name)
		plan := planOf(t, src)
		if f := &plan.Faults[0]; f.After != p.After || f.Mode() != p.How || f.Grid != p.Grid {
			t.Errorf("%s: %v, want %+v", p.Name, f, p)
		}
		if text := plan.String(); !strings.Contains(text, "\n         like "+p.Name+": "+p.Source+"\n") {
			t.Errorf("%s: the plan does not tell its source:\n%s", p.Name, text)
		}
		var back Plan
		if text, err := plan.MarshalJSON(); err != nil || back.UnmarshalJSON(text) != nil || back.String() != plan.String() {
			t.Errorf("%s: the plan reads back as\n%swant\n%s", p.Name, back.String(), plan)
		}
	}
	f := planOf(t, "target: {serve: {}}\nclients: [{count: 10, profile: heartcheck}]\nduration: 2m\nchaos: [{at: 10s, fault: idle-cut, like: azure, how: rst, after: 20s}]\n").Faults[0]
	if f.After != 20*time.Second || f.How != chaos.RST {
		t.Errorf("what the fault writes itself is lost: %v", &f)
	}
}

// TestMiddleboxWarnings: who is quiet for as long as the box allows is warned of it, with the interval that would do.
func TestMiddleboxWarnings(t *testing.T) {
	for _, tc := range []struct{ clients, like, want string }{
		{"profile: mqtt", "nginx", "idle-cut cuts after 60s of quiet, as nginx does, and group clients is quiet for up to 60s: its idle connections will not survive (beat: {interval: 45s})"},
		{"profile: mqtt, beat: {interval: 59s, jitter: 5%}", "alb", "quiet for up to 61.95s"},
		{"profile: mqtt, beat: {interval: 59s}", "alb", ""},
		{"profile: sockette", "carrier-nat", "never breaks the quiet: its idle connections will not survive (beat: {by: client, interval: 3m45s})"},
		{"profile: phoenix", "heroku", ""},
		{"profile: graphql-ws", "nginx", ""}, // its server pings
		{"profile: graphql-ws, dialect: echo", "nginx", "never breaks the quiet"},
		{"profile: pusher", "cloudflare", "quiet for up to 2m"},
	} {
		p := planOf(t, fmt.Sprintf("target: {serve: {}}\nclients: [{count: 10, ramp: 3s, %s}]\nduration: 10m\nchaos: [{at: 3m, fault: idle-cut, like: %s}]\n", tc.clients, tc.like))
		text := ""
		for _, w := range p.Warnings {
			if strings.Contains(w, tc.like) || strings.Contains(w, "quiet") {
				text += w + "\n"
			}
		}
		if !strings.Contains(text, tc.want) || tc.want == "" && text != "" {
			t.Errorf("%s behind %s: %q, want %q", tc.clients, tc.like, text, tc.want)
		}
	}
}
