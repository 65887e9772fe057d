package proxy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Who counts as a client.
const (
	// lineageMemory is how long a client without a connection is waited for; whoever comes later is somebody else.
	lineageMemory = 10 * time.Minute
	// presence is how long a client without a connection counts among those of whom a fault takes a share.
	presence = time.Minute
)

// client is one party that connects, again and again.
type client struct {
	number  int
	name    string // c1, c2, for selectors and reports
	key     string // what tells it; "" for lineage
	looks   string
	seen    time.Duration // first
	holding int           // connections that it has and has not given up
	goneAt  time.Duration // when it gave up the last of them, or the last attempt failed
	stage   int           // attempts since it had a connection
	silent  bool          // it gave up the last of them because nothing came any more

	attempts, opened, failed int64

	pending []*hit // connections under a fault of which it has shown no sign
	lost    []*hit // those it noticed, in that order, which a new connection has not replaced
}

func (c *client) away() bool { return c.holding == 0 }

func (c *client) arrive(*pair) { c.holding++ }

// leave: the client does without p. The order in which clients leave is the order in which lineage expects them back.
func (c *client) leave(p *pair, now time.Duration) {
	c.holding--
	c.goneAt = now
	if c.holding == 0 {
		p.table.left(c, now)
	}
}

// clients are all that are known.
type clients struct {
	byKey  map[string]*client
	lines  map[int]*client      // by number: those that go by lineage
	absent map[string][]*client // those without a connection, by looks, the longest away first
	total  int
	free   []int // numbers in the engine that were used before
	used   int   // and how many ever were
}

func (t *clients) init() {
	t.byKey, t.lines, t.absent = map[string]*client{}, map[int]*client{}, map[string][]*client{}
}

// find is the client with the key, or the one whose line the connection continues. fresh says that it is new.
func (t *clients) find(key, looks string, alone bool, now time.Duration) (c *client, fresh bool) {
	if key != "" {
		if c = t.byKey[key]; c != nil {
			return c, false
		}
	} else if list := t.absent[looks]; !alone && len(list) > 0 {
		c = list[0]
		if t.absent[looks] = list[1:]; len(list) == 1 {
			delete(t.absent, looks)
		}
		return c, false
	}
	t.total++
	c = &client{number: t.total, name: fmt.Sprintf("c%d", t.total), key: key, looks: looks, seen: now}
	if key != "" {
		t.byKey[key] = c
	} else {
		t.lines[c.number] = c
	}
	return c, true
}

// left: c has no connection any more.
func (t *clients) left(c *client, now time.Duration) {
	if c.key != "" {
		return
	}
	list := t.absent[c.looks]
	for len(list) > 0 && list[0].goneAt+lineageMemory < now {
		delete(t.lines, list[0].number)
		list = list[1:]
	}
	t.absent[c.looks] = append(list, c)
}

// all are the clients in the order in which they came.
func (t *clients) all() []*client {
	list := slices.AppendSeq(make([]*client, 0, len(t.byKey)+len(t.lines)), maps.Values(t.byKey))
	list = slices.AppendSeq(list, maps.Values(t.lines))
	slices.SortFunc(list, func(a, b *client) int { return cmp.Compare(a.number, b.number) })
	return list
}

// present are those of whom a fault takes its share: with a connection, or without one for a short time.
func (t *clients) present(now time.Duration) []*client {
	return slices.DeleteFunc(t.all(), func(c *client) bool { return c.holding == 0 && c.goneAt+presence < now })
}

// slot is a number for the engine that nobody has; reused says that it had faults on it once.
func (t *clients) slot(limit int) (slot int, reused, ok bool) {
	if n := len(t.free); n > 0 {
		slot = t.free[n-1]
		t.free = t.free[:n-1]
		return slot, true, true
	}
	if t.used >= limit {
		return 0, false, false
	}
	t.used++
	return t.used - 1, false, true
}
