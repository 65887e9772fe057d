package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/flatline-dev/flatline/chaos"
)

// DrainRequest asks the server to say goodbye to clients that are connected now, as in a rolling deploy; it goes on
// accepting. Without Clients and Addrs it means all of them.
type DrainRequest struct {
	Notice  string        // text message sent first, as [chaos.Goodbye] has it; "": none
	Spread  time.Duration // the bound of the time that the notice names
	Nodes   []int         // the nodes one of which the notice names
	Grace   time.Duration // between the notices and the close frames
	Code    int           // of the close frames; 0: 1001, going away
	Clients int           // only this many, those longest connected; 0: all
	Addrs   []string      // only the clients with these addresses, as the server sees them (a client's local address)
}

// DrainReply says how many clients a drain has picked.
type DrainReply struct {
	Clients int `json:"clients"`
}

type drainWire struct {
	Notice  string   `json:"notice,omitempty"`
	Spread  string   `json:"spread,omitempty"` // with its unit
	Nodes   []int    `json:"nodes,omitempty"`
	Grace   string   `json:"grace,omitempty"` // with its unit: "2s"
	Code    int      `json:"code,omitempty"`
	Clients int      `json:"clients,omitempty"`
	Addrs   []string `json:"addrs,omitempty"`
}

// MarshalJSON writes the durations with their units.
func (d DrainRequest) MarshalJSON() ([]byte, error) {
	w := drainWire{Notice: d.Notice, Nodes: d.Nodes, Code: d.Code, Clients: d.Clients, Addrs: d.Addrs}
	if d.Grace != 0 {
		w.Grace = d.Grace.String()
	}
	if d.Spread != 0 {
		w.Spread = d.Spread.String()
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (d *DrainRequest) UnmarshalJSON(data []byte) error {
	var w drainWire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*d = DrainRequest{Notice: w.Notice, Nodes: w.Nodes, Code: w.Code, Clients: w.Clients, Addrs: w.Addrs}
	for _, x := range []struct {
		key, text string
		into      *time.Duration
	}{{"grace", w.Grace, &d.Grace}, {"spread", w.Spread, &d.Spread}} {
		if x.text == "" {
			continue
		}
		var err error
		if *x.into, err = time.ParseDuration(x.text); err != nil {
			return fmt.Errorf("%s: %q is not a duration such as 2s", x.key, x.text)
		}
	}
	return nil
}

func (d *DrainRequest) check() error {
	var errs []error
	if c := d.Code; c != 0 && (c < 1000 || c > 4999 || c == 1004 || c == 1005 || c == 1006 || c == 1015) {
		errs = append(errs, fmt.Errorf("code: %d cannot stand in a close frame (RFC 6455, section 7.4)", c))
	}
	if d.Grace < 0 {
		errs = append(errs, fmt.Errorf("grace: %v is negative", d.Grace))
	}
	if d.Spread < 0 {
		errs = append(errs, fmt.Errorf("spread: %v is negative", d.Spread))
	}
	if d.Clients < 0 {
		errs = append(errs, fmt.Errorf("clients: %d is negative", d.Clients))
	}
	return errors.Join(errs...)
}

// Drain returns when every notice is written (a client that does not read is waited for at most a second); without
// grace, when every close frame is. Close frames leave all at once. A client picked by an earlier drain is not picked
// again.
func (s *Server) Drain(req DrainRequest) (DrainReply, error) {
	if err := req.check(); err != nil {
		return DrainReply{}, fmt.Errorf("drain: %w", err)
	}
	if req.Code == 0 {
		req.Code = websocket.CloseGoingAway
	}
	s.n.drains.Add(1)
	picked := s.pick(req)
	if req.Notice != "" {
		each(picked, func(c *client) { c.notify(chaos.Goodbye(req.Notice, req.Spread, req.Nodes, rand.Float64())) })
	}
	goodbye := func() {
		each(picked, func(c *client) {
			if c.end(drained) == drained {
				c.goodbye(req.Code)
			}
		})
	}
	if req.Grace == 0 {
		goodbye()
		return DrainReply{len(picked)}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Go(func() {
			select {
			case <-time.After(req.Grace):
				goodbye()
			case <-s.ctx.Done():
			}
		})
	}
	return DrainReply{len(picked)}, nil
}

func (s *Server) pick(req DrainRequest) []*client {
	var wanted map[string]bool
	if req.Addrs != nil {
		wanted = make(map[string]bool, len(req.Addrs))
		for _, a := range req.Addrs {
			wanted[a] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var picked []*client
	for c := s.first; c != nil && (req.Clients == 0 || len(picked) < req.Clients); c = c.next {
		if !c.leaving && (wanted == nil || wanted[c.ws.RemoteAddr().String()]) {
			c.leaving = true
			picked = append(picked, c)
		}
	}
	return picked
}

// each runs do for all clients at once and waits for all.
func each(clients []*client, do func(*client)) {
	var wait sync.WaitGroup
	for _, c := range clients {
		wait.Go(func() { do(c) })
	}
	wait.Wait()
}

// notify sends a text message unless a writer is stuck for longer than linger because the client does not read.
func (c *client) notify(text string) {
	deadline := c.s.now() + linger
	for !c.writing.TryLock() {
		if c.s.now() > deadline {
			return
		}
		time.Sleep(linger / 200)
	}
	defer c.writing.Unlock()
	c.ws.SetWriteDeadline(time.Now().Add(linger))
	err := c.ws.WriteMessage(websocket.TextMessage, []byte(text))
	c.ws.SetWriteDeadline(time.Time{})
	if err == nil {
		c.s.n.messagesOut.Add(1)
	}
}
