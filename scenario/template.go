package scenario

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/flatline-dev/flatline/internal/dialect"
)

// clientVars is what a template may name.
type clientVars struct {
	Client, Index int
	Group         string
	Seed          uint64
}

var templateWords = []string{".Client", ".Group", ".Index", ".Seed"}

func (v clientVars) get(word string) string {
	switch word {
	case ".Client":
		return strconv.Itoa(v.Client)
	case ".Index":
		return strconv.Itoa(v.Index)
	case ".Group":
		return v.Group
	case ".Seed":
		return strconv.FormatUint(v.Seed, 10)
	}
	return ""
}

// checkTemplate reports what is wrong with the {{...}} in text. The language is that part of text/template which cannot
// fail or run for long: a field, and nothing else.
func checkTemplate(text string) error {
	for rest := text; ; {
		_, after, open := strings.Cut(rest, "{{")
		if !open {
			if strings.Contains(rest, "}}") {
				return &unitError{"}} without {{", ""}
			}
			return nil
		}
		word, tail, closed := strings.Cut(after, "}}")
		if !closed {
			return &unitError{"{{ is not closed", "write {{.Client}}"}
		}
		if w := strings.TrimSpace(word); !slices.Contains(templateWords, w) {
			hint := "one of: {{.Client}}, {{.Group}}, {{.Index}}, {{.Seed}}"
			if near := nearest("."+strings.TrimPrefix(w, "."), templateWords); near != "" {
				hint = fmt.Sprintf("did you mean {{%s}}?", near)
			}
			return &unitError{fmt.Sprintf("{{%s}} is unknown", w), hint}
		}
		rest = tail
	}
}

// render fills in a checked template.
func render(text string, v clientVars) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	var b strings.Builder
	for {
		before, after, open := strings.Cut(text, "{{")
		b.WriteString(before)
		if !open {
			return b.String()
		}
		word, tail, _ := strings.Cut(after, "}}")
		b.WriteString(v.get(strings.TrimSpace(word)))
		text = tail
	}
}

func (p *Plan) vars(client int) clientVars {
	g := p.GroupOf(client)
	return clientVars{client, client - g.First, g.Name, p.Seed}
}

// ClientURL is the address that the client dials. base is the target's: [Target].URL, or where the embedded server
// listens. A group's path that begins with / replaces path and query of base, one that begins with ? its query;
// any other is appended to the path.
func (p *Plan) ClientURL(base string, client int) (string, error) {
	v := p.vars(client)
	base = render(base, v)
	path := p.GroupOf(client).Path
	if path == "" {
		return base, nil
	}
	path = render(path, v)
	u, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	ref, err := url.Parse(path)
	if err != nil {
		return "", err
	}
	switch {
	case strings.HasPrefix(path, "?"):
		u.RawQuery = ref.RawQuery
	case strings.HasPrefix(path, "/"):
		u.Path, u.RawPath, u.RawQuery = ref.Path, ref.RawPath, ref.RawQuery
	default:
		query := u.RawQuery
		if ref.RawQuery != "" {
			query = ref.RawQuery
		}
		u = u.JoinPath(ref.EscapedPath())
		u.RawQuery = query
	}
	return u.String(), nil
}

// ClientHeaders are the HTTP headers of the client's upgrade request; nil when its group has none. Subprotocols are not
// among them.
func (p *Plan) ClientHeaders(client int) http.Header {
	g := p.GroupOf(client)
	if len(g.Headers) == 0 && g.Dialect == "" {
		return nil
	}
	v := p.vars(client)
	h := make(http.Header, len(g.Headers))
	if g.Dialect != "" {
		h.Set(dialect.Header, g.dialectText())
	}
	for name, text := range g.Headers {
		h.Set(name, render(text, v))
	}
	return h
}

// ClientSource is the local address that the client connects from; "" leaves the choice to the kernel.
func (p *Plan) ClientSource(client int) string {
	g := p.GroupOf(client)
	if len(g.Sources) == 0 {
		return ""
	}
	return g.Sources[(client-g.First)%len(g.Sources)]
}

// request checks what a group puts into its upgrade request.
func (c *checker) request(path string, g *Group) {
	if err := checkTemplate(g.Path); err != nil {
		c.report(join(path, "path"), hintOf(err), "path: %v", err)
	} else if u, err := url.Parse(render(g.Path, clientVars{Group: "g"})); err != nil || u.Host != "" || u.Scheme != "" || u.Fragment != "" {
		c.report(join(path, "path"), "path: /ws/{{.Client}}; the host stands in target.url", "path %q is no path", g.Path)
	}
	for name, text := range g.Headers {
		at := join(join(path, "headers"), name)
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !isToken(name):
			c.reportKey(at, "", "%q is no header name", name)
		case canonical == "Sec-Websocket-Protocol":
			c.reportKey(at, "use subprotocols: [...]", "header %s is set by the handshake", name)
		case canonical == "Connection" || canonical == "Upgrade" || canonical == "Sec-Websocket-Key" ||
			canonical == "Sec-Websocket-Version" || canonical == "Sec-Websocket-Extensions":
			c.reportKey(at, "", "header %s is set by the handshake", name)
		case strings.ContainsAny(text, "\r\n\x00"):
			c.report(at, "", "header %s must be one line", name)
		}
		if err := checkTemplate(text); err != nil {
			c.report(at, hintOf(err), "%s: %v", name, err)
		}
	}
	for i, s := range g.Subprotocols {
		if !isToken(s) {
			c.report(fmt.Sprintf("%s[%d]", join(path, "subprotocols"), i), "letters, digits and . - _", "%q is no subprotocol name", s)
		}
	}
}

// isToken: RFC 9110, 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
