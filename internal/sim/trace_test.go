package sim_test

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// plan resolves a scenario given as text.
func plan(t testing.TB, text string) *scenario.Plan {
	t.Helper()
	f, err := scenario.Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	p, err := f.Plan()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// simulate runs the plan and returns what its sink saw.
func simulate(t testing.TB, p *scenario.Plan, m sim.Model) *tracer {
	t.Helper()
	tr := &tracer{}
	if err := sim.Run(context.Background(), p, sim.Options{Sink: tr, Model: m}); err != nil {
		t.Fatal(err)
	}
	return tr
}

// record is one call of a sink.
type record struct {
	at     time.Duration
	client int // -1: a fault
	what   string
}

func (r record) String() string {
	who := fmt.Sprintf("client %d", r.client)
	if r.client < 0 {
		who = "fault"
	}
	return fmt.Sprintf("%v %s: %s", r.at, who, r.what)
}

// tracer is a Sink that keeps everything.
type tracer struct {
	mu      sync.Mutex
	records []record
	lag     time.Duration // the latest that a timer ran
}

var _ report.Sink = (*tracer)(nil)

func (t *tracer) add(at time.Duration, client int, format string, args ...any) {
	t.mu.Lock()
	t.records = append(t.records, record{at, client, fmt.Sprintf(format, args...)})
	t.mu.Unlock()
}

func (t *tracer) Attempt(now time.Duration, client int, epoch uint32) {
	t.add(now, client, "attempt %d", epoch)
}
func (t *tracer) TCPConnected(now time.Duration, client int, epoch uint32, took time.Duration) {
	t.add(now, client, "tcp %d after %v", epoch, took)
}
func (t *tracer) Output(now time.Duration, client int, o *heartbeat.Output) {
	s := fmt.Sprintf("%v %d", o.Kind, o.Epoch)
	switch o.Kind {
	case heartbeat.Send:
		s += fmt.Sprintf(" frame %d %q due %v", o.Frame, o.Payload, o.Due)
	case heartbeat.SendBye:
		s += fmt.Sprintf(" %d", o.Code)
	case heartbeat.Dead:
		s += fmt.Sprintf(" %v, last heard %v", o.Cause, o.LastHeard)
		if o.Code != 0 {
			s += fmt.Sprintf(", code %d", o.Code)
		}
	case heartbeat.AttemptFailed:
		s += fmt.Sprintf(" %v", o.Cause)
	case heartbeat.Waiting:
		s += fmt.Sprintf(" %v, %d", o.Dur, o.N)
	case heartbeat.Replied:
		s += fmt.Sprintf(" %v", o.Dur)
	case heartbeat.Unanswered:
		s += fmt.Sprintf(" %d", o.N)
	case heartbeat.GaveUp:
		s += fmt.Sprintf(" %v after %d", o.Cause, o.N)
	}
	t.add(now, client, "%s", s)
}
func (t *tracer) State(now time.Duration, client int, s heartbeat.State) {
	t.add(now, client, "is %v", s)
}
func (t *tracer) FaultBegan(now time.Duration, occ int)   { t.add(now, -1, "%d begins", occ) }
func (t *tracer) FaultInForce(now time.Duration, occ int) { t.add(now, -1, "%d in force", occ) }
func (t *tracer) FaultEnded(now time.Duration, occ int)   { t.add(now, -1, "%d ends", occ) }
func (t *tracer) Ended(time.Duration)                     {}
func (t *tracer) FaultFailed(now time.Duration, occ int, err error) {
	t.add(now, -1, "%d failed: %v", occ, err)
}
func (t *tracer) PathCut(now time.Duration, client, occ int) {
	t.add(now, client, "path cut by %d", occ)
}
func (t *tracer) ZombieBegan(now time.Duration, client int) { t.add(now, client, "zombie") }
func (t *tracer) ZombieEnded(now time.Duration, client int, reaped bool) {
	t.add(now, client, "zombie ended, reaped %v", reaped)
}
func (t *tracer) Lag(now, due time.Duration) {
	t.mu.Lock()
	t.lag = max(t.lag, now-due)
	t.mu.Unlock()
}
func (t *tracer) Target(time.Duration, report.TargetSample) {}
func (t *tracer) Warn(now time.Duration, text string)       { t.add(now, -1, "warning: %s", text) }

// lines prints the records that keep holds true for, in canonical order: by (time, client), then as they came.
func (t *tracer) lines(keep func(record) bool) []string {
	rs := append([]record(nil), t.records...)
	sort.SliceStable(rs, func(i, k int) bool {
		if rs[i].at != rs[k].at {
			return rs[i].at < rs[k].at
		}
		return rs[i].client < rs[k].client
	})
	var out []string
	for _, r := range rs {
		if keep(r) {
			out = append(out, r.String())
		}
	}
	return out
}

// only keeps records that begin with one of the words.
func only(words string) func(record) bool {
	list := strings.Split(words, ",")
	return func(r record) bool {
		for _, w := range list {
			if strings.HasPrefix(r.what, w) {
				return true
			}
		}
		return false
	}
}

// want compares lines with a block of text, one a line; indentation does not count.
func want(t *testing.T, got []string, text string) {
	t.Helper()
	var lines []string
	for l := range strings.Lines(strings.TrimSpace(text)) {
		lines = append(lines, strings.TrimSpace(l))
	}
	if d := cmp.Diff(lines, got); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
}
