//go:build heavy

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// nextPort is below the ports that the kernel gives to connections, of which the tests beside this one have thousands. Processes
// with neighbouring numbers begin far from each other.
var nextPort atomic.Int32

func freePort(t *testing.T) int {
	t.Helper()
	nextPort.CompareAndSwap(0, int32(20000+os.Getpid()*61%11000))
	for range 1000 {
		port := int(nextPort.Add(1))
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// daemon runs a server of somebody else until the test ends, and waits until it listens on port.
func daemon(t *testing.T, port int, name string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with its workers
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	if err := listens(fmt.Sprintf("127.0.0.1:%d", port), ended); err != nil {
		select {
		case <-ended:
			t.Fatalf("%s: %v: %s", name, err, said.String())
		default:
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// listens waits, 20 s at most, until somebody listens at addr, or until ended is closed.
func listens(addr string, ended <-chan struct{}) error {
	for began := time.Now(); time.Since(began) < 20*time.Second; {
		if c, err := net.Dial("tcp", addr); err == nil {
			return c.Close()
		}
		select {
		case <-ended:
			return errors.New("it ended")
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("nobody listens at %s", addr)
}

// inFile writes a configuration for a daemon.
func inFile(t *testing.T, format string, args ...any) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "daemon.conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// mosquitto serves MQTT over WebSocket. It wants a plain listener besides: 2.0.11 with a WebSocket listener alone says that
// it could not start any.
func mosquitto(t *testing.T) int {
	plain, port := freePort(t), freePort(t)
	daemon(t, port, "mosquitto", "-c", inFile(t, `
listener %d 127.0.0.1
listener %d 127.0.0.1
protocol websockets
socket_domain ipv4
allow_anonymous true
persistence false
user root
log_type error
`, plain, port))
	return port
}

const natsServer = "github.com/nats-io/nats-server/v2@v2.14.8"

var natsBuilt = sync.OnceValues(func() (string, error) {
	dir, err := scratchDir("flatline-nats")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "install", natsServer)
	cmd.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s: %w\n%s", natsServer, err, out)
	}
	return filepath.Join(dir, "nats-server"), nil
})

// nats serves NATS over WebSocket; more is put into its configuration.
func nats(t *testing.T, more string) int {
	path, err := natsBuilt()
	if err != nil {
		t.Fatal(err)
	}
	plain, port := freePort(t), freePort(t)
	daemon(t, port, path, "-c", inFile(t, `
listen: "127.0.0.1:%d"
websocket { listen: "127.0.0.1:%d", no_tls: true }
%s`, plain, port, more))
	return port
}

// nodeServers runs testdata/libraries/realservers.mjs and returns the ports.
func nodeServers(t *testing.T, mode string) map[string]int {
	dir, err := installed()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "realservers.mjs", mode)
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
	return ports
}

// nginx stands in front of a WebSocket server. idle is its proxy_read_timeout, which is 60 s unless set.
func nginx(t *testing.T, target int, idle time.Duration) int {
	port := freePort(t)
	daemon(t, port, "nginx", "-e", "stderr", "-p", t.TempDir(), "-c", inFile(t, `
daemon off;
pid nginx.pid;
worker_processes 1;
worker_rlimit_nofile 16384;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:%d backlog=4096;
    location / {
      proxy_pass http://127.0.0.1:%d;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout %ds;
    }
  }
}
`, port, target, int(idle.Seconds())))
	return port
}

// haproxy stands in front of a WebSocket server. idle is its timeout tunnel.
func haproxy(t *testing.T, target int, idle time.Duration) int {
	port := freePort(t)
	daemon(t, port, "haproxy", "-db", "-f", inFile(t, `
global
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel %ds
frontend front
  bind 127.0.0.1:%d backlog 4096
  default_backend back
backend back
  server one 127.0.0.1:%d
`, int(idle.Seconds()), port, target))
	return port
}
