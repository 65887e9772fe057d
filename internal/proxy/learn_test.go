package proxy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// planOf reads what --learn prints, pasted into a scenario.
func planOf(t *testing.T, profile string) *scenario.Plan {
	t.Helper()
	file, err := scenario.Parse("learned.yaml", []byte("target: {url: 'ws://127.0.0.1:1'}\nduration: 120s\n"+profile))
	if err != nil {
		t.Fatalf("%v\n%s", err, profile)
	}
	plan, err := file.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestProfileReadsBack(t *testing.T) {
	s := time.Second
	delay := func(p5, p50, p95 time.Duration) Delay { return Delay{100, p5, p50, p95} }
	for name, c := range map[string]struct {
		in   Inference
		want func(c *heartbeat.Config) bool
	}{
		"heartcheck": {
			Inference{Clients: 120, By: "client", Frame: "text", Payload: []byte("123456789"), Interval: 3 * s, Beats: 900, After: "message",
				Timeout: 5 * s, Misses: 1, Noticed: 40, Frames: true, Opening: 20 * s, Kind: "fixed", Jitter: "none", Delays: []Delay{delay(4*s, 4*s, 4*s)}},
			func(c *heartbeat.Config) bool {
				lo, hi, ok := c.Bounds(0)
				return ok && lo == 5*s && hi == 8*s && string(c.Beat.Payload) == "123456789" && c.Reconnect.Delay == 4*s
			},
		},
		"never notices": {
			Inference{Clients: 1, By: "client", Frame: "text", Payload: []byte{0, 0xff, '\n'}, Interval: s, Stayed: 3, Longest: 30 * s, Kind: "never"},
			func(c *heartbeat.Config) bool {
				_, _, ok := c.Bounds(0)
				return !ok && string(c.Beat.Payload) == "\x00\xff\n"
			},
		},
		"a payload that YAML would misread": {
			Inference{Clients: 1, By: "client", Frame: "text", Payload: []byte(`{"a": "#\"'` + "\u2028é\n" + `{{.Ref}}"}`), Ref: true, Interval: s, Noticed: 1, Misses: 2, Timeout: s,
				Kind: "exponential", Factor: 2, Jitter: "full", Delays: []Delay{delay(50*time.Millisecond, 500*time.Millisecond, 950*time.Millisecond)}},
			func(c *heartbeat.Config) bool {
				return string(c.Beat.Payload) == `{"a": "#\"'`+"\u2028é\n"+`{{.Ref}}"}` && c.Reconnect.Delay == s && c.Reconnect.Factor == 2 && c.Misses == 2
			},
		},
		"the server beats": {
			Inference{Clients: 2, By: "server", Frame: "ping", Interval: 30 * s, Noticed: 2, Misses: 1, Timeout: s, Kind: "list", Jitter: "none", Delays: []Delay{delay(s, s, s), delay(5*s, 5*s, 5*s)}},
			func(c *heartbeat.Config) bool {
				lo, hi, ok := c.Bounds(0)
				return ok && lo == s && hi == 31*s && len(c.Reconnect.Delays) == 2
			},
		},
		"nobody beats": {Inference{By: "nobody", Kind: "never"}, func(c *heartbeat.Config) bool { _, _, ok := c.Bounds(0); return !ok }},
		"ratio": {
			Inference{Clients: 1, By: "client", Frame: "ping", Interval: s, Noticed: 1, Misses: 1, Timeout: s, Kind: "fixed", Jitter: "ratio", Ratio: 0.25, Delays: []Delay{delay(s, s, s)}},
			func(c *heartbeat.Config) bool { return c.Beat.Frame == heartbeat.Ping },
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := c.in.Profile()
			plan := planOf(t, text)
			if cfg := &plan.Groups[0].Config; !c.want(cfg) {
				t.Errorf("%s\nreads back as %+v", text, cfg)
			}
		})
	}
}

func TestNear(t *testing.T) {
	for in, want := range map[time.Duration]time.Duration{
		3012 * time.Millisecond: 3 * time.Second, 4*time.Second + 3*time.Millisecond: 4 * time.Second,
		1498 * time.Millisecond: 1500 * time.Millisecond, 25100 * time.Millisecond: 25 * time.Second,
		3456 * time.Millisecond: 3500 * time.Millisecond, 1236 * time.Millisecond: 1240 * time.Millisecond, 0: 0, -5: 0,
	} {
		if got := near(in); got != want {
			t.Errorf("near(%v) = %v, want %v", in, got, want)
		}
	}
}

func TestRefIn(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{`{"ref":"9"}`, `{"ref":"10"}`, `{"ref":"{{.Ref}}"}`},
		{`[1,2]`, `[1,2]`, `[1,2]`},
		{`n=19`, `n=12`, `n={{.Ref}}`},
		{`a1b1`, `a2b2`, `a1b1`},
		{`x`, `y`, `x`},
	} {
		if got, _ := refIn([]byte(c.a), []byte(c.b)); string(got) != c.want {
			t.Errorf("refIn(%s, %s) = %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

func TestKeys(t *testing.T) {
	for _, s := range []string{"auto", "address", "connection", "header:X-Device", "query:client", "cookie:session"} {
		k, err := ParseKey(s)
		if err != nil || k.String() != s {
			t.Errorf("%s: %v, %v", s, k, err)
		}
	}
	for _, s := range []string{"header", "header:", "ip", "address:x", "auto:1"} {
		if k, err := ParseKey(s); err == nil {
			t.Errorf("%s is taken for %v", s, k)
		}
	}
	want := map[string]Target{
		"ws://localhost":        {"ws://localhost", "localhost:80", "localhost", false, true},
		"wss://example.org/":    {"wss://example.org/", "example.org:443", "example.org", true, true},
		"tcp://[::1]:5222":      {"tcp://[::1]:5222", "[::1]:5222", "::1", false, false},
		"http://127.0.0.1:8080": {"http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1", false, true},
	}
	for s, w := range want {
		got, err := ParseTarget(s)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, s := range []string{"", "127.0.0.1:80", "ftp://x", "tcp://x", "ws://x/path", "ws://x?a=b", "ws://:80", "ws://u:p@x"} {
		if got, err := ParseTarget(s); err == nil {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
}
