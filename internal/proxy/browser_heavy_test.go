//go:build heavy

package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/server"
)

// heartcheckPage holds two clients as articles about heartbeats publish them. check: text 123456789 3 s after the last message,
// dead 5 s after it, and 4 s later a new connection; unlike most articles it does not wait for onclose, which Chromium holds
// back for a minute while the close handshake goes unanswered. counted: one timer, armed by messages alone, whose counter
// never gets past 1.
const heartcheckPage = `<!doctype html><title>clients</title><script>
// Chromium opens one connection at a time to an address, so each client has an address of its own.
const url = (name, i) => "ws://127.0.0." + (10 + i) + ":%s/?client=" + name + i;
function check(name, i) {
  let ws, beat, dead, locked = false;
  const reconnect = () => { if (locked) return; locked = true; setTimeout(() => { locked = false; open(); }, 4000); };
  const start = () => {
    clearTimeout(beat); clearTimeout(dead);
    beat = setTimeout(() => {
      ws.send("123456789");
      dead = setTimeout(() => { ws.onclose = null; ws.close(); reconnect(); }, 5000);
    }, 3000);
  };
  const open = () => { ws = new WebSocket(url(name, i)); ws.onopen = start; ws.onmessage = start; ws.onclose = reconnect; };
  open();
}
function counted(name, i) {
  const ws = new WebSocket(url(name, i));
  let timer, count = 0;
  const start = () => {
    clearTimeout(timer);
    timer = setTimeout(() => { if (++count >= 3) ws.close(); else ws.send("123456789"); }, 3000);
  };
  ws.onopen = start;
  ws.onmessage = () => { count = 0; start(); };
}
for (let i = 0; i < %d; i++) setTimeout(() => check("check", i), 3000 * i / %[2]d);
for (let i = %[2]d; i < %[2]d + 3; i++) counted("counted", i);
</script>`

// TestBrowserClients: headless Chromium through the proxy, blackholed for longer than any of the clients takes to notice.
func TestBrowserClients(t *testing.T) {
	const n = 24
	w := start(t, Config{Key: Key{"query", "client"}}, server.Config{})
	_, port, err := net.SplitHostPort(w.addr)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n + 3 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:%s", 10+i, port))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go w.proxy.Serve(l) // until l is closed
	}
	page := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(rw, heartcheckPage, port, n)
	}))
	defer page.Close()
	// Chromium as root, as in a container, has no sandbox.
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox)...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Navigate(page.URL)); err != nil {
		t.Fatal(err)
	}
	w.until("everybody is connected", func(r *Result) bool { return r.Connections.Open == n+3 })
	time.Sleep(13 * time.Second) // four beats of each

	f, err := w.proxy.Start(chaos.Fault{Kind: chaos.Blackhole, For: 14 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if f.Clients != n+3 {
		t.Errorf("%d clients hit, want %d", f.Clients, n+3)
	}
	time.Sleep(17 * time.Second)
	r := w.until("they are back", func(r *Result) bool { return r.Faults[0].Storm.Back == n })
	b := r.Faults[0]
	t.Logf("noticed %d: %v to %v, p50 %v; kept %d; delay p50 %v", b.Detection.N(), b.Detection.Min(), b.Detection.Max(), b.Detection.Quantile(0.5), b.Kept, r.Delays[0].Quantile(0.5))
	if b.Detection.N() != n || b.Noticed[byCloseFrame].N() != n || b.Kept != 3 {
		t.Errorf("%d noticed, %d by close frame, %d kept; want %d, %[4]d and the 3 that never notice", b.Detection.N(), b.Noticed[byCloseFrame].N(), b.Kept, n)
	}
	// Uniform on (5 s - rtt, 8 s], and as late as the browser's timers are.
	if lo, hi := b.Detection.Min(), b.Detection.Max(); lo < 4900*time.Millisecond || hi > 9*time.Second {
		t.Errorf("noticed after %v to %v, want 5 s to 8 s", lo, hi)
	}
	if d := r.Delays[0]; d.N() < n || d.Min() < 3900*time.Millisecond || d.Quantile(0.5) > 5*time.Second {
		t.Errorf("reconnect delays from %v, median %v, n %d; want 4 s", d.Min(), d.Quantile(0.5), d.N())
	}
	in := r.Learned
	if in.By != "client" || string(in.Payload) != "123456789" || in.Interval != 3*time.Second || in.Timeout != 5*time.Second || in.Misses != 1 {
		t.Errorf("learned %+v, want 123456789 every 3 s and a timeout of 5 s", in)
	}
	planOf(t, in.Profile())
	t.Log("\n" + in.Profile())
}
