package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lines are canonical: each is what String prints for the fault that it parses to.
var lines = []string{
	"blackhole at 10s for 20s clients 33%",
	"blackhole up at 10s for 20s clients 33%",
	"blackhole down at 0s",
	"blackhole both at 2m for 90s every 10m times 3 clients 500 of browsers named lunch",
	"drop up rate 5% burst 3.5 at 5s for 10s",
	"delay by 200ms jitter 50ms at 10s for 1h clients browsers",
	"delay down by 1.5s at 10s",
	"delay up by 100ms jitter 30ms distribution paretonormal at 10s",
	"throttle down rate 64KiB/s at 10s for 65s",
	"duplicate rate 1% at 1s",
	"reorder rate 0.3333333333333333 at 1s",
	"corrupt rate 100% at 1s",
	"kill at 65s",
	"kill rst at 65s",
	"kill fin at 65s every 5s times 4 clients 10%",
	"kill close(1012) at 65s",
	"kill process restart 3s at 1m5s nodes 0,2",
	"stall at 45s for 6s",
	"refuse at 10s for 5s clients \"old browsers\"",
	"idle-cut silent after 60s at 5s",
	"idle-cut after 2m at 5s for 20m",
	"drain code 1001 notice \"see \\\"you\\\"\" grace 5s at 30s named \"rolling deploy\"",
	"suspend sleep at 10s for 5m",
	"suspend timers grid 60s at 10s for 5m clients 50% of \"all\"",
}

func TestLinesRoundTrip(t *testing.T) {
	for _, line := range lines {
		f, err := ParseFault(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		want := strings.Replace(line, "at 1m5s", "at 65s", 1)
		if got := f.String(); got != want {
			t.Errorf("%s\nprints as\n%s", line, got)
		}
	}
	f, err := ParseFault("at 10s clients 33% of browsers named x for 20s blackhole")
	if err == nil {
		t.Errorf("a line that does not open with its kind parsed to %v", f)
	}
	got, err := ParseFault("blackhole named x\tclients 33% of browsers  for 20s at 10s up")
	want := Fault{Name: "x", Kind: Blackhole, At: 10 * time.Second, For: 20 * time.Second, Direction: Up,
		Clients: Selector{Percent: 33, Group: "browsers"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("any order: %v\n%s", err, diff)
	}
}

// randomFault draws a valid fault with every field that its kind may have.
func randomFault(rng *rand.Rand) Fault {
	d := func() time.Duration { return time.Duration(1 + rng.Int64()>>(20+rng.IntN(40))) }
	maybe := func() bool { return rng.IntN(2) == 0 }
	words := []string{"a", "all", "of", "at", "old browsers", "ü", "x-1.y", "33%", "7", "line\nbreak", `"`}
	f := Fault{Kind: Kinds[rng.IntN(len(Kinds))], At: d()}
	sh := shapes[f.Kind]
	has := func(field string) bool { return slices.Contains(sh.fields, field) }
	if maybe() {
		f.Name = words[rng.IntN(len(words))]
	}
	if len(sh.hows) > 0 && maybe() {
		f.How = sh.hows[rng.IntN(len(sh.hows))]
	}
	if has("for") && maybe() {
		f.For = d()
	}
	if maybe() && (f.For > 0 || f.Instant()) {
		f.Every = f.For + d()
		f.Times = rng.IntN(5)
	}
	if f.Kind != Stall && f.Kind != Partition && f.How != Process && maybe() {
		switch rng.IntN(3) {
		case 0:
			f.Clients.Percent = 100 - 100*rng.Float64()
		case 1:
			f.Clients.Count = 1 + rng.IntN(100000)
		}
		if maybe() {
			f.Clients.Group = words[rng.IntN(len(words))]
		}
	}
	nodes := rng.IntN(3)
	switch f.Kind {
	case Partition:
		nodes++
	case Suspend:
		nodes = 0
	}
	for range nodes {
		f.Nodes = append(f.Nodes, rng.IntN(10))
	}
	if has("direction") && maybe() {
		f.Direction = []Direction{Up, Down, Both}[rng.IntN(3)]
	}
	if f.How == Close || f.Kind == Drain && maybe() {
		f.Code = 1007 + rng.IntN(8)
	}
	if f.How == Process && maybe() {
		f.Restart = d()
	}
	if has("by") {
		f.By = d()
		if f.Jitter = time.Duration(rng.Int64N(int64(f.By) + 1)); f.Jitter > 0 && maybe() {
			f.Distribution = Distributions[rng.IntN(len(Distributions))]
		}
	}
	if has("rate") {
		f.Rate = 1 - rng.Float64()
		if f.Kind == Throttle {
			f.Rate = float64(1 + rng.Int64()>>(11+rng.IntN(50)))
		}
	}
	if has("burst") && maybe() {
		f.Burst = 1 + 10*rng.Float64()
		f.Rate *= f.Burst / (f.Burst + 1) // one packet at least arrives between two bursts
	}
	if has("after") {
		f.After = d()
	}
	if f.Kind == Drain && maybe() {
		f.Notice, f.Grace = words[rng.IntN(len(words))], d()
	}
	if f.How == Timers {
		f.Grid = d()
	}
	return f
}

func TestRandomFaultsRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	seen := map[Kind]int{}
	for range 20000 {
		f := randomFault(rng)
		if bad := f.Validate(); bad != nil {
			t.Fatalf("%s: the generator drew an invalid fault: %v", f, bad)
		}
		got, err := ParseFault(f.String())
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Fatalf("%s reads back differently:\n%s", f, diff)
		}
		seen[f.Kind]++
	}
	if len(seen) != len(Kinds) {
		t.Errorf("drew %d of %d kinds", len(seen), len(Kinds))
	}
}

func FuzzParseFault(f *testing.F) {
	for _, line := range lines {
		f.Add(line)
	}
	f.Add(`kill close(99) at`)
	f.Add(`blackhole clients "`)
	f.Fuzz(func(t *testing.T, line string) {
		fault, err := ParseFault(line)
		if err != nil {
			return
		}
		printed := fault.String()
		again, err := ParseFault(printed)
		if err != nil {
			t.Fatalf("%q was accepted, but it prints as %q: %v", line, printed, err)
		}
		if diff := cmp.Diff(fault, again); diff != "" {
			t.Fatalf("%q prints as %q, which differs:\n%s", line, printed, diff)
		}
	})
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"", "fault: an empty line; hint: blackhole at 10s for 20s clients 33%"},
		{"explode at 3s", `fault: "explode" is no kind of fault; hint: one of blackhole, drop, delay, throttle, duplicate, reorder, corrupt, kill, stall, refuse, idle-cut, drain, suspend or partition`},
		{"blackhole at 10", `blackhole: at: duration "10" has no unit; hint: 10s`},
		{"blackhole at", `blackhole: nothing after "at"`},
		{"blackhole at 1s at 2s", "blackhole: at is given twice"},
		{"blackhole up down at 1s", "blackhole: direction is given twice"},
		{"blackhole sideways at 1s", `blackhole: "sideways" is no part of a fault; hint: up, down or both; a how; or a field and its value`},
		{"blackhole at 1s clients 0%", "blackhole: clients: share 0% is not in (0%,100%]"},
		{"blackhole at 1s clients 0", "blackhole: clients: 0 clients would be nobody"},
		{"kill close(x) at 1s", `kill: "close(x)" has no close code; hint: close(1012)`},
		{"kill close at 1s", "kill: code: missing; a kill by close needs it; hint: code: 1012"},
		{"kill silent at 1s for 3s", "kill: for: a kill is over at once; hint: repeat it with every and times\nkill: how: a kill cannot happen by \"silent\"; hint: rst, fin, close or process"},
		{"delay by 1s jitter 1s distribution gauss at 1s", `delay: distribution: "gauss" is no distribution; hint: uniform, normal, exponential, pareto or paretonormal`},
		{"delay by 1s distribution normal at 1s", "delay: distribution: nothing to spread without jitter; hint: add jitter: 20ms"},
		{"throttle rate 5% at 1s", `throttle: rate: "5%" is not a rate; hint: 64KiB/s, 1MB/s, 500B/s`},
		{"drop rate lots at 1s", `drop: rate: "lots" is not a probability; hint: 5% or 0.05`},
		{`drain notice "see you`, `fault: a quote that does not end: "see you`},
		{"blackhole times x", `blackhole: times: "x" is not a whole number`},
	} {
		f, err := ParseFault(tt.line)
		if err == nil {
			t.Errorf("%q: parsed to %v, want %s", tt.line, f, tt.want)
		} else if err.Error() != tt.want {
			t.Errorf("%q:\n got %s\nwant %s", tt.line, err, tt.want)
		}
	}
}

func TestSelectors(t *testing.T) {
	for in, want := range map[string]Selector{
		"all":                {},
		"33%":                {Percent: 33},
		"0.5%":               {Percent: 0.5},
		"500":                {Count: 500},
		"browsers":           {Group: "browsers"},
		"33% of browsers":    {Percent: 33, Group: "browsers"},
		"12 of tv-sets":      {Count: 12, Group: "tv-sets"},
		`7 of "two words"`:   {Count: 7, Group: "two words"},
		`"all"`:              {Group: "all"},
		`"500"`:              {Group: "500"},
		`100% of "33%"`:      {Percent: 100, Group: "33%"},
		`33%   of  browsers`: {Percent: 33, Group: "browsers"},
	} {
		got, err := ParseSelector(in)
		if err != nil || got != want {
			t.Errorf("ParseSelector(%q) = %+v, %v; want %+v", in, got, err, want)
		}
		if back := got.String(); back != strings.Join(strings.Fields(in), " ") {
			t.Errorf("%q prints as %q", in, back)
		}
	}
	if got, err := ParseSelector("all of browsers"); err != nil || got != (Selector{Group: "browsers"}) {
		t.Errorf("all of browsers = %+v, %v", got, err)
	}
	for _, in := range []string{"", "of", "0", "0%", "-3", "101%", "NaN%", "x%", "33% of", "33 %", "33% of all of", `""`, "12x", "a b", "33% off x", `33% of ""`} {
		if got, err := ParseSelector(in); err == nil {
			t.Errorf("ParseSelector(%q) = %+v, want an error", in, got)
		}
	}
}

func TestValidateFields(t *testing.T) {
	s := time.Second
	for _, tt := range []struct {
		f    Fault
		want string // fields, in order
	}{
		{Fault{Kind: Blackhole}, ""},
		{Fault{Kind: "nonsense"}, "fault"},
		{Fault{Kind: Blackhole, At: -s, For: -s}, "at for"},
		{Fault{Kind: Blackhole, Rate: 0.1, How: RST, Code: 1000}, "how code rate"},
		{Fault{Kind: Blackhole, Direction: "left"}, "direction"},
		{Fault{Kind: Blackhole, Every: s}, "every"},
		{Fault{Kind: Blackhole, Every: s, For: 2 * s}, "every"},
		{Fault{Kind: Blackhole, Times: 2}, "times"},
		{Fault{Kind: Kill, Every: s, Times: -2}, "times"},
		{Fault{Kind: Blackhole, Nodes: []int{-1}}, "nodes"},
		{Fault{Kind: Blackhole, Clients: Selector{Percent: 101}}, "clients"},
		{Fault{Kind: Blackhole, Clients: Selector{Count: -1}}, "clients"},
		{Fault{Kind: Blackhole, Clients: Selector{Count: 1, Percent: 1}}, "clients"},
		{Fault{Kind: Stall, Clients: Selector{Count: 1}}, "clients"},
		{Fault{Kind: Drop, Rate: 1.5, Burst: 0.5}, "rate burst"},
		{Fault{Kind: Drop, Rate: 0.9, Burst: 2}, "rate"},
		{Fault{Kind: Drop, Rate: -0.1}, "rate"},
		{Fault{Kind: Drop}, "rate"},
		{Fault{Kind: Throttle}, "rate"},
		{Fault{Kind: Throttle, Rate: 0.5}, "rate"},
		{Fault{Kind: Throttle, Rate: 1e6}, ""},
		{Fault{Kind: Delay}, "by"},
		{Fault{Kind: Delay, By: s, Jitter: 2 * s}, "jitter"},
		{Fault{Kind: Delay, By: s, Distribution: Normal}, "distribution"},
		{Fault{Kind: Delay, By: s, Jitter: s, Distribution: "gauss"}, "distribution"},
		{Fault{Kind: Drop, Rate: 0.1, Distribution: Pareto}, "distribution"},
		{Fault{Kind: Delay, By: s, Jitter: s, Distribution: Pareto}, ""},
		{Fault{Kind: Kill, How: Close}, "code"},
		{Fault{Kind: Kill, How: Close, Code: 999}, "code"},
		{Fault{Kind: Kill, How: Close, Code: 5000}, "code"},
		{Fault{Kind: Kill, How: Close, Code: 1006}, "code"},
		{Fault{Kind: Kill, How: RST, Code: 1000, Restart: s}, "code restart"},
		{Fault{Kind: Kill, How: Process, Restart: s}, ""},
		{Fault{Kind: IdleCut}, "after"},
		{Fault{Kind: IdleCut, After: s, How: Close}, "how"},
		{Fault{Kind: Suspend, How: Timers}, "grid"},
		{Fault{Kind: Suspend, Grid: s}, "grid"},
		{Fault{Kind: Drain, Code: 1001, Notice: "x", Grace: s}, ""},
	} {
		var fields []string
		for _, e := range tt.f.Validate() {
			fields = append(fields, e.Field)
			if e.Msg == "" || e.Error() == "" {
				t.Errorf("%s: an empty message for %s", tt.f, e.Field)
			}
		}
		if got := strings.Join(fields, " "); got != tt.want {
			t.Errorf("%s: problems with %q, want %q", tt.f, got, tt.want)
		}
	}
}

func TestEngines(t *testing.T) {
	for _, tt := range []struct {
		f    Fault
		want string
	}{
		{Fault{Kind: Blackhole}, "stream packet kernel"},
		{Fault{Kind: Drop}, "packet kernel"},
		{Fault{Kind: Delay}, "stream packet"},
		{Fault{Kind: Kill}, "stream packet kernel"},
		{Fault{Kind: Kill, How: Process}, "process"},
		{Fault{Kind: Stall}, "process"},
		{Fault{Kind: Drain}, "server"},
		{Fault{Kind: Suspend}, "fleet"},
		{Fault{Kind: IdleCut}, "stream packet"},
		{Fault{Kind: Corrupt}, "packet"},
	} {
		if got := strings.Join(WhoCan(&tt.f), " "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.f, got, tt.want)
		}
	}
	for _, k := range Kinds {
		if len(WhoCan(&Fault{Kind: k})) == 0 {
			t.Errorf("nobody can do %s", k)
		}
		for _, h := range k.Hows() {
			if len(WhoCan(&Fault{Kind: k, How: h})) == 0 {
				t.Errorf("nobody can do %s %s", k, h)
			}
		}
	}
	for _, tt := range []struct {
		f    Fault
		want string
	}{
		{Fault{Kind: Drop}, "engine stream cannot do drop; hint: engine packet or kernel can"},
		{Fault{Kind: Stall}, "engine stream cannot do stall; hint: engine process can"},
		{Fault{Kind: Kill, How: Process}, "engine stream cannot do kill how process; hint: engine process can"},
		{Fault{Kind: "x"}, "engine stream cannot do x: no engine can"},
		{Fault{Kind: Kill}, "<nil>"},
	} {
		if got := fmt.Sprint(CannotError("stream", &tt.f)); got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.f, got, tt.want)
		}
	}
}
