package proxy

import (
	"sync"
	"time"

	"github.com/flatline-dev/flatline/report"
)

// classKey tells beats apart.
type classKey struct {
	dir int
	key uint64
}

// maxClasses bounds how many different beats are told apart.
const maxClasses = 256

// beatClass is one heartbeat, of however many connections.
type beatClass struct {
	dir         int
	op          byte
	deflated    bool
	size        uint64
	first, last []byte // samples of the payload

	mu    sync.Mutex
	conns int64
	gaps  *report.Hist // between two on one connection
	lag   *report.Hist // behind the other direction's latest beat
}

// class finds or makes the class of a message that has become regular; nil when there are too many.
func (r *record) class(dir int, key uint64, m *message) *beatClass {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := classKey{dir, key}
	c := r.classes[k]
	if c == nil {
		if len(r.classes) >= maxClasses {
			return nil
		}
		c = &beatClass{dir: dir, op: m.op, deflated: m.deflated, size: m.size, first: append([]byte(nil), m.head()...), gaps: &report.Hist{}, lag: &report.Hist{}}
		r.classes[k] = c
	}
	c.mu.Lock()
	c.conns++
	c.last = append(c.last[:0], m.head()...)
	c.mu.Unlock()
	return c
}

// saw records a beat that came in step: its interval, and how long after the latest beat of the other direction it came, 0
// when there was none. One out of step has interval 0 and is not recorded.
func (c *beatClass) saw(gap, lag time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if gap <= 0 { // what a fault held back says nothing of either
		return
	}
	c.gaps.Record(gap)
	if lag > 0 {
		c.lag.Record(lag)
	}
}

// forget starts the watch anew.
func (w *watcher) forget() { w.epoch.Add(1) }
