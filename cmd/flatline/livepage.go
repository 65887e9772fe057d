package main

import (
	"context"
	"fmt"
	"net"
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

// livePage is the run in a browser while it goes. A nil livePage shows nothing.
type livePage struct {
	page *page
	host string // that it was told to listen on
	live *html.Live
	next time.Time // when the page is to be made anew
}

// livePage opens the address of the live page, before the run so that one in use is known at once; "" is none.
func (a *app) livePage(web *pages, addr string) (*livePage, error) {
	if addr == "" {
		return nil, nil
	}
	x, err := web.on("live", addr)
	if err != nil {
		return nil, err
	}
	addr, _ = listenAddress("live", addr) // it was good enough to listen
	host, _, _ := net.SplitHostPort(addr)
	fmt.Fprintf(a.stderr, "live: %s\n", x.url("/"))
	if at, ok := x.listener.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() {
		fmt.Fprintln(a.stderr, "warning: the live page is open to everybody who can reach this machine, without a password")
	}
	return &livePage{page: x, host: host}, nil
}

// show puts what rec records on the page.
func (p *livePage) show(rec *report.Recorder, clock func() time.Duration) {
	if p != nil {
		p.live = html.NewLive(p.host, func() *report.Result { return rec.Snapshot(clock(), report.SnapshotOptions{}) })
		p.page.mux.Handle("/", p.live)
	}
}

// refresh makes the page anew if somebody looks at it and it is time; it is called from one goroutine at a time.
func (p *livePage) refresh() error {
	if time.Now().Before(p.next) || !p.live.Watched() {
		return nil
	}
	began := time.Now()
	err := p.live.Refresh()
	p.next = began.Add(max(livePeriod, liveShare*time.Since(began)) - livePeriod/10)
	return err
}

// finish shows the final report to whoever looks, and waits until they have it, but not long.
func (p *livePage) finish(r *report.Result) error {
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), liveLinger)
	defer cancel()
	return p.live.Finish(ctx, r)
}
