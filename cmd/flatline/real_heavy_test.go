//go:build heavy

// Runs of minutes against real sockets. They hold what the documents promise: every ready scenario passes, detection
// follows the closed forms, and the simulator agrees with the sockets.
//
//	go test -tags heavy -count 1 -timeout 30m -parallel 10 -v -run '^TestReal' ./cmd/flatline
package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

var built = sync.OnceValues(func() (string, error) {
	dir, err := scratchDir("flatline-heavy")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "flatline")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// command runs flatline and returns its Result, its report and its exit code.
func command(t *testing.T, verb string, prefix []string, args ...string) (*report.Result, string, int) {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	result := filepath.Join(t.TempDir(), "result.json")
	line := append(append([]string{}, prefix...), path, verb, "-o", result)
	line = append(line, args...)
	cmd := exec.Command(line[0], line[1:]...)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	code := 0
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		code = exit.ExitCode()
	}
	r, err := report.ReadFile(result)
	if err != nil {
		t.Fatalf("%s: exit %d, %v\n%s", strings.Join(line, " "), code, err, diag.String())
	}
	return r, out.String(), code
}

// value reads a metric, in its base unit.
func value(t *testing.T, r *report.Result, metric string) float64 {
	t.Helper()
	e, err := scenario.ParseExpect(metric)
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Value(e)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Exists {
		t.Fatalf("%s was not measured: %s", metric, m.Note)
	}
	return float64(m.Value)
}

// tries is how often a scenario may run: inconclusive means that the machine was too busy to tell.
const tries = 3

// quiet are scenarios that do little for most of their time, with expectations that a busy moment does not touch: they
// share the machine.
var quiet = []string{"crash-restart", "flapping-link", "heartbeat-tuning", "never-detects", "one-way-silence", "rolling-drain", "server-stall",
	"silent-nat", "sleeping-devices", "what-is-lost", "ack-storm", "lose-a-node", "rolling-deploy", "server-push", "split-brain"}

// ready are the scenarios that are quiet, or those that are not, but for loss-sweep: TestRealLoss runs that one.
func ready(t *testing.T, shared bool) (files []string) {
	t.Helper()
	all, err := filepath.Glob("../../scenarios/*.yaml")
	if err != nil || len(all) < 8 {
		t.Fatalf("found %d scenarios: %v", len(all), err)
	}
	for _, file := range all {
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); name != "loss-sweep" && slices.Contains(quiet, name) == shared {
			files = append(files, file)
		}
	}
	return files
}

// hold runs a scenario; its expectations hold.
func hold(t *testing.T, file string) {
	code := exitInconclusive
	for i := 0; i < tries && code == exitInconclusive; i++ {
		var out string
		_, out, code = command(t, "run", nil, "-q", file)
		t.Log("\n" + out)
	}
	if code != exitPass {
		t.Errorf("exit code %d, want %d", code, exitPass)
	}
}

// TestRealScenarios runs the ready scenarios that need the machine to themselves.
func TestRealScenarios(t *testing.T) {
	for _, file := range ready(t, false) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) { hold(t, file) })
	}
}

// TestRealQuietScenarios runs the others, beside other tests that do not.
func TestRealQuietScenarios(t *testing.T) {
	for _, file := range ready(t, true) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			hold(t, file)
		})
	}
}

// writeScenario keeps a scenario of the test in a file.
func writeScenario(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const thirdGoesSilent = `
name: third-%[1]s
seed: 11
target: {serve: {}}
clients: [{count: 3000, ramp: 6s, profile: %[1]s}]
chaos: [{at: 9s, for: 20s, fault: blackhole, clients: 1000}]
duration: 42s
`

// TestRealClosedForms: 3,000 clients, a third of them in a blackhole for 20 s. Detection follows the closed forms of the
// profile, and the simulator predicts detection and downtime within 3 %.
func TestRealClosedForms(t *testing.T) {
	for _, tt := range []struct {
		profile  string
		lo, hi   float64 // seconds; 0: never detects
		interval float64
	}{
		{"heartcheck", 5, 8, 3},
		{"heartcheck-counted", 6, 9, 3},
		{"heartcheck-counted-as-published", 0, 0, 3},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			t.Parallel()
			file := writeScenario(t, fmt.Sprintf(thirdGoesSilent, tt.profile))
			real, out, code := command(t, "run", nil, "-q", file)
			t.Log("\n" + out)
			if code != exitPass {
				t.Errorf("exit code %d", code)
			}
			if n := value(t, real, "false_positives == 0"); n != 0 {
				t.Errorf("%v false positives", n)
			}
			undetected := value(t, real, "detection.undetected == 0")
			if tt.hi == 0 {
				if n := value(t, real, "detection.count == 0"); n != 0 || undetected != 1000 {
					t.Errorf("%v detections and %v undetected, want 0 and 1000", n, undetected)
				}
				return
			}
			if n := value(t, real, "detection.count == 0"); n != 1000 || undetected != 0 {
				t.Errorf("%v detections and %v undetected, want 1000 and 0", n, undetected)
			}
			lag := value(t, real, "harness.lag.max < 1s")
			rtt := value(t, real, "heartbeat.rtt.max < 1s during baseline")
			var slowest, fastest float64 = 0, math.Inf(1)
			for _, o := range real.Occurrences {
				for _, g := range o.Groups {
					h := g.Detected.Merged("")
					slowest = max(slowest, h.Max().Seconds())
					fastest = min(fastest, h.Min().Seconds())
				}
			}
			if fastest < tt.lo-rtt || slowest > tt.hi+2*lag {
				t.Errorf("detection within [%.3f, %.3f] s, want (%v - rtt %.4f, %v + lag %.4f]", fastest, slowest, tt.lo, rtt, tt.hi, lag)
			}
			if p50 := value(t, real, "detection.p50 < 1s"); math.Abs(p50-(tt.lo+tt.hi)/2) > 0.2 {
				t.Errorf("p50 is %.3f s, want within 0.2 of %.1f", p50, (tt.lo+tt.hi)/2)
			}
			simulated, _, _ := command(t, "sim", nil, file)
			for _, metric := range []string{"detection", "downtime"} {
				for _, q := range []string{"p50", "p90", "p99"} {
					m := metric + "." + q
					got, want := value(t, real, m+" < 1s"), value(t, simulated, m+" < 1s")
					if math.Abs(got-want) > 0.03*want {
						t.Errorf("%s is %.3f s and simulated %.3f s: more than 3 %% apart", m, got, want)
					}
				}
			}
		})
	}
}

const resetOf3000 = `
name: reset-%[1]s
target: {serve: {}}
clients: [{count: 3000, ramp: 3s, profile: heartcheck, reconnect: {delay: 4s, jitter: %[1]s}}]
chaos: [{at: 6s, fault: kill, how: rst, name: reset}]
duration: 16s
`

// TestRealStorm: after a reset of 3,000 clients with a fixed delay of 4 s every attempt falls into one second, 4 s
// later. Full jitter over the same 4 s brings the peak down to about a quarter of them.
func TestRealStorm(t *testing.T) {
	fixed, out, _ := command(t, "run", nil, "-q", writeScenario(t, fmt.Sprintf(resetOf3000, "none")))
	t.Log("\n" + out)
	if peak := value(t, fixed, "storm.peak < 1/s during reset"); peak != 3000 {
		t.Errorf("fixed delay: peak %v/s, want all 3000", peak)
	}
	attempts := fixed.Occurrences[0].Groups[0].Attempts
	if n := attempts.SumBetween(0, 4*time.Second); n != 0 {
		t.Errorf("fixed delay: %d attempts before 4 s", n)
	}
	if n := attempts.SumBetween(4*time.Second, 5*time.Second); n != 3000 {
		t.Errorf("fixed delay: %d attempts from 4 s to 5 s after the reset, want 3000", n)
	}
	full, out, _ := command(t, "run", nil, "-q", writeScenario(t, fmt.Sprintf(resetOf3000, "full")))
	t.Log("\n" + out)
	if peak := value(t, full, "storm.peak < 1/s during reset"); peak < 700 || peak > 900 {
		t.Errorf("full jitter: peak %v/s, want about 750", peak)
	}
}

// TestRealPorts gives a network namespace of its own 1,000 ephemeral ports and asks for 3,500 clients to one target:
// four source addresses carry them, one does not and says so before it starts.
func TestRealPorts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("a network namespace needs root")
	}
	inside := []string{"unshare", "--net", "sh", "-c",
		`ip link set lo up && sysctl -q -w net.ipv4.ip_local_port_range="40000 40999" && exec "$@"`, "sh"}
	text := `
name: ports
target: {serve: {}}
clients: [{count: 3500, ramp: 3s, profile: heartcheck, sources: %s}]
duration: 8s
expect:
  - clients.open == 3500
  - connect.failed == 0
`
	r, out, code := command(t, "run", inside, "-q", writeScenario(t, fmt.Sprintf(text, "[127.0.0.1, 127.0.0.2, 127.0.0.3, 127.0.0.4]")))
	if code != exitPass || value(t, r, "clients.open == 0") != 3500 {
		t.Errorf("four sources: exit %d\n%s", code, out)
	}
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	line := append(inside, path, "run", "-o", "none", writeScenario(t, fmt.Sprintf(text, "[127.0.0.1]")))
	said, err := exec.Command(line[0], line[1:]...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitCannotRun || !strings.Contains(string(said), "hint: give the group more addresses") {
		t.Errorf("one source: %v\n%s", err, said)
	}
}
