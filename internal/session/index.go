package session

import (
	"slices"
	"time"

	"github.com/flatline-dev/flatline/internal/delivery"
)

// index finds messages by their destination and position.
type index struct {
	to     map[string][]Message
	ages   []aged[string]          // of all messages, by destination
	stored map[int32]*delivery.Set // by publisher: all numbers that were ever stored
}

type aged[T any] struct {
	at time.Duration
	v  T
}

func newIndex() index {
	return index{to: map[string][]Message{}, stored: map[int32]*delivery.Set{}}
}

// add takes the next message, and lets go of those that are older than retain. Positions and times do not fall.
func (x *index) add(m Message, now, retain time.Duration) {
	x.forget(now, retain)
	set := x.stored[m.From]
	if set == nil {
		set = &delivery.Set{}
		x.stored[m.From] = set
	}
	set.Add(m.Seq)
	if m.To != "-" {
		x.to[m.To] = append(x.to[m.To], m)
		x.ages = append(x.ages, aged[string]{now, m.To})
	}
}

// forget lets go of what is too old. The ages are in the order of time, and each destination's messages are too.
func (x *index) forget(now, retain time.Duration) {
	n := 0
	for ; n < len(x.ages) && now-x.ages[n].at > retain; n++ {
		to := x.ages[n].v
		if rest := x.to[to][1:]; len(rest) > 0 {
			x.to[to] = rest
		} else {
			delete(x.to, to)
		}
	}
	x.ages = x.ages[n:]
}

// after lists the messages to the destinations behind pos, at most max.
func (x *index) after(to []string, pos uint32, max int) []Message {
	var out []Message
	for _, t := range to {
		all := x.to[t]
		i, _ := slices.BinarySearchFunc(all, pos, func(m Message, p uint32) int {
			if m.Pos <= p {
				return -1
			}
			return 1
		})
		out = append(out, all[i:min(len(all), i+max)]...)
	}
	if len(to) > 1 {
		slices.SortFunc(out, func(a, b Message) int { return int(int64(a.Pos) - int64(b.Pos)) })
	}
	return out[:min(len(out), max)]
}

// seen is the number up to which all messages of the publisher were stored.
func (x *index) seen(from int32) uint32 {
	if set := x.stored[from]; set != nil {
		return set.Prefix()
	}
	return 0
}
