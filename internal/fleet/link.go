package fleet

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// link is one connection or attempt of a client. Its fields are guarded by the client's lock.
type link struct {
	c      *client
	older  *link
	epoch  uint32
	gone   bool // dropped: nothing it still says matters
	node   int  // which of several nodes it leads to
	left   bool // the balancer counts it no more
	raw    net.Conn
	ws     *websocket.Conn
	cancel context.CancelFunc // while dialing
}

// writeBuffers are shared by all connections: a connection holds one only while it writes.
var writeBuffers sync.Pool

const (
	readBuffer  = 512 // bytes a connection keeps for reading
	writeBuffer = 1024
	// payloads reads messages of up to this size into shared memory; larger ones are allocated.
	payloadSize = 4096
)

// dial starts attempt epoch, to the node that the client was told if any, and returns its link in front of the older ones. The client's lock is held.
func (f *Fleet) dial(c *client, epoch uint32, told int, older *link, now time.Duration) *link {
	ctx, cancel := context.WithCancel(f.ctx)
	l := &link{c: c, epoch: epoch, older: older, cancel: cancel}
	if f.balancer != nil {
		l.node = f.balancer.pick(now, int(c.id), told)
	}
	f.wg.Add(1)
	f.leaving.Add(1)
	go func() {
		defer f.wg.Done()
		defer cancel()
		ws, err := f.connect(ctx, l, now)
		c.lockAwake()
		defer c.mu.Unlock()
		l.cancel = nil
		switch {
		case l.gone || c.stopped:
			if ws != nil {
				ws.Close()
			}
		case err != nil:
			c.forget(l)
			c.step(f.clock(), heartbeat.Input{Kind: heartbeat.Failed, Epoch: epoch, Cause: f.explain(err)})
		default:
			l.ws = ws
			c.step(f.clock(), heartbeat.Input{Kind: heartbeat.Connected, Epoch: epoch})
			if l.gone { // a send of the opening exchange failed
				return
			}
			f.wg.Add(1)
			go l.read() // on a fresh stack: the one that shook hands has grown
		}
	}()
	return l
}

// connect makes the TCP connection, through the chaos layer, and the WebSocket upgrade. due is when the machine asked.
func (f *Fleet) connect(ctx context.Context, l *link, due time.Duration) (*websocket.Conn, error) {
	id := int(l.c.id)
	leaving := true
	left := func() {
		if leaving {
			leaving = false
			f.leaving.Add(-1)
		}
	}
	defer left()
	url, header, err := f.request(id, l.node)
	if err != nil {
		return nil, err
	}
	g := f.plan.GroupOf(id)
	transport := func(ctx context.Context, network, addr string) (net.Conn, error) {
		began := f.clock()
		f.sink.Lag(began, due)
		if f.routes != nil {
			f.routes.Routed(began, id, l.epoch, l.node)
		}
		f.sink.Attempt(began, id, l.epoch)
		left()
		conn, err := f.path.Dial(ctx, l.node*len(f.clients)+id, func(ctx context.Context) (net.Conn, error) {
			return f.dialTCP(ctx, id, network, addr)
		})
		if f.balancer != nil {
			f.balancer.tried(f.clock(), l.node, err)
		}
		if err != nil {
			return nil, err
		}
		now := f.clock()
		f.sink.TCPConnected(now, id, l.epoch, now-began)
		l.c.mu.Lock()
		defer l.c.mu.Unlock()
		if l.gone {
			conn.Close()
			return nil, net.ErrClosed
		}
		l.raw = conn
		f.letOthersLeave()
		return conn, nil
	}
	d := websocket.Dialer{
		NetDialContext:  transport,
		TLSClientConfig: f.tls,
		ReadBufferSize:  readBuffer,
		WriteBufferSize: writeBuffer,
		WriteBufferPool: &writeBuffers,
		Subprotocols:    g.Subprotocols,
	}
	ws, resp, err := d.DialContext(ctx, url, header)
	if err != nil {
		if resp != nil {
			return nil, &rejected{resp.StatusCode, err}
		}
		return nil, err
	}
	ws.SetReadLimit(f.readLimit)
	return ws, nil
}

// letOthersLeave puts the upgrade of a connection behind the attempts that are due. In a storm the processor is what is
// short, and a storm is made of attempts: thousands of real devices would all send their SYN on time.
func (f *Fleet) letOthersLeave() {
	for range 4 {
		if f.leaving.Load() == 0 {
			return
		}
		runtime.Gosched()
	}
}

// forget takes a link whose socket is closed already out of the client.
func (c *client) forget(l *link) {
	l.gone = true
	l.leave()
	for p := &c.links; *p != nil; p = &(*p).older {
		if *p == l {
			*p = l.older
			return
		}
	}
}

// send writes one frame. It does not wait: what the socket does not take at once waits in the chaos layer.
func (l *link) send(frame heartbeat.Frame, payload []byte) error {
	if l.ws == nil {
		return nil // its failure is on the way
	}
	switch frame {
	case heartbeat.Ping:
		return l.ws.WriteControl(websocket.PingMessage, payload, time.Time{})
	case heartbeat.Pong:
		return l.ws.WriteControl(websocket.PongMessage, payload, time.Time{})
	case heartbeat.Binary:
		return l.ws.WriteMessage(websocket.BinaryMessage, payload)
	}
	return l.ws.WriteMessage(websocket.TextMessage, payload)
}

func (l *link) bye(code uint16) {
	if l.ws == nil {
		return
	}
	var body []byte
	if code != 0 {
		body = websocket.FormatCloseMessage(int(code), "")
	}
	_ = l.ws.WriteControl(websocket.CloseMessage, body, time.Time{}) // the connection ends either way
}

// leave takes the link out of its node's load.
func (l *link) leave() {
	if b := l.c.f.balancer; b != nil && !l.left {
		l.left = true
		b.left(l.node)
	}
}

// close drops the socket, or ends the attempt.
func (l *link) close() {
	l.gone = true
	l.leave()
	if l.cancel != nil {
		l.cancel()
	}
	switch {
	case l.ws != nil:
		l.ws.Close()
	case l.raw != nil:
		l.raw.Close() // the upgrade does not watch its context
	}
}

var payloads = sync.Pool{New: func() any { b := make([]byte, payloadSize); return &b }}

// read feeds the machine until the connection ends.
func (l *link) read() {
	c := l.c
	f := c.f
	defer f.wg.Done()
	ws := l.ws
	ws.SetPingHandler(func(data string) error {
		l.received(heartbeat.Ping, nil)
		err := ws.WriteControl(websocket.PongMessage, []byte(data), time.Time{})
		if err == websocket.ErrCloseSent {
			return nil
		}
		return err
	})
	ws.SetPongHandler(func(string) error {
		l.received(heartbeat.Pong, nil)
		return nil
	})
	for {
		kind, r, err := ws.NextReader()
		if err == nil {
			frame := heartbeat.Text
			if kind == websocket.BinaryMessage {
				frame = heartbeat.Binary
			}
			err = l.message(frame, r)
		}
		if err != nil {
			l.ended(err)
			return
		}
	}
}

// message reads one message whole and hands it on.
func (l *link) message(frame heartbeat.Frame, r io.Reader) error {
	p := payloads.Get().(*[]byte)
	defer payloads.Put(p)
	buf, n := *p, 0
	for {
		if n == len(buf) { // a large one: let it grow apart from the pool
			buf = append(buf, make([]byte, len(buf))...)
		}
		k, err := r.Read(buf[n:])
		n += k
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	l.received(frame, buf[:n])
	return nil
}

func (l *link) received(frame heartbeat.Frame, data []byte) {
	c := l.c
	c.f.received.Add(1)
	c.lockAwake()
	if !l.gone && !c.stopped {
		c.step(c.f.clock(), heartbeat.Input{Kind: heartbeat.Received, Epoch: l.epoch, Frame: frame, Data: data})
	}
	c.mu.Unlock()
}

// ended tells the machine why the connection is over.
func (l *link) ended(err error) {
	c := l.c
	c.lockAwake()
	defer c.mu.Unlock()
	l.ws.Close()
	if l.gone || c.stopped {
		return
	}
	c.forget(l)
	in := heartbeat.Input{Kind: heartbeat.Closed, Epoch: l.epoch}
	in.Cause, in.Code = c.f.ending(err)
	if in.Cause == heartbeat.TooBig || in.Cause == heartbeat.Protocol {
		c.f.keep(in.Cause, err)
	}
	c.step(c.f.clock(), in)
}

// LocalAddr is the client's address as the target sees it, or "" while the client has no connection.
func (f *Fleet) LocalAddr(client int) string {
	c := &f.clients[client]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.links == nil || c.links.ws == nil {
		return ""
	}
	return c.links.ws.LocalAddr().String()
}
