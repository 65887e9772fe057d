package server

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

// linger is how long the server waits for the client's part of a goodbye before it closes TCP.
const linger = time.Second

// client is one open connection. Its goroutine reads; whoever writes messages holds writing.
type client struct {
	s    *Server
	ws   *websocket.Conn
	next *client // the list of open clients, in order of connecting
	prev *client
	says *speech
	beat alarm
	reap alarm

	writing sync.Mutex
	seen    atomic.Int64 // when the last frame arrived; kept only when the server reaps
	ended   atomic.Int32 // a cause, once somebody has decided to end the connection
	beating atomic.Bool  // a beat is being written
	addr    string       // the client's, as the server sees it
	box     *mailbox     // owned by the reader; nil until it publishes or says hello
	leaving bool         // a drain has picked it; guarded by Server.mu
}

// buffers are lent to a reader for the time between a message's arrival and its answer.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 512); return &b }}

// start takes over a connection that has just been upgraded.
func (s *Server) start(ws *websocket.Conn, says *speech) {
	c := &client{s: s, ws: ws, says: says, addr: ws.RemoteAddr().String()}
	ws.SetReadLimit(s.cfg.MaxMessage)
	ws.SetPingHandler(func(data string) error {
		s.n.pingsIn.Add(1)
		c.touch()
		if err := ws.WriteControl(websocket.PongMessage, []byte(data), time.Time{}); err == nil {
			s.n.pongsOut.Add(1)
		}
		return nil // a failed write ends the connection by itself
	})
	ws.SetPongHandler(func(string) error {
		s.n.pongsIn.Add(1)
		c.touch()
		return nil
	})
	s.n.handshakes.Add(1)
	if !s.register(c) { // the server closed while the handshake was under way
		ws.Close()
		s.n.open.Add(-1)
		s.n.closed[shutdown].Add(1)
		return
	}
	now := s.now()
	c.seen.Store(int64(now))
	if says.every > 0 {
		c.beat = alarm{c: c}
		s.alarms.set(&c.beat, now+says.every)
	}
	if s.cfg.Reap > 0 {
		c.reap = alarm{c: c, reap: true}
		s.alarms.set(&c.reap, now+s.cfg.Reap)
	}
	go c.run()
}

func (c *client) touch() {
	if c.s.cfg.Reap > 0 {
		c.seen.Store(int64(c.s.now()))
	}
}

// run reads until the connection ends, and accounts for its end.
func (c *client) run() {
	s := c.s
	defer s.readers.Done()
	var text []byte // scratch for answers
	err := c.greet()
	for err == nil {
		var kind int
		var r io.Reader
		if kind, r, err = c.ws.NextReader(); err != nil {
			break
		}
		c.touch()
		buf := buffers.Get().(*[]byte)
		*buf, err = readAll((*buf)[:0], r)
		if err == nil {
			s.n.messagesIn.Add(1)
			if c.ended.Load() == int32(alive) && !c.takes(kind, *buf) {
				text, err = c.answer(kind, *buf, text)
			}
		}
		if cap(*buf) <= 64<<10 {
			buffers.Put(buf)
		}
	}
	why := c.end(classify(err))
	if c.box != nil {
		c.box.end()
	}
	s.alarms.drop(&c.beat)
	s.alarms.drop(&c.reap)
	if why == tooBig || why == protocol {
		c.lingerClose()
	}
	c.ws.Close()
	s.unregister(c)
	s.n.closed[why].Add(1)
}

// end records why the connection ends, unless somebody else has done so before, and returns the reason that counts.
func (c *client) end(why cause) cause {
	c.ended.CompareAndSwap(int32(alive), int32(why))
	return cause(c.ended.Load())
}

type writeFailure struct{ error }

// write sends one message and counts it. Where the client does not read, it waits: that is the back pressure a client
// feels from a server that answers.
func (c *client) write(kind int, data []byte) error {
	c.writing.Lock()
	err := c.ws.WriteMessage(kind, data)
	c.writing.Unlock()
	if err == nil {
		c.s.n.messagesOut.Add(1)
	} else if c.ended.Load() == int32(alive) {
		return writeFailure{err}
	} // else the server has said goodbye: only the client's goodbye is awaited
	return nil
}

// sendBeat writes one beat. A beat that finds the previous one still waiting for a client that does not read is left
// out.
func (c *client) sendBeat() {
	if !c.beating.CompareAndSwap(false, true) {
		return
	}
	defer c.beating.Store(false)
	if c.says.beat == nil {
		if c.ws.WriteControl(websocket.PingMessage, c.says.ping, time.Time{}) != nil {
			return
		}
		c.s.n.pingsOut.Add(1)
	} else {
		c.writing.Lock()
		err := c.ws.WritePreparedMessage(c.says.beat)
		c.writing.Unlock()
		if err != nil {
			return
		}
		c.s.n.messagesOut.Add(1)
	}
	c.s.n.beats.Add(1)
}

// goodbye sends a close frame; the reader then waits at most linger for the client's.
func (c *client) goodbye(code int) {
	frame := websocket.FormatCloseMessage(code, "")
	if c.ws.WriteControl(websocket.CloseMessage, frame, time.Now().Add(linger)) != nil {
		c.ws.Close() // somebody who does not even read
		return
	}
	c.ws.SetReadDeadline(time.Now().Add(linger))
}

// lingerClose lets the close frame that was just sent arrive: closing a socket with unread bytes in it sends a RST,
// which may overtake the frame.
func (c *client) lingerClose() {
	conn := c.ws.NetConn()
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	conn.SetReadDeadline(time.Now().Add(linger))
	io.CopyN(io.Discard, conn, 1<<20)
}

// readAll is io.ReadAll into a buffer that is used again.
func readAll(buf []byte, r io.Reader) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// classify names the reason for a failed read or answer.
func classify(err error) cause {
	var closed *websocket.CloseError
	var write writeFailure
	var neterr net.Error
	switch {
	case errors.As(err, &write):
		return writeError
	case errors.Is(err, websocket.ErrReadLimit):
		return tooBig
	case errors.As(err, &closed):
		if closed.Code == websocket.CloseAbnormalClosure {
			return eof // gorilla's word for an end of file between frames
		}
		return closeFrame
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		return eof
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return reset
	case errors.As(err, &neterr):
		return readError
	}
	return protocol
}
