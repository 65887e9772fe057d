package fleet

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// publisher is the service behind the target: it hands the target the messages of the groups whose traffic is from the
// server, each when it is due, by a request of its own. It stands beside the target: the faults of the clients' paths do
// not touch it, those of the target's process do.
type publisher struct {
	f      *Fleet
	o      *scenario.Publish
	urls   []*heartbeat.Format // asked in turn
	client *http.Client

	mu       sync.Mutex
	feeds    []feed  // of each client that has one
	agenda   agenda  // what comes later: the next message of each stream, and failed ones that are tried again
	ready    []*post // what is due and waits for a connection
	more     *sync.Cond
	over     bool
	turn     int // which address is next
	attempts int64
	failures int64
	first    error // of a request that failed
	hurried  chan struct{}
}

// feed is what the service publishes for one client.
type feed struct {
	client   int
	traffic  *heartbeat.Traffic
	to, room string
	arrivals heartbeat.Arrivals
	waiting  []*post // not acknowledged, the oldest first; at-most-once: none
}

// post is one message.
type post struct {
	s        *feed
	seq      uint32
	size     int
	due, at  time.Duration // at: when it is to be handed over (again)
	times    int
	given    bool // given up: the queue was full
	arriving bool // not a message yet, but the moment of the stream's next one
}

// newPublisher is nil where no client of the plan gets messages from the server. urls are those of the embedded
// servers, asked beside the plan's.
func newPublisher(f *Fleet, urls []string) (*publisher, error) {
	if f.plan.Target.Publish == nil {
		return nil, nil
	}
	b := &publisher{f: f, o: f.plan.Target.Publish, urls: f.plan.Target.Publish.URLs, hurried: make(chan struct{}, 1)}
	for _, u := range urls {
		format, err := heartbeat.ParseFormat(u)
		if err != nil {
			return nil, fmt.Errorf("publish at %s: %w", u, err)
		}
		b.urls = append(b.urls, format)
	}
	if len(b.urls) == 0 {
		return nil, errors.New("the target has no address to publish at")
	}
	b.more = sync.NewCond(&b.mu)
	b.client = &http.Client{
		Transport: &http.Transport{MaxConnsPerHost: b.o.Connections, MaxIdleConnsPerHost: b.o.Connections, DisableCompression: true, TLSClientConfig: f.tls.Clone()},
		// An answer that leads elsewhere acknowledges nothing.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for i := range f.clients {
		if t := f.plan.GroupOf(i).Traffic; t != nil && t.FromServer && t.Rate > 0 {
			b.feeds = append(b.feeds, feed{client: i, traffic: t, to: t.Destination(i), room: strings.TrimPrefix(t.To, "#"), arrivals: t.Arrivals(f.plan.TrafficRand(i))})
		}
	}
	for i := range b.feeds {
		b.expect(&b.feeds[i])
	}
	heap.Init(&b.agenda)
	return b, nil
}

// expect puts the stream's next message on the agenda.
func (b *publisher) expect(s *feed) {
	if at := s.arrivals.Due(); at != heartbeat.None {
		b.agenda = append(b.agenda, &post{s: s, at: at, arriving: true})
	}
}

// run publishes until ctx ends. Requests that are under way then are given up.
func (b *publisher) run(ctx context.Context) {
	var workers sync.WaitGroup
	for range b.o.Connections {
		workers.Go(func() { b.work(ctx) })
	}
	b.schedule(ctx)
	b.mu.Lock()
	b.over = true
	b.more.Broadcast()
	b.mu.Unlock()
	workers.Wait()
	b.client.CloseIdleConnections()
	if b.failures > 0 {
		b.f.sink.Warn(b.f.clock(), fmt.Sprintf("%d of %d requests that published failed, first seen as: %v", b.failures, b.attempts, b.first))
	}
}

// schedule moves what is due from the agenda to those who work.
func (b *publisher) schedule(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.hurried:
		case <-timer.C:
		}
		b.mu.Lock()
		now := b.f.clock()
		for len(b.agenda) > 0 && b.agenda[0].at <= now {
			p := b.agenda[0]
			b.f.sink.Lag(now, p.at)
			if !p.arriving {
				heap.Pop(&b.agenda)
				b.ready = append(b.ready, p)
				b.more.Signal()
				continue
			}
			b.arrive(p.s)
			if p.at = p.s.arrivals.Due(); p.at == heartbeat.None {
				heap.Pop(&b.agenda)
			} else {
				heap.Fix(&b.agenda, 0)
			}
		}
		next := time.Hour
		if len(b.agenda) > 0 {
			next = b.agenda[0].at - now
		}
		b.mu.Unlock()
		timer.Reset(next)
	}
}

// arrive makes the stream's next message one that is due.
func (b *publisher) arrive(s *feed) {
	p := &post{s: s, seq: s.arrivals.Seq(), size: s.arrivals.Size(), due: s.arrivals.Due(), at: s.arrivals.Due()}
	s.arrivals.Pop()
	if s.traffic.Mode != heartbeat.AtMostOnce {
		if len(s.waiting) >= s.traffic.Queue { // the oldest is given up: the accounts will miss it
			s.waiting[0].given = true
			s.waiting = s.waiting[1:]
		}
		s.waiting = append(s.waiting, p)
	}
	b.ready = append(b.ready, p)
	b.more.Signal()
}

// work hands messages over, one at a time.
func (b *publisher) work(ctx context.Context) {
	var body []byte
	for {
		b.mu.Lock()
		for len(b.ready) == 0 && !b.over {
			b.more.Wait()
		}
		if b.over {
			b.mu.Unlock()
			return
		}
		p := b.ready[0]
		b.ready[0] = nil
		b.ready = b.ready[1:]
		now := b.f.clock()
		once := p.s.traffic.Mode == heartbeat.AtMostOnce
		if p.given || once && now-p.due > b.o.Timeout { // it waited for a connection for too long, and never left
			b.mu.Unlock()
			continue
		}
		url := b.urls[b.turn%len(b.urls)]
		b.turn++
		b.attempts++
		p.times++
		b.mu.Unlock()

		v := heartbeat.Values{Client: int32(p.s.client), From: int32(p.s.client), Seq: p.seq, Sent: p.due.Microseconds(), To: p.s.to, Room: p.s.room, Size: p.size}
		body = p.s.traffic.Publish.Append(body[:0], &v)
		err := b.post(ctx, p, string(url.Append(nil, &v)), body)
		done := b.f.clock()
		if err == nil {
			b.f.sink.Output(done, p.s.client, &heartbeat.Output{Kind: heartbeat.Acked, Seq: p.seq, Due: p.due})
		}
		b.mu.Lock()
		switch {
		case err != nil && ctx.Err() != nil: // the run is over
			b.attempts--
		case err != nil:
			b.failures++
			if b.first == nil {
				b.first = err
			}
			if !once {
				p.at = now + p.s.traffic.Retransmit
				heap.Push(&b.agenda, p)
				select {
				case b.hurried <- struct{}{}:
				default:
				}
			}
		default:
			for i, w := range p.s.waiting {
				if w == p {
					p.s.waiting = append(p.s.waiting[:i], p.s.waiting[i+1:]...)
					break
				}
			}
		}
		b.mu.Unlock()
	}
}

// post makes one request. The message counts as sent from when there is a connection for it.
func (b *publisher) post(ctx context.Context, p *post, url string, body []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.o.Timeout, fmt.Errorf("no answer within %v", b.o.Timeout))
	defer cancel()
	trace := httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		b.f.sink.Output(b.f.clock(), p.s.client, &heartbeat.Output{Kind: heartbeat.Published, Seq: p.seq, Due: p.due, N: p.times})
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &trace), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	for name, value := range b.o.Headers {
		if http.CanonicalHeaderKey(name) == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("POST %s: %w", url, cause)
		}
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // read, so that the connection serves the next one
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return fmt.Errorf("POST %s: %s %.200s", url, resp.Status, strings.TrimSpace(string(said)))
	case err != nil:
		return fmt.Errorf("POST %s: %w", url, err)
	}
	return nil
}

// agenda is a heap by time.
type agenda []*post

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(*post)) }
func (a *agenda) Pop() any {
	old := *a
	p := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	return p
}
