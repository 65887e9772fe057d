package proxy

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Version of the control API; a change that breaks a client changes it.
const apiVersion = 1

// ConnectionInfo is one connection of a client.
type ConnectionInfo struct {
	ID       uint64        `json:"id"`
	Client   string        `json:"client"`
	Remote   string        `json:"remote"`
	State    string        `json:"state"` // dialing, open, ended by the target, given up
	Age      time.Duration `json:"age_ns"`
	Bytes    Both          `json:"bytes"`
	Messages Both          `json:"messages"`
	QuietFor time.Duration `json:"quiet_ns"` // since the last byte in either direction
	Faults   []string      `json:"faults"`   // in force on it
}

// ClientInfo is one client.
type ClientInfo struct {
	Name        string   `json:"name"` // what a fault's selector takes
	Key         string   `json:"key"`  // what tells it; "" for lineage
	Connections int      `json:"connections"`
	Attempts    int64    `json:"attempts"`
	Opened      int64    `json:"opened"`
	Failed      int64    `json:"failed"`
	Faults      []string `json:"faults"` // in force on it
}

// Status says what the control API belongs to.
type Status struct {
	API     int           `json:"api"`
	Listen  string        `json:"listen"`
	Target  string        `json:"target"`
	Elapsed time.Duration `json:"elapsed_ns"`
	Open    int           `json:"open"`
	Running bool          `json:"scenario_started"`
	Faults  int           `json:"faults_in_force"`
}

// Problem is the answer to a request that was refused.
type Problem struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// The answers that are lists.
type (
	FaultList struct {
		Faults []FaultInfo `json:"faults"`
	}
	ClientList struct {
		Clients []ClientInfo `json:"clients"`
	}
	ConnectionList struct {
		Connections []ConnectionInfo `json:"connections"`
	}
)

// route is one operation of the control API. Its body and answer are examples, for the test that holds the OpenAPI file
// against them.
type route struct {
	method, path string
	status       int
	answer       any
	do           func(p *Proxy, r *http.Request) (any, error)
}

// routes are all of them; docs/proxy.openapi.yaml describes each.
var routes = []route{
	{"GET", "/v1/status", 200, Status{}, func(p *Proxy, _ *http.Request) (any, error) { return p.status(), nil }},
	{"GET", "/v1/connections", 200, ConnectionList{}, func(p *Proxy, _ *http.Request) (any, error) { return ConnectionList{p.connections()}, nil }},
	{"GET", "/v1/clients", 200, ClientList{}, func(p *Proxy, _ *http.Request) (any, error) { return ClientList{p.clientList()}, nil }},
	{"GET", "/v1/faults", 200, FaultList{}, func(p *Proxy, _ *http.Request) (any, error) { return FaultList{p.Faults()}, nil }},
	{"POST", "/v1/faults", 201, FaultInfo{}, startFault},
	{"DELETE", "/v1/faults/{name}", 200, FaultInfo{}, func(p *Proxy, r *http.Request) (any, error) { return p.Stop(r.PathValue("name")) }},
	{"POST", "/v1/scenario", 200, FaultList{}, func(p *Proxy, _ *http.Request) (any, error) {
		if err := p.StartScenario(); err != nil {
			return nil, err
		}
		return FaultList{p.Faults()}, nil
	}},
	{"GET", "/v1/stats", 200, Result{}, func(p *Proxy, _ *http.Request) (any, error) { return p.Result(), nil }},
	{"POST", "/v1/reset", 200, Status{}, func(p *Proxy, _ *http.Request) (any, error) { p.Reset(); return p.status(), nil }},
}

// maxFault bounds a fault as sent.
const maxFault = 64 << 10

func startFault(p *Proxy, r *http.Request) (any, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxFault))
	if err != nil {
		return nil, err
	}
	f, err := scenario.ParseFault("fault", body)
	if err != nil {
		return nil, err
	}
	return p.Start(f)
}

// Handler is the control API. It answers only who has addressed this machine by a loopback name, and takes nothing from a
// page in a browser: a name that an attacker owns may point to 127.0.0.1, and a form may be sent anywhere.
func (p *Proxy) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.HandleFunc(rt.method+" "+rt.path, func(w http.ResponseWriter, r *http.Request) {
			v, err := rt.do(p, r)
			if err != nil {
				status := http.StatusBadRequest
				if errors.Is(err, errUnknown) {
					status = http.StatusNotFound
				}
				refuse(w, status, err)
				return
			}
			answer(w, rt.status, v)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !loopbackHost(r.Host):
			refuse(w, http.StatusForbidden, errors.New("the Host header names another machine\nhint: use http://127.0.0.1 or http://localhost"))
		case r.Header.Get("Origin") != "":
			refuse(w, http.StatusForbidden, errors.New("requests from web pages are refused"))
		case r.Method == http.MethodPost && r.ContentLength != 0 && !isJSON(r.Header.Get("Content-Type")):
			refuse(w, http.StatusUnsupportedMediaType, errors.New("the body must be application/json"))
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the client has gone: nobody to tell
}

func refuse(w http.ResponseWriter, status int, err error) {
	text, fix, _ := strings.Cut(err.Error(), "hint: ")
	answer(w, status, Problem{strings.TrimRight(text, "; \n"), fix})
}

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && t == "application/json"
}

// loopbackHost reports whether the Host header is a loopback address or localhost, with or without a port.
func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

func (p *Proxy) status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{API: apiVersion, Target: p.config.Target.URL, Running: p.running, Faults: len(p.force), Listen: p.listen()}
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	s.Open, s.Elapsed = p.rec.open, p.clock()-p.rec.began
	return s
}

// on names the faults in force that hit the client. p is locked.
func (p *Proxy) on(c *client) []string {
	names := []string{}
	for _, x := range p.force {
		if x.chosen[c] {
			names = append(names, x.fault.Name)
		}
	}
	return names
}

func (p *Proxy) connections() []ConnectionInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	now := p.clock()
	list := []ConnectionInfo{}
	for pr := range p.rec.pairs {
		quiet := now - max(time.Duration(max(pr.flow[up].last.Load(), pr.flow[down].last.Load())), pr.accepted)
		list = append(list, ConnectionInfo{ID: pr.id, Client: pr.client.name, Remote: pr.raw.RemoteAddr().String(), State: pr.state.String(),
			Age: now - pr.accepted, QuietFor: quiet, Faults: p.on(pr.client),
			Bytes:    Both{pr.flow[up].bytes.Load(), pr.flow[down].bytes.Load()},
			Messages: Both{pr.flow[up].messages.Load(), pr.flow[down].messages.Load()}})
	}
	slices.SortFunc(list, func(a, b ConnectionInfo) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

func (p *Proxy) clientList() []ClientInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rec.mu.Lock()
	defer p.rec.mu.Unlock()
	list := []ClientInfo{}
	for _, c := range p.rec.clients.all() {
		list = append(list, ClientInfo{Name: c.name, Key: report.Clean(c.key, 200), Connections: c.holding, Attempts: c.attempts,
			Opened: c.opened, Failed: c.failed, Faults: p.on(c)})
	}
	return list
}
