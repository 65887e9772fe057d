//go:build heavy

package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/report"
)

// mqttKeepalive is the CONNECT of profile mqtt with a keep-alive of 2 s instead of 60.
const mqttKeepalive = `opening: {steps: [{send: {frame: binary, payload: {hex: 100c00044d515454040200020000}}, await: {regexp: '^\x20(\x02[\x00\x01]\x00)?$'}}]}`

// realServer is a server that flatline did not write, and the profile that was made for it. `hasty` is the same client with
// less patience than the server has: it leaves, its goodbye is lost, and the server has to find out by itself.
type realServer struct {
	name   string
	client string // profile and what goes with the server's heartbeat of 2 s
	hasty  string
	lo, hi float64 // seconds until the client notices a silence; 0, 0: never
	// reapLo and reapHi, in seconds: when the server gives a silent client up, from the moment the path died.
	reapLo, reapHi float64
	silence        time.Duration // longer than both
	settle         time.Duration // until the last client is back
}

// realServers, with a heartbeat of 2 s each (see realservers.mjs; NATS and MQTT as below).
//
//   - socket.io: 2 s and 1.5 s, for both sides: (1.5 s, 3.5 s]. Its server then sends a close frame and holds the socket for
//     another 30 s, in which ws waits for the client's.
//   - graphql-ws: the server pings every 2 s and closes 2 s later: (2 s, 4 s]; then as above, if there is a close frame. The
//     client never notices.
//   - ws: pinged every 2 s, dropped at the next: (2 s, 4 s].
//   - mqtt: a broker allows 1.5 times the keep-alive of the client's CONNECT without a packet (MQTT 3.1.1, 3.1.2.10).
//     mosquitto 2.0.11 counts in whole seconds and looks every 6 s (its reaping comes in lumps that far apart), so that the
//     last packet, up to 2 s before the path died, is over 3 s old at a look: (1 s, 10 s].
//   - nats: ping_interval 2 s and ping_max 1: a tick that finds the client quiet pings, and the next one closes: the path
//     dies up to 2 s before the first tick, which may still have heard the client: (2 s, 6 s].
var realServers = []realServer{
	{"socket.io", "profile: socket.io", "profile: socket.io", 1.5, 3.5, 31.5, 33.5, 38 * time.Second, 12 * time.Second},
	{"graphql-ws", "profile: graphql-ws",
		`profile: graphql-ws, beat: {by: client, payload: '{"type":"ping"}', match: {contains: '"type":"pong"'}, interval: 500ms}, timeout: 500ms`,
		0, 0, 2, 4, 9 * time.Second, 10 * time.Second},
	{"ws", "profile: ping-pong, beat: {interval: 2s}, timeout: 1s", "profile: ping-pong, beat: {interval: 500ms}, timeout: 500ms", 1, 3, 2, 4, 9 * time.Second, 10 * time.Second},
	{"mqtt", "profile: mqtt, beat: {interval: 2s}, timeout: 1s, " + mqttKeepalive, "profile: mqtt, beat: {interval: 500ms}, timeout: 500ms, " + mqttKeepalive,
		1, 3, 1, 10, 12 * time.Second, 10 * time.Second},
	{"nats", "profile: nats, beat: {interval: 2s}", "profile: nats, beat: {interval: 500ms}, misses: 1, timeout: 500ms", 4, 6, 2, 6, 9 * time.Second, 10 * time.Second},
	{"nginx", "profile: heartcheck, beat: {interval: 1s}, timeout: 2s", "profile: heartcheck, beat: {interval: 500ms}, timeout: 500ms", 2, 3, 2, 4, 9 * time.Second, 10 * time.Second},
	{"haproxy", "profile: heartcheck, beat: {interval: 1s}, timeout: 2s", "profile: heartcheck, beat: {interval: 500ms}, timeout: 500ms", 2, 3, 2, 4, 9 * time.Second, 10 * time.Second},
}

// startServers starts those of realServers and returns their ports.
func startServers(t *testing.T, mode, natsMore string, idle time.Duration) map[string]int {
	ports := nodeServers(t, mode)
	ports["mqtt"], ports["nats"] = mosquitto(t), nats(t, natsMore)
	ports["nginx"], ports["haproxy"] = nginx(t, ports["ws"], idle), haproxy(t, ports["ws"], idle)
	return ports
}

// TestRealServers: 1,000 clients against each server stay for longer than two of its time-outs without a false positive.
// Then three tenths of them, and all of the hasty ones, lose the network: they notice within the closed form, and so does the
// server. In the end all are reset, and come back.
func TestRealServers(t *testing.T) {
	t.Parallel()
	ports := startServers(t, "quick", "ping_interval: \"2s\"\nping_max: 1", time.Minute)
	for _, s := range realServers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			const quiet = 12 * time.Second
			reset := quiet + s.silence + s.settle
			file := writeScenario(t, fmt.Sprintf(`
name: real-%s
target: {url: "ws://127.0.0.1:%d"}
clients:
  - {group: shipped, count: 900, ramp: 2s, %s}
  - {group: hasty, count: 100, ramp: 2s, %s}
chaos:
  - {at: %s, for: %s, fault: blackhole, clients: 30%% of shipped, name: silence}
  - {at: %[5]s, for: %[6]s, fault: blackhole, clients: hasty, name: unheard}
  - {at: %s, fault: kill, how: rst, name: reset}
duration: %s
expect:
  - false_positives == 0
  - connect.failed == 0 during baseline
  - clients.never_opened == 0
  - clients.open == 1000
  - recovery.lost == 0
  - reap.pending == 0
`, s.name, ports[s.name], s.client, s.hasty, quiet, s.silence, reset, reset+8*time.Second))
			var r *report.Result
			code := exitInconclusive
			for i := 0; i < tries && code == exitInconclusive; i++ {
				var out string
				r, out, code = command(t, "run", nil, "-q", file)
				t.Log("\n" + out)
			}
			if code != exitPass {
				t.Fatalf("exit code %d, want %d", code, exitPass)
			}
			lag := value(t, r, "harness.lag.max < 1s")
			within := func(what string, h *report.Hist, n int64, lo, hi, slack float64) {
				t.Helper()
				if h.N() < n || h.Min().Seconds() < lo-0.1 || h.Max().Seconds() > hi+slack {
					t.Errorf("%s: %d within [%v, %v], want %d within (%v s, %v s] and %.3f s", what, h.N(), h.Min(), h.Max(), n, lo, hi, slack)
				}
			}
			silence, unheard := r.Occurrences[0].Groups[0], r.Occurrences[1].Groups[0]
			if s.hi > 0 {
				within("detection", silence.Detected.Merged(""), 270, s.lo, s.hi, 2*lag)
			} else if n := silence.Detected.Merged("timeout").N(); n != 0 {
				t.Errorf("%d clients noticed by themselves, and they have no rule", n)
			}
			// A second for a server that was busy: it is no part of flatline, and nothing measures how late it is.
			within("reaping", unheard.Reap, 90, s.reapLo, s.reapHi, 1)
		})
	}
}

// TestQuietServers: no profile declares its real server dead in five quiet minutes, at the intervals that both come with. It
// takes little of the machine, so .ci/run has it beside the race detector.
func TestQuietServers(t *testing.T) {
	ports := startServers(t, "as they come", "", time.Hour)
	for name, client := range map[string]string{"socket.io": "profile: socket.io", "graphql-ws": "profile: graphql-ws", "ws": "profile: ping-pong", "mqtt": "profile: mqtt",
		"nats": "profile: nats", "nginx": "profile: heartcheck", "haproxy": "profile: heartcheck-counted"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, out, code := command(t, "run", nil, "-q", writeScenario(t, fmt.Sprintf(`
name: quiet-%s
target: {url: "ws://127.0.0.1:%d"}
clients: [{count: 1000, ramp: 20s, %s}]
duration: 5m20s
expect: [false_positives == 0, clients.open == 1000, connect.failed == 0]
`, name, ports[name], client)))
			t.Log("\n" + out)
			if code != exitPass {
				t.Errorf("exit code %d, want %d", code, exitPass)
			}
		})
	}
}
