package heartbeat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

func mustFormat(t testing.TB, text string) *Format {
	t.Helper()
	f, err := ParseFormat(text, formatWords[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// talk is a client with traffic in the hands of a test: what it says, line by line.
type talk struct {
	t testing.TB
	m Machine
}

// deliveryTraffic publishes a message at 10.5 s and every second from there to 14.5 s, in the words of the delivery protocol.
func deliveryTraffic(t testing.TB, mode Mode) *Traffic {
	x := &Traffic{Rate: 1, Size: 1, Start: 10 * time.Second, Stop: 15 * time.Second, Mode: mode, Queue: 100, Window: 3,
		Hello: mustFormat(t, "hello {{.Client}} {{.Last}}"), Welcome: mustFormat(t, "welcome {{.Client}} {{.Seen}}"),
		Publish: mustFormat(t, "pub {{.Client}} {{.Seq}} {{.To}} {{.Pad}}"), Ack: mustFormat(t, "ack {{.Client}} {{.Seq}}"),
		Message: mustFormat(t, "msg {{.Pos}} {{.From}} {{.Seq}} {{.Sent}} {{.Pad}}"), Got: mustFormat(t, "got {{.Pos}}"), GotEvery: 2}
	if mode != AtMostOnce {
		x.Retransmit, x.OnReconnect, x.Resume = 2*time.Second, true, true
	}
	return x
}

func newTalk(t testing.TB, x *Traffic) *talk {
	k := &talk{t, New(&Config{Reconnect: Reconnect{Kind: Fixed, Delay: time.Second, Lock: true}}, *rand.NewPCG(1, 1))}
	k.m.Carry(x, 7, *rand.NewPCG(1, 7))
	first := k.m.extra.traffic.arrivals.Due() // shift the phase, which is random, to half a second
	k.m.extra.traffic.arrivals.next = x.Start + 500*time.Millisecond
	if first < x.Start || first >= x.Start+time.Second {
		t.Fatalf("the first message is due at %v", first)
	}
	return k
}

func (k *talk) step(at float64, in Input, want ...string) {
	k.t.Helper()
	in.Epoch = k.m.Epoch()
	if in.Kind == Start {
		in.Epoch = 0
	}
	got := []string{}
	for _, o := range k.m.Step(time.Duration(at*float64(time.Second)), in, nil) {
		switch o.Kind {
		case Send:
			got = append(got, string(o.Payload))
		case Published:
			got = append(got, fmt.Sprintf("#%d due %v", o.Seq, o.Due))
		case Acked:
			got = append(got, fmt.Sprintf("acked %d", o.Seq))
		case Delivered:
			got = append(got, fmt.Sprintf("from %d: %d", o.From, o.Seq))
		case Dropped:
			got = append(got, fmt.Sprintf("again from %d: %d", o.From, o.Seq))
		}
	}
	if d := cmp.Diff(append([]string{}, want...), got); d != "" {
		k.t.Fatalf("at %v (-want +said):\n%s", at, d)
	}
}

func (k *talk) hears(at float64, text string, want ...string) {
	k.t.Helper()
	k.step(at, Input{Kind: Received, Data: []byte(text)}, want...)
}

func (k *talk) opens(at float64, want ...string) {
	k.t.Helper()
	k.step(at, Input{Kind: Connected}, want...)
}

func (k *talk) ticks(at float64, want ...string) {
	k.t.Helper()
	k.step(at, Input{Kind: Deadline}, want...)
}

// TestAtLeastOnceTalk: messages wait for a welcome and for their acknowledgement; one goes out again after 2 s, all that are
// left on a new connection, but for those that the server says it has; the opening tells where the inbox stands.
func TestAtLeastOnceTalk(t *testing.T) {
	k := newTalk(t, deliveryTraffic(t, AtLeastOnce))
	k.step(9, Input{Kind: Start})
	k.ticks(10.5) // due without a connection: it waits
	k.opens(11, "hello 7 0")
	k.hears(11.1, "welcome 7 0", "#1 due 10.5s", "pub 7 1 7")
	k.ticks(11.5, "#2 due 11.5s", "pub 7 2 7")
	k.hears(11.6, "ack 7 2", "acked 2") // out of turn
	k.hears(11.7, "msg 1 3 44 0 x", "from 3: 44")
	k.hears(11.8, "msg 2 3 45 0", "from 3: 45", "got 2") // every second delivery
	k.hears(11.9, "ack 8 1")                             // another client's
	k.ticks(12.5, "#3 due 12.5s", "pub 7 3 7")
	k.ticks(13.1, "#1 due 10.5s", "pub 7 1 7")  // 2 s after 11.1
	k.hears(13.2, "msg 4 3 47 0", "from 3: 47") // 3 is missing: the inbox stands at 2
	k.step(13.3, Input{Kind: Closed, Cause: EOF})
	k.ticks(13.5) // #4 waits
	k.ticks(14.3)
	k.opens(14.4, "hello 7 2")
	k.ticks(14.5)                                                                                                // #5 waits: no welcome yet
	k.hears(14.6, "welcome 7 3", "acked 3", "acked 1", "#4 due 13.5s", "pub 7 4 7", "#5 due 14.5s", "pub 7 5 7") // 1 to 3 are stored
	k.hears(14.7, "welcome 7 3")                                                                                 // once is enough
	k.hears(14.8, "ack 7 4", "acked 4")
	k.hears(14.8, "ack 7 5", "acked 5")
	k.hears(14.9, "ack 7 5", "acked 5") // the accounts know it already
	if at := k.m.Deadline(); at != None {
		t.Errorf("it still waits for %v", at)
	}
}

// TestAtMostOnceTalk: what is due without a connection is gone, nothing is sent again, and no position is told.
func TestAtMostOnceTalk(t *testing.T) {
	k := newTalk(t, deliveryTraffic(t, AtMostOnce))
	k.step(9, Input{Kind: Start})
	k.ticks(10.5)
	k.opens(11, "hello 7 -")
	k.ticks(11.5, "#2 due 11.5s", "pub 7 2 7") // without a welcome
	k.step(12, Input{Kind: Closed, Cause: Reset})
	k.ticks(12.5)
	k.ticks(13)
	k.opens(13.1, "hello 7 -")
	k.hears(13.2, "welcome 7 0")
	k.ticks(13.5, "#4 due 13.5s", "pub 7 4 7")
	k.ticks(14.5, "#5 due 14.5s", "pub 7 5 7")
	k.ticks(30)
}

// TestEffectivelyOnceTalk: a duplicate within the window of 3 is not delivered, one from behind it is.
func TestEffectivelyOnceTalk(t *testing.T) {
	x := deliveryTraffic(t, EffectivelyOnce)
	x.Got = nil
	k := newTalk(t, x)
	k.step(1, Input{Kind: Start})
	k.opens(2, "hello 7 0")
	k.hears(3, "welcome 7 0")
	k.hears(3, "msg 1 3 1 0", "from 3: 1")
	k.hears(3, "msg 2 3 1 0", "again from 3: 1")
	k.hears(3, "msg 3 4 1 0", "from 4: 1") // of another publisher
	k.hears(3, "msg 4 3 3 0", "from 3: 3")
	k.hears(3, "msg 5 3 2 0", "from 3: 2") // late, and new
	k.hears(3, "msg 6 3 4 0", "from 3: 4")
	k.hears(3, "msg 7 3 2 0", "again from 3: 2")
	k.hears(3, "msg 8 3 1 0", "from 3: 1") // 4 - 3: forgotten
	k.hears(3, "msg 9 s 1 0", "from -1: 1")
}

// TestQueueIsBounded: one message more than may wait, and the oldest is given up.
func TestQueueIsBounded(t *testing.T) {
	x := deliveryTraffic(t, AtLeastOnce)
	x.Queue = 2
	k := newTalk(t, x)
	k.step(9, Input{Kind: Start})
	k.ticks(14.9)
	k.opens(15, "hello 7 0")
	k.hears(15.1, "welcome 7 0", "#4 due 13.5s", "pub 7 4 7", "#5 due 14.5s", "pub 7 5 7")
}

// TestTrafficIsNoReply: an echo of a message is no reply to the beat, so it has no round trip.
func TestTrafficIsNoReply(t *testing.T) {
	cfg := &Config{Beat: Beat{By: Client, Payload: []byte("b"), Interval: time.Second, After: AfterBeat, AtOpen: true}, Timeout: time.Second, Misses: 1}
	m := New(cfg, *rand.NewPCG(1, 1))
	echo := mustFormat(t, "pub {{.Client}} {{.Seq}} {{.Sent}}")
	m.Carry(&Traffic{Publish: echo, Message: echo}, 7, *rand.NewPCG(1, 7))
	m.Step(0, Input{Kind: Start}, nil)
	m.Step(0, Input{Kind: Connected, Epoch: 1}, nil)
	replied := func(data string) bool {
		out := m.Step(time.Millisecond, Input{Kind: Received, Epoch: 1, Data: []byte(data)}, nil)
		return slices.ContainsFunc(out, func(o Output) bool { return o.Kind == Replied })
	}
	if replied("pub 7 1 0") {
		t.Error("the echo of a message counts as the reply to a beat")
	}
	if m.State() != Open {
		t.Errorf("%v: any message proves that the peer lives", m.State())
	}
	if !replied("b") {
		t.Error("the reply does not")
	}
}

// TestArrivals: each process keeps its rate and its shape; the same generator gives the same messages.
func TestArrivals(t *testing.T) {
	const seconds = 2000
	for _, process := range []ArrivalKind{Constant, Poisson, Bursts} {
		x := &Traffic{Rate: 5, Process: process, Burst: 10, Start: time.Second, Stop: (1 + seconds) * time.Second, Sizes: LogNormal, Size: 100, SizeMax: 5000, Sigma: 1}
		all := func() (due []time.Duration, sizes []float64) {
			for a := x.Arrivals(*rand.NewPCG(3, 4)); a.Due() < None; a.Pop() {
				if int(a.Seq()) != len(due)+1 {
					t.Fatalf("message %d has number %d", len(due)+1, a.Seq())
				}
				due, sizes = append(due, a.Due()), append(sizes, float64(a.size))
			}
			return due, sizes
		}
		due, sizes := all()
		again, sizesAgain := all()
		if !slices.Equal(due, again) || !slices.Equal(sizes, sizesAgain) {
			t.Errorf("process %d: not the same twice", process)
		}
		// Poisson: n is within 5 standard deviations, sqrt(10,000) = 100 each.
		if n := len(due); math.Abs(float64(n)-5*seconds) > 500 || process != Poisson && math.Abs(float64(n)-5*seconds) > 10 {
			t.Errorf("process %d: %d messages in %d s at 5/s", process, n, seconds)
		}
		var mean, square float64
		together := 0
		for i := 1; i < len(due); i++ {
			gap := (due[i] - due[i-1]).Seconds()
			if gap == 0 {
				together++
			}
			mean += gap / float64(len(due)-1)
			square += gap * gap / float64(len(due)-1)
		}
		cv := math.Sqrt(max(square-mean*mean, 0)) / mean // 0, 1 and, of 1 gap of 2 s in 10, 3
		want := []float64{Constant: 0, Poisson: 1, Bursts: 3}[process]
		if math.Abs(cv-want) > 0.1 || process == Bursts && together < len(due)*8/10 {
			t.Errorf("process %d: coefficient of variation %.2f, want %.0f; %d at one moment with the one before", process, cv, want, together)
		}
		slices.Sort(sizes)
		if m := sizes[len(sizes)/2]; m < 90 || m > 110 || sizes[0] >= 50 || sizes[len(sizes)-1] > 5000 || sizes[len(sizes)-1] < 1000 {
			t.Errorf("sizes from %v over %v to %v", sizes[0], m, sizes[len(sizes)-1])
		}
	}
}

// TestTrafficCostsNothingElsewhere: a client without traffic carries one pointer, which it had before.
func TestTrafficCostsNothingElsewhere(t *testing.T) {
	m := New(&Config{}, *rand.NewPCG(1, 1))
	if m.extra != nil || unsafe.Sizeof(m) > 128 {
		t.Errorf("%d bytes, extra %v", unsafe.Sizeof(m), m.extra)
	}
	if n := testing.AllocsPerRun(100, func() { m.trafficAt() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFormatSize: padding fills up to the size, wherever it stands, and is gone with its space where there is none to fill.
func TestFormatSize(t *testing.T) {
	v := &Values{Client: 3, Seq: 9, Size: 20}
	for text, want := range map[string]string{
		"pub {{.Client}} {{.Seq}} {{.Pad}}":  "pub 3 9 xxxxxxxxxxxx",
		`{"pad":"{{.Pad}}","n":{{.Seq}}}`:    `{"pad":"xxxx","n":9}`,
		"{{.Pad}} {{.Seq}} and more of this": " 9 and more of this",
	} {
		got := string(mustFormat(t, text).Append(nil, v))
		if text[0] != '{' && len(got) != 20 || !strings.HasSuffix(got, want[len(want)-3:]) {
			t.Errorf("%s: %q", text, got)
		}
		if text[2] != '.' && got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := string(mustFormat(t, "pub {{.Seq}} {{.Pad}}").Append(nil, &Values{Seq: 9})); got != "pub 9" {
		t.Errorf("%q", got)
	}
}

// FuzzFormat: a format never panics on what it is given, and reads back what it writes.
func FuzzFormat(f *testing.F) {
	f.Add("msg {{.Pos}} {{.From}} {{.Seq}} {{.Sent}} {{.Pad}}", []byte("msg 1 s 2 3"), uint32(7), uint16(30))
	f.Add(`{"n":{{.Seq}},"to":"{{.To}}","last":{{.Last}}}`, []byte(`{"n":18446744073709551615,"to":"","last":-}`), uint32(1), uint16(0))
	f.Add("{{.Pad}}|{{.Client}}", []byte("|99999999999"), uint32(1<<31-1), uint16(9))
	f.Fuzz(func(t *testing.T, text string, data []byte, n uint32, size uint16) {
		x, err := ParseFormat(text, formatWords[1:]...)
		if err != nil {
			return
		}
		var v Values
		x.Match(data, &v)
		in := Values{Client: int32(n >> 1), From: int32(n >> 1), Seq: n, Pos: n, Seen: n, Last: int64(n) - 1, Sent: int64(n), Size: int(size)}
		line := x.Append(nil, &in)
		var out Values
		if strings.Contains(text, "x") && x.Has("Pad") || x.Has("To") || x.Has("Room") {
			return // the filler can be taken for what follows it; text without a form of its own is not read back
		}
		if !x.Match(line, &out) {
			t.Fatalf("%q does not read %q, which it wrote", text, line)
		}
		if x.Has("Seq") && out.Seq != n || x.Has("From") && out.From != in.From || x.Has("Sent") && out.Sent != in.Sent || x.Has("Last") && out.Last != in.Last {
			t.Fatalf("%q: %+v became %+v", text, in, out)
		}
	})
}
