package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/scenario"
)

func listener(id uint32, queue int, drops int64) ListenerSample {
	return ListenerSample{id, ListenerUse{Addr: "127.0.0.1:80", Queue: queue, Limit: 4, Drops: drops}}
}

// What the kernel counts since it booted becomes what it counted between two samples; what was not visible stays so.
func TestTargetCounters(t *testing.T) {
	h := newHistory(t, plan(sec(10), nil, browsers(1)))
	for i, s := range []TargetSample{
		{Netns: &NetnsUse{Overflows: 100, Drops: 200}, Listeners: []ListenerSample{listener(1, 0, 50)}},
		{Netns: &NetnsUse{Overflows: 103, Drops: 205}, Listeners: []ListenerSample{listener(1, 5, 53)}, Threads: count(3)},
		{}, // nothing was visible
		{Netns: &NetnsUse{Overflows: 104, Drops: 206}, Listeners: []ListenerSample{listener(1, 2, 54)}},
		{Netns: &NetnsUse{Overflows: 104, Drops: 206}, Listeners: []ListenerSample{listener(2, 1, 7)}},                // started anew
		{Netns: &NetnsUse{Overflows: 2, Drops: 2}, Listeners: []ListenerSample{listener(2, 1, 1<<32-1)}},              // in a new namespace
		{Netns: &NetnsUse{Overflows: 2, Drops: 2}, Listeners: []ListenerSample{listener(2, 1, 1), listener(3, 0, 0)}}, // 2^32 is over
	} {
		h.r.Target(sec(float64(i)), s)
	}
	r := h.end()
	type row struct{ overflows, drops, own int64 }
	var got []row
	for i := range r.Target {
		u := &r.Target[i]
		x := row{-1, -1, -1}
		if u.Netns != nil {
			x.overflows, x.drops = u.Netns.Overflows, u.Netns.Drops
		}
		if n, seen := u.dropped(); seen {
			x.own = n
		}
		got = append(got, x)
	}
	want := []row{{0, 0, 0}, {3, 5, 3}, {-1, -1, -1}, {1, 1, 1}, {0, 0, 7}, {2, 2, 1<<32 - 8}, {0, 0, 2}}
	if d := gocmp.Diff(want, got, gocmp.AllowUnexported(row{})); d != "" {
		t.Error(d)
	}
	wants(t, r, "target.accept_overflows == 6", "target.syn_drops == 8", "target.accept_queue == 5", "target.threads == 3")
	if _, err := r.Value(scenario.Expect{Metric: "target.fds"}); err == nil || !strings.Contains(err.Error(), "not visible") {
		t.Errorf("files that nobody saw: %v", err)
	}
}

// A sample that reaches over the edge of a window counts for neither side with certainty.
func TestTargetWindow(t *testing.T) {
	h := newHistory(t, plan(sec(10), []chaos.Fault{{Kind: chaos.Stall, At: sec(3.5), For: sec(3)}}, browsers(1)))
	drops := []int64{0, 0, 0, 0, 2, 12, 12, 13, 13, 13} // 2 over the begin, 10 inside, 1 over the end
	for i, n := range drops {
		switch i {
		case 4:
			h.began(3.5, 0)
		case 7:
			h.ended(6.5, 0)
		}
		h.r.Target(sec(float64(i)), TargetSample{Netns: &NetnsUse{Overflows: n, Drops: n}})
	}
	r := h.end()
	m, err := r.Value(scenario.Expect{Metric: "target.syn_drops", During: "stall"})
	if err != nil || m.Value != 12 || m.Lo != 10 || m.Hi != 13 {
		t.Errorf("%+v, %v", m, err)
	}
	for text, want := range map[string]Judgement{
		"target.syn_drops < 14 during stall":  Pass,
		"target.syn_drops < 10 during stall":  Fail,
		"target.syn_drops < 12 during stall":  Inconclusive,
		"target.syn_drops == 13":              Pass,
		"target.accept_overflows == 0":        Fail,
		"target.listener_drops == 0":          NotMeasured,
		"target.threads < 100":                NotMeasured,
		"target.syn_drops == 0 during fault1": Fail,
	} {
		e, err := scenario.ParseExpect(text)
		if err != nil {
			t.Fatal(err)
		}
		if o := r.evaluate(e); o.State != want {
			t.Errorf("%s: %s (%s), want %s", text, o.State, o.Note, want)
		} else if want == Inconclusive && !strings.Contains(o.Note, "once a second") {
			t.Errorf("%s: %s", text, o.Note)
		}
	}
}

// What flatline itself used stands beside the target's use, and agents each have their own.
func TestHarnessUsage(t *testing.T) {
	p := plan(sec(10), nil, browsers(1))
	var agents []*Result
	for k := range 2 {
		h := newHistory(t, p)
		for i := range 5 {
			h.r.Harness(sec(float64(i)), TargetSample{CPU: sec(float64(i) * (0.5 + float64(k))), RSS: uint64(100 * (k + 1))})
		}
		agents = append(agents, h.end())
	}
	wants(t, agents[0], "harness.cpu == 0.5", "harness.rss == 100B")
	m, err := Merge(agents...)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, m, "harness.cpu == 1", "harness.rss == 200B")
	if _, err := m.Value(scenario.Expect{Metric: "target.cpu"}); err == nil {
		t.Error("flatline's own use passed for the target's")
	}
}

// Files that were written before threads, listeners and namespaces were counted are read, and say that they do not know.
func TestReadOldUsage(t *testing.T) {
	h := newHistory(t, plan(sec(10), nil, browsers(1)))
	h.r.Target(sec(0), TargetSample{})
	b, err := json.Marshal(h.end())
	if err != nil {
		t.Fatal(err)
	}
	const now, old = `{"at":0,"span":0,"cpu":0,"rss":0}`, `{"at":1000000000,"span":0,"cpu":0,"rss":7,"fds":0},{"at":2000000000,"span":1000000000,"cpu":250000000,"rss":9,"fds":11}`
	if !bytes.Contains(b, []byte(now)) {
		t.Fatalf("a sample is written as something else than %s", now)
	}
	r, err := ReadResult(bytes.NewReader(bytes.Replace(b, []byte(now), []byte(old), 1)))
	if err != nil {
		t.Fatal(err)
	}
	wants(t, r, "target.cpu == 0.25", "target.rss == 9B", "target.fds == 11")
	for _, metric := range []string{"target.threads", "target.accept_queue", "target.accept_overflows", "target.syn_drops", "target.listener_drops"} {
		if m, err := r.Value(scenario.Expect{Metric: metric}); err == nil {
			t.Errorf("%s is %+v in a file without it", metric, m)
		}
	}
	for _, bad := range []string{`"threads":-1`, `"netns":{"accept_overflows":-1}`, `"listeners":[{"addr":"x","queue":1,"limit":1,"drops":99999999999999}]`} {
		damaged := bytes.Replace(b, []byte(now), []byte(now[:len(now)-1]+","+bad+"}"), 1)
		if _, err := ReadResult(bytes.NewReader(damaged)); err == nil || !strings.Contains(err.Error(), "out of range") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
