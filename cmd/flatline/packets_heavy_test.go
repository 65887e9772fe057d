//go:build heavy

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tshark reads a capture, with TCP's checksums verified, and returns a line for each packet that the display filter
// selects.
func tshark(t *testing.T, file, filter string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("tshark", append([]string{"-o", "tcp.check_checksum:TRUE", "-r", file, "-Y", filter}, args...)...)
	var diag strings.Builder
	cmd.Stderr = &diag
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark -Y %q: %v\n%s", filter, err, diag.String())
	}
	return slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool { return line == "" })
}

// TestRealCapture opens a capture of three clients under loss with the tool that people will open it with.
func TestRealCapture(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, capture := filepath.Join(dir, "lossy.yaml"), filepath.Join(dir, "lossy.pcap")
	src := `
target: {serve: {}}
clients: [{count: 20, ramp: 1s, profile: heartcheck, beat: {interval: 200ms}, timeout: 20s, reconnect: {delay: 200ms}}]
chaos:
  engine: packet
  faults:
    - {at: 2s, for: 5s, fault: drop, rate: 20%}
    - {at: 8s, fault: kill, how: rst}
duration: 10s
`
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, out, code := command(t, "run", nil, "-q", "--pcap", capture, "--pcap-clients", "3,7-8", file); code != exitPass && code != exitInconclusive {
		t.Fatalf("exit %d\n%s", code, out)
	}
	for filter, want := range map[string]int{
		"_ws.malformed":                0,
		"_ws.expert.severity == error": 0,
		`tcp.checksum.status == "Bad"`: 0,
		"!tcp":                         0,
	} {
		if got := tshark(t, capture, filter); len(got) != want {
			t.Errorf("%s: %d packets, want %d; the first:\n%s", filter, len(got), want, got[0])
		}
	}
	for filter, least := range map[string]int{
		"tcp.flags.syn == 1 && tcp.flags.ack == 0":                       6, // a connection each, and another after the kill
		"tcp.flags.syn == 1 && tcp.flags.ack == 1":                       6,
		"http.request.method == GET":                                     6,
		"http.response.code == 101":                                      6,
		"websocket.payload.text":                                         60,
		"tcp.analysis.retransmission && ip.dst == 192.0.2.1":             1, // what the clients sent again
		"tcp.analysis.retransmission && ip.src == 192.0.2.1":             1, // and the other end
		"tcp.flags.reset == 1 && ip.src == 192.0.2.1 && tcp.seq_raw > 0": 3,
	} {
		if got := tshark(t, capture, filter); len(got) < least {
			t.Errorf("%s: %d packets, want %d at least", filter, len(got), least)
		}
	}
	addresses := tshark(t, capture, "ip", "-T", "fields", "-e", "ip.src", "-e", "ip.dst")
	slices.Sort(addresses)
	want := []string{
		"10.0.0.4\t192.0.2.1", "10.0.0.8\t192.0.2.1", "10.0.0.9\t192.0.2.1", // clients 3, 7 and 8
		"192.0.2.1\t10.0.0.4", "192.0.2.1\t10.0.0.8", "192.0.2.1\t10.0.0.9",
	}
	if d := cmp.Diff(want, slices.Compact(addresses)); d != "" {
		t.Errorf("who talks to whom:\n%s", d)
	}
}

// TestRealBlackholeByEngine holds the three engines to one closed form: heartcheck with I = 1 s and T = 2 s notices a
// blackhole after 2 s to 3 s, and every attempt that it makes before the heal ends by its own patience.
func TestRealBlackholeByEngine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("the kernel engine needs root")
	}
	file := filepath.Join(t.TempDir(), "dark.yaml")
	src := `
target: {serve: {}}
clients:
  - {count: 600, ramp: 2s, profile: heartcheck, beat: {interval: 1s}, timeout: 2s, opening: {timeout: 1s}, reconnect: {delay: 1s}}
chaos: [{at: 4s, for: 10s, fault: blackhole, clients: 50%}]
duration: 20s
expect:
  - detection.count == 300
  - detection.count == 300 by timeout
  - detection.p50 > 2.4s
  - detection.p50 < 2.6s
  - detection.max < 3.1s
  - detection.undetected == 0
  - false_positives == 0
  - connect.failed >= 900 by timeout during blackhole
  - recovery.lost == 0
  - clients.open == 600
`
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		engine string
		prefix []string
	}{
		{"stream", nil},
		{"packet", nil},
		{"kernel", []string{"unshare", "--net", "sh", "-c", `ip link set lo up && exec "$@"`, "sh"}},
	} {
		t.Run(tt.engine, func(t *testing.T) {
			t.Parallel()
			r, out, code := command(t, "run", tt.prefix, "-q", "--engine", tt.engine, file)
			if code != exitPass && code != exitInconclusive {
				t.Errorf("exit %d\n%s", code, out)
			}
			failed, timeouts := value(t, r, "connect.failed == 0 during blackhole"), value(t, r, "connect.failed == 0 by timeout during blackhole")
			if failed != timeouts {
				t.Errorf("%v attempts failed, %v of them by timeout", failed, timeouts)
			}
		})
	}
}
