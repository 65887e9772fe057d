package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/report/html"
)

const (
	// livePeriod is how often the live page is made anew while somebody looks at it.
	livePeriod = time.Second
	// liveShare bounds what that costs: making the page takes at most one part in liveShare of the time of one core, so
	// that it does not make flatline's own timers late.
	liveShare = 10
	// liveLinger is how long the end of a run waits for browsers to take the final page.
	liveLinger = time.Second
)

// livePage serves the live page of a run. A nil livePage serves nothing.
type livePage struct {
	live   *html.Live
	server *http.Server
	in     net.Listener
	host   string    // that it was told to listen on
	next   time.Time // when the page is to be made anew
}

// liveAddr makes HOST:PORT of what --live was given: without a host it is the loopback address, which only this machine
// can reach.
func liveAddr(s string) (addr string, err error) {
	bad := func() (string, error) {
		return "", usageError(hint(fmt.Errorf("--live: %q is no address", s), "--live 8080 for http://127.0.0.1:8080, --live 127.0.0.1:0 for any free port"))
	}
	given := s
	if !strings.Contains(s, ":") {
		given = ":" + s
	}
	host, port, err := net.SplitHostPort(given)
	if err != nil {
		return bad()
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return bad()
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// listenLive opens the live page's port, before the run so that a port in use is known at once.
func (a *app) listenLive(addr string) (*livePage, error) {
	if addr == "" {
		return nil, nil
	}
	in, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, cannotRun(hint(fmt.Errorf("live page: %w", err), "--live 127.0.0.1:0 takes any free port"))
	}
	at := in.Addr().(*net.TCPAddr)
	host, _, _ := net.SplitHostPort(addr) // liveAddr made it
	fmt.Fprintf(a.stderr, "live: http://%s/\n", net.JoinHostPort(host, strconv.Itoa(at.Port)))
	if !at.IP.IsLoopback() {
		fmt.Fprintln(a.stderr, "warning: the live page is open to everybody who can reach this machine, without a password")
	}
	return &livePage{in: in, host: host}, nil
}

// serve starts to show what rec records.
func (p *livePage) serve(rec *report.Recorder, clock func() time.Duration) {
	if p == nil {
		return
	}
	p.live = html.NewLive(p.host, func() *report.Result { return rec.Snapshot(clock(), report.SnapshotOptions{}) })
	p.server = &http.Server{Handler: p.live, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 1 << 14}
	go func() { _ = p.server.Serve(p.in) }()
}

// refresh makes the page anew if somebody looks at it and it is time; it is called from one goroutine at a time.
func (p *livePage) refresh() error {
	if p == nil || p.live == nil || time.Now().Before(p.next) || !p.live.Watched() {
		return nil
	}
	began := time.Now()
	err := p.live.Refresh()
	p.next = began.Add(max(livePeriod, liveShare*time.Since(began)) - livePeriod/10)
	return err
}

// finish shows the final report to whoever looks, and closes.
func (p *livePage) finish(r *report.Result) error {
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), liveLinger)
	defer cancel()
	var err error
	if p.live != nil && r != nil {
		err = p.live.Finish(ctx, r)
		err = errors.Join(err, ignore(p.server.Shutdown(ctx)))
	}
	return errors.Join(err, p.close())
}

// ignore forgets that the time was up: who has not read by then does not want to.
func ignore(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func (p *livePage) close() error {
	if p == nil {
		return nil
	}
	if p.server != nil {
		return p.server.Close()
	}
	return p.in.Close()
}
