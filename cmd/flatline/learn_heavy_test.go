//go:build heavy

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/proxy"
	"github.com/flatline-dev/flatline/internal/server"
	"github.com/flatline-dev/flatline/scenario"
)

// learner is a client library and what testdata/libraries/learners.mjs sets it to. Seconds; 0: it has none.
type learner struct {
	dialect           string // of the server that it meets
	by                string
	interval, timeout float64 // as proxy --learn counts: from the last beat, of either side
	misses            int64
	delays            [3]float64
}

// realSocketIO is the server of Socket.IO itself, which beats every 2 s and allows 1.5 s more.
const realSocketIO = "real socket.io"

var learners = map[string]learner{
	"socket.io with its server": {realSocketIO, "server", 2, 1.5, 1, [3]float64{1, 2, 4}},
	"socket.io":                 {"socket.io interval=1s timeout=2s", "server", 1, 2, 1, [3]float64{1, 2, 4}},
	"phoenix":                   {"phoenix", "client", 1, 1, 1, [3]float64{1, 2, 4}},
	"mqtt":                      {"mqtt", "client", 2, 1, 1, [3]float64{1.4, 1.4, 1.4}}, // the 2nd half of a keep-alive sends, the 3rd gives up
	"centrifuge":                {"centrifuge interval=1s timeout=1500ms", "server", 1, 1.5, 1, [3]float64{1.2, 1.2, 1.2}},
	"partysocket":               {"", "nobody", 0, 0, 0, [3]float64{1, 2, 4}},
	"graphql-ws":                {"graphql-ws", "client", 1, 0, 0, [3]float64{1, 2, 4}},
	// SignalR's client arms its ping as a message arrives, so that from outside it is an answer; 2.5 s of silence.
	"signalr":                {"signalr interval=1s", "server", 1, 1.5, 1, [3]float64{1, 2, 4}},
	"sockette":               {"", "nobody", 0, 0, 0, [3]float64{1.6, 1.6, 1.6}},
	"websocket-heartbeat-js": {"", "client", 1, 1.5, 1, [3]float64{1.8, 1.8, 1.8}},
	"reconnecting-websocket": {"", "nobody", 0, 0, 0, [3]float64{1, 2, 4}},
}

const learnChaos = `
target: {url: "ws://127.0.0.1:1"}
clients: [{count: 20, profile: heartcheck}]
chaos:
  - {at: 14s, for: 10s, fault: blackhole}
  - {at: 36s, fault: kill, how: rst}
  - {at: 36s, for: 8s, fault: refuse}
duration: 60s
`

// TestRealLearn: real client libraries behind the proxy, which learns their interval, timeout and first three reconnect
// delays within 5 %: from quiet time, a silence longer than their patience, and a reset with refusals behind it.
func TestRealLearn(t *testing.T) {
	t.Parallel()
	dir, err := installed()
	if err != nil {
		t.Fatal(err)
	}
	flatline, err := built()
	if err != nil {
		t.Fatal(err)
	}
	var started atomic.Int32
	for library, want := range learners {
		t.Run(library, func(t *testing.T) {
			t.Parallel()
			time.Sleep(time.Duration(started.Add(1)) * time.Second) // not everybody's reset in the same instant
			// A busy machine adds to what is measured, and who runs beside this test is not known.
			var wrong []string
			for i := 0; i < tries && (i == 0 || wrong != nil); i++ {
				r, out := want.learn(t, flatline, dir, library)
				t.Log("\n" + out)
				if wrong = want.check(t, r); wrong != nil {
					t.Logf("try %d:\n%s", i+1, strings.Join(wrong, "\n"))
				}
			}
			for _, w := range wrong {
				t.Error(w)
			}
		})
	}
}

// learn lets the library meet the proxy for 50 s.
func (want *learner) learn(t *testing.T, flatline, dir, library string) (*proxy.Result, string) {
	target := want.serve(t, flatline)
	front := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	result := filepath.Join(t.TempDir(), "proxy.json")
	cmd := exec.Command(flatline, "proxy", "-q", "--listen", front, "--target", "ws://"+target, "--api", "none", "--client-key", "query:learner",
		"--learn", "--duration", "50s", "-o", result, writeScenario(t, learnChaos))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := listens(front, nil); err != nil { // a client that came too early would wait by its policy, in the quiet time
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(library, " with ")
	node := exec.Command("node", "learners.mjs", name, front)
	node.Dir = dir
	clients, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	clients.Close()
	_ = node.Wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text, err := os.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	var r proxy.Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return &r, out.String()
}

// serve starts the server that the library meets and returns its address.
func (want *learner) serve(t *testing.T, flatline string) string {
	if want.dialect == realSocketIO {
		return fmt.Sprintf("127.0.0.1:%d", nodeServers(t, "quick")["socket.io"])
	}
	if want.dialect == "" {
		return embedded(t, flatline)
	}
	return embedded(t, flatline, "--dialect", want.dialect)
}

// embedded runs flatline serve until the test ends and returns its address.
func embedded(t *testing.T, flatline string, args ...string) string {
	serve := exec.Command(flatline, append([]string{"serve", "--until-eof"}, args...)...)
	stdin, err := serve.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := serve.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		_ = serve.Wait()
	})
	var info server.Info
	if err := json.NewDecoder(stdout).Decode(&info); err != nil {
		t.Fatal(err)
	}
	return info.Addr
}

// check says what was not learned as it is.
func (want *learner) check(t *testing.T, r *proxy.Result) (wrong []string) {
	in := &r.Learned
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	within := func(what string, got time.Duration, seconds float64) {
		if math.Abs(got.Seconds()-seconds) > 0.05*seconds {
			bad("learned %s %v, want %v s within 5 %%", what, got, seconds)
		}
	}
	if in.By != want.by || in.Misses != want.misses || in.Jitter != "none" {
		bad("learned that %s beats, %d misses and jitter %s, want %s, %d and none", in.By, in.Misses, in.Jitter, want.by, want.misses)
	}
	within("interval", in.Interval, want.interval)
	within("timeout", in.Timeout, want.timeout)
	if len(in.Delays) != len(want.delays) {
		bad("learned %d delays, want %d", len(in.Delays), len(want.delays))
		return wrong
	}
	for i, d := range in.Delays { // the timers of twenty clients on a busy machine only add to a delay that has no jitter
		within(fmt.Sprintf("delay %d", i+1), d.P5, want.delays[i])
	}
	// And the profile that is printed is a client that has them.
	file, err := scenario.Parse("learned.yaml", []byte("target: {url: 'ws://127.0.0.1:1'}\nduration: 120s\n"+in.Profile()))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := file.Plan()
	if err != nil {
		t.Fatal(err)
	}
	c := &plan.Groups[0].Config
	within("the profile's interval", c.Beat.Interval, want.interval)
	within("the profile's timeout", c.Timeout, want.timeout)
	for i, d := range want.delays {
		within(fmt.Sprintf("the profile's delay %d", i+1), c.Reconnect.Next(i, c.Reconnect.Delay, func() float64 { return 0 }), d)
	}
	// Beats are answered: a silence is noticed between the timeout and one interval later, up to the timers of Node.
	if d := r.Faults[0].Detection; want.timeout > 0 {
		if lo, hi := want.timeout, want.interval+want.timeout; d.N() != 20 || d.Min().Seconds() < lo-0.1 || d.Max().Seconds() > hi+1 {
			bad("%d noticed the blackhole within [%v, %v], want 20 within (%v s, %v s]", d.N(), d.Min(), d.Max(), lo, hi)
		}
	}
	return wrong
}

// TestRealProxyHolds: 8,000 clients through the proxy, none of whom is lost or late. Each takes two descriptors of the proxy's.
func TestRealProxyHolds(t *testing.T) {
	flatline, err := built()
	if err != nil {
		t.Fatal(err)
	}
	front := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	cmd := exec.Command(flatline, "proxy", "-q", "--listen", front, "--target", "ws://"+embedded(t, flatline), "--api", "none", "--connections", "8000")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // where the test ended too early
	if err := listens(front, nil); err != nil {
		t.Fatal(err)
	}
	file := writeScenario(t, fmt.Sprintf(`
name: proxy-holds
target: {url: "ws://%s"}
clients: [{count: 8000, ramp: 9s, profile: heartcheck}]
duration: 21s
expect: [clients.open == 8000, clients.never_opened == 0, connect.failed == 0, false_positives == 0]
`, front))
	code := exitInconclusive
	for i := 0; i < tries && code == exitInconclusive; i++ {
		var said string
		_, said, code = command(t, "run", nil, "-q", file)
		t.Log("\n" + said)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // 130: it was interrupted
	t.Log("\n" + out.String())
	if code != exitPass {
		t.Errorf("exit code %d, want %d", code, exitPass)
	}
	if !strings.Contains(out.String(), "8,000 at most") {
		t.Error("the proxy never had 8,000 connections")
	}
}
