//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/proxy"
	"github.com/flatline-dev/flatline/internal/server"
)

var proxyAddrs = regexp.MustCompile(`(?s)control: http://(\S+)/v1/status.*proxy: (\S+) in front of`)

// A proxy from its start to the interrupt: ctl steers it, the report comes out, the exit code is that of an interruption.
func TestProxyInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan server.Info, 1)
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, server.Config{}, func(i server.Info) { ready <- i }) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	target := (<-ready).Addr
	r := flatline(t, "", "proxy", "--listen", "0", "--api", "0", "--target", "ws://"+target, "-o", "r.json", "--learn")
	r.says("in front of")
	addrs := proxyAddrs.FindStringSubmatch(r.stderr.String())
	if addrs == nil {
		t.Fatalf("no addresses in %q", r.stderr.String())
	}
	ctl := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := Main(append([]string{"ctl", "--api", addrs[1]}, args...), strings.NewReader(""), &out, &errs); code != want {
			t.Fatalf("ctl %q: exit code %d, want %d: %s%s", args, code, want, out.String(), errs.String())
		}
		return out.String() + errs.String()
	}
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+addrs[2]+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"status"}, "1 open, 0 faults in force"},
		{[]string{"start", "blackhole", "for", "10m", "clients", "c1", "named", "dark"}, "blackhole at 0s for 10m clients c1"},
		{[]string{"start", "{fault: delay, by: 5ms}"}, "delay by 5ms"},
		{[]string{"faults"}, "in force"},
		{[]string{"clients"}, "dark,delay"},
		{[]string{"connections"}, "dark,delay"},
		{[]string{"stop", "delay"}, "stopped"},
		{[]string{"stats"}, "How long until they noticed"},
		{[]string{"stats", "--json"}, `"format": "flatline-proxy"`},
	} {
		if got := ctl(exitPass, c.args...); !strings.Contains(got, c.want) {
			t.Errorf("ctl %q: %s, want %q", c.args, got, c.want)
		}
	}
	if got := ctl(exitUsage, "stop", "nothing"); !strings.Contains(got, `no such fault: "nothing"`) {
		t.Errorf("ctl stop nothing: %s", got)
	}
	if got := ctl(exitUsage, "start"); !strings.Contains(got, "no scenario") {
		t.Errorf("ctl start: %s", got)
	}
	if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	r.exit(exitInterrupted)
	for _, want := range []string{"flatline proxy  " + addrs[2], "dark", "clients:\n  - group: learned"} {
		if !strings.Contains(r.stdout.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, r.stdout.String())
		}
	}
	text, err := os.ReadFile(filepath.Join(r.dir, "r.json"))
	if err != nil {
		t.Fatal(err)
	}
	if res, err := proxy.ReadResult(text); err != nil || len(res.Faults) != 2 || res.Connections.Opened != 1 {
		t.Errorf("the Result: %v", err)
	}
}
