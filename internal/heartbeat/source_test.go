package heartbeat

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"regexp"
	"time"
)

// source makes choices from bytes, so that a fuzzer can steer them. It is empty when the bytes are used up.
type source struct{ data []byte }

func (s *source) byte() int {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return int(b)
}

// pick is a number below n.
func (s *source) pick(n int) int { return s.byte() % n }

func (s *source) one(in int) bool { return s.pick(in) == 0 }

func choose[T any](s *source, of ...T) T { return of[s.pick(len(of))] }

func (s *source) duration() time.Duration {
	if s.one(16) {
		return choose(s, 0, 1, time.Hour, 1<<53, math.MaxInt64/2, math.MaxInt64)
	}
	return time.Duration(s.byte()%40) * 100 * time.Millisecond
}

// telling is what a server tells in these tests: "hello" followed by an interval and a timeout.
var telling = regexp.MustCompile(`^hello(?: (?P<interval_ms>[0-9]+) (?P<timeout_s>[0-9]+))?`)

// config draws a configuration: one that a scenario could hold, or with wild set, one that nobody ever checked.
func (s *source) config(wild bool) *Config {
	hello := []byte("hello")
	c := &Config{
		Beat: Beat{
			By: choose(s, Client, Client, Server, Both, Nobody), Frame: choose(s, Text, Binary, Ping), Payload: []byte("beat"),
			Interval: max(s.duration(), 1), After: After(s.pick(4)), AtOpen: s.one(3), First: choose(s, 0, 0.5, 1),
			Jitter: choose(s, 0, 0.1, 0.99), Match: choose(s, Pattern{}, Pattern{Kind: Prefix, Text: hello}),
			Ref: s.one(3),
		},
		Liveness: Liveness(s.pick(2)), Timeout: s.duration(), Misses: choose(s, 0, 1, 1, 2, 3, 70),
		Silence: choose(s, 0, 0, s.duration()), Check: Span{0, choose(s, 0, s.duration())},
		Close: Close{Frame: s.one(2), Code: 1000, Wait: choose(s, 0, s.duration())},
		Reconnect: Reconnect{
			Kind: choose(s, Fixed, List, Exponential, Linear, Fixed, List, Exponential, Fixed, List, Exponential, Never), Delay: s.duration(),
			Delays: []time.Duration{s.duration(), s.duration()}, Factor: choose(s, 1, 1.5, 2, 1e300), Cap: choose(s, 0, s.duration()),
			Jitter: Jitter(s.pick(8)), CapOn: CapOn(s.pick(3)), Spread: []Band{{0.5, 1}, {1, 1.5}}[:s.pick(3)], Plus: Span{0, choose(s, 0, 0, s.duration())},
			JitterRatio: choose(s, 0, 0.3, 1), MaxAttempts: choose(s, 0, 0, 0, 1, 5),
			ResetAfter: choose(s, 0, s.duration()), StopCodes: []CodeRange{{4000, 4999}}, Lock: s.one(2),
		},
	}
	if s.one(2) {
		c.Opening.Timeout = s.duration()
	}
	for range s.pick(4) {
		var st Step
		if s.one(2) {
			st.Send = &Message{Payload: hello}
		}
		if s.one(2) {
			st.Await = &Pattern{Kind: Prefix, Text: hello}
		}
		c.Opening.Steps = append(c.Opening.Steps, st)
	}
	if s.one(4) {
		c.Reconnect.First = &Span{s.duration(), s.duration()}
	}
	if s.one(4) {
		c.Reconnect.AfterTimeout = &Span{0, s.duration()}
	}
	if s.one(4) {
		c.Reconnect.AfterLoss = &Span{0, s.duration()}
	}
	if s.one(3) && len(c.Opening.Steps) > 0 {
		c.Opening.Steps[0].Await = &Pattern{Kind: Regexp, Text: hello, Re: telling}
	}
	if c.Beat.Ref && s.one(2) {
		c.Beat.Match = Pattern{Kind: Prefix, Text: hello, Ref: true}
	}
	if s.one(4) {
		c.Notice = &Pattern{Kind: Exact, Text: []byte("bye")}
	}
	if s.one(3) {
		c.Beat.Answer = &Message{Payload: hello}
	}
	if wild {
		b, r := &c.Beat, &c.Reconnect
		b.Interval = choose(s, 0, -1, math.MinInt64, b.Interval)
		b.First = choose(s, math.NaN(), -1e300, 7, b.First)
		b.Jitter = choose(s, math.NaN(), math.Inf(1), -3, b.Jitter)
		c.Timeout = choose(s, -1, math.MinInt64, c.Timeout)
		c.Misses = choose(s, -1, math.MaxInt, c.Misses)
		r.Delay = choose(s, -1, math.MinInt64, r.Delay)
		r.Delays = choose(s, nil, []time.Duration{-1}, r.Delays)
		r.Factor = choose(s, math.NaN(), math.Inf(1), -2, 0, r.Factor)
		r.JitterRatio = choose(s, math.NaN(), 1e300, -5, r.JitterRatio)
		r.MaxAttempts = choose(s, -1, math.MaxInt, r.MaxAttempts)
		c.Silence = choose(s, -1, math.MaxInt64, c.Silence)
		c.Check = choose(s, Span{-1, 5}, Span{math.MaxInt64, math.MaxInt64}, c.Check)
		r.Plus = choose(s, Span{-1, math.MaxInt64}, r.Plus)
		r.Spread = choose(s, nil, []Band{{math.NaN(), 1}}, []Band{{-7, math.Inf(1)}}, r.Spread)
	}
	return c
}

// randomBytes is n bytes that follow from the seed.
func randomBytes(seed uint64, n int) []byte {
	rng := rand.NewPCG(seed, 0)
	data := make([]byte, 0, n+8)
	for len(data) < n {
		data = binary.LittleEndian.AppendUint64(data, rng.Uint64())
	}
	return data[:n]
}

// pass lets some time go by, often to the machine's deadline.
func (d *model) pass() {
	deadline := d.m.Deadline()
	switch d.src.pick(8) {
	case 0, 1, 2:
		if deadline != None {
			d.now = max(d.now, deadline)
		}
	case 3:
		d.now = after(d.now, d.src.duration())
	case 4:
		if deadline != None {
			d.now = max(d.now, after(deadline, d.src.duration()))
		}
	case 5:
		if d.wild {
			d.now = choose(&d.src, -1, 0, d.now/2, math.MaxInt64, math.MinInt64)
			return
		}
	}
	d.now = min(d.now, None-1)
}

// input makes up what happens next: mostly what can happen to the connections that are live.
func (d *model) input() Input {
	s := &d.src
	in := Input{Cause: Cause(s.pick(int(NumCauses))), Frame: choose(s, Text, Text, Binary, Ping, Pong, Pong)}
	in.Data = choose(s, []byte("hello"), []byte("hello"), []byte("other"), []byte("bye"), []byte("hello 700 3"), nil)
	if s.one(4) { // perhaps the reply to the latest beat
		in.Data = AppendRef(nil, []byte("hello"+RefWord), d.m.refs)
	}
	if d.traffic != nil && s.one(2) {
		f := choose(s, d.traffic.Message, d.traffic.Message, d.traffic.Message, d.traffic.Ack, d.traffic.Welcome)
		if f != nil {
			in.Frame = Text
			in.Data = f.Append(nil, &Values{Client: 7, From: choose[int32](s, 7, 7, 3, ServerItself), Seq: uint32(s.pick(6)), Pos: uint32(s.pick(20)), Seen: uint32(s.pick(5))})
			if d.again != nil && s.one(2) { // as servers do that deliver at least once
				in.Data = d.again
			}
			d.again = in.Data
		}
	}
	in.Epoch = d.last
	switch k := s.pick(32); {
	case k < 12:
		in.Kind = Deadline
		return in
	case k == 12:
		in.Kind = choose(s, Start, Suspend, Resume)
		if s.one(32) {
			in.Kind = Stop
		}
		return in
	case k == 13:
		in.Kind = choose(s, Suspend, Resume, Resume)
		return in
	case k == 14: // stale, or of a connection that never was
		in.Kind = choose(s, Connected, Failed, Received, Closed, WriteFail)
		in.Epoch = choose(s, 0, d.last+1, uint32(s.byte()), math.MaxUint32)
		if d.find(in.Epoch) != nil && !d.wild {
			in.Kind = Deadline
		}
		return in
	}
	if d.last == 0 {
		in.Kind = Start
		return in
	}
	if d.wild {
		in.Kind = InputKind(s.byte())
		return in
	}
	if len(d.live) == 0 {
		in.Kind = Deadline
		return in
	}
	c := d.live[s.pick(len(d.live))]
	in.Epoch = c.epoch
	if !c.connected {
		in.Kind = choose(s, Connected, Connected, Connected, Failed, WriteFail, Closed)
	} else {
		in.Kind = choose(s, Received, Received, Received, Received, Received, Received, Received, Received, Closed, WriteFail)
	}
	if in.Kind == Closed {
		in.Code = choose[uint16](s, 0, 0, 1000, 1001, 4001)
	}
	return in
}

// traffic draws what a client publishes: few messages, so that a step has few outputs.
func (s *source) traffic() *Traffic {
	format := func(text string) *Format {
		f, err := ParseFormat(text, formatWords[1:]...)
		if err != nil {
			panic(err)
		}
		return f
	}
	rate := choose(s, 0.0, 1, 20, 1000)
	t := &Traffic{Rate: rate, Process: choose(s, Constant, Poisson, Bursts), Burst: 1 + s.pick(5), Sizes: choose(s, FixedSize, UniformSize, LogNormal),
		Size: 20, SizeMax: 90, Sigma: 1, Mode: choose(s, AtMostOnce, AtLeastOnce, EffectivelyOnce, EffectivelyOnce, EffectivelyOnce), Publish: format("pub {{.Client}} {{.Seq}} {{.Sent}} {{.To}} {{.Pad}}")}
	t.Stop = t.Start + time.Duration(20*float64(time.Second)/max(rate, 1))
	t.Message = t.Publish
	if s.one(2) {
		t.Hello, t.Welcome = format("hello {{.Client}} {{.Last}}"), format("welcome {{.Client}} {{.Seen}}")
		t.Ack, t.Message = format("ack {{.Client}} {{.Seq}}"), format("msg {{.Pos}} {{.From}} {{.Seq}} {{.Sent}} {{.Pad}}")
		t.Got, t.GotEvery = format("got {{.Pos}}"), s.pick(3)
		t.JoinRoom, t.Join, t.To = format("join {{.Room}}"), "a", choose(s, "#a", "-", "")
	}
	if t.Mode != AtMostOnce {
		t.Queue, t.Window, t.Resume = 1+s.pick(8), 1+s.pick(8), true
		t.Retransmit, t.OnReconnect = choose[time.Duration](s, 0, time.Millisecond, time.Second), s.one(2)
	}
	return t
}
