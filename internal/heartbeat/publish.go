package heartbeat

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/flatline-dev/flatline/internal/delivery"
)

// traffic is a client's messages. Only a client that has some carries it.
type traffic struct {
	*Traffic
	arrivals Arrivals
	id       int32
	to       string
	chained  bool             // deliveries name the one before
	welcome  bool             // the newest connection takes messages once it is open
	queue    []unacked        // what waits for its acknowledgement, the one that was sent longest ago first; unsent ones behind
	inbox    delivery.Set     // positions that arrived
	since    int              // deliveries since the last Got
	known    map[int32]*known // EffectivelyOnce: by publisher
}

// unacked is a message without an acknowledgement.
type unacked struct {
	due, at time.Duration // at: when it was sent last; None: not yet
	seq     uint32
	size    int32
	times   uint32
}

// known are the numbers of one publisher that were delivered, as far back as the window.
type known struct{ set delivery.Set }

// fresh notes seq and reports whether it was not known. Below the window everything is forgotten, and no message has number 0.
func (k *known) fresh(seq uint32, window int) bool {
	top := k.set.Max()
	if seq == 0 || int64(seq)+int64(window) <= int64(top) {
		return true
	}
	is := k.set.Add(seq)
	if top = k.set.Max(); int64(top) > int64(window) {
		k.set.Fill(top - uint32(window)) // one interval for all that is forgotten
	}
	return is
}

// Carry gives the machine messages to publish and receive, as client number id. rng decides when they come due and how
// large they are, and nothing else. Call it before Start.
func (m *Machine) Carry(t *Traffic, id int, rng rand.PCG) {
	if m.extra == nil {
		m.extra = &extra{}
	}
	x := &traffic{Traffic: t, arrivals: Arrivals{t: t, next: None}, id: int32(id), to: t.Destination(id), chained: t.Message.Has("Prev")}
	if !t.FromServer {
		x.arrivals = t.Arrivals(rng)
	}
	m.extra.traffic = x
}

// carries is the client's traffic, or nil.
func (m *Machine) carries() *traffic {
	if m.extra == nil {
		return nil
	}
	return m.extra.traffic
}

// flows reports whether messages can leave.
func (m *Machine) flows() bool { return m.state == Open && m.extra.traffic.welcome }

// trafficAt is when the next message is due or has to be sent again.
func (m *Machine) trafficAt() time.Duration {
	t := m.carries()
	if t == nil || m.state == Stopped || m.state == Idle {
		return None
	}
	at := t.arrivals.Due()
	if m.flows() && t.Retransmit > 0 && len(t.queue) > 0 {
		at = min(at, after(t.queue[0].at, t.Retransmit))
	}
	return at
}

// publishDue publishes what is due and sends again what has waited too long.
func (m *Machine) publishDue(now time.Duration, out []Output) []Output {
	t := m.carries()
	for ; t.arrivals.Due() <= now; t.arrivals.Pop() {
		u := unacked{due: t.arrivals.Due(), at: None, seq: t.arrivals.Seq(), size: int32(t.arrivals.Size())}
		if t.Mode == AtMostOnce {
			if m.flows() {
				out = m.publish(now, &u, out)
				t.remember(u)
			}
			continue
		}
		if len(t.queue) >= t.Queue { // the oldest is given up: the accounts will miss it
			oldest := 0
			for i := range t.queue {
				if t.queue[i].seq < t.queue[oldest].seq {
					oldest = i
				}
			}
			t.queue = slices.Delete(t.queue, oldest, oldest+1)
		}
		if m.flows() {
			out = m.publish(now, &u, out)
		}
		t.queue = append(t.queue, u)
	}
	if m.flows() && t.Retransmit > 0 {
		for len(t.queue) > 0 && after(t.queue[0].at, t.Retransmit) <= now {
			u := t.queue[0]
			t.queue = append(t.queue[:0], t.queue[1:]...)
			out = m.publish(now, &u, out)
			t.queue = append(t.queue, u)
		}
	}
	return out
}

// remembered is how many messages a client that never sends again keeps, to know when what is acknowledged was due.
const remembered = 1000

func (t *traffic) remember(u unacked) {
	if t.Ack == nil {
		return // the message itself comes back, and tells
	}
	if len(t.queue) == remembered {
		t.queue = append(t.queue[:0], t.queue[1:]...)
	}
	t.queue = append(t.queue, u)
}

// publish puts a message on the wire.
func (m *Machine) publish(now time.Duration, u *unacked, out []Output) []Output {
	t := m.carries()
	u.at = now
	u.times++
	out = append(out, Output{Kind: Published, Epoch: m.epoch, Seq: u.seq, Due: u.due, N: int(u.times)})
	return m.say(t.Publish, &Values{Client: t.id, From: t.id, Seq: u.seq, Sent: u.due.Microseconds(), To: t.to, Size: int(u.size)}, out)
}

// say sends a frame of the traffic.
func (m *Machine) say(f *Format, v *Values, out []Output) []Output {
	t := m.carries()
	return append(out, Output{Kind: Send, Epoch: m.epoch, Frame: t.Frame, Payload: f.Append(nil, v)})
}

// trafficOpened begins on a connection that has just opened.
func (m *Machine) trafficOpened(now time.Duration, out []Output) []Output {
	t := m.carries()
	if t == nil {
		return out
	}
	if t.Hello != nil {
		last := int64(-1)
		if t.Resume {
			last = int64(t.inbox.Prefix())
		}
		out = m.say(t.Hello, &Values{Client: t.id, Last: last, Room: t.Join}, out)
	}
	if t.JoinRoom != nil && t.Join != "" {
		out = m.say(t.JoinRoom, &Values{Client: t.id, Room: t.Join}, out)
	}
	if t.Welcome == nil || t.Mode == AtMostOnce {
		return m.flow(now, out)
	}
	return out
}

// flow lets messages through: those that wait first.
func (m *Machine) flow(now time.Duration, out []Output) []Output {
	t := m.carries()
	t.welcome = true
	slices.SortFunc(t.queue, func(a, b unacked) int { return int(int64(a.seq) - int64(b.seq)) })
	for i := range t.queue {
		if u := &t.queue[i]; u.times == 0 || t.OnReconnect || t.Retransmit > 0 && after(u.at, t.Retransmit) <= now {
			out = m.publish(now, u, out)
		}
	}
	slices.SortStableFunc(t.queue, func(a, b unacked) int { return int(min(max(a.at-b.at, -1), 1)) })
	return out
}

// trafficReceived takes a message of the traffic. It reports whether data was one.
func (m *Machine) trafficReceived(now time.Duration, in *Input, newest bool, out []Output) (bool, []Output) {
	t := m.carries()
	if t == nil || in.Frame > Binary {
		return false, out
	}
	if t.Ack != nil {
		v := Values{Client: t.id}
		if t.Ack.Match(in.Data, &v) {
			if v.Client == t.id {
				out = t.acked(in.Epoch, v.Seq, out)
			}
			return true, out
		}
	}
	v := Values{Client: t.id, From: -2}
	if t.Message.Match(in.Data, &v) {
		if v.From == -2 { // an echo tells who published
			v.From = v.Client
		}
		return true, m.delivered(in.Epoch, &v, newest, out)
	}
	if t.Welcome != nil {
		v := Values{Client: t.id}
		if t.Welcome.Match(in.Data, &v) {
			if !newest || v.Client != t.id || m.flows() {
				return true, out
			}
			for i := 0; i < len(t.queue); {
				if u := t.queue[i]; u.seq <= v.Seen && u.times > 0 {
					out = t.acked(in.Epoch, u.seq, out) // takes it out
					continue
				}
				i++
			}
			return true, m.flow(now, out)
		}
	}
	return false, out
}

// acked takes a message out of the queue. An acknowledgement of what is not there is told nonetheless: it may be late, or
// of something that was never sent.
func (t *traffic) acked(epoch, seq uint32, out []Output) []Output {
	due := None
	for i := range t.queue {
		if t.queue[i].seq == seq {
			due = t.queue[i].due
			t.queue = slices.Delete(t.queue, i, i+1)
			break
		}
	}
	return append(out, Output{Kind: Acked, Epoch: epoch, Seq: seq, Due: due})
}

// delivered takes a message that is for this client.
func (m *Machine) delivered(epoch uint32, v *Values, newest bool, out []Output) []Output {
	t := m.carries()
	if t.Ack == nil && v.From == t.id && !t.FromServer {
		out = t.acked(epoch, v.Seq, out)
	}
	switch {
	case v.Pos == 0:
	case t.chained:
		t.inbox.AddRange(v.Prev+1, v.Pos) // what it leaves out between is not for this client
	default:
		t.inbox.Add(v.Pos)
	}
	note := Output{Kind: Delivered, Epoch: epoch, From: v.From, Seq: v.Seq, Due: time.Duration(min(v.Sent, int64(None/time.Microsecond))) * time.Microsecond}
	if t.Mode == EffectivelyOnce {
		k := t.known[v.From]
		if k == nil {
			if t.known == nil {
				t.known = map[int32]*known{}
			}
			k = &known{}
			t.known[v.From] = k
		}
		if !k.fresh(v.Seq, t.Window) {
			note.Kind = Dropped
		}
	}
	return t.got(m, newest, append(out, note))
}

// got tells the server now and then what has arrived.
func (t *traffic) got(m *Machine, newest bool, out []Output) []Output {
	if t.Got == nil || t.GotEvery <= 0 || !newest {
		return out
	}
	if t.since++; t.since < t.GotEvery {
		return out
	}
	t.since = 0
	return m.say(t.Got, &Values{Client: t.id, Pos: t.inbox.Prefix()}, out)
}
