package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
)

// Target is what the proxy dials.
type Target struct {
	URL  string // as given
	Addr string // host:port
	Host string // for the certificate
	// Secure: the target speaks TLS. Clear: what passes is HTTP and WebSocket that the proxy can read, once TLS is off.
	Secure, Clear bool
}

// ParseTarget reads ws://HOST[:PORT], wss://HOST[:PORT] or tcp://HOST:PORT. http and https are other names of the first
// two. A path is refused, for the clients' own paths pass through.
func ParseTarget(s string) (Target, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return Target{}, fmt.Errorf("target %q is no address; hint: ws://127.0.0.1:8080, wss://example.org or tcp://127.0.0.1:5222", s)
	}
	t := Target{URL: s, Host: u.Hostname()}
	port := u.Port()
	switch u.Scheme {
	case "ws", "http":
		t.Clear = true
		if port == "" {
			port = "80"
		}
	case "wss", "https":
		t.Secure, t.Clear = true, true
		if port == "" {
			port = "443"
		}
	case "tcp":
		if port == "" {
			return Target{}, fmt.Errorf("target %q has no port; hint: tcp://%s:5222", s, u.Host)
		}
	default:
		return Target{}, fmt.Errorf("target %q: the proxy does not speak %q; hint: ws, wss or tcp", s, u.Scheme)
	}
	if u.Hostname() == "" {
		return Target{}, fmt.Errorf("target %q has no host; hint: ws://127.0.0.1:8080", s)
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return Target{}, fmt.Errorf("target %q has more than an address; hint: the clients' own paths pass through, so --target %s://%s is enough", s, u.Scheme, u.Host)
	}
	t.Addr = net.JoinHostPort(u.Hostname(), port)
	return t, nil
}

// dial makes the connection to the target over the path of the slot.
func (p *Proxy) dial(ctx context.Context, slot int) (net.Conn, error) {
	c, err := p.engine.Dial(ctx, slot, func(ctx context.Context) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, p.config.DialTimeout)
		defer cancel()
		return p.dialer.DialContext(ctx, "tcp", p.config.Target.Addr)
	})
	if err != nil {
		return nil, err
	}
	path := patient{asStream(c), p.done}
	if p.config.Upstream == nil {
		return path, nil
	}
	t := tls.Client(path, p.config.Upstream)
	ctx, cancel := context.WithTimeout(ctx, p.config.DialTimeout)
	defer cancel()
	if err := t.HandshakeContext(ctx); err != nil {
		t.Close()
		return nil, fmt.Errorf("TLS to the target: %w", err)
	}
	return t, nil
}
