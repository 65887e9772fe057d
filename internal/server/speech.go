package server

import (
	"fmt"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/internal/dialect"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// speech is how the server talks to a client: in the dialect of a real server, or as its configuration says. It is
// read-only; clients share it.
type speech struct {
	*dialect.Dialect // nil: echo, or nothing
	echo             bool
	every            time.Duration // between beats; 0: none
	beat             *websocket.PreparedMessage
	ping             []byte // the payload, where the beat is a ping frame (beat is nil)
}

// speeches keeps those that clients have asked for.
type speeches struct {
	mu  sync.Mutex
	all map[string]*speech
}

// maxSpeeches bounds what clients can make the server keep.
const maxSpeeches = 1024

// speech finds how to talk to a client that names a dialect, or none.
func (s *Server) speech(name string) (*speech, error) {
	s.speeches.mu.Lock()
	defer s.speeches.mu.Unlock()
	if found := s.speeches.all[name]; found != nil {
		return found, nil
	}
	if len(s.speeches.all) >= maxSpeeches {
		return nil, fmt.Errorf("too many dialects")
	}
	made, err := s.newSpeech(name)
	if err != nil {
		return nil, err
	}
	if s.speeches.all == nil {
		s.speeches.all = map[string]*speech{}
	}
	s.speeches.all[name] = made
	return made, nil
}

func (s *Server) newSpeech(name string) (*speech, error) {
	cfg := &s.cfg
	if name == "" {
		name = cfg.Dialect
	}
	out := &speech{echo: cfg.Reply == ReplyEcho, every: cfg.Beat}
	beat := heartbeat.Message{Frame: heartbeat.Ping, Payload: []byte(cfg.BeatText)}
	if cfg.BeatFrame == BeatText {
		beat.Frame = heartbeat.Text
	}
	if name != "" {
		d, err := cfg.speak(name)
		if err != nil {
			return nil, err
		}
		out.Dialect = d
		if d != nil && d.Beat != nil {
			beat = *d.Beat
			if out.every == 0 { // what the server was told itself goes before what its dialect is used to
				out.every = d.Every
			}
		}
	}
	if beat.Frame == heartbeat.Ping {
		out.ping = beat.Payload
		return out, nil
	}
	var err error
	if out.beat, err = websocket.NewPreparedMessage(kindOf(beat.Frame), beat.Payload); err != nil {
		return nil, fmt.Errorf("beat: %w", err)
	}
	return out, nil
}

// kindOf is gorilla's word for a frame.
func kindOf(f heartbeat.Frame) int {
	switch f {
	case heartbeat.Binary:
		return websocket.BinaryMessage
	case heartbeat.Ping:
		return websocket.PingMessage
	case heartbeat.Pong:
		return websocket.PongMessage
	}
	return websocket.TextMessage
}

// greet sends what the dialect begins with.
func (c *client) greet() error {
	if c.says.Dialect == nil {
		return nil
	}
	for i := range c.says.Hello {
		if err := c.say(&c.says.Hello[i], nil); err != nil {
			return err
		}
	}
	return nil
}

// answer answers a message, with scratch space that it may grow.
func (c *client) answer(kind int, data, text []byte) ([]byte, error) {
	d := c.says.Dialect
	if d == nil {
		if !c.says.echo {
			return text, nil
		}
		return text, c.write(kind, data)
	}
	i, ref := d.Answer(data)
	if i < 0 {
		return text, nil
	}
	for k := range d.Replies[i].With {
		m := &d.Replies[i].With[k]
		text = heartbeat.AppendRef(text[:0], m.Payload, ref)
		if err := c.say(m, text); err != nil {
			return text, err
		}
	}
	return text, nil
}

// say sends a message of the dialect, as text if there is one.
func (c *client) say(m *heartbeat.Message, text []byte) error {
	if text == nil {
		text = m.Payload
	}
	if m.Frame > heartbeat.Binary {
		return c.ws.WriteControl(kindOf(m.Frame), text, time.Time{})
	}
	return c.write(kindOf(m.Frame), text)
}
