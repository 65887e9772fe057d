package delivery

import (
	"cmp"
	"slices"
)

// Server is the receiver of messages that go to the server only, where nobody sees them arrive: there the acknowledgement
// is all the evidence that exists, and what is not acknowledged is lost.
const Server = -1

// Arrival is what a message turned out to be when it arrived.
type Arrival uint8

const (
	First     Arrival = iota // the first time that it arrived, in order
	Late                     // the first time, behind a later one of its stream: reordered
	Duplicate                // it had arrived before
	Stray                    // nobody sent it, or not to this receiver
)

// Ledger holds the accounts of one run. It is not safe for concurrent use. Calls for a publisher or a receiver that was
// not declared are strays.
type Ledger struct {
	senders map[int32]*sender
	streams map[pair]*stream
	order   []int32
}

type pair struct{ from, to int32 }

type sender struct {
	to          []int32 // whom it owes each message; empty: Server
	sent, acked Set
	resent      int64
	strayAcks   int64 // acknowledgements of what was never sent
}

// stream is one (publisher, receiver).
type stream struct {
	got                   Set
	duplicated, reordered int64
}

// Declare says that each message of the publisher from is owed to all receivers in to; none: to the server only. to is kept,
// and may be shared by many publishers. Declaring a publisher again changes nothing.
func (l *Ledger) Declare(from int32, to []int32) {
	if l.senders == nil {
		l.senders, l.streams = map[int32]*sender{}, map[pair]*stream{}
	}
	if _, ok := l.senders[from]; ok {
		return
	}
	l.senders[from] = &sender{to: to}
	l.order = append(l.order, from)
}

// Sent notes that from put its message seq on the wire. It reports whether that was the first time.
func (l *Ledger) Sent(from int32, seq uint32) bool {
	s := l.senders[from]
	if s == nil {
		return false
	}
	if s.sent.Add(seq) {
		return true
	}
	s.resent++
	return false
}

// Acked notes that message seq of from was acknowledged. It reports whether that was news, and a true one: an
// acknowledgement of what was never sent is a stray.
func (l *Ledger) Acked(from int32, seq uint32) bool {
	s := l.senders[from]
	if s == nil {
		return false
	}
	if !s.sent.Has(seq) {
		s.strayAcks++
		return false
	}
	return s.acked.Add(seq)
}

// Received notes that message seq of from arrived at to.
func (l *Ledger) Received(from, to int32, seq uint32) Arrival {
	s := l.senders[from]
	if s == nil || !s.sent.Has(seq) {
		return Stray
	}
	st := l.streams[pair{from, to}]
	if st == nil {
		if !slices.Contains(s.to, to) { // once a stream
			return Stray
		}
		st = &stream{}
		l.streams[pair{from, to}] = st
	}
	late := seq < st.got.Max()
	switch {
	case !st.got.Add(seq):
		st.duplicated++
		return Duplicate
	case late:
		st.reordered++
		return Late
	}
	return First
}

// Account is what became of the messages of one publisher, or the sum of several. Due = messages that the plan had for it;
// the others but Sent, Acked and Resent count deliveries: one for each message and receiver.
type Account struct {
	Due        int64 `json:"due"`         // messages that came due
	Sent       int64 `json:"sent"`        // of them, put on the wire at least once
	Resent     int64 `json:"resent"`      // times that one was put there again
	Acked      int64 `json:"acked"`       // messages acknowledged
	Owed       int64 `json:"owed"`        // Due times the receivers of each
	Received   int64 `json:"received"`    // of Owed, arrived; to the server only: acknowledged
	Lost       int64 `json:"lost"`        // Owed - Received
	Duplicated int64 `json:"duplicated"`  // arrivals of what had arrived before
	Reordered  int64 `json:"reordered"`   // first arrivals behind a later message of the stream
	AckedLost  int64 `json:"acked_lost"`  // of Lost, those whose message was acknowledged: the server lied
	StrayAcked int64 `json:"stray_acked"` // acknowledgements of messages that were never sent
}

// Add adds b to a.
func (a *Account) Add(b Account) {
	a.Due += b.Due
	a.Sent += b.Sent
	a.Resent += b.Resent
	a.Acked += b.Acked
	a.Owed += b.Owed
	a.Received += b.Received
	a.Lost += b.Lost
	a.Duplicated += b.Duplicated
	a.Reordered += b.Reordered
	a.AckedLost += b.AckedLost
	a.StrayAcked += b.StrayAcked
}

// Account closes the account of from, for which due messages came due (numbers 1 to due, whether or not they were ever
// handed to Sent). What has not arrived is lost: ask after the drain.
func (l *Ledger) Account(from int32, due uint32) Account {
	s := l.senders[from]
	if s == nil {
		return Account{}
	}
	a := Account{Due: int64(due), Sent: s.sent.Within(due), Resent: s.resent, Acked: s.acked.Within(due), StrayAcked: s.strayAcks}
	if len(s.to) == 0 {
		a.Owed, a.Received = a.Due, a.Acked
		a.Lost = a.Owed - a.Received
		return a
	}
	a.Owed = a.Due * int64(len(s.to))
	for _, to := range s.to {
		st := l.streams[pair{from, to}]
		if st == nil {
			a.AckedLost += a.Acked
			continue
		}
		a.Received += st.got.Within(due)
		a.Duplicated += st.duplicated
		a.Reordered += st.reordered
		a.AckedLost += overlapOutside(&s.acked, &st.got, due)
	}
	a.Lost = a.Owed - a.Received
	return a
}

// overlapOutside is how many numbers up to hi are in a and not in b, by one walk along both.
func overlapOutside(a, b *Set, hi uint32) int64 {
	n, k := int64(0), 0
	for _, x := range a.spans {
		if x.lo > hi {
			break
		}
		lo, end := uint64(x.lo), uint64(min(x.hi, hi))
		for ; k < len(b.spans) && uint64(b.spans[k].hi) < lo; k++ {
		}
		for i := k; lo <= end; i++ {
			if i == len(b.spans) || uint64(b.spans[i].lo) > end {
				n += int64(end-lo) + 1
				break
			}
			if gap := uint64(b.spans[i].lo); gap > lo {
				n += int64(gap - lo)
			}
			lo = max(lo, uint64(b.spans[i].hi)+1)
		}
	}
	return n
}

// ID names one delivery.
type ID struct {
	From int32  `json:"from"` // publishing client
	To   int32  `json:"to"`   // receiving client
	Seq  uint32 `json:"seq"`  // number of the message, from 1 for each publisher
}

// AckedLost lists the first limit deliveries of from that are acknowledged and never arrived, by message and then by
// receiver.
func (l *Ledger) AckedLost(from int32, due uint32, limit int) []ID {
	s := l.senders[from]
	if s == nil {
		return nil
	}
	var out []ID
	for _, to := range s.to {
		var none Set
		got := &none
		if st := l.streams[pair{from, to}]; st != nil {
			got = &st.got
		}
		found := 0
		for seq := range got.Missing(min(due, s.acked.Max())) {
			if found == limit {
				break
			}
			if s.acked.Has(seq) {
				out = append(out, ID{from, to, seq})
				found++
			}
		}
	}
	slices.SortFunc(out, func(a, b ID) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.To, b.To)) })
	return out[:min(limit, len(out))]
}

// Publishers lists who was declared, in that order.
func (l *Ledger) Publishers() []int32 { return l.order }
