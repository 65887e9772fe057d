//go:build heavy

package html

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// browser is headless Chromium with one tab, which notes what went wrong and what it asked the network for.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	errors   []string
	requests []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	// Chromium as root, as in a container, has no sandbox.
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(ev any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := ev.(type) {
		case *runtime.EventExceptionThrown:
			b.errors = append(b.errors, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			for _, a := range e.Args {
				b.errors = append(b.errors, string(e.Type)+" "+string(a.Value))
			}
		case *network.EventRequestWillBeSent:
			b.requests = append(b.requests, e.Request.URL)
		}
	})
	b.do(network.Enable(), chromedp.EmulateViewport(1200, 900))
	return b
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval is the value of a JavaScript expression.
func eval[T any](b *browser, js string) (v T) {
	b.t.Helper()
	b.do(chromedp.Evaluate(js, &v))
	return v
}

// until waits for a JavaScript condition.
func (b *browser) until(js string) {
	b.t.Helper()
	b.do(chromedp.Poll(js, nil, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(30*time.Second)))
}

// open shows a page of the Results from a file.
func (b *browser) open(in ...Input) {
	b.t.Helper()
	_, page := render(b.t, in...)
	path := filepath.Join(b.t.TempDir(), "page.html")
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Navigate("file://"+path), chromedp.WaitReady("#model"))
	b.until(`typeof plots !== "undefined"`)
}

// clean fails if the page complained, or asked for anything but itself and the icon that is in it.
func (b *browser) clean(allowed ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.errors {
		b.t.Errorf("console: %s", e)
	}
next:
	for _, r := range b.requests {
		for _, a := range append(allowed, "file://", "data:,") {
			if strings.HasPrefix(r, a) {
				continue next
			}
		}
		b.t.Errorf("request: %s", r)
	}
}

// drawAll makes every chart, as scrolling through the page does.
const drawAll = `document.querySelectorAll("figure[data-chart]").forEach((f) => ensure(f)), plots.size`

func TestBrowserPage(t *testing.T) {
	b := newBrowser(t)
	r := simulate(t, small)
	p, _ := render(t, Input{Result: r})
	b.open(Input{Result: r})
	want := len(p.Timeline)
	for _, f := range p.Faults {
		want += len(f.Charts)
	}
	if n := eval[int](b, drawAll); n != want {
		t.Errorf("%d charts, the model has %d", n, want)
	}
	// The figures that are seen are those of the Result.
	got := eval[[][4]string](b, `[...document.querySelectorAll("[data-metric]")].map((e) => [e.dataset.metric, e.dataset.during || "", e.dataset.in || "", e.innerText])`)
	s := report.Summarize(r)
	n := 0
	for _, g := range got {
		if g[0] != "recovery.p99" && g[0] != "storm.peak" && g[0] != "detection.undetected" {
			continue
		}
		n++
		if f := s.Figure(g[0], report.Scope{During: g[1], In: g[2]}); f.Text != g[3] && f.Mark() != g[3] {
			t.Errorf("%v on the page, %s in the summary", g, f.Text)
		}
	}
	if n < 10 {
		t.Errorf("only %d figures compared", n)
	}
	// Hover: the legends of all charts of the timeline show the values of that moment.
	box := eval[[]float64](b, `(() => { window.scrollTo(0, plots.get("clients").over.getBoundingClientRect().top - 100); const r = plots.get("clients").over.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()`)
	b.do(chromedp.MouseEvent("mouseMoved", box[0]+box[2]*0.5, box[1]+box[3]/2), chromedp.Sleep(300*time.Millisecond))
	for _, id := range []string{"clients", "attempts"} {
		text := eval[string](b, fmt.Sprintf(`document.querySelector('figure[data-chart="%s"] .legend').innerText`, id))
		if !strings.Contains(text, "at 20 s") && !strings.Contains(text, "at 19 s") {
			t.Errorf("hover at 20 s: %s shows %q", id, text)
		}
	}
	if open := eval[string](b, `[...document.querySelectorAll('figure[data-chart="clients"] .u-series')].find((e) => e.innerText.startsWith("open")).querySelector(".u-value").innerText`); open != "100" {
		t.Errorf("%s clients open at 20 s, all 100 are", open)
	}
	// The keyboard: an arrow moves the cursor, + zooms all charts of the timeline.
	b.do(chromedp.Focus(`figure[data-chart="attempts"] .plot`), chromedp.KeyEvent("+"))
	if zoom := eval[[]float64](b, `["clients", "rtt"].map((id) => plots.get(id).scales.x.max - plots.get(id).scales.x.min)`); zoom[0] > 21 || zoom[0] != zoom[1] {
		t.Errorf("after +: %v s are shown", zoom)
	}
	b.do(chromedp.KeyEvent("0"))
	if bad := eval[[]string](b, `[...document.querySelectorAll(".plot")].filter((e) => e.getAttribute("role") !== "img" || e.getAttribute("aria-label").length < 20).map((e) => e.outerHTML.slice(0, 80))`); len(bad) > 0 {
		t.Errorf("charts without a name: %v", bad)
	}
	b.clean()
}

// TestBrowserNoFaults: a run in which nothing happened has its charts too.
func TestBrowserNoFaults(t *testing.T) {
	b := newBrowser(t)
	r := simulate(t, small[:strings.Index(small, "chaos:")]+"duration: 10s\n")
	p, _ := render(t, Input{Result: r})
	b.open(Input{Result: r})
	if n := eval[int](b, drawAll); n == 0 || n != len(p.Timeline) {
		t.Errorf("%d charts, the model has %d", n, len(p.Timeline))
	}
	b.clean()
}

func TestBrowserPhoneAndDark(t *testing.T) {
	b := newBrowser(t)
	r := simulate(t, small)
	b.do(chromedp.EmulateViewport(360, 740))
	for _, in := range [][]Input{{{Result: r}}, {{"a.json", r}, {"b.json", r}}} {
		b.open(in...)
		eval[int](b, drawAll)
		if w := eval[[]int](b, `[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]`); w[0] > 360 || w[1] > 360 || w[2] != 360 {
			t.Errorf("the page is %v wide on a phone of 360", w)
		}
	}
	light := eval[string](b, `getComputedStyle(document.body).backgroundColor`)
	b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	b.until(`palette !== null && color("bg") === "#14171a"`)
	if dark := eval[string](b, `getComputedStyle(document.body).backgroundColor`); dark == light {
		t.Errorf("dark is %s as light", dark)
	}
	b.clean()
}

// What is printed is complete: every heading, every fault, the scenario, and charts in light colours.
func TestBrowserPrint(t *testing.T) {
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Fatal("pdftotext is missing: apt-get install poppler-utils")
	}
	b := newBrowser(t)
	b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
	b.open(Input{Result: simulate(t, small)})
	// How many charts there are when the paper is laid out, and how many of them have a size and an axis.
	eval[any](b, `window.sheet = null, addEventListener("beforeprint", () => queueMicrotask(() => queueMicrotask(() => {
		const all = [...document.querySelectorAll("figure[data-chart]")];
		window.sheet = [all.length, all.filter((f) => { const u = plots.get(f.dataset.chart); return u && u.width === paper(f) && u.scales.x.max > u.scales.x.min; }).length, color("bg") === "#ffffff" ? 1 : 0];
	}))), 0`)
	var pdf []byte
	b.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		pdf, _, err = cdppage.PrintToPDF().WithPrintBackground(true).WithPaperWidth(8.27).WithPaperHeight(11.69).Do(ctx)
		return err
	}))
	path := filepath.Join(t.TempDir(), "page.pdf")
	if err := os.WriteFile(path, pdf, 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command("pdftotext", "-layout", path, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FAIL", "Expectations", "How far to trust it", "Clients by state", "Reconnect attempts per second", "Heartbeat round trip",
		"How long until they noticed", "How hard they came back", "Noticed after", "Down for", "Attempts per 100 ms", "kill#2", "Latencies", "Counts", "lost",
		"Scenario", "flatline sim --seed 7 small.yaml", "profile: heartcheck-counted-as-published"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the print lacks %q", want)
		}
	}
	if n := eval[[]int](b, `window.sheet`); len(n) != 3 || n[0] < 10 || n[0] != n[1] || n[2] != 1 {
		t.Errorf("on paper: %v charts, those with a size and an axis, light", n)
	}
	b.clean()
}

// The live page follows the run and ends as its report.
func TestBrowserLive(t *testing.T) {
	f, err := scenario.Parse("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := f.Plan()
	if err != nil {
		t.Fatal(err)
	}
	rec := report.NewRecorder(plan, report.Options{Driver: "fleet"})
	var now atomic.Int64
	l := NewLive("127.0.0.1", func() *report.Result { return rec.Snapshot(time.Duration(now.Load()), report.SnapshotOptions{}) })
	server := httptest.NewServer(l)
	defer server.Close()
	b := newBrowser(t)
	now.Store(int64(2 * time.Second))
	b.do(chromedp.Navigate(server.URL), chromedp.WaitReady("#model"))
	b.until(`document.getElementById("live").innerText === "live"`)
	for i := range 30 {
		rec.Attempt(time.Duration(3+i)*time.Second, i, 1)
		now.Store(int64(4+i) * int64(time.Second))
		if err := l.Refresh(); err != nil {
			t.Fatal(err)
		}
	}
	b.until(`page.now === 33 && plots.get("attempts").data[0].length === 34`)
	b.until(`document.querySelectorAll(".lane.planned").length === 4`)
	rec.FaultBegan(33*time.Second, 0)
	rec.FaultInForce(33*time.Second, 0)
	now.Store(int64(34 * time.Second))
	if err := l.Refresh(); err != nil {
		t.Fatal(err)
	}
	b.until(`document.querySelectorAll(".lane:not(.planned)").length === 1`)
	if err := l.Finish(b.ctx, rec.Snapshot(40*time.Second, report.SnapshotOptions{Final: true})); err != nil {
		t.Fatal(err)
	}
	b.until(`document.getElementById("live").innerText === "finished" && document.querySelector(".verdict").innerText.startsWith("INCONCLUSIVE")`)
	server.CloseClientConnections()
	b.do(chromedp.Sleep(500 * time.Millisecond))
	if s := eval[string](b, `document.getElementById("live").innerText`); s != "finished" {
		t.Errorf("after the end: %q", s)
	}
	b.clean(server.URL)
}

// How fast a large page opens: the figures of docs/report.md.
func TestBrowserSpeed(t *testing.T) {
	rec, err := big()
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t)
	_, html := render(t, Input{Result: rec.Snapshot(10*time.Minute, report.SnapshotOptions{Final: true})})
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, []byte(html), 0o644); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := cdppage.AddScriptToEvaluateOnNewDocument(`window.long = []; new PerformanceObserver((l) => l.getEntries().forEach((e) => window.long.push(e.duration))).observe({type: "longtask", buffered: true})`).Do(ctx)
		return err
	}), chromedp.Navigate("file://"+path), chromedp.Sleep(2*time.Second))
	paint := eval[float64](b, `performance.getEntriesByName("first-contentful-paint")[0].startTime`)
	opening := eval[float64](b, `window.long.reduce((a, d) => a + d - 50, 0)`)
	// From top to bottom in steps of a screen, which draws every chart.
	b.do(chromedp.Evaluate(`(async () => { for (let y = 0; y < document.body.scrollHeight; y += 600) { scrollTo(0, y); await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))); } })()`, nil,
		func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }), chromedp.Sleep(time.Second))
	whole := eval[float64](b, `window.long.reduce((a, d) => a + d - 50, 0)`)
	worst := eval[float64](b, `Math.max(0, ...window.long)`)
	charts := eval[int](b, `plots.size`)
	t.Logf("%d KB: first contentful paint %.0f ms, blocked %.0f ms while opening, %.0f ms with all %d charts scrolled through, longest task %.0f ms",
		len(html)/1000, paint, opening, whole, charts, worst)
	if paint > 3000 || opening > 1500 {
		t.Errorf("opens after %.0f ms, blocked for %.0f ms", paint, opening)
	}
	if charts < 40 {
		t.Errorf("only %d charts were drawn", charts)
	}
	b.clean()
}
