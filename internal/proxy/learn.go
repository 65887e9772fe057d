package proxy

import (
	"bytes"
	"math"
	"time"
	"unicode/utf8"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/report"
)

// silences is what clients did when nothing arrived any more.
type silences struct {
	unmet     map[int64]int // by how many beats they had sent since the last message to them
	sinceBeat *report.Hist  // from the last beat, of either side, to giving up
	quiet     *report.Hist  // from the last message to giving up
	frames    int           // how many said so with a close frame
	noticed   int
	stayed    int // connections that outlived a silence
	longest   time.Duration
}

// learn notes how the client of h gave up, if it was a silence that it gave up in.
func (s *silences) learn(h *hit, how string, now time.Duration) bool {
	f, p := &h.e.fault, h.pair
	if f.Kind != chaos.Blackhole && !(f.Kind == chaos.IdleCut && f.Mode() == chaos.Silent) || f.Direction == chaos.Up {
		return false
	}
	if s.unmet == nil {
		s.unmet, s.sinceBeat, s.quiet = map[int64]int{}, &report.Hist{}, &report.Hist{}
	}
	s.noticed++
	if how == byCloseFrame {
		s.frames++
	}
	s.unmet[p.unmet.Load()]++
	if last := max(p.watch[up].last.Load(), 0); last > 0 {
		s.sinceBeat.Record(now - time.Duration(last))
	}
	if last := p.flow[down].last.Load(); last > 0 {
		s.quiet.Record(now - time.Duration(last))
	}
	return true
}

// goesOn reports whether clients beat on in a silence: what looks like the answer to the server's beats, because both sides
// count from the opening, is a beat of their own. An answer leaves once at most after the last message.
func (s *silences) goesOn() bool {
	more := 0
	for beats, n := range s.unmet {
		if beats > 1 {
			more += n
		}
	}
	return 2*more > s.noticed && s.noticed > 0
}

// kept notes a client that showed no sign during a silence.
func (s *silences) kept(_ *pair, lasted time.Duration) {
	s.stayed++
	s.longest = max(s.longest, lasted)
}

// Inference is what the proxy makes of its clients, in the words of a profile. Durations are rounded to what a person would
// have set, where the measured value is that near.
type Inference struct {
	Clients  int           `json:"clients"`
	By       string        `json:"by"`              // client, server, both or nobody
	Frame    string        `json:"frame,omitempty"` // text, binary or ping
	Payload  []byte        `json:"payload,omitempty"`
	Ref      bool          `json:"ref,omitempty"`         // the payload holds {{.Ref}} where a number changes
	Opaque   bool          `json:"opaque,omitempty"`      // compressed: the payload is unknown
	Interval time.Duration `json:"interval_ns,omitempty"` // between beats
	After    string        `json:"after,omitempty"`       // message or beat; "": unknown
	Beats    int64         `json:"beats,omitempty"`       // intervals seen
	Timeout  time.Duration `json:"timeout_ns"`            // from the last beat to giving up
	Misses   int64         `json:"misses"`                // beats unanswered by then; 0: silence is never noticed, or was never seen
	Noticed  int           `json:"noticed"`               // silences that were
	Stayed   int           `json:"stayed"`                // and those that were not
	Longest  time.Duration `json:"longest_ns,omitempty"`  // the longest of those
	Frames   bool          `json:"close_frame"`           // it leaves with a close frame
	Opening  time.Duration `json:"opening_ns,omitempty"`  // how long an attempt may hang
	Kind     string        `json:"reconnect"`             // never, fixed, list, linear or exponential
	Delays   []Delay       `json:"delays,omitempty"`      // the first ones
	// AfterSilence is the first delay of those who gave a silent connection up, where others show the policy; what they waited
	// for a close that never came is in it.
	AfterSilence *Delay  `json:"delay_after_silence,omitempty"`
	Factor       float64 `json:"factor,omitempty"`
	Jitter       string  `json:"jitter,omitempty"` // none, full, equal or ratio
	Ratio        float64 `json:"jitter_ratio,omitempty"`
}

// Delay is a reconnect delay as measured.
type Delay struct {
	N   int64         `json:"n"`
	P5  time.Duration `json:"p5_ns"`
	P50 time.Duration `json:"p50_ns"`
	P95 time.Duration `json:"p95_ns"`
}

// near is d rounded to two significant digits if that changes it by less than 2 %, else to three.
func near(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	round := func(digits float64) time.Duration {
		unit := math.Pow(10, math.Floor(math.Log10(float64(d)))-digits+1)
		return time.Duration(math.Round(float64(d)/unit) * unit)
	}
	if r := round(1); (r - d).Abs() <= d/50 {
		return r
	}
	if r := round(2); (r - d).Abs() <= d/50 {
		return r
	}
	return round(3)
}

// infer draws the conclusions. The record is locked.
func (r *record) infer() Inference {
	in := Inference{Clients: len(r.clients.byKey) + len(r.clients.lines), By: "nobody", Noticed: r.silences.noticed,
		Stayed: r.silences.stayed, Longest: r.silences.longest, Kind: "never"}
	mine, theirs := r.loudest(up), r.loudest(down)
	switch {
	case mine != nil && theirs != nil && mine.op != opPong && answers(theirs, mine):
		in.By = "client"
	case mine != nil && theirs != nil && (mine.op == opPong || answers(mine, theirs) && !r.silences.goesOn()):
		in.By, mine = "server", theirs
	case mine != nil && theirs != nil:
		in.By = "both"
	case mine != nil:
		in.By = "client"
	case theirs != nil:
		in.By, mine = "server", theirs
	}
	if mine != nil {
		in.beat(mine)
	}
	in.detector(&r.silences)
	in.reconnect(r)
	return in
}

// loudest is the class of the direction with the most intervals; nil when there is none.
func (r *record) loudest(dir int) *beatClass {
	var best *beatClass
	for _, c := range r.classes {
		if c.dir == dir && (best == nil || c.gaps.N() > best.gaps.N() || c.gaps.N() == best.gaps.N() && string(c.first) < string(best.first)) {
			best = c
		}
	}
	return best
}

// answers reports whether a is what comes back for b: at the same interval, sooner behind b than b behind a, and behind
// nearly every b at nearly the same distance. Two sides that both beat lie anywhere to each other, another place in each
// connection.
func answers(a, b *beatClass) bool {
	if a.op == opPong {
		return true
	}
	ga, gb := a.gaps.Quantile(0.5), b.gaps.Quantile(0.5)
	if (ga-gb).Abs() > max(ga, gb)/5 || a.lag.N() == 0 {
		return false
	}
	// Of places anywhere the quartiles are half an interval apart.
	if a.lag.Quantile(0.75)-a.lag.Quantile(0.25) > ga/4 {
		return false
	}
	return b.lag.N() == 0 || a.lag.Quantile(0.5) <= b.lag.Quantile(0.5)
}

func (in *Inference) beat(c *beatClass) {
	in.Frame = opNames[c.op]
	in.Interval, in.Beats, in.Opaque = near(c.gaps.Quantile(0.5)), c.gaps.N(), c.deflated
	if !c.deflated && c.size <= sampleSize {
		in.Payload, in.Ref = refIn(c.first, c.last)
	}
}

var opNames = map[byte]string{opText: "text", opBinary: "binary", opPing: "ping", opPong: "pong", opClose: "close"}

// refIn puts {{.Ref}} in the place of the one number in which two payloads differ.
func refIn(a, b []byte) ([]byte, bool) {
	if bytes.Equal(a, b) || !utf8.Valid(a) {
		return a, false
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && digit(a[i-1]) {
		i--
	}
	ea, eb := i, i
	for ea < len(a) && digit(a[ea]) {
		ea++
	}
	for eb < len(b) && digit(b[eb]) {
		eb++
	}
	if ea == i || eb == i || !bytes.Equal(a[ea:], b[eb:]) {
		return a, false
	}
	return append(append(append([]byte(nil), a[:i]...), "{{.Ref}}"...), a[ea:]...), true
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// detector: with interval I and m beats unanswered, a client that gives up T after the last of them notices a silence
// between (m-1)I + T and mI + T after it began. The position in the cycle is in what was measured: T counts from the beat.
func (in *Inference) detector(s *silences) {
	if s.noticed == 0 {
		return
	}
	if in.By == "server" || in.By == "both" || in.By == "nobody" {
		in.Misses = 1
		in.Timeout = near(max(s.quiet.Quantile(0.5)-in.Interval, 0))
		return
	}
	most := 0
	for k, n := range s.unmet {
		if n > most || n == most && k > in.Misses {
			in.Misses, most = k, n
		}
	}
	in.Misses = max(in.Misses, 1)
	in.Timeout = near(s.sinceBeat.Quantile(0.5))
	in.After = "message"
	if in.Misses > 1 || in.Timeout > in.Interval && in.Interval > 0 && s.unmet[0]+s.unmet[1] < s.noticed {
		in.After = "beat"
	}
	in.Frames = s.frames*2 > s.noticed
}

func (in *Inference) reconnect(r *record) {
	quantiles := func(h *report.Hist) Delay { return Delay{h.N(), h.Quantile(0.05), h.Quantile(0.5), h.Quantile(0.95)} }
	for i, h := range r.delays {
		if i == 0 && r.afterSilence.N() > 0 && r.afterLoss.N() > 0 {
			h = r.afterLoss
			d := quantiles(r.afterSilence)
			in.AfterSilence = &d
		}
		if h.N() == 0 {
			break
		}
		in.Delays = append(in.Delays, quantiles(h))
	}
	if n := r.gaveUp; n.N() > 0 {
		in.Opening = near(n.Quantile(0.5))
	}
	if len(in.Delays) == 0 {
		return
	}
	first := in.Delays[0]
	in.Kind, in.Jitter = "list", "none"
	in.spread(first)
	in.growth()
}
