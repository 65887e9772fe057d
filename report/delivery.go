package report

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flatline-dev/flatline/internal/delivery"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// ListedIDs is how many deliveries that were acknowledged and never arrived a Result names.
const ListedIDs = 100

// GroupDelivery is what became of the messages that one group's clients published, to whomever they were owed.
type GroupDelivery struct {
	delivery.Account
	Dropped int64         `json:"dropped,omitempty"` // arrivals of what had arrived before, which the receiver knew and dropped: effectively-once
	Strays  int64         `json:"strays,omitempty"`  // messages that arrived at this group's clients though nobody sent them there
	Lied    []delivery.ID `json:"lied,omitempty"`    // the first ListedIDs of AckedLost, by publisher
}

// SegmentDelivery is the same by the moment at which messages were due; what nobody can tell that of counts where it was seen.
type SegmentDelivery struct {
	Due        int64 `json:"due,omitempty"`
	Owed       int64 `json:"owed,omitempty"`
	Sent       int64 `json:"sent,omitempty"`
	Acked      int64 `json:"acked,omitempty"`
	Received   int64 `json:"received,omitempty"`
	Duplicated int64 `json:"duplicated,omitempty"`
	Reordered  int64 `json:"reordered,omitempty"`
	Dropped    int64 `json:"dropped,omitempty"`
	Latency    *Hist `json:"latency,omitempty"` // from due to the first arrival; to the server only: to the acknowledgement
}

// messages is a recorder's memory of the traffic; nil without any.
type messages struct {
	ledger     delivery.Ledger
	publishers []publisher
	strays     []int64 // by the group at which they arrived
	dropped    []int64 // by the group that published
}

// publisher goes through what the plan has for a client, beside the client itself: what was due does not rest on what the
// client says.
type publisher struct {
	arrivals heartbeat.Arrivals
	client   int32
	due      uint32
	owes     int32 // deliveries for each message
	self     bool  // to the server only: an acknowledgement is the arrival
}

func newMessages(plan *scenario.Plan, clients []client, first int) *messages {
	if !plan.Carries() {
		return nil
	}
	m := &messages{strays: make([]int64, len(plan.Groups)), dropped: make([]int64, len(plan.Groups))}
	rooms := map[int][]int32{}
	for k := range clients {
		id, g := first+k, int(clients[k].group)
		t := plan.Groups[g].Traffic
		if clients[k].flags&isMine == 0 || t == nil || t.Rate <= 0 {
			continue
		}
		to := plan.Receivers
		var owed []int32
		if t.Self() {
			owed = to(id)
		} else { // all clients of a group share theirs
			if _, ok := rooms[g]; !ok {
				rooms[g] = to(id)
			}
			owed = rooms[g]
		}
		m.ledger.Declare(int32(id), owed)
		m.publishers = append(m.publishers, publisher{arrivals: t.Arrivals(plan.TrafficRand(id)), client: int32(id),
			owes: int32(max(len(owed), 1)), self: len(owed) == 0})
	}
	return m
}

// message takes a note of the traffic.
func (r *Recorder) message(now time.Duration, id int, c *client, o *heartbeat.Output) {
	m := r.messages
	if m == nil {
		return
	}
	switch o.Kind {
	case heartbeat.Published:
		r.second(now).messagesOut++
		if m.ledger.Sent(int32(id), o.Seq) {
			r.dueIn(now, o.Due, c.group).Sent++
		}
	case heartbeat.Acked:
		if !m.ledger.Acked(int32(id), o.Seq) {
			return
		}
		s := r.dueIn(now, o.Due, c.group)
		s.Acked++
		if r.plan.Groups[c.group].Traffic.To == "-" {
			r.second(now).messagesIn++
			s.Received++
			if o.Due <= now {
				s.latency(now - o.Due)
			}
		}
	case heartbeat.Delivered:
		if o.From == heartbeat.ServerItself {
			return // traffic of the server's own has no publisher whose account it could be held against
		}
		from := r.client(int(o.From))
		arrival := m.ledger.Received(o.From, int32(id), o.Seq)
		if arrival == delivery.Stray || from == nil {
			m.strays[c.group]++
			return
		}
		s := r.dueIn(now, o.Due, from.group)
		switch arrival {
		case delivery.Duplicate:
			s.Duplicated++
			return
		case delivery.Late:
			s.Reordered++
		}
		r.second(now).messagesIn++
		s.Received++
		s.latency(max(now-o.Due, 0))
	case heartbeat.Dropped:
		if from := r.client(int(o.From)); from != nil && o.From != heartbeat.ServerItself {
			m.dropped[from.group]++
			r.dueIn(now, o.Due, from.group).Dropped++
		}
	}
}

func (s *SegmentDelivery) latency(d time.Duration) {
	if s.Latency == nil {
		s.Latency = &Hist{}
	}
	s.Latency.Record(d)
}

// dueIn is where what was due at due counts.
func (r *Recorder) dueIn(now, due time.Duration, group uint16) *SegmentDelivery {
	if due > now || due < 0 {
		due = now
	}
	return r.cell(due, group).delivery()
}

func (g *SegmentGroup) delivery() *SegmentDelivery {
	if g.Delivery == nil {
		g.Delivery = &SegmentDelivery{}
	}
	return g.Delivery
}

// breath is how many publishers are looked at under one lock.
const breath = 128

// fallDue counts what the plan had for its publishers up to now.
func (r *Recorder) fallDue(now time.Duration) {
	if r.messages == nil {
		return
	}
	r.lock(now)
	defer r.mu.Unlock()
	for i := range r.messages.publishers {
		if i%breath == breath-1 {
			r.mu.Unlock()
			r.mu.Lock()
		}
		p := &r.messages.publishers[i]
		group := r.client(int(p.client)).group
		for ; p.arrivals.Due() <= now; p.arrivals.Pop() {
			p.due = p.arrivals.Seq()
			s := r.cell(p.arrivals.Due(), group).delivery()
			s.Due++
			s.Owed += int64(p.owes)
		}
	}
}

// accounts closes the accounts of all groups as of the last fallDue.
func (r *Recorder) accounts(groups []GroupTotal) {
	m := r.messages
	if m == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	of := func(g uint16) *GroupDelivery {
		if groups[g].Delivery == nil {
			groups[g].Delivery = &GroupDelivery{}
		}
		return groups[g].Delivery
	}
	for i := range m.publishers {
		if i%breath == breath-1 {
			r.mu.Unlock()
			r.mu.Lock()
		}
		p := &m.publishers[i]
		d := of(r.client(int(p.client)).group)
		a := m.ledger.Account(p.client, p.due)
		d.Add(a)
		if a.AckedLost > 0 && len(d.Lied) < ListedIDs {
			d.Lied = append(d.Lied, m.ledger.AckedLost(p.client, p.due, ListedIDs-len(d.Lied))...)
		}
	}
	for g, n := range m.strays {
		if n > 0 {
			of(uint16(g)).Strays = n
		}
	}
	for g, n := range m.dropped {
		if n > 0 {
			of(uint16(g)).Dropped = n
		}
	}
}

// merge adds the part that another recorder has.
func (d *GroupDelivery) merge(o *GroupDelivery) {
	d.Add(o.Account)
	d.Dropped += o.Dropped
	d.Strays += o.Strays
	d.Lied = append(d.Lied, o.Lied...)
	slices.SortFunc(d.Lied, func(a, b delivery.ID) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.To, b.To))
	})
	d.Lied = d.Lied[:min(len(d.Lied), ListedIDs)]
}

func (s *SegmentDelivery) clone() *SegmentDelivery {
	if s == nil {
		return nil
	}
	c := *s
	c.Latency = s.Latency.Clone()
	return &c
}

func (s *SegmentDelivery) add(o *SegmentDelivery) {
	s.Due += o.Due
	s.Owed += o.Owed
	s.Sent += o.Sent
	s.Acked += o.Acked
	s.Received += o.Received
	s.Duplicated += o.Duplicated
	s.Reordered += o.Reordered
	s.Dropped += o.Dropped
	s.Latency = merged(s.Latency, o.Latency)
}

// check refuses an account that contradicts itself.
func (d *GroupDelivery) check() error {
	for _, n := range []int64{d.Due, d.Sent, d.Resent, d.Acked, d.Owed, d.Received, d.Lost, d.Duplicated, d.Reordered, d.AckedLost, d.StrayAcked, d.Strays, d.Dropped} {
		if n < 0 || n > 1<<50 {
			return errors.New("a count is out of range")
		}
	}
	switch {
	case d.Owed != d.Received+d.Lost:
		return fmt.Errorf("%d deliveries owed, %d received, %d lost: that does not add up", d.Owed, d.Received, d.Lost)
	case d.Sent > d.Due || d.Acked > d.Due || d.AckedLost > d.Lost || len(d.Lied) > ListedIDs || int64(len(d.Lied)) > d.AckedLost:
		return errors.New("more than there can be")
	}
	return nil
}

// messages answers the metrics of delivery. Over the whole run they are the accounts; in a window, what was due in it.
func (q *query) messages(metric, stat string) (Measure, error) {
	var sum SegmentDelivery
	var lied int64
	published := false
	for i := range q.r.Groups {
		d := q.r.Groups[i].Delivery
		if d == nil || q.group >= 0 && q.group != i {
			continue
		}
		published = published || d.Due > 0
		sum.add(&SegmentDelivery{Due: d.Due, Owed: d.Owed, Sent: d.Sent, Acked: d.Acked, Received: d.Received, Duplicated: d.Duplicated, Reordered: d.Reordered, Dropped: d.Dropped})
		lied += d.AckedLost
	}
	if !published {
		return Measure{}, errNotMeasured(metric + " was not measured in this run: no traffic")
	}
	if metric == "delivery.latency" {
		m, err := quantity(q.overTime(metric), stat, 0)
		return q.late(m, q.w, stat), err
	}
	if q.w.name != "" {
		sum = SegmentDelivery{}
		q.r.segments(q.w, func(s *Segment) {
			q.segmentGroups(s, func(g *SegmentGroup) {
				if g.Delivery != nil {
					sum.add(g.Delivery)
				}
			})
		})
	}
	n := map[string]int64{"delivery.due": sum.Due, "delivery.sent": sum.Sent, "delivery.acked": sum.Acked, "delivery.received": sum.Received,
		"delivery.lost": max(sum.Owed-sum.Received, 0), "delivery.duplicated": sum.Duplicated, "delivery.reordered": sum.Reordered,
		"delivery.dropped":    sum.Dropped,
		"delivery.acked_lost": lied}[metric]
	return exactly(float64(n), scenario.Count), nil
}
