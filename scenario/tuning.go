package scenario

import (
	"reflect"
	"strconv"
	"time"

	"github.com/flatline-dev/flatline/chaos"
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
	whos           = []string{heartbeat.Nobody: "nobody", heartbeat.Client: "client", heartbeat.Server: "server"}
	afters         = []string{heartbeat.AfterMessage: "message", heartbeat.AfterEither: "either", heartbeat.AfterBeat: "beat", heartbeat.AfterReply: "reply"}
	livenesses     = []string{heartbeat.Any: "any", heartbeat.Reply: "reply"}
	reconnectKinds = []string{heartbeat.Never: "never", heartbeat.Fixed: "fixed", heartbeat.List: "list", heartbeat.Exponential: "exponential"}
	jitters        = []string{heartbeat.NoJitter: "none", heartbeat.Full: "full", heartbeat.Equal: "equal", heartbeat.Decorrelated: "decorrelated", heartbeat.Ratio: "ratio"}
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
		Opening:  heartbeat.Opening{Timeout: time.Duration(value(opening.Timeout, Duration(DefaultOpeningTimeout)))},
		Close: heartbeat.Close{
			Frame: value(bye.Frame, false),
			Code:  uint16(value(bye.Code, 0)),
			Wait:  time.Duration(value(bye.Wait, 0)),
		},
		Reconnect: heartbeat.Reconnect{
			Kind:        word(re.Kind, reconnectKinds, heartbeat.Never),
			Delay:       time.Duration(value(re.Delay, 0)),
			Factor:      value(re.Factor, 2),
			Cap:         time.Duration(value(re.Cap, 0)),
			Jitter:      word(re.Jitter, jitters, heartbeat.NoJitter),
			JitterRatio: float64(value(re.JitterRatio, 0)),
			MaxAttempts: value(re.MaxAttempts, 0),
			ResetAfter:  time.Duration(value(re.ResetAfter, 0)),
			Lock:        value(re.Lock, true),
		},
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
	if t.Notice != nil {
		p := t.Notice.pattern()
		cfg.Notice = &p
	}
	return cfg
}

// tuning checks the resolved config of the section at path, where t is what it came from.
func (c *checker) tuning(path string, t *Tuning) heartbeat.Config {
	cfg := t.config()
	at := func(key string) string { return join(path, key) }
	b, re := &cfg.Beat, &cfg.Reconnect
	if b.By != heartbeat.Nobody {
		switch {
		case t.Beat == nil:
			c.report(at("beat"), "name a profile (profile: heartcheck), or write beat: {interval: 3s}; beat: {by: nobody} for none", "missing heartbeat: neither profile nor beat")
		case b.Interval == 0:
			c.report(at("beat.interval"), "beat: {interval: 3s}", "a heartbeat needs an interval")
		case b.Interval < time.Millisecond:
			c.report(at("beat.interval"), "at least 1ms", "interval %s is too short", b.Interval)
		}
	}
	if b.By == heartbeat.Client && t.Beat != nil {
		if msg := badPayload(frames[b.Frame], Payload(b.Payload)); msg != "" {
			c.report(at("beat.payload"), "", "payload: %s", msg)
		}
		if cfg.Misses == 1 && cfg.Timeout == 0 && b.Interval > 0 {
			c.report(at("timeout"), "timeout: 5s", "timeout 0s with misses 1 declares the server dead in the instant of every beat")
		}
		if b.Answer != nil {
			c.report(at("beat.answer"), "answer belongs to beat: {by: server}", "a client that beats itself does not answer beats")
		}
	}
	if b.Jitter >= 1 {
		c.report(at("beat.jitter"), "below 100%", "jitter of 100%% would beat twice at once")
	}
	if cfg.Close.Code != 0 && !sendable(cfg.Close.Code) {
		c.report(at("close.code"), "1000 to 1003, 1007 to 1014, or 3000 to 4999", "close code %d must not be sent (RFC 6455, 7.4)", cfg.Close.Code)
	}
	for i, step := range cfg.Opening.Steps {
		if step.Send == nil && step.Await == nil {
			c.report(at("opening.steps")+"["+strconv.Itoa(i)+"]", "send: text, await: text, or both", "an opening step must send or await something")
		}
	}
	switch re.Kind {
	case heartbeat.Fixed:
		if t.Reconnect.Delay == nil {
			c.report(at("reconnect.delay"), "reconnect: {kind: fixed, delay: 4s}", "reconnect kind fixed needs a delay")
		}
	case heartbeat.List:
		if len(re.Delays) == 0 {
			c.report(at("reconnect.delays"), "delays: [1s, 2s, 5s, 10s]", "reconnect kind list needs delays")
		}
	case heartbeat.Exponential:
		if re.Delay == 0 {
			c.report(at("reconnect.delay"), "reconnect: {kind: exponential, delay: 1s, cap: 30s}", "reconnect kind exponential needs a first delay above 0s")
		}
	}
	if re.Kind != heartbeat.List && c.written(at("reconnect.delays")) {
		c.reportKey(at("reconnect.delays"), "add kind: list", "delays belong to reconnect kind list, not %s", reconnectKinds[re.Kind])
	}
	if re.Kind != heartbeat.Never {
		if re.Jitter == heartbeat.Decorrelated && (re.Cap == 0 || re.Delay == 0) {
			c.report(at("reconnect.jitter"), "add delay: 1s, cap: 30s", "decorrelated jitter needs a delay and a cap above 0s")
		}
		if re.Jitter == heartbeat.Ratio && re.JitterRatio == 0 {
			c.report(at("reconnect.jitter_ratio"), "jitter_ratio: 20%", "jitter ratio needs jitter_ratio")
		}
		if re.Jitter != heartbeat.Ratio && c.written(at("reconnect.jitter_ratio")) {
			c.reportKey(at("reconnect.jitter_ratio"), "add jitter: ratio", "jitter_ratio belongs to jitter ratio, not %s", jitters[re.Jitter])
		}
		if re.Cap > 0 && re.Cap < re.Delay && re.Kind == heartbeat.Exponential {
			c.report(at("reconnect.cap"), "cap: "+chaos.FormatDuration(re.Delay)+" or more", "cap %s is below the first delay %s", chaos.FormatDuration(re.Cap), chaos.FormatDuration(re.Delay))
		}
	}
	return cfg
}

// sendable reports whether RFC 6455 (7.4) lets an endpoint put the code on the wire.
func sendable(code uint16) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}
