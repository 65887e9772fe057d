package heartbeat

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// parseConfig reads the compact configuration of the scripts in testdata: one section a line, its words after it.
//
//	beat by=client frame=text payload=hi every=3s after=message at-open first=1 jitter=0.1 match=prefix:pong answer=text:3
//	detect alive=any timeout=5s misses=1 silence=6s check=6s-12s
//	opening timeout=10s
//	step send=text:hello await=exact:welcome
//	close frame code=1000 wait=2s
//	reconnect fixed delay=4s lock
//	reply exact:PING=text:PONG
//	notice exact:bye
func parseConfig(text string) (*Config, error) {
	c := &Config{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		for _, w := range words[1:] {
			key, val, _ := strings.Cut(w, "=")
			if err := setConfig(c, words[0], key, val); err != nil {
				return nil, fmt.Errorf("%s %s: %w", words[0], w, err)
			}
		}
		if words[0] == "step" {
			if err := addStep(c, words[1:]); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func addStep(c *Config, words []string) (err error) {
	s := Step{}
	for _, w := range words {
		key, val, _ := strings.Cut(w, "=")
		switch key {
		case "send":
			s.Send, err = parseMessage(val)
		case "await":
			s.Await, err = parsePattern(val)
		}
		if err != nil {
			return err
		}
	}
	c.Opening.Steps = append(c.Opening.Steps, s)
	return nil
}

// word finds val among names and stores its number.
func word[T ~uint8](dst *T, val string, names ...string) error {
	for i, n := range names {
		if n == val {
			*dst = T(i)
			return nil
		}
	}
	return fmt.Errorf("not one of %v", names)
}

func setConfig(c *Config, section, key, val string) (err error) {
	duration := func(d *time.Duration) error { *d, err = time.ParseDuration(val); return err }
	number := func(f *float64) error { *f, err = strconv.ParseFloat(val, 64); return err }
	integer := func(i *int) error { *i, err = strconv.Atoi(val); return err }
	b, r := &c.Beat, &c.Reconnect
	switch section + " " + key {
	case "beat by":
		return word(&b.By, val, "nobody", "client", "server", "both")
	case "beat frame":
		return word(&b.Frame, val, "text", "binary", "ping", "pong", "close")
	case "beat payload":
		b.Payload = []byte(val)
		b.Ref = strings.Contains(val, RefWord)
	case "beat every":
		return duration(&b.Interval)
	case "beat after":
		return word(&b.After, val, "message", "either", "beat", "reply")
	case "beat at-open":
		b.AtOpen = true
	case "beat first":
		return number(&b.First)
	case "beat jitter":
		return number(&b.Jitter)
	case "beat match":
		p, err := parsePattern(val)
		if err == nil {
			b.Match = *p
		}
		return err
	case "beat answer":
		b.Answer, err = parseMessage(val)
		return err
	case "detect alive":
		return word(&c.Liveness, val, "any", "reply")
	case "detect timeout":
		return duration(&c.Timeout)
	case "detect misses":
		return integer(&c.Misses)
	case "detect silence":
		return duration(&c.Silence)
	case "detect check":
		return parseSpan(&c.Check, val)
	case "opening timeout":
		return duration(&c.Opening.Timeout)
	case "step send", "step await":
	case "close frame":
		c.Close.Frame = true
	case "close code":
		n, err := strconv.ParseUint(val, 10, 16)
		c.Close.Code = uint16(n)
		return err
	case "close wait":
		return duration(&c.Close.Wait)
	case "reconnect never", "reconnect fixed", "reconnect list", "reconnect exponential", "reconnect linear":
		return word(&r.Kind, key, "never", "fixed", "list", "exponential", "linear")
	case "reconnect delay":
		return duration(&r.Delay)
	case "reconnect delays":
		for s := range strings.SplitSeq(val, ",") {
			d, err := time.ParseDuration(s)
			if err != nil {
				return err
			}
			r.Delays = append(r.Delays, d)
		}
	case "reconnect factor":
		return number(&r.Factor)
	case "reconnect cap":
		return duration(&r.Cap)
	case "reconnect jitter":
		return word(&r.Jitter, val, "none", "full", "equal", "decorrelated", "ratio", "spread", "once", "backo2")
	case "reconnect cap-on":
		return word(&r.CapOn, val, "delay", "jittered", "both")
	case "reconnect spread":
		for s := range strings.SplitSeq(val, ",") {
			var b Band
			if _, err := fmt.Sscanf(s, "%g-%g", &b.From, &b.To); err != nil {
				return err
			}
			r.Spread = append(r.Spread, b)
		}
	case "reconnect plus":
		return parseSpan(&r.Plus, val)
	case "reconnect first":
		r.First = &Span{}
		return parseSpan(r.First, val)
	case "reconnect after-loss":
		r.AfterLoss = &Span{}
		return parseSpan(r.AfterLoss, val)
	case "reconnect after-timeout":
		r.AfterTimeout = &Span{}
		return parseSpan(r.AfterTimeout, val)
	case "reconnect ratio":
		return number(&r.JitterRatio)
	case "reconnect max":
		return integer(&r.MaxAttempts)
	case "reconnect reset-after":
		return duration(&r.ResetAfter)
	case "reconnect stop":
		var from, to uint16
		if _, err := fmt.Sscanf(val, "%d-%d", &from, &to); err != nil {
			return err
		}
		r.StopCodes = append(r.StopCodes, CodeRange{from, to})
	case "reconnect lock":
		r.Lock = true
	default:
		if section == "reply" {
			to, err := parsePattern(key)
			if err != nil {
				return err
			}
			with, err := parseMessage(val)
			if err == nil {
				c.Replies = append(c.Replies, ReplyRule{*to, *with})
			}
			return err
		}
		if section != "notice" {
			return fmt.Errorf("unknown word")
		}
		c.Notice, err = parsePattern(key)
		return err
	}
	return nil
}

func parseSpan(s *Span, val string) (err error) {
	from, to, two := strings.Cut(val, "-")
	if s.From, err = time.ParseDuration(from); err != nil {
		return err
	}
	if s.To = s.From; two {
		s.To, err = time.ParseDuration(to)
	}
	return err
}

func parseMessage(s string) (*Message, error) {
	frame, payload, _ := strings.Cut(s, ":")
	m := &Message{Payload: []byte(payload)}
	return m, word(&m.Frame, frame, "text", "binary", "ping", "pong", "close")
}

func parsePattern(s string) (*Pattern, error) {
	kind, text, _ := strings.Cut(s, ":")
	p := &Pattern{Text: []byte(text)}
	if err := word(&p.Kind, kind, "everything", "exact", "prefix", "contains", "regexp"); err != nil {
		return nil, err
	}
	if before, tail, ok := strings.Cut(text, RefWord); ok {
		p.Text, p.Tail, p.Ref = []byte(before), []byte(tail), true
	}
	if p.Kind == Regexp {
		re, err := regexp.Compile(text)
		p.Re = re
		return p, err
	}
	return p, nil
}
