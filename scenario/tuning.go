package scenario

import (
	"bytes"
	"reflect"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// DefaultOpeningTimeout bounds an attempt whose profile says nothing about it. Browsers have no such limit of their own
// (the TCP handshake alone may retry for two minutes); 20 s keeps a run's attempts countable.
const DefaultOpeningTimeout = 20 * time.Second

// overlay lays what over has written upon base: sections field by field, everything else as a whole.
func overlay(base, over reflect.Value) {
	for i := range base.NumField() {
		b, o := base.Field(i), over.Field(i)
		switch {
		case o.IsZero():
		case o.Kind() == reflect.Pointer && isSection(o.Type().Elem()) && !b.IsNil():
			merged := reflect.New(b.Type().Elem())
			merged.Elem().Set(b.Elem())
			overlay(merged.Elem(), o.Elem())
			b.Set(merged)
		default:
			b.Set(o)
		}
	}
}

func isSection(t reflect.Type) bool {
	switch t {
	case reflect.TypeFor[TuningBeat](), reflect.TypeFor[TuningOpening](), reflect.TypeFor[TuningClose](), reflect.TypeFor[TuningReconnect]():
		return true
	}
	return false
}

// over is the tuning t laid over base; neither is changed.
func (t Tuning) over(base Tuning) Tuning {
	overlay(asValue(&base), reflect.ValueOf(t))
	return base
}

func value[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

func word[T ~uint8](p *string, words []string, otherwise T) T {
	if p != nil {
		for i, w := range words {
			if w == *p {
				return T(i)
			}
		}
	}
	return otherwise
}

var (
	whos           = []string{heartbeat.Nobody: "nobody", heartbeat.Client: "client", heartbeat.Server: "server", heartbeat.Both: "both"}
	afters         = []string{heartbeat.AfterMessage: "message", heartbeat.AfterEither: "either", heartbeat.AfterBeat: "beat", heartbeat.AfterReply: "reply"}
	livenesses     = []string{heartbeat.Any: "any", heartbeat.Reply: "reply"}
	reconnectKinds = []string{heartbeat.Never: "never", heartbeat.Fixed: "fixed", heartbeat.List: "list", heartbeat.Exponential: "exponential", heartbeat.Linear: "linear"}
	capsOn         = []string{heartbeat.CapDelay: "delay", heartbeat.CapJittered: "jittered", heartbeat.CapBoth: "both"}
	jitters        = []string{heartbeat.NoJitter: "none", heartbeat.Full: "full", heartbeat.Equal: "equal", heartbeat.Decorrelated: "decorrelated", heartbeat.Ratio: "ratio", heartbeat.Spread: "spread",
		heartbeat.Once: "once", heartbeat.Backo2: "backo2"}
)

// config is the machine's tuning with every default filled in.
func (t *Tuning) config() heartbeat.Config {
	beat, opening := value(t.Beat, TuningBeat{}), value(t.Opening, TuningOpening{})
	bye, re := value(t.Close, TuningClose{}), value(t.Reconnect, TuningReconnect{})
	cfg := heartbeat.Config{
		Beat: heartbeat.Beat{
			By:       word(beat.By, whos, heartbeat.Client),
			Frame:    word(beat.Frame, frames, heartbeat.Text),
			Payload:  value(beat.Payload, nil),
			Interval: time.Duration(value(beat.Interval, 0)),
			After:    word(beat.After, afters, heartbeat.AfterBeat),
			AtOpen:   value(beat.AtOpen, false),
			First:    float64(value(beat.First, 0)),
			Jitter:   float64(value(beat.Jitter, 0)),
			Match:    beat.Match.pattern(),
			Answer:   beat.Answer.message(),
		},
		Liveness: word(t.Liveness, livenesses, heartbeat.Any),
		Timeout:  time.Duration(value(t.Timeout, 0)),
		Misses:   value(t.Misses, 1),
		Silence:  time.Duration(value(t.Silence, 0)),
		Check:    value(t.Check.span(), heartbeat.Span{}),
		Opening:  heartbeat.Opening{Timeout: time.Duration(value(opening.Timeout, Duration(DefaultOpeningTimeout)))},
		Close: heartbeat.Close{
			Frame: value(bye.Frame, false),
			Code:  uint16(value(bye.Code, 0)),
			Wait:  time.Duration(value(bye.Wait, 0)),
		},
		Reconnect: heartbeat.Reconnect{
			Kind:         word(re.Kind, reconnectKinds, heartbeat.Never),
			Delay:        time.Duration(value(re.Delay, 0)),
			Factor:       value(re.Factor, 2),
			Cap:          time.Duration(value(re.Cap, 0)),
			Jitter:       word(re.Jitter, jitters, heartbeat.NoJitter),
			JitterRatio:  float64(value(re.JitterRatio, 0)),
			MaxAttempts:  value(re.MaxAttempts, 0),
			ResetAfter:   time.Duration(value(re.ResetAfter, 0)),
			Lock:         value(re.Lock, true),
			CapOn:        word(re.CapOn, capsOn, heartbeat.CapDelay),
			Spread:       value(re.Spread, nil),
			Plus:         value(re.Plus.span(), heartbeat.Span{}),
			First:        re.First.span(),
			AfterLoss:    re.AfterLoss.span(),
			AfterTimeout: re.AfterTimeout.span(),
		},
	}
	cfg.Beat.Ref = bytes.Contains(cfg.Beat.Payload, []byte(heartbeat.RefWord))
	if cfg.Silence > 0 { // it takes their place
		cfg.Timeout, cfg.Misses = 0, 1
	}
	for _, step := range opening.Steps {
		s := heartbeat.Step{Send: step.Send.message()}
		if step.Await != nil {
			p := step.Await.pattern()
			s.Await = &p
		}
		cfg.Opening.Steps = append(cfg.Opening.Steps, s)
	}
	for _, d := range re.Delays {
		cfg.Reconnect.Delays = append(cfg.Reconnect.Delays, time.Duration(d))
	}
	for _, c := range re.StopCodes {
		cfg.Reconnect.StopCodes = append(cfg.Reconnect.StopCodes, heartbeat.CodeRange(c))
	}
	for _, r := range t.Replies {
		rule := heartbeat.ReplyRule{To: r.To.pattern()}
		if r.With != nil { // else it is reported as missing
			rule.With = *r.With.message()
		}
		cfg.Replies = append(cfg.Replies, rule)
	}
	if t.Notice != nil {
		p := t.Notice.pattern()
		cfg.Notice = &p
	}
	return cfg
}
