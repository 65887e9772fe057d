package report

import (
	"fmt"
	"strings"

	"github.com/flatline-dev/flatline/internal/delivery"
)

// SummaryDelivery is what the figures of a group's messages do not say.
type SummaryDelivery struct {
	In      string       `json:"in" doc:"the group that published"`
	Resent  int64        `json:"resent" doc:"times that a message was sent again"`
	Dropped int64        `json:"dropped" doc:"arrivals of what had arrived before, which their receivers dropped: effectively-once"`
	Lied    []SummaryLie `json:"acked_lost" doc:"the first 100 deliveries that were acknowledged and never arrived"`
	Unasked int64        `json:"acked_unsent" doc:"acknowledgements of messages that were never sent"`
	Strays  int64        `json:"strays" doc:"messages that arrived at the group's clients though nobody sent them there"`
	account delivery.Account
}

// SummaryLie is one delivery that a server acknowledged and did not carry out.
type SummaryLie struct {
	From int32  `json:"from" doc:"number of the publishing client"`
	To   int32  `json:"to" doc:"number of the receiving client"`
	Seq  uint32 `json:"seq" doc:"number of the message, from 1 for each publisher"`
}

// Text is 3:17, message 17 of client 3 to itself, or 3:17>9, to client 9.
func (l SummaryLie) Text() string {
	if l.From == l.To {
		return fmt.Sprintf("%d:%d", l.From, l.Seq)
	}
	return fmt.Sprintf("%d:%d>%d", l.From, l.Seq, l.To)
}

func (s *Summary) deliveries(groups []string) {
	for i, name := range groups {
		d := s.r.Groups[i].Delivery
		if d == nil {
			continue
		}
		x := SummaryDelivery{In: name, Resent: d.Resent, Dropped: d.Dropped, Lied: []SummaryLie{}, Unasked: d.StrayAcked, Strays: d.Strays, account: d.Account}
		for _, id := range d.Lied {
			x.Lied = append(x.Lied, SummaryLie{id.From, id.To, id.Seq})
		}
		s.Delivery = append(s.Delivery, x)
	}
}

// DeliveryColumns are the metrics of the table of messages, in order; DeliveryHead names them.
var (
	DeliveryColumns = []string{"delivery.due", "delivery.sent", "delivery.acked", "delivery.received", "delivery.lost", "delivery.duplicated", "delivery.reordered",
		"delivery.latency.p50", "delivery.latency.p99", "delivery.latency.max"}
	DeliveryHead = []string{"due", "sent", "acked", "arrived", "lost", "again", "late", "p50", "p99", "max"}
)

// DeliveryNote says what the columns mean.
const DeliveryNote = "arrived, lost: one for each message and receiver; again: had arrived before; late: behind a later one; p50 and so on from when it was due"

// Publishers are the scopes of the table of messages: all, and each group that publishes where there are several.
func (s *Summary) Publishers() (out []Scope) {
	for i := range s.Delivery {
		if s.Delivery[i].account.Due > 0 {
			out = append(out, Scope{In: s.Delivery[i].In})
		}
	}
	switch {
	case len(out) == 0:
		return nil
	case len(s.Groups) == 1:
		return []Scope{{}}
	case len(out) == 1:
		return []Scope{{}, out[0]}
	}
	return append([]Scope{{}}, out...)
}

// Fates says in words what the table does not: what was sent again, and in what the server lied.
func (s *Summary) Fates() (out []string) {
	for i := range s.Delivery {
		d := &s.Delivery[i]
		who := ""
		if len(s.Groups) > 1 {
			who = d.In + ": "
		}
		if n := d.account.Due - d.account.Sent; n > 0 {
			out = append(out, who+plural64(n, "message")+" never left: no connection when due, or none that took messages")
		}
		if d.Resent > 0 {
			out = append(out, who+"sent again "+plural64(d.Resent, "time"))
		}
		if d.Dropped > 0 {
			out = append(out, who+plural64(d.Dropped, "arrival")+" of what had arrived before, known and dropped by the receiver")
		}
		if d.account.AckedLost > 0 {
			var ids []string
			for _, l := range d.Lied {
				ids = append(ids, l.Text())
			}
			of := ""
			if n := int64(len(ids)); n < d.account.AckedLost {
				of = fmt.Sprintf(" (the first %d)", n)
			}
			out = append(out, fmt.Sprintf("%s%s acknowledged and never arrived, as client:message%s: %s", who, deliveries(d.account.AckedLost), of, strings.Join(ids, " ")))
		}
		if d.Unasked > 0 {
			out = append(out, who+plural64(d.Unasked, "acknowledgement")+" of messages that were never sent")
		}
		if d.Strays > 0 {
			out = append(out, who+plural64(d.Strays, "message")+" arrived that nobody sent there")
		}
	}
	return out
}

func deliveries(n int64) string {
	if n == 1 {
		return "1 delivery"
	}
	return num(n) + " deliveries"
}
