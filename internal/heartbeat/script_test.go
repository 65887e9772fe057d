package heartbeat

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs the situations in testdata. Commands:
//
//	config [seed=N]                 a new machine; the body is read by parseConfig
//	start, connected, failed CAUSE, recv FRAME [TEXT], closed CAUSE [code=N], write-fail,
//	tick, suspend, resume, stop     one Step; at=T moves the clock there before, epoch=N names another connection
//	run until=T [late=D] [rtt=D] [connect=D] [refuse=D] [reset=D]
//	                                lets time pass: calls the machine at its deadlines, each D late, with a peer that
//	                                answers beats after rtt, and dials after connect (or refuses them after refuse), and
//	                                resets what opened after reset; without any of these the path is dead, and what
//	                                was in flight is lost
//
// Each step prints its outputs and then where the machine stands.
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			var s script
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				s.buf.Reset()
				if err := s.run(d); err != nil {
					d.Fatalf(t, "%v", err)
				}
				return s.buf.String()
			})
		})
	}
}

type script struct {
	m      Machine
	cfg    *Config
	now    time.Duration
	buf    strings.Builder
	events []event  // what the peer will do, ordered by time
	fresh  []Output // of the last command, for the peer of a run that follows
}

type event struct {
	at time.Duration
	in Input
}

// peer is what the far end does by itself during a run; a negative duration is never.
type peer struct{ rtt, connect, refuse, reset time.Duration }

var silent = peer{-1, -1, -1, -1}

func (s *script) run(d *datadriven.TestData) error {
	in := Input{Epoch: s.m.Epoch()}
	p := silent
	var until, late time.Duration
	seed := uint64(1)
	for _, a := range d.CmdArgs {
		var err error
		switch {
		case len(a.Vals) == 0: // a bare word: see below
		case a.Key == "at":
			s.now, err = time.ParseDuration(a.Vals[0])
		case a.Key == "until":
			until, err = time.ParseDuration(a.Vals[0])
		case a.Key == "late":
			late, err = time.ParseDuration(a.Vals[0])
		case a.Key == "rtt":
			p.rtt, err = time.ParseDuration(a.Vals[0])
		case a.Key == "connect":
			p.connect, err = time.ParseDuration(a.Vals[0])
		case a.Key == "refuse":
			p.refuse, err = time.ParseDuration(a.Vals[0])
		case a.Key == "reset":
			p.reset, err = time.ParseDuration(a.Vals[0])
		case a.Key == "epoch":
			_, err = fmt.Sscan(a.Vals[0], &in.Epoch)
		case a.Key == "code":
			_, err = fmt.Sscan(a.Vals[0], &in.Code)
		case a.Key == "seed":
			_, err = fmt.Sscan(a.Vals[0], &seed)
		default:
			err = fmt.Errorf("unknown argument %s", a.Key)
		}
		if err != nil {
			return err
		}
	}
	words := []string{}
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			words = append(words, a.Key)
		}
	}
	switch d.Cmd {
	case "config":
		cfg, err := parseConfig(d.Input)
		if err != nil {
			return err
		}
		*s = script{cfg: cfg, m: New(cfg, *rand.NewPCG(seed, 1))}
		if lo, hi, ok := cfg.Bounds(0); ok {
			fmt.Fprintf(&s.buf, "silence is noticed within (%v, %v]\n", lo, hi)
		} else {
			fmt.Fprintln(&s.buf, "silence is never noticed")
		}
		return nil
	case "run":
		s.pass(until, late, p)
		return nil
	case "start":
		in.Kind = Start
	case "connected":
		in.Kind = Connected
	case "failed":
		in.Kind = Failed
	case "recv":
		in.Kind = Received
		if err := word(&in.Frame, words[0], "text", "binary", "ping", "pong", "close"); err != nil {
			return err
		}
		in.Data = []byte(strings.Join(words[1:], " "))
	case "closed":
		in.Kind = Closed
	case "write-fail":
		in.Kind = WriteFail
	case "tick":
		in.Kind = Deadline
	case "suspend":
		in.Kind = Suspend
	case "resume":
		in.Kind = Resume
	case "stop":
		in.Kind = Stop
	default:
		return fmt.Errorf("unknown command %s", d.Cmd)
	}
	if in.Kind == Failed || in.Kind == Closed {
		var ok bool
		if in.Cause, ok = ParseCause(strings.Join(words, " ")); !ok {
			return fmt.Errorf("unknown cause %v", words)
		}
	}
	s.step(in, silent)
	s.stands()
	return nil
}

// pass lets the time up to until pass.
func (s *script) pass(until, late time.Duration, p peer) {
	if p == silent {
		s.events = nil
	}
	for _, o := range s.fresh {
		s.react(o, p)
	}
	for n := 0; ; n++ {
		deadline := s.m.Deadline()
		if deadline < None {
			deadline = max(deadline+late, s.now)
		}
		ev := len(s.events) > 0 && s.events[0].at <= min(deadline, until)
		if !ev && deadline > until || n == 200 {
			break
		}
		if ev {
			e := s.events[0]
			s.events = s.events[1:]
			s.now = max(s.now, e.at)
			s.step(e.in, p)
		} else {
			s.now = deadline
			s.step(Input{Kind: Deadline}, p)
		}
	}
	s.now = max(s.now, until)
	s.fresh = nil
	s.stands()
}

var (
	inputWords = [NumInputs]string{"start", "connected", "failed", "recv", "closed", "write-fail", "tick", "suspend",
		"resume", "stop"}
	frameWords = [...]string{"text", "binary", "ping", "pong", "close"}
)

// step makes one Step, prints it, and lets the peer p react.
func (s *script) step(in Input, p peer) {
	fmt.Fprintf(&s.buf, "%v %s", s.now, inputWords[in.Kind])
	switch {
	case in.Kind == Received:
		fmt.Fprintf(&s.buf, " %s", frameWords[in.Frame])
	case in.Kind == Failed || in.Kind == Closed:
		fmt.Fprintf(&s.buf, " %v", in.Cause)
	}
	if in.Kind != Start && in.Kind < Deadline {
		fmt.Fprintf(&s.buf, " #%d", in.Epoch)
	}
	s.buf.WriteByte('\n')
	s.fresh = s.m.Step(s.now, in, nil)
	for _, o := range s.fresh {
		fmt.Fprintf(&s.buf, "  %s\n", o.text())
		s.react(o, p)
	}
}

// react plans what the peer p does about an output.
func (s *script) react(o Output, p peer) {
	switch {
	case o.Kind == Dial && p.connect >= 0:
		s.plan(s.now+p.connect, Input{Kind: Connected, Epoch: o.Epoch})
	case o.Kind == Dial && p.refuse >= 0:
		s.plan(s.now+p.refuse, Input{Kind: Failed, Epoch: o.Epoch, Cause: Refused})
	case o.Kind == Opened && p.reset >= 0:
		s.plan(s.now+p.reset, Input{Kind: Closed, Epoch: o.Epoch, Cause: Reset})
	case o.Kind == Send && o.Beat && s.cfg.Beat.By == Client && p.rtt >= 0:
		frame := o.Frame
		if frame == Ping {
			frame = Pong
		}
		s.plan(s.now+p.rtt, Input{Kind: Received, Frame: frame, Epoch: o.Epoch, Data: AppendRef(nil, o.Payload, o.Ref)})
	}
}

func (s *script) plan(at time.Duration, in Input) {
	i := slices.IndexFunc(s.events, func(e event) bool { return e.at > at })
	if i < 0 {
		i = len(s.events)
	}
	s.events = slices.Insert(s.events, i, event{at, in})
}

func (s *script) stands() {
	fmt.Fprintf(&s.buf, "= %v #%d", s.m.State(), s.m.Epoch())
	if d := s.m.Deadline(); d == None {
		s.buf.WriteString(", waits for input\n")
	} else {
		fmt.Fprintf(&s.buf, ", until %v\n", d)
	}
}

// text is the output in the words of the scripts; every field that matters for its kind is in it.
func (o *Output) text() string {
	s := fmt.Sprintf("%v #%d", o.Kind, o.Epoch)
	switch o.Kind {
	case Send:
		s += fmt.Sprintf(" %s %q", frameWords[o.Frame], AppendRef(nil, o.Payload, o.Ref))
		if o.Beat {
			s += fmt.Sprintf(" due %v", o.Due)
		}
	case SendBye:
		s += fmt.Sprintf(" code %d", o.Code)
	case Dead:
		s += fmt.Sprintf(" %v, last heard %v", o.Cause, o.LastHeard)
		if o.Code != 0 {
			s += fmt.Sprintf(", code %d", o.Code)
		}
	case AttemptFailed:
		s += fmt.Sprintf(" %v", o.Cause)
	case Waiting:
		s += fmt.Sprintf(" %v before attempt %d", o.Dur, o.N)
	case Replied:
		s += fmt.Sprintf(" after %v, due %v", o.Dur, o.Due)
	case Unanswered:
		s += fmt.Sprintf(" %d", o.N)
	case GaveUp:
		s += fmt.Sprintf(" %v after %d attempts", o.Cause, o.N)
	}
	return s
}
