package html

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed assets
var assets embed.FS

// asset is the text of an embedded file; the files are part of the program, so a missing one is a bug.
func asset(name string) string {
	b, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// inline is a script or a style that stands in the page, with its hash for the Content-Security-Policy.
type inline struct {
	text string
	hash string
}

func newInline(text string) inline {
	sum := sha256.Sum256([]byte(text))
	return inline{text, "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"}
}

var (
	library = newInline(asset("uPlot.iife.min.js"))
	script  = newInline(asset("format.js") + asset("chart.js") + asset("page.js"))
	style   = newInline(asset("uPlot.min.css") + asset("page.css"))
	pages   = template.Must(template.New("page").Funcs(template.FuncMap{
		"attrs": attributes,
		"add":   func(a, b int) int { return a + b },
	}).ParseFS(assets, "assets/*.tmpl"))
)

// policy is the page's Content-Security-Policy: its own scripts and styles, by hash, and nothing else. A live page may
// also connect to where it came from.
func policy(live bool) string {
	connect := ""
	if live {
		connect = " connect-src 'self';"
	}
	return "default-src 'none'; script-src " + library.hash + " " + script.hash + "; style-src " + style.hash + ";" + connect +
		" img-src data:; base-uri 'none'; form-action 'none'"
}

// attributes are what tells one figure from another.
func attributes(f Figure) template.HTMLAttr {
	if f.Metric == "" {
		return ""
	}
	var b strings.Builder
	put := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, ` data-%s="%s"`, name, template.HTMLEscapeString(value))
		}
	}
	put("metric", f.Metric)
	put("during", f.During)
	put("in", f.In)
	put("by", f.By)
	if f.Run > 0 {
		put("run", fmt.Sprint(f.Run+1))
	}
	if f.N > 0 {
		put("n", fmt.Sprint(f.N))
	}
	return template.HTMLAttr(b.String())
}

// document is what the template sees.
type document struct {
	*Page
	Policy  string
	Style   template.CSS
	Library template.JS
	Script  template.JS
	Model   template.JS
	Events  string // where a live page gets its updates; "" for a report
}

// Write writes the page of the model as one self-contained file.
func Write(w io.Writer, p *Page) error { return write(w, p, "") }

func write(w io.Writer, p *Page, events string) error {
	model, err := json.Marshal(p) // escapes <, >, &, U+2028 and U+2029
	if err != nil {
		return fmt.Errorf("write html report: %w", err)
	}
	var page bytes.Buffer
	err = pages.ExecuteTemplate(&page, "page.tmpl", document{Page: p, Policy: policy(events != ""), Style: template.CSS(style.text),
		Library: template.JS(library.text), Script: template.JS(script.text), Model: template.JS(model), Events: events})
	if err != nil {
		return fmt.Errorf("write html report: %w", err)
	}
	_, err = page.WriteTo(w)
	return err
}

// parts are the regions of the page that an update replaces, by the id of the element that holds them.
func parts(p *Page) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range []string{"top", "lanes", "faults", "figures"} {
		var b strings.Builder
		if err := pages.ExecuteTemplate(&b, name, document{Page: p}); err != nil {
			return nil, fmt.Errorf("update html report: %w", err)
		}
		out[name] = b.String()
	}
	return out, nil
}
