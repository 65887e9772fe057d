//go:build heavy

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/server"
)

// libraries are the real ones that the profiles were read in.
var libraries = []string{"ws@8.23.0", "socket.io@4.8.4", "socket.io-client@4.8.4", "phoenix@1.8.16", "mqtt@5.16.0", "aedes@1.2.0", "centrifuge@5.8.0",
	"pusher-js@8.6.0", "@rails/actioncable@8.1.400", "graphql-ws@6.4.2", "graphql@16.15.0", "@stomp/stompjs@7.5.0",
	"@microsoft/signalr@10.0.11", "nats.ws@1.30.3", "socketcluster-client@20.0.2",
	"sockette@2.0.6", "websocket-heartbeat-js@1.1.3", "reconnecting-websocket@4.4.0", "partysocket@1.3.0"}

// installed is a directory with the libraries and the scripts of testdata/libraries.
var installed = sync.OnceValues(func() (string, error) {
	dir, err := scratchDir("flatline-libraries")
	if err != nil {
		return "", err
	}
	for _, name := range []string{"servers.mjs", "realservers.mjs", "client.mjs", "learners.mjs"} {
		text, err := os.ReadFile(filepath.Join("testdata", "libraries", name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return "", err
		}
	}
	args := append([]string{"install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", "--no-save"}, libraries...)
	if out, err := exec.Command("npm", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install: %w\n%s", err, out)
	}
	return dir, nil
})

// TestRealLibraryServers runs profiles against the servers that they were made for: each opens, beats at the interval
// that its server tells, hears its answers and stays.
func TestRealLibraryServers(t *testing.T) {
	t.Parallel()
	dir, err := installed()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "servers.mjs")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	var ports map[string]int
	if err := json.NewDecoder(stdout).Decode(&ports); err != nil {
		t.Fatal(err)
	}
	for profile, more := range map[string]string{
		"socket.io":  "", // 25 s of its own, and its server tells 1 s
		"mqtt":       ", beat: {interval: 1s}",
		"graphql-ws": ", path: /graphql",
	} {
		t.Run(profile, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "library.yaml")
			text := fmt.Sprintf(`
target: {url: "ws://127.0.0.1:%d"}
clients: [{count: 5, ramp: 1s, profile: %s%s}]
duration: 6s
expect: [clients.open == 5, connect.failed == 0, false_positives == 0, heartbeat.unanswered == 0]
`, ports[profile], profile, more)
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			r, out, code := command(t, "run", nil, path)
			if code != exitPass {
				t.Fatalf("exit %d\n%s", code, out)
			}
			// Nearly five seconds each at one beat a second; graphql-ws has none.
			if sent := value(t, r, "heartbeat.sent > 0"); profile != "graphql-ws" && (sent < 15 || sent > 30) {
				t.Errorf("%v beats, want about 22\n%s", sent, out)
			}
		})
	}
}

// TestRealLibraryClients lets real clients meet the embedded server as it plays theirs: each opens, hears beats or their
// replies, and stays.
func TestRealLibraryClients(t *testing.T) {
	dir, err := installed()
	if err != nil {
		t.Fatal(err)
	}
	flatline, err := built()
	if err != nil {
		t.Fatal(err)
	}
	for library, tc := range map[string]struct {
		dialect string
		beats   int // that the client notes itself
	}{
		"socket.io":     {"socket.io interval=500ms timeout=2s", 4},
		"phoenix":       {"phoenix", 4},
		"mqtt":          {"mqtt", 2},
		"centrifuge":    {"centrifuge interval=1s timeout=10s", 0},
		"pusher":        {"pusher interval=1s", 2},
		"actioncable":   {"actioncable interval=500ms", 4},
		"graphql-ws":    {"graphql-ws", 0},
		"stomp":         {"stomp", 0},
		"signalr":       {"signalr interval=500ms", 0}, // it allows 1.5 s of silence
		"nats":          {"nats", 0},
		"socketcluster": {"socketcluster interval=500ms", 0},
	} {
		t.Run(library, func(t *testing.T) {
			t.Parallel()
			serve := exec.Command(flatline, "serve", "--until-eof", "--dialect", tc.dialect)
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
			defer func() {
				stdin.Close()
				_, _ = io.Copy(io.Discard, stdout)
				_ = serve.Wait()
			}()
			var info server.Info
			if err := json.NewDecoder(stdout).Decode(&info); err != nil {
				t.Fatal(err)
			}
			node := exec.Command("node", "client.mjs", library, info.Addr)
			node.Dir, node.WaitDelay = dir, 10*time.Second
			out, err := node.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var got struct {
				Events []string
				Open   bool
			}
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			events := strings.Join(got.Events, " ")
			if !got.Open || strings.Contains(events, "closed") || strings.Count(events, "beat") < tc.beats {
				t.Errorf("open %v, want at least %d beats and no close: %s", got.Open, tc.beats, events)
			}
		})
	}
}
