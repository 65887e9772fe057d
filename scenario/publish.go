package scenario

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

const (
	defaultPublishTimeout = 5 * time.Second
	defaultPublishers     = 32
)

// fromServer checks traffic of the service behind the server.
func (c *checker) fromServer(path string, w *FileTraffic, p *Plan, t *heartbeat.Traffic) {
	at := func(key string) string { return join(path, key) }
	if !t.FromServer {
		return
	}
	if w.Rate == nil && c.clean(at("rate")) {
		c.reportKey(at("from"), "rate: 1/s", "the server publishes nothing without a rate")
	}
	if t.To == "-" {
		c.report(at("to"), "to: self, or #room", "what comes from the server cannot go to the server")
	}
	if w.OnReconnect != nil {
		c.reportKey(at("on_reconnect"), "retransmit, for a request that failed", "the service behind the server has no connection that it could lose")
	}
	if w.Formats != nil && value(w.Formats.Ack, "") != "" {
		c.report(join(at("formats"), "ack"), "leave the key out", "the answer to the request is the acknowledgement of what the server publishes")
	}
	t.Ack, t.OnReconnect = nil, false
	s := p.Target.Serve
	if s != nil && s.Delivery == nil && (w.Protocol == "" || w.Protocol == echoProtocol) && c.clean("target") {
		c.report(at("from"), "target: {serve: {delivery: {}}}, and protocol: delivery", "nobody can publish through the embedded server as long as it only echoes")
	}
	if s == nil && (p.Target.Publish == nil || len(p.Target.Publish.URLs) == 0) && c.clean("target") {
		c.reportKey(at("from"), "target: {publish: {url: http://127.0.0.1:8000/publish}}", "the target has no address to publish at")
	}
}

// publisher resolves how the service behind the server publishes, if any group wants it to.
func (c *checker) publisher(w *FilePublish, wanted bool, t *Target) {
	const path = "target.publish"
	if w == nil {
		if wanted {
			t.Publish = &Publish{Timeout: defaultPublishTimeout, Connections: defaultPublishers}
		}
		return
	}
	u := &Publish{Headers: w.Headers, Timeout: time.Duration(value(w.Timeout, Duration(defaultPublishTimeout))), Connections: value(w.Connections, defaultPublishers)}
	t.Publish = u
	if !wanted && c.clean("clients") {
		c.reportKey(path, "clients: [{traffic: {from: server, rate: 1/s}}]", "nobody publishes there")
	}
	if u.Timeout <= 0 {
		c.report(path+".timeout", "timeout: 5s", "without a time-out a request could take for ever")
	}
	if t.Serve != nil && len(w.URL) > 0 {
		c.reportKey(path+".url", "remove one of them", "the embedded server has its own address to publish at")
	}
	if t.Serve == nil && len(w.URL) == 0 && c.clean(path+".url") {
		c.reportKey(path, "url: http://127.0.0.1:8000/publish", "publish names no address")
	}
	for i, text := range w.URL {
		at := path + ".url"
		if len(w.URL) > 1 {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		f, err := heartbeat.ParseFormat(text, "Client", "Seq", "Room")
		if err != nil {
			c.report(at, "", "url: %v", err)
			continue
		}
		parsed, err := url.Parse(string(f.Append(nil, &heartbeat.Values{Room: "room"})))
		switch {
		case err != nil:
			c.report(at, "url: http://127.0.0.1:8000/publish", "%v", strings.TrimPrefix(err.Error(), "parse "))
		case parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Hostname() == "":
			c.report(at, "url: http://127.0.0.1:8000/publish", "url %q is no http:// or https:// address", text)
		}
		u.URLs = append(u.URLs, f)
	}
	for name, text := range w.Headers {
		at := join(path+".headers", name)
		if !isToken(name) {
			c.reportKey(at, "headers: {X-API-Key: secret}", "%q is no header name", name)
		}
		if strings.ContainsAny(text, "\r\n\x00") {
			c.report(at, "", "header %s must be one line", name)
		}
	}
}
