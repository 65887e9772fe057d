package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// listenAddress is what a flag that serves HTTP means: HOST:PORT, or a PORT alone (9123, :9123), which is of 127.0.0.1.
// Whoever wants others to see it says so, with 0.0.0.0:9123 or [::]:9123. Port 0 is any free one.
func listenAddress(flag, value string) (string, error) {
	host, port, err := net.SplitHostPort(value)
	if err != nil && !strings.Contains(value, ":") {
		port, err = value, nil
	}
	if err == nil {
		if _, bad := strconv.ParseUint(port, 10, 16); bad != nil {
			err = fmt.Errorf("port %q is no number from 0 to 65535", port)
		}
	}
	if err != nil {
		var a *net.AddrError
		if errors.As(err, &a) {
			err = errors.New(a.Err)
		}
		return "", usageError(hint(fmt.Errorf("--%s %q: %w", flag, value, err),
			fmt.Sprintf("--%s 9123 listens on 127.0.0.1, --%s 0.0.0.0:9123 on every address", flag, flag)))
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// pages are the HTTP servers of a run. Flags that name the same address share one.
type pages struct {
	servers map[string]*page
}

type page struct {
	mux      *http.ServeMux
	listener net.Listener
	server   *http.Server
}

// on opens the address, which a flag was given, unless it is open already. Nothing is answered before serve.
func (p *pages) on(flag, value string) (*page, error) {
	addr, err := listenAddress(flag, value)
	if err != nil {
		return nil, err
	}
	if open := p.servers[addr]; open != nil && !strings.HasSuffix(addr, ":0") {
		return open, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		err = fmt.Errorf("--%s %s: %w", flag, value, err)
		if errors.Is(err, syscall.EADDRINUSE) {
			err = hint(err, "another program listens there; port 0 takes a free one")
		}
		return nil, cannotRun(err)
	}
	x := &page{mux: http.NewServeMux(), listener: l}
	x.server = &http.Server{Handler: x.mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
	if p.servers == nil {
		p.servers = map[string]*page{}
	}
	p.servers[addr] = x
	return x, nil
}

// url is where a path of the page is.
func (x *page) url(path string) string { return "http://" + x.listener.Addr().String() + path }

// serve begins to answer, everywhere.
func (p *pages) serve() {
	for _, x := range p.servers {
		go x.server.Serve(x.listener) // it ends with close
	}
}

// close ends all servers, answers under way included.
func (p *pages) close() {
	for _, x := range p.servers {
		x.server.Close()
		x.listener.Close() // of one that never served
	}
}
