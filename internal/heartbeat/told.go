package heartbeat

import (
	"strconv"
	"time"
)

// Told are the names that groups of an opening step's regular expression may have. What such a group matches is a
// number by which the server sets that part of the client's tuning for this connection, as Engine.IO, Discord's gateway
// and many others do in their first message.
var Told = []string{"interval_ms", "interval_s", "timeout_ms", "timeout_s"}

// Hints are the names that groups of a notice's regular expression may have: how long the client is to wait before it
// comes back, in place of its policy, and to which node of the target. It heeds them once.
var Hints = []string{"retry_ms", "retry_s", "node"}

// hint is what a goodbye has asked for.
type hint struct {
	retry time.Duration // wait so long; None: nothing said
	node  int           // 1 above the node's number; 0: nothing said
}

// heed takes from a goodbye what it asks for.
func (m *Machine) heed(p *Pattern, data []byte) {
	if p.Re == nil || p.Re.NumSubexp() == 0 {
		return
	}
	h := hint{retry: None}
	groups := p.Re.FindSubmatch(data)
	for i, name := range p.Re.SubexpNames() {
		if i >= len(groups) || name == "" {
			continue
		}
		n, err := strconv.ParseUint(string(groups[i]), 10, 31)
		switch {
		case err != nil:
		case name == "retry_ms":
			h.retry = time.Duration(n) * time.Millisecond
		case name == "retry_s":
			h.retry = time.Duration(n) * time.Second
		case name == "node":
			h.node = int(n) + 1
		}
	}
	if h == (hint{retry: None}) {
		return
	}
	if m.extra == nil {
		m.extra = &extra{}
	}
	m.extra.hint = &h
}

// tuned is what the server has told this connection; 0: the configuration holds.
type tuned struct{ interval, timeout time.Duration }

// listen takes from the message that an opening step awaited what it tells.
func (m *Machine) listen(p *Pattern, data []byte) {
	if p.Re == nil || p.Re.NumSubexp() == 0 {
		return
	}
	var t tuned
	groups := p.Re.FindSubmatch(data)
	for i, name := range p.Re.SubexpNames() {
		if i >= len(groups) || name == "" {
			continue
		}
		n, err := strconv.ParseUint(string(groups[i]), 10, 31)
		if err != nil || n == 0 {
			continue
		}
		switch name {
		case "interval_ms":
			t.interval = time.Duration(n) * time.Millisecond
		case "interval_s":
			t.interval = time.Duration(n) * time.Second
		case "timeout_ms":
			t.timeout = time.Duration(n) * time.Millisecond
		case "timeout_s":
			t.timeout = time.Duration(n) * time.Second
		}
	}
	if t.interval == m.cfg.Beat.Interval {
		t.interval = 0
	}
	if t.timeout == m.cfg.Timeout {
		t.timeout = 0
	}
	if m.extra == nil && t != (tuned{}) { // most servers tell what everybody expects
		m.extra = &extra{}
	}
	if m.extra != nil {
		if t.interval > 0 {
			m.extra.told.interval = t.interval
		}
		if t.timeout > 0 {
			m.extra.told.timeout = t.timeout
		}
	}
}

// every is the interval between beats.
func (m *Machine) every() time.Duration {
	if m.extra != nil && m.extra.told.interval > 0 {
		return m.extra.told.interval
	}
	return m.cfg.Beat.Interval
}

// patience is the silence allowed after the last tolerated beat.
func (m *Machine) patience() time.Duration {
	if m.extra != nil && m.extra.told.timeout > 0 {
		return m.extra.told.timeout
	}
	return max(m.cfg.Timeout, 0)
}
