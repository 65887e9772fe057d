package html

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/flatline-dev/flatline/report"
)

// maxWatchers is how many browsers may follow one run.
const maxWatchers = 32

// Live is the page of a run that goes on: an http.Handler that serves the page at / and its updates as server-sent
// events at /events. It can be read and nothing else, and answers only to the names that [NewLive] allows, so that a
// web page elsewhere cannot reach it through a name of its own (DNS rebinding).
//
// It has no clock: whoever runs it calls [Live.Refresh] about once a second while [Live.Watched], and [Live.Finish] at
// the end. A browser that is slow, or goes away, delays nobody: it gets the newest update when it reads again.
type Live struct {
	snapshot func() *report.Result
	host     string

	mu       sync.Mutex // serializes refreshes; held while a page is made
	page     *Page      // the newest
	final    bool
	watchers map[*watcher]bool
	gone     chan struct{} // closed when the run is over and every watcher has its final page

	lock   sync.Mutex // guards watchers and latest, for moments only
	latest message
}

// message is one server-sent event.
type message struct {
	event string // update, final
	data  []byte
}

type watcher struct{ next chan message }

// update is what a live page gets: the new model, and those parts of the page that the template writes.
type update struct {
	Page  *Page             `json:"page"`
	Parts map[string]string `json:"parts"`
}

// NewLive makes the live page of what snapshot returns. Requests have to be addressed to host, to localhost, or to an IP
// address, any port.
func NewLive(host string, snapshot func() *report.Result) *Live {
	return &Live{snapshot: snapshot, host: strings.ToLower(host), watchers: map[*watcher]bool{}, gone: make(chan struct{})}
}

// Watched reports whether a browser follows the run: otherwise there is nothing to refresh.
func (l *Live) Watched() bool {
	l.lock.Lock()
	defer l.lock.Unlock()
	return len(l.watchers) > 0
}

// Refresh sends a new page to everybody who follows the run.
func (l *Live) Refresh() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.final {
		return nil
	}
	return l.publish(l.snapshot(), "update")
}

// publish makes the page of r and sends it; l.mu is held.
func (l *Live) publish(r *report.Result, event string) error {
	p, err := NewPage(Input{Result: r})
	if err != nil {
		return err
	}
	html, err := parts(p)
	if err != nil {
		return err
	}
	data, err := json.Marshal(update{p, html})
	if err != nil {
		return fmt.Errorf("update html report: %w", err)
	}
	l.page = p
	l.lock.Lock()
	defer l.lock.Unlock()
	l.latest = message{event, data}
	for w := range l.watchers {
		w.tell(l.latest)
	}
	return nil
}

// tell leaves the message for the watcher in place of one that it has not read yet. The caller holds Live.lock, so there
// is always room.
func (w *watcher) tell(m message) {
	select {
	case <-w.next:
	default:
	}
	w.next <- m
}

// Finish sends the final page, and waits until everybody who follows the run has it or ctx is done.
func (l *Live) Finish(ctx context.Context, r *report.Result) error {
	l.mu.Lock()
	err := l.publish(r, "final")
	l.final = err == nil
	l.mu.Unlock()
	if err != nil {
		return err
	}
	l.lock.Lock()
	left := len(l.watchers)
	l.lock.Unlock()
	if left == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
	case <-l.gone:
	}
	return nil
}

// allowed reports whether a request for this Host header comes from somebody who typed it: a name that an attacker owns
// can be made to lead here, an address or localhost cannot.
func (l *Live) allowed(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	return host == "localhost" || host == l.host || net.ParseIP(host) != nil
}

// ServeHTTP implements http.Handler.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy(true)+"; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	switch {
	case !l.allowed(r.Host):
		http.Error(w, "this page answers to its address and to localhost only", http.StatusMisdirectedRequest)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "this page can only be read", http.StatusMethodNotAllowed)
	case r.URL.Path == "/":
		l.servePage(w)
	case r.URL.Path == "/events" && r.Method == http.MethodGet:
		l.serveEvents(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (l *Live) servePage(w http.ResponseWriter) {
	page, events, err := l.current()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = write(w, page, events) // the browser went away
}

// current is the newest page, which nobody changes any more, and where its updates come from. It is written without the
// lock: a browser that does not read must not hold up the end of the run.
func (l *Live) current() (page *Page, events string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.final && (l.page == nil || !l.Watched()) { // nobody has refreshed it
		if err := l.publish(l.snapshot(), "update"); err != nil {
			return nil, "", err
		}
	}
	if !l.final {
		events = "events"
	}
	return l.page, events, nil
}

func (l *Live) serveEvents(w http.ResponseWriter, r *http.Request) {
	me := &watcher{next: make(chan message, 1)}
	l.lock.Lock()
	if len(l.watchers) >= maxWatchers {
		l.lock.Unlock()
		http.Error(w, "too many browsers follow this run", http.StatusServiceUnavailable)
		return
	}
	l.watchers[me] = true
	if l.latest.event != "" {
		me.tell(l.latest)
	}
	l.lock.Unlock()
	defer l.leave(me)
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	if _, err := fmt.Fprint(w, "retry: 1000\n\n"); err != nil || out.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case m := <-me.next:
			// JSON has no line break, so it is one line of data.
			if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", m.event, m.data); err != nil || out.Flush() != nil {
				return
			}
			if m.event == "final" {
				return
			}
		}
	}
}

// leave forgets a watcher; the last one after the end wakes Finish.
func (l *Live) leave(w *watcher) {
	l.lock.Lock()
	defer l.lock.Unlock()
	delete(l.watchers, w)
	if l.latest.event == "final" && len(l.watchers) == 0 {
		select {
		case <-l.gone:
		default:
			close(l.gone)
		}
	}
}
