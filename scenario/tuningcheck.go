package scenario

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// tuning checks the resolved config of the section at path, where t is what it came from.
func (c *checker) tuning(path string, t *Tuning) heartbeat.Config {
	cfg := t.config()
	at := func(key string) string { return join(path, key) }
	b := &cfg.Beat
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
	if b.By != heartbeat.Server && b.By != heartbeat.Nobody && t.Beat != nil {
		if msg := badPayload(frames[b.Frame], Payload(b.Payload)); msg != "" {
			c.report(at("beat.payload"), "", "payload: %s", msg)
		}
	}
	if b.By == heartbeat.Client && t.Beat != nil {
		if cfg.Misses == 1 && cfg.Timeout == 0 && cfg.Silence == 0 && b.Interval > 0 {
			c.report(at("timeout"), "timeout: 5s", "timeout 0s with misses 1 declares the server dead in the instant of every beat")
		}
		if b.Answer != nil {
			c.report(at("beat.answer"), "answer belongs to beat: {by: server}", "a client that beats itself does not answer beats")
		}
	}
	if (b.After == heartbeat.AfterReply) && b.By == heartbeat.Both {
		c.report(at("beat.after"), "after: beat, either or message", "where both sides beat no beat has a reply that could arm the next")
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
	c.detector(path, t, &cfg)
	c.refs(path, &cfg)
	c.reconnect(path, t, &cfg)
	return cfg
}

// detector checks the rule by which silence is noticed.
func (c *checker) detector(path string, t *Tuning, cfg *heartbeat.Config) {
	at := func(key string) string { return join(path, key) }
	if cfg.Silence == 0 {
		if cfg.Check.To > 0 {
			c.report(at("check"), "add silence: 30s", "check needs a silence to look for")
		}
		return
	}
	for _, key := range []string{"timeout", "misses"} {
		if !c.written(at(key)) {
			continue
		}
		hint := "remove one of them"
		if !c.written(at("silence")) {
			hint = "set silence, which the profile counts by; or add silence: 0s"
		}
		c.reportKey(at(key), hint, "%s and silence exclude each other", key)
	}
	if cfg.Beat.By == heartbeat.Nobody {
		c.report(at("silence"), "beat: {by: client, interval: 25s}, or by: server", "silence needs somebody who beats: an idle connection would be declared dead")
	}
	if t.Check != nil && t.Check.To > 0 && t.Check.To < time.Millisecond {
		c.report(at("check"), "at least 1ms", "check %s is too short", t.Check)
	}
}

// refs checks where the number of a beat may stand, and what groups tell.
func (c *checker) refs(path string, cfg *heartbeat.Config) {
	at := func(key string) string { return join(path, key) }
	word := []byte(heartbeat.RefWord)
	b := &cfg.Beat
	if b.Match.Ref && !b.Ref && b.By == heartbeat.Client {
		c.report(at("beat.match"), "payload: 'ping {{.Ref}}'", "match awaits the number of the beat, and payload does not carry it")
	}
	if b.Match.Ref && b.By != heartbeat.Client {
		c.report(at("beat.match"), "", "match awaits the number of the client's beat, and the server's beats are not numbered")
	}
	if bytes.Count(b.Payload, word) > 1 || bytes.Contains(b.Match.Tail, word) {
		c.report(at("beat"), "", "%s may stand once", heartbeat.RefWord)
	}
	elsewhere := func(key string, p *heartbeat.Pattern, m *heartbeat.Message) {
		if p != nil && p.Ref || m != nil && bytes.Contains(m.Payload, word) {
			c.report(at(key), "it belongs in beat.payload and beat.match", "only a beat has a number (%s)", heartbeat.RefWord)
		}
	}
	elsewhere("beat.answer", nil, b.Answer)
	elsewhere("notice", cfg.Notice, nil)
	if cfg.Notice != nil && cfg.Notice.Re != nil {
		c.told(at("notice"), cfg.Notice.Re, heartbeat.Hints)
	}
	for i := range cfg.Replies {
		elsewhere("replies["+strconv.Itoa(i)+"]", &cfg.Replies[i].To, &cfg.Replies[i].With)
	}
	for i := range cfg.Opening.Steps {
		s := &cfg.Opening.Steps[i]
		key := "opening.steps[" + strconv.Itoa(i) + "]"
		elsewhere(key, s.Await, s.Send)
		if s.Await != nil && s.Await.Re != nil {
			c.told(at(key), s.Await.Re, heartbeat.Told)
		}
	}
}

// told checks the names of the groups in a regular expression by which a server tells its clients something.
func (c *checker) told(path string, re *regexp.Regexp, words []string) {
	for _, name := range re.SubexpNames() {
		if name != "" && !slices.Contains(words, name) {
			hint := "what a server can tell: " + strings.Join(words, ", ")
			if near := nearest(name, words); near != "" {
				hint = didYouMean(name, words)
			}
			c.report(path, hint, "no server tells %q", name)
		}
	}
}

// reconnect checks the reconnect policy.
func (c *checker) reconnect(path string, t *Tuning, cfg *heartbeat.Config) {
	at := func(key string) string { return join(path, key) }
	re := &cfg.Reconnect
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
	case heartbeat.Linear:
		if re.Delay == 0 {
			c.report(at("reconnect.delay"), "reconnect: {kind: linear, delay: 5s}", "reconnect kind linear needs a delay above 0s")
		}
	}
	if re.Kind != heartbeat.List && c.written(at("reconnect.delays")) {
		c.reportKey(at("reconnect.delays"), "add kind: list", "delays belong to reconnect kind list, not %s", reconnectKinds[re.Kind])
	}
	if re.Kind != heartbeat.Never {
		if re.Jitter == heartbeat.Decorrelated && (re.Cap == 0 || re.Delay == 0) {
			c.report(at("reconnect.jitter"), "add delay: 1s, cap: 30s", "decorrelated jitter needs a delay and a cap above 0s")
		}
		ratio, bands := re.Jitter == heartbeat.Ratio || re.Jitter == heartbeat.Backo2, re.Jitter == heartbeat.Spread || re.Jitter == heartbeat.Once
		if ratio && re.JitterRatio == 0 {
			c.report(at("reconnect.jitter_ratio"), "jitter_ratio: 20%", "jitter %s needs jitter_ratio", jitters[re.Jitter])
		}
		if !ratio && c.written(at("reconnect.jitter_ratio")) {
			c.reportKey(at("reconnect.jitter_ratio"), "add jitter: ratio", "jitter_ratio belongs to jitter ratio or backo2, not %s", jitters[re.Jitter])
		}
		if bands && len(re.Spread) == 0 {
			c.report(at("reconnect.spread"), "spread: 80%-100%", "jitter %s needs spread", jitters[re.Jitter])
		}
		if !bands && c.written(at("reconnect.spread")) {
			c.reportKey(at("reconnect.spread"), "add jitter: spread", "spread belongs to jitter spread or once, not %s", jitters[re.Jitter])
		}
		if re.Jitter == heartbeat.Once && len(re.Spread) > 1 {
			c.report(at("reconnect.spread"), "spread: 100%-500%", "jitter once draws from one band, not %d", len(re.Spread))
		}
		if re.Jitter == heartbeat.Decorrelated && re.CapOn != heartbeat.CapDelay {
			c.report(at("reconnect.cap_on"), "leave it out", "decorrelated jitter has its cap in its formula")
		}
		if re.CapOn != heartbeat.CapDelay && re.Cap == 0 {
			c.report(at("reconnect.cap_on"), "add cap: 30s", "cap_on needs a cap")
		}
		if re.Cap > 0 && re.Cap < re.Delay && re.Kind == heartbeat.Exponential {
			c.report(at("reconnect.cap"), "cap: "+chaos.FormatDuration(re.Delay)+" or more", "cap %s is below the first delay %s", chaos.FormatDuration(re.Cap), chaos.FormatDuration(re.Delay))
		}
	}
}

// sendable reports whether RFC 6455 (7.4) lets an endpoint put the code on the wire.
func sendable(code uint16) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}
