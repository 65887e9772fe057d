package scenario

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

func (c *checker) target(w *FileTarget) (t Target) {
	t = Target{Command: w.Command, PID: value(w.PID, 0), Ready: time.Duration(value(w.Ready, Duration(DefaultReady))),
		CA: w.CA, Insecure: w.Insecure}
	if len(w.URL) > 0 {
		t.URL = w.URL[0]
	}
	if len(w.URL) > 1 {
		t.URLs = w.URL
	}
	defer c.balancer(w, &t)
	if w.Serve != nil {
		s := w.Serve
		t.Serve = &Serve{Beat: time.Duration(value(s.Beat, 0)), BeatFrame: heartbeat.Ping, BeatText: value(s.BeatText, "ping"),
			Reap: time.Duration(value(s.Reap, 0)), Handshakes: float64(value(s.Handshakes, 0)), Backlog: value(s.Backlog, 0),
			MaxClients: value(s.MaxClients, 0), Reply: s.Reply, Nodes: value(s.Nodes, 1)}
		if s.BeatFrame == "text" {
			t.Serve.BeatFrame = heartbeat.Text
		}
		if t.Serve.Reply == "" {
			t.Serve.Reply = "echo"
		}
		t.Serve.Delivery = c.delivering(s.Delivery, t.Serve.Nodes)
		for _, key := range []string{"url", "command", "pid"} {
			if c.written("target." + key) {
				c.reportKey("target."+key, "remove one of them", "serve and %s exclude each other", key)
			}
		}
		if s.Beat != nil && *s.Beat > 0 && *s.Beat < Duration(time.Millisecond) {
			c.report("target.serve.beat", "at least 1ms", "beat %s is too short", *s.Beat)
		}
		if (s.BeatText != nil || s.BeatFrame != "") && t.Serve.Beat == 0 {
			key := "target.serve.beat_frame"
			if s.BeatText != nil {
				key = "target.serve.beat_text"
			}
			c.reportKey(key, "add beat: 25s", "the server does not beat without an interval")
		}
		return t
	}
	if c.bad["target.serve"] {
		return t
	}
	switch {
	case len(t.Command) > 0 && t.PID != 0:
		c.reportKey("target.pid", "remove one of them", "command and pid exclude each other")
	case c.written("target.command") && len(t.Command) == 0 && c.clean("target.command"):
		c.report("target.command", "command: [node, server.js]", "command is empty")
	case t.URL == "" && len(t.Command) > 0:
		c.reportKey("target.command", "add url: ws://127.0.0.1:8080/", "command needs the url that the started server listens on")
	case t.URL == "" && t.PID != 0:
		c.reportKey("target.pid", "add url: ws://127.0.0.1:8080/", "pid needs the url that the process listens on")
	case t.URL == "":
		c.report("target", "target: {serve: {}} for the embedded server, or target: {url: wss://...}", "target names no server")
	}
	for i, u := range w.URL {
		path := "target.url"
		if len(w.URL) > 1 {
			path = fmt.Sprintf("target.url[%d]", i)
		}
		c.url(path, u)
	}
	if len(t.URLs) > 1 && (len(t.Command) > 0 || t.PID != 0) {
		key := "target.command"
		if t.PID != 0 {
			key = "target.pid"
		}
		c.reportKey(key, "one url, or no "+lastKey(key), "%s is one server, and url lists %d", lastKey(key), len(t.URLs))
	}
	if len(t.Command) > 0 && t.Command[0] == "" {
		c.report("target.command[0]", "command: [node, server.js]", "command has no program")
	}
	return t
}

const (
	defaultRetain = 2 * time.Minute
	defaultEject  = 5 * time.Second
)

// balancer resolves what stands in front of several nodes.
func (c *checker) balancer(w *FileTarget, t *Target) {
	if t.Nodes() == 1 {
		if w.Balancer != nil && c.clean("target.url") && c.clean("target.serve") {
			c.reportKey("target.balancer", "serve: {nodes: 3}, or a list of urls", "there is one node and nothing to balance")
		}
		return
	}
	t.Balancer = Balancer{Policy: RoundRobin, Eject: defaultEject}
	if w.Balancer != nil {
		if w.Balancer.Policy != "" {
			t.Balancer.Policy = w.Balancer.Policy
		}
		t.Balancer.Eject = time.Duration(value(w.Balancer.Eject, Duration(defaultEject)))
	}
}

// delivering resolves how the embedded server delivers.
func (c *checker) delivering(w *FileDelivery, nodes int) *Delivery {
	if w == nil {
		return nil
	}
	const path = "target.serve.delivery"
	d := &Delivery{Store: w.Store, NATS: w.NATS, Retain: time.Duration(value(w.Retain, Duration(defaultRetain))), Dedup: time.Duration(value(w.Dedup, 0)), Log: w.Log,
		DropAcked: float64(value(w.DropAcked, 0)), Duplicate: float64(value(w.Duplicate, 0)), Reorder: float64(value(w.Reorder, 0))}
	switch {
	case d.Store == "" && nodes > 1:
		d.Store = "jetstream"
	case d.Store == "":
		d.Store = "memory"
	case d.Store == "memory" && nodes > 1:
		c.report(path+".store", "store: jetstream", "%d nodes cannot share the memory of one", nodes)
	}
	c.only(path+".nats", d.Store == "jetstream", w.NATS != "", "store: jetstream")
	if u, err := url.Parse(w.NATS); w.NATS != "" && (err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls") {
		c.report(path+".nats", "nats: nats://127.0.0.1:4222", "nats %q is no address of a NATS server", w.NATS)
	}
	if d.Retain < time.Second {
		c.report(path+".retain", "at least 1s, and longer than a client may be away", "retain %s is too short", chaos.FormatDuration(d.Retain))
	}
	if d.Dedup > d.Retain {
		c.report(path+".dedup", "dedup: "+chaos.FormatDuration(d.Retain)+" or less", "dedup %s is longer than messages are retained, %s", chaos.FormatDuration(d.Dedup), chaos.FormatDuration(d.Retain))
	}
	if d.Dedup > 0 && d.Dedup < 100*time.Millisecond {
		c.report(path+".dedup", "at least 100ms, or 0s for none", "dedup %s is too short", chaos.FormatDuration(d.Dedup))
	}
	if d.Duplicate > 0 && d.Dedup > 0 {
		c.reportKey(path+".duplicate", "leave dedup out", "with dedup nothing is stored twice")
	}
	return d
}

// url checks an address, whose template was not filled in yet.
func (c *checker) url(path, text string) {
	if err := checkTemplate(text); err != nil {
		c.report(path, hintOf(err), "url: %v", err)
		return
	}
	u, err := url.Parse(render(text, clientVars{}))
	if err != nil {
		c.report(path, "url: ws://127.0.0.1:8080/", "%v", strings.TrimPrefix(err.Error(), "parse "))
		return
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http", "https":
		c.report(path, fmt.Sprintf("write ws%s://%s%s", strings.TrimPrefix(u.Scheme, "http"), u.Host, u.Path), "url scheme %s is not WebSocket", u.Scheme)
		return
	default:
		c.report(path, "url: ws://127.0.0.1:8080/ or wss://...", "url %q does not begin with ws:// or wss://", text)
		return
	}
	if u.Hostname() == "" {
		c.report(path, "url: ws://127.0.0.1:8080/", "url %q has no host", text)
	}
	if u.Fragment != "" || u.User != nil {
		c.report(path, "for credentials use headers: {Authorization: ...}", "a WebSocket url has neither user nor fragment")
	}
}
