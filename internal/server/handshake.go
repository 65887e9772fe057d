package server

import (
	"errors"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/dialect"
)

type connKey struct{}

// pending are the connections whose handshake is not over, and whether their request has come.
type pending struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (p *pending) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

func (p *pending) set(c net.Conn, asked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		p.conns = make(map[net.Conn]bool)
	}
	p.conns[c] = asked
}

func (p *pending) drop(c net.Conn) (asked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked = p.conns[c]
	delete(p.conns, c)
	return asked
}

// connState follows net/http's view of a connection: it is either hijacked, in the handler's course, or closed.
func (s *Server) connState(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.pending.set(c, false)
		s.n.accepted.Add(1)
	case http.StateHijacked:
		s.pending.drop(c)
	case http.StateClosed:
		if !s.pending.drop(c) {
			s.n.rejected[noRequest].Add(1)
		}
	}
}

// handshake takes one request to an open client or a rejection. It returns as soon as the client's own goroutine runs,
// so that net/http's buffers and stack are given back.
func (s *Server) handshake(w http.ResponseWriter, r *http.Request) {
	s.pending.set(r.Context().Value(connKey{}).(net.Conn), true)
	w.Header().Set("Connection", "close") // one request a connection: rejected means gone
	reject := func(why rejection, status int, text string) {
		s.n.rejected[why].Add(1)
		http.Error(w, text, status)
	}
	if !websocket.IsWebSocketUpgrade(r) {
		reject(badRequest, http.StatusBadRequest, "flatline serve speaks WebSocket only")
		return
	}
	if s.full() {
		reject(maxClients, http.StatusServiceUnavailable, "too many clients")
		return
	}
	ticket, ok := s.queue.join()
	if !ok {
		reject(backlog, http.StatusServiceUnavailable, "too many handshakes are waiting")
		return
	}
	if ticket != nil {
		select {
		case <-ticket:
		case <-s.ctx.Done():
			reject(closing, http.StatusServiceUnavailable, "the server is shutting down")
			return
		}
		if r.Context().Err() != nil {
			s.n.rejected[abandoned].Add(1)
			panic(http.ErrAbortHandler) // net/http's way to close without an answer
		}
	}
	if open := s.n.open.Add(1); s.cfg.MaxClients > 0 && open > int64(s.cfg.MaxClients) {
		s.n.open.Add(-1)
		reject(maxClients, http.StatusServiceUnavailable, "too many clients")
		return
	}
	var header http.Header
	if offered := websocket.Subprotocols(r); len(offered) > 0 {
		header = http.Header{"Sec-Websocket-Protocol": offered[:1]}
	}
	speech, err := s.speech(r.Header.Get(dialect.Header))
	if err != nil {
		s.n.open.Add(-1)
		reject(badRequest, http.StatusBadRequest, err.Error())
		return
	}
	ws, err := s.upgrader.Upgrade(w, r, header)
	if err != nil {
		s.n.open.Add(-1)
		why := abandoned
		if bad := (websocket.HandshakeError{}); errors.As(err, &bad) {
			why = badRequest
		}
		s.n.rejected[why].Add(1)
		return
	}
	s.start(ws, speech)
}

func (s *Server) full() bool {
	return s.cfg.MaxClients > 0 && s.n.open.Load() >= int64(s.cfg.MaxClients)
}
