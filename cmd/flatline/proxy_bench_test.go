package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/procfs"

	"github.com/flatline-dev/flatline/internal/server"
)

// asRelay in the environment makes this test binary a bare relay from its argument to the value: two goroutines and io.Copy a
// connection, what any proxy in Go does at least.
const asRelay = "FLATLINE_AS_RELAY"

func relay(listen, target string) int {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for {
		a, err := l.Accept()
		if err != nil {
			return 1
		}
		go func() {
			defer a.Close()
			b, err := net.Dial("tcp", target)
			if err != nil {
				return
			}
			defer b.Close()
			go func() {
				// Hidden types: net would splice in the kernel, which nobody can who has to read what passes.
				_, _ = io.Copy(struct{ io.Writer }{a}, struct{ io.Reader }{b})
				a.Close()
			}()
			_, _ = io.Copy(struct{ io.Writer }{b}, struct{ io.Reader }{a})
		}()
	}
}

// background starts this binary as something else, until the benchmark ends.
func background(b *testing.B, env string, name string, args ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.Command(name, args...)
	if env != "" {
		cmd.Env = append(os.Environ(), env)
	}
	cmd.Stderr = os.Stderr
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

func vacant(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// cpuSeconds is what a process has used.
func cpuSeconds(b *testing.B, pid int) float64 {
	p, err := procfs.NewProc(pid)
	if err != nil {
		b.Fatal(err)
	}
	s, err := p.Stat()
	if err != nil {
		b.Fatal(err)
	}
	return s.CPUTime()
}

// beatOnce holds n connections to addr, each with a beat and its echo every second for that many seconds, and returns the
// median round trip.
func beatOnce(b *testing.B, addr string, n, seconds int) time.Duration {
	b.Helper()
	conns := make([]*websocket.Conn, n)
	for i := range conns {
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/", nil)
		if err != nil {
			b.Fatal(err)
		}
		defer ws.Close()
		conns[i] = ws
	}
	all := make([][]time.Duration, n)
	var clients sync.WaitGroup
	begin := time.Now()
	for i, ws := range conns {
		clients.Go(func() {
			for k := range seconds {
				time.Sleep(time.Until(begin.Add(time.Second * time.Duration(n*k+i) / time.Duration(n))))
				sent := time.Now()
				if err := ws.WriteMessage(websocket.TextMessage, []byte("123456789")); err != nil {
					b.Error(err)
					return
				}
				if _, _, err := ws.ReadMessage(); err != nil {
					b.Error(err)
					return
				}
				all[i] = append(all[i], time.Since(sent))
			}
		})
	}
	clients.Wait()
	flat := slices.Concat(all...)
	if len(flat) == 0 {
		b.Fatal("no round trip")
	}
	slices.Sort(flat)
	return flat[len(flat)/2]
}

// BenchmarkProxyProcesses is what a proxy adds to a round trip, with clients, proxy and server in processes of their own:
// 1,000 connections, a beat a second each. An op is a round of three seconds of each way in turn: straight to the server,
// through a bare relay, through flatline proxy, and through Toxiproxy where TOXIPROXY names its server's binary
// (go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0). Every figure is the median over the rounds:
// added-µs to the straight round trip of the same round, cpu-µs of the proxy a round trip.
func BenchmarkProxyProcesses(b *testing.B) {
	const n, seconds = 1000, 3
	serve := background(b, asCommand+"=1", os.Args[0], "serve")
	out, err := serve.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		b.Fatal(err)
	}
	var info server.Info
	if err := json.NewDecoder(out).Decode(&info); err != nil {
		b.Fatal(err)
	}
	type way struct {
		name, addr string
		pid        int
		added, cpu []float64
	}
	var ways []*way
	add := func(name, addr string, cmd *exec.Cmd) {
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			if c, err := net.Dial("tcp", addr); err == nil {
				c.Close()
				break
			} else if time.Since(began) > 10*time.Second {
				b.Fatal(err)
			}
		}
		ways = append(ways, &way{name: name, addr: addr, pid: cmd.Process.Pid})
	}
	addr := vacant(b)
	add("relay", addr, background(b, asRelay+"="+info.Addr, os.Args[0], addr))
	addr = vacant(b)
	add("proxy", addr, background(b, asCommand+"=1", os.Args[0], "proxy", "-q", "--listen", addr, "--target", "ws://"+info.Addr, "--api", "none"))
	if path := os.Getenv("TOXIPROXY"); path != "" {
		_, api, err := net.SplitHostPort(vacant(b))
		if err != nil {
			b.Fatal(err)
		}
		addr = vacant(b)
		config := b.TempDir() + "/toxiproxy.json"
		text := fmt.Sprintf(`[{"name": "echo", "listen": %q, "upstream": %q, "enabled": true}]`, addr, info.Addr)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		toxiproxy := background(b, "LOG_LEVEL=error", path, "-port", api, "-config", config)
		toxiproxy.Stderr = nil
		add("toxiproxy", addr, toxiproxy)
	}
	median := func(of []float64) float64 {
		slices.Sort(of)
		return of[len(of)/2]
	}
	var straight []float64
	for b.Loop() {
		base := beatOnce(b, info.Addr, n, seconds)
		straight = append(straight, float64(base.Microseconds()))
		for _, w := range ways {
			before := cpuSeconds(b, w.pid)
			through := beatOnce(b, w.addr, n, seconds)
			w.added = append(w.added, float64((through - base).Microseconds()))
			w.cpu = append(w.cpu, (cpuSeconds(b, w.pid)-before)*1e6/(n*seconds)) // with opening and closing the connections
		}
	}
	b.ReportMetric(median(straight), "straight-µs")
	for _, w := range ways {
		b.ReportMetric(median(w.added), w.name+"-added-µs")
		b.ReportMetric(median(w.cpu), w.name+"-cpu-µs")
	}
}
