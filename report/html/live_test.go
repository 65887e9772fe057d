package html

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// running is a run of a small scenario at a moment that the test sets.
type running struct {
	rec *report.Recorder
	now atomic.Int64
}

func newRunning(t *testing.T) (*running, *Live, *httptest.Server) {
	t.Helper()
	f, err := scenario.Parse("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{rec: report.NewRecorder(plan, report.Options{Driver: "fleet"})}
	l := NewLive("127.0.0.1", func() *report.Result { return r.rec.Snapshot(time.Duration(r.now.Load()), report.SnapshotOptions{}) })
	s := httptest.NewServer(l)
	t.Cleanup(s.Close)
	return r, l, s
}

func (r *running) final() *report.Result {
	return r.rec.Snapshot(time.Duration(r.now.Load()), report.SnapshotOptions{Final: true})
}

// events reads server-sent events.
type events struct {
	body io.ReadCloser
	in   *bufio.Reader
}

func follow(t *testing.T, url string) *events {
	t.Helper()
	resp, err := http.Get(url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("events: %s %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	t.Cleanup(func() { resp.Body.Close() })
	return &events{resp.Body, bufio.NewReader(resp.Body)}
}

func (e *events) next(t *testing.T) (name string, u update) {
	t.Helper()
	for {
		line, err := e.in.ReadString('\n')
		if err != nil {
			t.Fatalf("events: %v", err)
		}
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "event: "):
			name = line[7:]
		case strings.HasPrefix(line, "data: "):
			if err := json.Unmarshal([]byte(line[6:]), &u); err != nil {
				t.Fatal(err)
			}
		case line == "" && name != "":
			return name, u
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, resp.Status, err)
	}
	return string(b)
}

func TestLive(t *testing.T) {
	r, l, s := newRunning(t)
	r.now.Store(int64(2 * time.Second))
	if l.Watched() {
		t.Error("watched by nobody")
	}
	if page := get(t, s.URL); !strings.Contains(page, `data-events="events"`) || !strings.Contains(page, "RUNNING") || !strings.Contains(page, "connect-src &#39;self&#39;") {
		t.Error("the page of a run does not follow it")
	}
	e := follow(t, s.URL)
	if name, u := e.next(t); name != "update" || u.Page.Now != 2 || !u.Page.Live || u.Page.Span != 40 {
		t.Errorf("first update: %s at %v of %v", name, u.Page.Now, u.Page.Span)
	}
	if !l.Watched() {
		t.Error("not watched")
	}
	r.now.Store(int64(3 * time.Second))
	if err := l.Refresh(); err != nil {
		t.Fatal(err)
	}
	name, u := e.next(t)
	if name != "update" || u.Page.Now != 3 || len(u.Parts["top"]) == 0 || !strings.Contains(u.Parts["lanes"], "planned") {
		t.Errorf("second update: %s at %v", name, u.Page.Now)
	}
	r.now.Store(int64(40 * time.Second))
	done := make(chan error, 1)
	go func() { done <- l.Finish(context.Background(), r.final()) }()
	if name, u := e.next(t); name != "final" || u.Page.Live || !strings.Contains(u.Parts["top"], "INCONCLUSIVE") {
		t.Errorf("the end: %s", name)
	}
	if _, err := e.in.ReadString('\n'); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := l.Refresh(); err != nil || l.Watched() {
		t.Errorf("after the end: %v", err)
	}
	if page := get(t, s.URL); strings.Contains(page, "data-events") {
		t.Error("the page of a finished run still follows it")
	}
	// Who comes late gets the end at once.
	if name, _ := follow(t, s.URL).next(t); name != "final" {
		t.Errorf("late: %s", name)
	}
}

// A browser that does not read, or is gone, delays neither the run nor its end.
func TestLiveDoesNotWait(t *testing.T) {
	r, l, s := newRunning(t)
	deaf := follow(t, s.URL)
	gone := follow(t, s.URL)
	gone.body.Close()
	for i := range 200 {
		r.now.Store(int64(i) * int64(time.Second/10))
		if err := l.Refresh(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Finish(ctx, r.final()); err != nil {
		t.Errorf("finish: %v", err)
	}
	deaf.body.Close()
	if err := NewLive("", nil).Finish(context.Background(), r.final()); err != nil { // nobody ever looked
		t.Error(err)
	}
}

// stuck is a browser that stops reading: a write to it returns only when it goes away.
type stuck struct {
	http.ResponseWriter
	writing chan struct{}
	gone    chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	close(s.writing)
	<-s.gone
	return 0, io.ErrClosedPipe
}

// TestLiveStuckBrowser: who opens the page and does not read it holds up neither the updates of others nor the run's end.
func TestLiveStuckBrowser(t *testing.T) {
	r, l, _ := newRunning(t)
	s := &stuck{httptest.NewRecorder(), make(chan struct{}), make(chan struct{})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		l.ServeHTTP(s, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/", nil))
	}()
	<-s.writing
	ended := make(chan error)
	go func() {
		_ = l.Refresh()
		ended <- l.Finish(context.Background(), r.final())
	}()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a run cannot end while somebody does not read its page")
	}
	close(s.gone)
	<-served
}

func TestLiveRefuses(t *testing.T) {
	_, _, s := newRunning(t)
	for _, c := range []struct {
		method, path, host string
		want               int
	}{
		{"GET", "/", "", http.StatusOK},
		{"HEAD", "/", "", http.StatusOK},
		{"GET", "/", "localhost:80", http.StatusOK},
		{"GET", "/", "[::1]:80", http.StatusOK},
		{"GET", "/", "evil.example", http.StatusMisdirectedRequest},
		{"GET", "/events", "evil.example:8080", http.StatusMisdirectedRequest},
		{"GET", "/", "127.0.0.1.evil.example", http.StatusMisdirectedRequest},
		{"POST", "/", "", http.StatusMethodNotAllowed},
		{"PUT", "/events", "", http.StatusMethodNotAllowed},
		{"DELETE", "/x", "", http.StatusMethodNotAllowed},
		{"GET", "/etc/passwd", "", http.StatusNotFound},
		{"HEAD", "/events", "", http.StatusNotFound},
	} {
		req, err := http.NewRequest(c.method, s.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s %s to %q: %s, not %d", c.method, c.path, c.host, resp.Status, c.want)
		}
		if !strings.HasPrefix(resp.Header.Get("Content-Security-Policy"), "default-src 'none';") {
			t.Errorf("%s %s: no policy", c.method, c.path)
		}
	}
}

func TestLiveWatchersAreBounded(t *testing.T) {
	_, _, s := newRunning(t)
	for range maxWatchers {
		follow(t, s.URL)
	}
	resp, err := http.Get(s.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Error(fmt.Sprint("one too many: ", resp.Status))
	}
}
