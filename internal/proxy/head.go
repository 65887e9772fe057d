package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// maxHead bounds an upgrade request or its answer; a longer one passes unread.
	maxHead = 16 << 10
	// headPatience is how long a client may take to send its upgrade request.
	headPatience = 10 * time.Second
)

var headEnd = []byte("\r\n\r\n")

// readHead reads what a client sends first, up to the end of an HTTP request's head or until it is clear that it is none.
// What has been read is returned in any case.
func readHead(c net.Conn) (head []byte, err error) {
	buf := make([]byte, 0, 1024)
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := c.Read(buf[len(buf):cap(buf)])
		from := max(len(buf)-len(headEnd), 0)
		buf = buf[:len(buf)+n]
		if bytes.Contains(buf[from:], headEnd) || !mayBeHTTP(buf) || len(buf) >= maxHead {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// mayBeHTTP reports whether b can be the beginning of a GET request, which every upgrade is (RFC 6455, section 4.1).
func mayBeHTTP(b []byte) bool {
	const get = "GET "
	n := min(len(b), len(get))
	return string(b[:n]) == get[:n]
}

// request parses the head; nil when it is no HTTP request.
func request(head []byte) *http.Request {
	if !mayBeHTTP(head) {
		return nil
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return nil
	}
	return r
}

// isUpgrade reports whether the request asks for a WebSocket.
func isUpgrade(r *http.Request) bool {
	return r != nil && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// looks is what the upgrade requests of one client have in common, attempt after attempt.
func looks(r *http.Request) string {
	h := fnv.New64a()
	for _, s := range []string{r.Host, r.URL.Path, r.Header.Get("User-Agent"), r.Header.Get("Origin"), r.Header.Get("Authorization"),
		r.Header.Get("Cookie"), r.Header.Get("Sec-Websocket-Protocol"), r.Header.Get("Sec-Websocket-Extensions")} {
		_, _ = io.WriteString(h, s)
		_, _ = h.Write([]byte{0})
	}
	return fmt.Sprintf("%x", h.Sum64())
}

// Key says how clients are told apart.
type Key struct {
	From string // auto, address, connection, header, query, cookie
	Name string // of the header, query parameter or cookie
}

// keyForms are what a Key is written as.
const keyForms = "auto, address, connection, header:NAME, query:NAME or cookie:NAME"

// ParseKey reads auto, address, connection, header:NAME, query:NAME and cookie:NAME. "" is auto: the address of a client
// from elsewhere, the lineage of one from loopback.
func ParseKey(s string) (Key, error) {
	from, name, named := strings.Cut(s, ":")
	switch from {
	case "":
		return Key{From: "auto"}, nil
	case "auto", "address", "connection":
		if !named {
			return Key{From: from}, nil
		}
	case "header", "query", "cookie":
		if name != "" {
			return Key{from, name}, nil
		}
		return Key{}, fmt.Errorf("%q has no name; hint: %s:NAME", s, from)
	}
	return Key{}, fmt.Errorf("%q does not tell clients apart; hint: %s", s, keyForms)
}

// String is what [ParseKey] reads.
func (k Key) String() string {
	if k.Name != "" {
		return k.From + ":" + k.Name
	}
	return k.From
}

// NeedsRequest reports whether the key stands in the upgrade request, which an encrypted connection hides.
func (k Key) NeedsRequest() bool { return k.Name != "" }

// of is the client's identity, "" for one that goes by lineage.
func (k Key) of(r *http.Request, remote net.Addr) string {
	var v string
	if r != nil {
		switch k.From {
		case "header":
			v = r.Header.Get(k.Name)
		case "query":
			v = r.URL.Query().Get(k.Name)
		case "cookie":
			if c, err := r.Cookie(k.Name); err == nil {
				v = c.Value
			}
		}
	}
	if v != "" {
		return v
	}
	host, _, err := net.SplitHostPort(remote.String())
	if err != nil || k.From == "connection" {
		return ""
	}
	if ip := net.ParseIP(host); k.From != "address" && (ip == nil || ip.IsLoopback()) {
		return ""
	}
	return host
}

// response watches for the end of the target's answer to the upgrade request, and says what it was.
type response struct {
	buf  []byte
	done bool
}

// feed takes the next bytes of the answer and returns those behind it. status is 0 until the head is complete, or -1 when
// it is no HTTP.
func (r *response) feed(b []byte) (rest []byte, status int) {
	r.buf = append(r.buf, b...)
	i := bytes.Index(r.buf, headEnd)
	if i < 0 {
		if len(r.buf) < maxHead {
			return nil, 0
		}
		r.done = true
		return nil, -1
	}
	head := r.buf[:i+len(headEnd)]
	rest = r.buf[len(head):]
	r.done, r.buf = true, nil
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return rest, -1
	}
	resp.Body.Close()
	return rest, resp.StatusCode
}
