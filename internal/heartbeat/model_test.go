package heartbeat

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// conn is what a driver knows about one connection.
type conn struct {
	epoch                           uint32
	connected, opened, failed, dead bool
}

// model drives one machine as a driver would and holds it to its contract.
type model struct {
	t       testing.TB
	src     source
	cfg     *Config
	wild    bool // the driver breaks its contract as well: only the machine's own sanity is checked
	m       Machine
	now     time.Duration
	live    []*conn // Dial makes one live; Failed, Closed and Abandon end it
	last    uint32  // newest epoch
	beats   struct{ sent, replied, unanswered int }
	traffic *Traffic
	again   []byte                    // the latest frame of the traffic
	heard   map[int32]map[uint32]bool // messages delivered, by publisher
	ended   bool                      // GaveUp or Stop
	sleep   bool
	seen    [NumOutputs]int
	was     [NumStates]int
}

// exercise runs the machine that data describes until the data is used up.
func exercise(t testing.TB, data []byte) *model {
	d := &model{t: t, src: source{data}}
	d.wild = d.src.one(4)
	d.cfg = d.src.config(d.wild)
	d.m = New(d.cfg, *rand.NewPCG(uint64(d.src.byte()), 1))
	if d.src.one(2) {
		d.traffic = d.src.traffic()
		d.m.Carry(d.traffic, 7, *rand.NewPCG(uint64(d.src.byte()), 2))
	}
	for over := 0; len(d.src.data) > 0 && over < 10; {
		if d.ended {
			over++ // nothing wakes it
		}
		d.pass()
		d.step(d.input())
	}
	if !d.ended {
		d.step(Input{Kind: Stop})
	}
	if len(d.live) != 0 && !d.wild {
		t.Fatalf("%d connections are live after the end", len(d.live))
	}
	return d
}

func (d *model) find(epoch uint32) *conn {
	for _, c := range d.live {
		if c.epoch == epoch {
			return c
		}
	}
	return nil
}

// drop ends a connection on the driver's side.
func (d *model) drop(c *conn) {
	d.live = slices.DeleteFunc(d.live, func(x *conn) bool { return x == c })
}

func (d *model) step(in Input) {
	t := d.t
	var ends *conn
	if c := d.find(in.Epoch); c != nil {
		switch in.Kind {
		case Connected:
			c.connected = true
		case Failed, Closed:
			ends = c
			d.drop(c)
		}
	}
	d.ended = d.ended || in.Kind == Stop
	d.sleep = (d.sleep || in.Kind == Suspend) && in.Kind != Resume && !d.ended
	out := d.m.Step(d.now, in, nil)
	if len(out) > 200 {
		t.Fatalf("%d outputs in one step", len(out))
	}
	for _, o := range out {
		d.ended = d.ended || o.Kind == GaveUp // what is dropped in the same step is dropped by the end
	}
	for i, o := range out {
		if o.Kind >= NumOutputs {
			t.Fatalf("output %d", o.Kind)
		}
		d.seen[o.Kind]++
		if o.Kind == Doubled && (i+1 == len(out) || out[i+1].Kind != Dial || out[i+1].Epoch != o.Epoch) {
			t.Fatalf("doubled #%d without its dial", o.Epoch)
		}
		if !d.wild {
			d.output(o, ends)
		}
	}
	if ends != nil && !d.wild && !d.ended && ends.opened == ends.failed {
		t.Fatalf("#%d ended: opened %v, failed %v", ends.epoch, ends.opened, ends.failed)
	}
	d.stands(in)
}

// output holds one output against what the driver knows. ends is the connection that the input ended.
func (d *model) output(o Output, ends *conn) {
	t := d.t
	c := d.find(o.Epoch)
	if c == nil && ends != nil && ends.epoch == o.Epoch {
		c = ends
	}
	known := func() {
		if c == nil {
			t.Fatalf("%s: no such connection", o.text())
		}
	}
	alive := func() {
		known()
		if c == ends || !c.connected {
			t.Fatalf("%s: not connected", o.text())
		}
	}
	switch o.Kind {
	case Dial:
		if o.Epoch != d.last+1 {
			t.Fatalf("%s after #%d", o.text(), d.last)
		}
		if d.cfg.Reconnect.Lock && len(d.live) > 0 {
			t.Fatalf("%s beside #%d under the lock", o.text(), d.live[0].epoch)
		}
		d.last = o.Epoch
		d.live = append(d.live, &conn{epoch: o.Epoch})
	case Send:
		alive()
		if o.Beat && d.cfg.Beat.By == Client {
			d.beats.sent++
			if o.Due > d.now || o.Due < 0 {
				t.Fatalf("%s at %v", o.text(), d.now)
			}
		}
	case SendBye:
		alive()
	case Abandon:
		known()
		if c == ends {
			t.Fatalf("%s: it has ended", o.text())
		}
		if !d.ended && c.opened == c.failed {
			t.Fatalf("%s: opened %v, failed %v", o.text(), c.opened, c.failed)
		}
		d.drop(c)
	case Opened:
		alive()
		if c.opened || c.failed {
			t.Fatalf("%s: opened %v, failed %v", o.text(), c.opened, c.failed)
		}
		c.opened = true
	case AttemptFailed:
		known()
		if c.opened || c.failed {
			t.Fatalf("%s: opened %v, failed %v", o.text(), c.opened, c.failed)
		}
		c.failed = true
	case Dead:
		known()
		if !c.opened || c.dead || o.LastHeard > d.now || c.epoch != d.last {
			t.Fatalf("%s: opened %v, dead %v", o.text(), c.opened, c.dead)
		}
		c.dead = true
	case Waiting:
		if n := d.cfg.Reconnect.MaxAttempts; o.Dur < 0 || o.N < 1 || n > 0 && o.N > n {
			t.Fatalf("%s of %d", o.text(), n)
		}
		if r := &d.cfg.Reconnect; o.N == 1 && r.Jitter == Decorrelated && r.First == nil && r.AfterTimeout == nil && r.AfterLoss == nil && r.Plus.To == 0 && r.Kind != List && o.Dur > times(r.Delay, 3) {
			t.Fatalf("%s: the first is below 3 x %v", o.text(), r.Delay)
		}
	case Published:
		alive()
		if !c.opened || o.Epoch != d.last || o.Due > d.now || o.Due >= d.traffic.Stop || o.N > 1 && d.traffic.Mode == AtMostOnce {
			t.Fatalf("%s, for the %d. time, at %v", o.text(), o.N, d.now)
		}
	case Delivered:
		if d.heard[o.From] == nil {
			if d.heard == nil {
				d.heard = map[int32]map[uint32]bool{}
			}
			d.heard[o.From] = map[uint32]bool{}
		}
		d.heard[o.From][o.Seq] = true
	case Dropped:
		if d.traffic.Mode != EffectivelyOnce || !d.heard[o.From][o.Seq] {
			t.Fatalf("%s, which nobody had delivered, in mode %d", o.text(), d.traffic.Mode)
		}
	case Replied:
		d.beats.replied++
		if o.Dur < 0 || o.Due+o.Dur != d.now {
			t.Fatalf("%s at %v", o.text(), d.now)
		}
	case Unanswered:
		d.beats.unanswered += o.N
	case GaveUp:
		if d.m.State() != Stopped {
			t.Fatalf("%s: %v", o.text(), d.m.State())
		}
	case Doubled:
		if d.cfg.Reconnect.Lock {
			t.Fatalf("%s under the lock", o.text())
		}
	}
}

// stands checks the machine between two steps.
func (d *model) stands(in Input) {
	t, m := d.t, &d.m
	state, deadline := m.State(), m.Deadline()
	d.was[state]++
	// A step of its timers leaves nothing that is due, not even a back-off of zero: a dial waits for input.
	if now := min(max(d.now, 0), None-1); (in.Kind == Deadline || in.Kind == Resume) && deadline <= now {
		t.Fatalf("%v at %v: deadline %v, in state %v", inputWords[in.Kind], now, deadline, state)
	}
	if n := len(m.pending); n > maxPending {
		t.Fatalf("%d beats pending", n)
	}
	older := 0
	if x := m.extra; x != nil {
		if older = len(x.conns); older+len(x.dials) > maxDoubles || d.cfg.Reconnect.Lock && older+len(x.dials) > 0 {
			t.Fatalf("%d older connections, %d further timers, lock %v", older, len(x.dials), d.cfg.Reconnect.Lock)
		}
	}
	if d.sleep && deadline != None || (state == Idle || state == Stopped) && deadline != None {
		t.Fatalf("%v, asleep %v: deadline %v", state, d.sleep, deadline)
	}
	if d.wild {
		return
	}
	c := d.find(d.last)
	var newest bool
	switch state {
	case Idle, Stopped, Backoff:
		newest = true
		if c != nil || state != Backoff && len(d.live) > 0 || state == Backoff && m.stateAt == None && d.now < None/4 {
			t.Fatalf("%v: %d live, timer %v", state, len(d.live), m.stateAt)
		}
	case Connecting:
		newest = c != nil && !c.opened && !c.failed && (m.stateAt != None || d.cfg.Opening.Timeout <= 0 || after(d.now, d.cfg.Opening.Timeout) == None)
	case Open, Suspect:
		newest = c != nil && c.opened && !c.dead && m.stateAt == None
	case Closing:
		newest = c != nil && c.dead && m.beatAt == None && m.deadAt == None
	}
	if !newest {
		t.Fatalf("%v: #%d is %+v, timer %v", state, d.last, c, m.stateAt)
	}
	if in.Kind != Stop && !d.ended {
		own := 1
		if c == nil {
			own = 0
		}
		if len(d.live) != older+own {
			t.Fatalf("%v: %d live, the machine knows %d older", state, len(d.live), older)
		}
		if b := d.beats; b.sent != b.replied+b.unanswered+len(m.pending) {
			t.Fatalf("%d beats sent, %d replied, %d unanswered, %d pending", b.sent, b.replied, b.unanswered, len(m.pending))
		}
	}
}

// FuzzMachine holds the machine to the driver's contract under any configuration, input and time.
func FuzzMachine(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(randomBytes(seed, 64<<(seed%6)))
	}
	f.Fuzz(func(t *testing.T, data []byte) { exercise(t, data) })
}

// TestModel is the body of FuzzMachine on random bytes, long enough that everything which can happen does.
func TestModel(t *testing.T) {
	runs := uint64(5000)
	if testing.Short() {
		runs = 1000
	}
	var seen [NumOutputs]int
	var was [NumStates]int
	var seed uint64
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	for seed = range runs {
		d := exercise(t, randomBytes(seed, 2000))
		for k, n := range d.seen {
			seen[k] += n
		}
		for s, n := range d.was {
			was[s] += n
		}
	}
	for k, n := range seen {
		if uint64(n) < runs/25 {
			t.Errorf("%v happened %d times", OutputKind(k), n)
		}
	}
	for s, n := range was {
		if uint64(n) < runs/10 {
			t.Errorf("%v was seen %d times", State(s), n)
		}
	}
	t.Logf("outputs %v, states %v", seen, was)
}
