package scenario

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// TestProfiles: within which bounds each client notices a silent path, at a round trip of 0, and that its text says
// where it is from.
func TestProfiles(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	want := map[string][2]time.Duration{ // zero: never
		"heartcheck": {5 * s, 8 * s}, "heartcheck-counted": {6 * s, 9 * s}, "heartcheck-counted-as-published": {},
		"ping-pong": {5 * s, 15 * s}, "server-ping": {s, 31 * s},
		"socket.io": {20 * s, 45 * s}, "phoenix": {30 * s, 60 * s}, "supabase": {25 * s, 50 * s}, "signalr": {15 * s, 30 * s},
		"centrifuge": {10 * s, 35 * s}, "pusher": {30 * s, 150 * s}, "actioncable": {3 * s, 18 * s}, "anycable": {3 * s, 9750 * ms},
		"graphql-ws": {}, "stomp": {10 * s, 30 * s}, "mqtt": {30 * s, 90 * s}, "nats": {240 * s, 360 * s}, "ably": {10100 * ms, 25100 * ms},
		"discord-js": {45 * s, 90 * s}, "discord-py": {15 * s, 60 * s}, "slack": {5001 * ms, 6668 * ms}, "slack-python": {20 * s, 25 * s},
		"liveblocks": {2 * s, 32 * s}, "convex": {45 * s, 60 * s}, "mattermost": {30 * s, 60 * s}, "reconnecting-websocket": {},
		"partysocket": {}, "sockette": {}, "websocket-heartbeat-js": {10 * s, 25 * s}, "python-websockets": {20 * s, 40 * s},
		"y-websocket": {15 * s, 33 * s}, "homeassistant": {}, "socketcluster": {22 * s, 30 * s},
	}
	for _, name := range Profiles() {
		bounds, known := want[name]
		cfg, doc, err := Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		if lo, hi, ok := cfg.Bounds(0); !known || lo != bounds[0] || hi != bounds[1] || ok == (bounds[1] == 0) {
			t.Errorf("%s detects within (%s, %s], %t; want %v", name, lo, hi, ok, bounds)
		}
		for _, part := range []string{name + ": ", "Formula:", "Reconnect:", "Source:", "Trade-off:"} {
			if !strings.Contains(doc, part) {
				t.Errorf("%s does not say its %s", name, part)
			}
		}
		text, _ := ProfileYAML(name)
		if _, err := parseProfile(name, text); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(string(text)) {
			if len(line) > 125 && strings.HasPrefix(line, "#") {
				t.Errorf("%s: a comment of %d columns", name, len(line))
			}
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("there is no %s", name)
	}
	if _, _, err := Profile("heartchek"); err == nil || !strings.Contains(err.Error(), `did you mean "heartcheck"?`) {
		t.Errorf("a misspelt profile: %v", err)
	}
}

// TestProfilePlans: a scenario can run each profile against the embedded server as it stands, without any warning, and
// its plan survives the way through a Result.
func TestProfilePlans(t *testing.T) {
	for _, name := range Profiles() {
		serve := "{}"
		if name == "server-ping" { // no one library's server: the target has to be told
			serve = "{beat: 30s}"
		}
		p := planOf(t, fmt.Sprintf("target: {serve: %s}\nclients: [{count: 10, profile: %s}]\nduration: 12m\n", serve, name))
		if len(p.Warnings) > 0 {
			t.Errorf("%s: %q", name, p.Warnings)
		}
		g := &p.Groups[0]
		w := tuningOf(&g.Config)
		if back := w.config(); fmt.Sprint(back) == "" || p.Hash() != planOf(t, fmt.Sprintf("target: {serve: %s}\nclients: [{count: 10, profile: %s}]\nduration: 720s\n", serve, name)).Hash() {
			t.Errorf("%s: the plan's hash depends on spelling", name)
		}
		if says := g.Speaks(); (says == nil) != (g.Dialect == "") {
			t.Errorf("%s: dialect %q is %v", name, g.Dialect, says)
		}
	}
}

// TestDialects: what a server says in its client's language is what its client awaits, filled in with the client's tuning.
func TestDialects(t *testing.T) {
	for _, tc := range []struct{ text, hello string }{
		{"socket.io", `0{"sid":"flatline","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`},
		{"socket.io interval=2.5s timeout=700ms", `0{"sid":"flatline","upgrades":[],"pingInterval":2500,"pingTimeout":700,"maxPayload":1000000}`},
		{"actioncable", `{"type":"welcome"}`},
	} {
		d, err := Dialect(tc.text)
		if err != nil || len(d.Hello) != 1 || string(d.Hello[0].Payload) != tc.hello {
			t.Errorf("%s says %q (%v), want %q", tc.text, d.Hello, err, tc.hello)
		}
	}
	d, _ := Dialect("phoenix")
	i, ref := d.Answer([]byte(`[null,"42","phoenix","heartbeat",{}]`))
	if i < 0 || string(heartbeat.AppendRef(nil, d.Replies[i].With[0].Payload, ref)) != `[null,"42","phoenix","phx_reply",{"status":"ok","response":{}}]` {
		t.Errorf("phoenix answers %d, %d", i, ref)
	}
	if d, err := Dialect("echo"); d != nil || err != nil {
		t.Errorf("echo: %v, %v", d, err)
	}
	for _, bad := range []string{"", "sockette", "socketio", "echo interval=1s", "phoenix interval", "phoenix interval=2", "phoenix interval=0s", "phoenix colour=1s"} {
		if _, err := Dialect(bad); err == nil {
			t.Errorf("%q is a dialect", bad)
		}
	}
}
