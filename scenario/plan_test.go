package scenario

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

func planOf(t testing.TB, src string) *Plan {
	t.Helper()
	f, err := Parse("x.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const small = "target: {serve: {}}\nclients: [{count: 1000, profile: heartcheck}]\n"

func TestDefaults(t *testing.T) {
	p := planOf(t, small+"chaos: [{at: 10s, for: 9s, fault: blackhole}]\n")
	if p.Name != "x" || p.Seed != DefaultSeed || p.Engine != "auto" || p.Target.Ready != DefaultReady {
		t.Errorf("name %q, seed %d, engine %q, ready %s", p.Name, p.Seed, p.Engine, p.Target.Ready)
	}
	g := p.Groups[0]
	if g.Name != "clients" || g.Ramp != 3*time.Second || g.Sources != nil {
		t.Errorf("group %q, ramp %s, sources %v: want clients, one beat interval, the kernel's choice", g.Name, g.Ramp, g.Sources)
	}
	// last fault's end 19 s + detection bound 8 s + reconnect delay 4 s + slack 10 s, rounded up past the second
	if want := 42 * time.Second; p.Duration != want {
		t.Errorf("duration %s, want %s", p.Duration, want)
	}
}

func TestOverridesAreLaidOverTheProfile(t *testing.T) {
	base, _, err := Profile("heartcheck")
	if err != nil {
		t.Fatal(err)
	}
	p := planOf(t, "target: {serve: {}}\nclients: [{count: 1, profile: heartcheck, beat: {interval: 1s}, misses: 2, reconnect: {jitter: full}, close: {wait: 60s}}]\n")
	want := base
	want.Beat.Interval, want.Misses, want.Reconnect.Jitter, want.Close.Wait = time.Second, 2, heartbeat.Full, time.Minute
	if diff := cmp.Diff(want, p.Groups[0].Config); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	again, _, _ := Profile("heartcheck")
	if diff := cmp.Diff(base, again); diff != "" {
		t.Errorf("the profile itself has changed:\n%s", diff)
	}
}

// The tuning that a plan writes is the config it came from, for every field.
func TestTuningOfIsTheInverse(t *testing.T) {
	for _, path := range append(scenarioFiles(t), "testdata/good/everything.yaml") {
		for _, g := range plan(t, path).Groups {
			w := tuningOf(&g.Config)
			if diff := cmp.Diff(g.Config, w.config(), planOptions); diff != "" {
				t.Errorf("%s, %s:\n%s", path, g.Name, diff)
			}
		}
	}
}

func TestSchedule(t *testing.T) {
	s := time.Second
	faults := []chaos.Fault{
		{Name: "dark", Kind: chaos.Blackhole, At: 10 * s, For: 4 * s, Every: 20 * s, Times: 3},
		{Name: "kill", Kind: chaos.Kill, At: 10 * s, Every: 25 * s}, // as often as fits: 10, 35
		{Name: "nat", Kind: chaos.IdleCut, At: 5 * s},               // nothing ends it
		{Name: "late", Kind: chaos.Stall, At: 55 * s, For: 30 * s},  // outlasts the run
	}
	type row struct {
		Name    string
		At, End time.Duration
		Nth     int
	}
	var got []row
	for i, o := range schedule(faults, 60*s) {
		if o.Index != i {
			t.Errorf("occurrence %d has index %d", i, o.Index)
		}
		got = append(got, row{o.Name, o.At, o.End, o.Nth})
	}
	want := []row{
		{"nat", 5 * s, 60 * s, 0}, {"dark", 10 * s, 14 * s, 0}, {"kill", 10 * s, 10 * s, 0}, {"dark#2", 30 * s, 34 * s, 1},
		{"kill#2", 35 * s, 35 * s, 1}, {"dark#3", 50 * s, 54 * s, 2}, {"late", 55 * s, 60 * s, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSelected(t *testing.T) {
	for _, tt := range []struct {
		percent  float64
		count    int
		n, wants int
	}{
		{33, 0, 3000, 990}, {50, 0, 5, 3}, {50, 0, 3, 2}, {0.1, 0, 100, 0}, {100, 0, 7, 7}, {0, 500, 3000, 500}, {0, 0, 9, 9}, {10, 0, 5, 1},
	} {
		if got := selected(chaos.Selector{Percent: tt.percent, Count: tt.count}, tt.n); got != tt.wants {
			t.Errorf("%v%% or %d of %d: %d, want %d", tt.percent, tt.count, tt.n, got, tt.wants)
		}
	}
}

func TestVictims(t *testing.T) {
	const src = "target: {serve: {}}\nclients:\n  - {group: a, count: 400, profile: heartcheck}\n  - {group: b, count: 600, profile: heartcheck}\n" +
		"chaos:\n  - {at: 10s, for: 1s, every: 10s, times: 2, fault: blackhole, clients: 33% of b}\n  - {at: 50s, fault: kill, clients: a}\n"
	p, same, other := planOf(t, src), planOf(t, src), planOf(t, src+"seed: 2\n")
	list := func(p *Plan, occ int) []int { return slices.Collect(p.Victims(occ).All) }
	first, second := list(p, 0), list(p, 1)
	if len(first) != 198 || first[0] < 400 || first[197] >= 1000 {
		t.Errorf("33%% of b: %d victims from %d to %d", len(first), first[0], first[len(first)-1])
	}
	if slices.Equal(first, second) {
		t.Error("the second happening hits the same clients")
	}
	if !slices.Equal(first, list(same, 0)) || !slices.Equal(second, list(same, 1)) {
		t.Error("the same seed hits other clients")
	}
	if slices.Equal(first, list(other, 0)) {
		t.Error("another seed hits the same clients")
	}
	if a := list(p, 2); len(a) != 400 || a[0] != 0 || a[399] != 399 {
		t.Errorf("group a: %d victims", len(a))
	}
	copied := Plan{Seed: p.Seed, Groups: p.Groups, Clients: p.Clients, Faults: p.Faults, Schedule: p.Schedule}
	if !slices.Equal(first, list(&copied, 0)) {
		t.Error("a plan without its cache draws other clients")
	}
	// Every client is as likely as any other: over 400 seeds each of 60 clients is hit 132 times on average, with a
	// standard deviation of sqrt(400 x 0.33 x 0.67) = 9.4; six of them are 57.
	hits := make([]int, 60)
	for seed := range uint64(400) {
		q := Plan{Seed: seed, Clients: 60, Faults: []chaos.Fault{{Clients: chaos.Selector{Percent: 33}}}, Schedule: []chaos.Occurrence{{}}}
		q.Victims(0).All(func(i int) bool { hits[i]++; return true })
	}
	for i, n := range hits {
		if math.Abs(float64(n)-400*20/60.0) > 57 {
			t.Errorf("client %d was hit %d times of 400", i, n)
		}
	}
}

func TestRequestTemplates(t *testing.T) {
	p := planOf(t, "seed: 9\ntarget: {url: 'ws://127.0.0.1:80/base?k={{.Group}}'}\nclients:\n"+
		"  - {group: a, count: 2, profile: heartcheck}\n"+
		"  - {group: b, count: 2, profile: heartcheck, path: '/room/{{.Client}}-{{ .Index }}', headers: {X-Seed: '{{.Seed}}', Plain: x}}\n"+
		"  - {group: c, count: 1, profile: heartcheck, path: 'more'}\n"+
		"  - {group: d, count: 1, profile: heartcheck, path: '?id={{.Client}}'}\n")
	for client, want := range map[int]string{
		1: "ws://127.0.0.1:80/base?k=a",
		3: "ws://127.0.0.1:80/room/3-1",
		4: "ws://127.0.0.1:80/base/more?k=c",
		5: "ws://127.0.0.1:80/base?id=5",
	} {
		if got, err := p.ClientURL(p.Target.URL, client); err != nil || got != want {
			t.Errorf("client %d dials %q (%v), want %q", client, got, err, want)
		}
	}
	if h := p.ClientHeaders(3); h.Get("X-Seed") != "9" || h.Get("Plain") != "x" {
		t.Errorf("headers %v", h)
	}
	if h := p.ClientHeaders(0); h != nil {
		t.Errorf("headers %v for a group without", h)
	}
}

func TestSourcesAuto(t *testing.T) {
	const src = "target: {url: 'ws://%/'}\nclients: [{count: 30000, profile: heartcheck}]\n"
	p := planOf(t, strings.Replace(src, "%", "127.0.0.1:8080", 1))
	var want []string
	if runtime.GOOS == "linux" {
		want = []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}
	}
	if !slices.Equal(p.Groups[0].Sources, want) {
		t.Errorf("sources %v, want %v", p.Groups[0].Sources, want)
	}
	if runtime.GOOS == "linux" && p.ClientSource(4) != "127.0.0.2" {
		t.Errorf("client 4 connects from %q", p.ClientSource(4))
	}
	if far := planOf(t, strings.Replace(src, "%", "192.0.2.1:8080", 1)); far.Groups[0].Sources != nil {
		t.Errorf("sources %v for a target that is not on this machine", far.Groups[0].Sources)
	}
}

func TestPrintOneClient(t *testing.T) {
	text := planOf(t, "target: {serve: {}}\nclients: [{group: a, count: 1, profile: heartcheck}]\nduration: 10s\n").String()
	if !strings.Contains(text, ": 1 client, 10s, ") || !strings.Contains(text, "group    a: 1 client, profile") {
		t.Error(text)
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{small + "chaos: [{at: 10s, for: 6s, fault: stall}]\n", "some of group clients will heal before they notice"},
		{small + "chaos: [{at: 10s, for: 4s, fault: blackhole}]\n", "too short for group clients"},
		{small + "chaos: [{at: 10s, for: 20s, fault: blackhole}, {at: 32s, for: 20s, fault: stall}]\n", "still be on their way back from blackhole (until 34s)"},
		{small + "chaos: [{at: 1s, fault: kill}]\n", "there is no baseline"},
		{small + "chaos: [{at: 10s, fault: blackhole}]\nduration: 60s\n", "blackhole lasts until the end of the run"},
		{small + "chaos: [{at: 10s, for: 20s, fault: blackhole}]\nduration: 31s\n", "the run ends at 31s"},
		{strings.Replace(small, "profile: heartcheck", "profile: heartcheck, ramp: 5s", 1) + "chaos: [{at: 10s, for: 20s, fault: blackhole}]\n", "(ramp: 6s)"},
		{strings.Replace(small, "profile: heartcheck", "profile: heartcheck-counted-as-published", 1) + "chaos: [{at: 10s, for: 20s, fault: blackhole}]\n", "never notices silence"},
		{strings.Replace(small, "profile: heartcheck", "profile: heartcheck, reconnect: {delay: 0s}", 1), "without any delay"},
		{strings.Replace(small, "serve: {}", "serve: {reply: none}", 1), "every client will be a false positive"},
		{strings.Replace(small, "serve: {}", "serve: {reap: 2s}", 1), "healthy clients will be closed"},
	} {
		p := planOf(t, tt.src)
		if !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, tt.want) }) {
			t.Errorf("no warning %q in %q for\n%s", tt.want, p.Warnings, tt.src)
		}
	}
	if p := planOf(t, small+"chaos: [{at: 12s, for: 20s, fault: blackhole, clients: 33%}]\n"); len(p.Warnings) != 0 {
		t.Errorf("warnings %q for a clean plan", p.Warnings)
	}
}

func TestResources(t *testing.T) {
	p := planOf(t, small+"chaos: [{at: 10s, for: 20s, fault: blackhole, clients: 33%}]\n")
	r := p.Resources()
	if r.Zombies != 330 || r.Descriptors != 1000+330+descriptorSlack || r.PortsPerSource != 1330 || r.Sources != 1 {
		t.Errorf("%+v", r)
	}
}

// Ports are short where the busiest source address has too few, whatever addresses other groups use.
func TestPortsPerSource(t *testing.T) {
	for _, c := range []struct {
		name, clients  string
		sources, ports int
	}{
		{"many addresses for few", "{group: a, count: 10, sources: [127.0.0.2, 127.0.0.3, 127.0.0.4, 127.0.0.5], profile: heartcheck}, {group: b, count: 6000, sources: [127.0.0.1], profile: heartcheck}", 5, 6000},
		{"an address each", "{group: a, count: 3000, sources: [127.0.0.2], profile: heartcheck}, {group: b, count: 2000, sources: [127.0.0.3], profile: heartcheck}", 2, 3000},
		{"an address for both", "{group: a, count: 3000, sources: [127.0.0.2], profile: heartcheck}, {group: b, count: 2000, sources: [127.0.0.2, 127.0.0.3], profile: heartcheck}", 2, 4000},
		{"the kernel's choice is one of them", "{group: a, count: 3000, sources: [127.0.0.1], profile: heartcheck}, {group: b, count: 2000, profile: heartcheck}", 1, 5000},
	} {
		r := planOf(t, "target: {serve: {}}\nclients: ["+c.clients+"]\nduration: 30s\n").Resources()
		if r.Sources != c.sources || r.PortsPerSource != c.ports {
			t.Errorf("%s: %d sources, %d ports each, want %d and %d", c.name, r.Sources, r.PortsPerSource, c.sources, c.ports)
		}
	}
}
