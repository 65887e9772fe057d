package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/scenario"
)

func TestProbeErrors(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, tt := range []struct {
		name string
		resp *http.Response
		err  error
		want string
	}{
		{"no upgrade", &http.Response{Status: "404 Not Found"}, errors.New("bad handshake"),
			`the target ws://h/ speaks HTTP but does not upgrade to WebSocket: it answered 404 Not Found
hint: check the path of target.url, and whether the target asks for headers or a subprotocol`},
		{"refused", nil, dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)),
			`the target ws://h/ is down: nothing listens there (connection refused)`},
		{"name", nil, dial(&net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}),
			`the target ws://h/ cannot be found: dial tcp: lookup h: no such host
hint: check the host name in target.url`},
		{"certificate", nil, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
			`the target ws://h/ shows a certificate that is not trusted: x509: certificate signed by unknown authority
hint: target.ca names the authority to trust; target.insecure: true trusts anybody`},
		{"not TLS", nil, tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
			`the target ws://h/ does not speak TLS
hint: is it ws:// rather than wss://?`},
		{"deadline", nil, fmt.Errorf("handshake: %w", context.DeadlineExceeded),
			`the target ws://h/ does not answer: no upgrade within 1.2s`},
		{"time-out", nil, dial(os.ErrDeadlineExceeded),
			`the target ws://h/ does not answer: no upgrade within 1.2s`},
		{"end", nil, io.ErrUnexpectedEOF,
			`the target ws://h/ accepts the connection and closes it before the upgrade`},
		{"reset", nil, &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
			`the target ws://h/ accepts the connection and closes it before the upgrade`},
		{"else", nil, dial(syscall.ENETUNREACH),
			`the target ws://h/ does not complete a WebSocket upgrade: dial tcp: network is unreachable`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := explained(probeError("ws://h/", tt.resp, tt.err, 1234*time.Millisecond))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// planFor is a plan of one client against a URL.
func planFor(t *testing.T, url string) *scenario.Plan {
	t.Helper()
	file, err := scenario.Parse("test.yaml", fmt.Appendf(nil,
		"target: {url: %q}\nclients: [{count: 1, ramp: 100ms, profile: heartcheck}]\nduration: 2s\n", url))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := file.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// What real sockets say leads to the same words.
func TestProbeTargets(t *testing.T) {
	for kind, want := range map[string]string{
		"http":     `speaks HTTP but does not upgrade to WebSocket: it answered 200 OK`,
		"busy":     `it answered 503 Service Unavailable`,
		"slam":     `accepts the connection and closes it before the upgrade`,
		"mute":     `does not answer: no upgrade within`,
		"ws-slam":  `upgrades the connection and (drops|closes) it at once`,
		"ws-bye":   `upgrades the connection and closes it at once .*1008`,
		"ws-flood": ``,
		"ws-giant": ``,
		"ws-noise": ``,
		"ws-echo":  ``,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			addr, end, err := badTarget(kind)
			if err != nil {
				t.Fatal(err)
			}
			defer end()
			limit := 30 * time.Second
			if kind == "mute" {
				limit = 300 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			got := explained(probe(ctx, planFor(t, "ws://"+addr+"/"), 0))
			if want == "" && got != "" || !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("probe says %q, want %q", got, want)
			}
		})
	}
}

// A target that comes up late is waited for; one that listens and is wrong is not.
func TestProbePatience(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	up := make(chan *http.Server, 1)
	go func() {
		time.Sleep(3 * probePause)
		s := &http.Server{Addr: addr, Handler: http.HandlerFunc(badTargets["ws-echo"])}
		up <- s
		s.ListenAndServe()
	}()
	if err := probe(t.Context(), planFor(t, "ws://"+addr+"/"), 20*time.Second); err != nil {
		t.Errorf("probe of a late target: %v", err)
	}
	(<-up).Close()

	addr, end, err := badTarget("http")
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := probe(ctx, planFor(t, "ws://"+addr+"/"), time.Hour); err == nil || ctx.Err() != nil {
		t.Errorf("probe of an HTTP server with patience: %v", err)
	}
}

// An authority that cannot be read is no matter of starting the target.
func TestProbeAuthority(t *testing.T) {
	plan := planFor(t, "wss://127.0.0.1:1/")
	plan.Target.CA = "nowhere.pem"
	if got := explained((&target{}).await(t.Context(), plan)); !strings.Contains(got, "nowhere.pem") || !strings.Contains(got, "hint: target.ca") {
		t.Error(got)
	}
}
