package scenario

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/dialect"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// EchoDialect is the dialect of a server that answers every message with itself.
const EchoDialect = "echo"

// profileServer is the server's side of a profile. Its messages may hold {{.IntervalMS}}, {{.IntervalS}} and
// {{.TimeoutMS}}, the client's interval and timeout, which many a server tells, and {{.Ref}}, the number that the message
// answered to had in the same place.
type profileServer struct {
	Hello   []Message      `yaml:"hello" doc:"Messages sent as a connection opens."`
	Replies []profileReply `yaml:"replies" doc:"What it answers to which message; the first that fits."`
	Beat    *Message       `yaml:"beat" doc:"Its own beat."`
	Every   *Duration      `yaml:"every" doc:"Time between its beats." default:"the client's interval"`
}

type profileReply struct {
	To   *Pattern  `yaml:"to" required:"true" doc:"The client's message."`
	With []Message `yaml:"with" doc:"The answer; none: the message is known and has no answer."`
}

// server checks the server's side of a profile with the client's tuning cfg.
func (c *checker) server(path string, s *profileServer, cfg *heartbeat.Config) {
	awaits := cfg.Beat.By == heartbeat.Server || cfg.Beat.By == heartbeat.Both
	switch {
	case awaits && s.Beat == nil:
		c.report(path, "", "the client waits for the server's beat, and the server has none")
	case s.Beat != nil && value(s.Every, Duration(cfg.Beat.Interval)) < Duration(time.Millisecond):
		c.report(path, "every: 12s", "the server's beat needs an interval")
	}
	if s.Beat != nil && awaits {
		if b := s.Beat.message(); b.Frame != cfg.Beat.Frame || b.Frame <= heartbeat.Binary && !cfg.Beat.Match.Match(b.Payload) {
			c.report(path+".beat", "", "beat.match does not know the server's beat")
		}
	}
}

// dialect is the server's side of the profile for clients of the given interval and timeout.
func (p *profile) dialect(interval, timeout time.Duration) *dialect.Dialect {
	s := p.Server
	fill := strings.NewReplacer("{{.IntervalMS}}", strconv.FormatInt(interval.Milliseconds(), 10), "{{.IntervalS}}",
		strconv.FormatInt(int64(interval/time.Second), 10), "{{.TimeoutMS}}", strconv.FormatInt(timeout.Milliseconds(), 10))
	messages := func(list []Message) []heartbeat.Message {
		var out []heartbeat.Message
		for i := range list {
			m := list[i].message()
			if bytes.Contains(m.Payload, []byte("{{")) {
				m.Payload = []byte(fill.Replace(string(m.Payload)))
			}
			out = append(out, *m)
		}
		return out
	}
	d := &dialect.Dialect{Hello: messages(s.Hello)}
	for _, r := range s.Replies {
		d.Replies = append(d.Replies, dialect.Reply{To: r.To.pattern(), With: messages(r.With)})
	}
	if s.Beat != nil {
		d.Beat, d.Every = &messages([]Message{*s.Beat})[0], time.Duration(value(s.Every, Duration(interval)))
	}
	return d
}

// Dialects are the profiles whose server the embedded server can play, sorted.
func Dialects() []string {
	var names []string
	for _, name := range Profiles() {
		if p, _ := profileOf(name); p.Server != nil {
			names = append(names, name)
		}
	}
	return names
}

// Dialect is how the server of a profile talks: `socket.io`, or for clients that are tuned otherwise
// `socket.io interval=2s timeout=1s`. It is nil for echo.
func Dialect(text string) (*dialect.Dialect, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, fmt.Errorf("no dialect is named")
	}
	if words[0] == EchoDialect && len(words) == 1 {
		return nil, nil
	}
	p, ok := profileOf(words[0])
	if !ok || p.Server == nil {
		return nil, &Problem{Message: fmt.Sprintf("dialect %q is unknown", words[0]), Hint: didYouMean(words[0], append(Dialects(), EchoDialect))}
	}
	cfg := p.config()
	interval, timeout := cfg.Beat.Interval, cfg.Timeout
	for _, w := range words[1:] {
		key, val, _ := strings.Cut(w, "=")
		into := map[string]*time.Duration{"interval": &interval, "timeout": &timeout}[key]
		if into == nil {
			return nil, fmt.Errorf("dialect %s: %q is neither interval nor timeout", words[0], key)
		}
		d, err := parseDuration(val)
		if err != nil {
			return nil, fmt.Errorf("dialect %s: %s: %w", words[0], key, err)
		}
		if key == "interval" && d < time.Millisecond {
			return nil, fmt.Errorf("dialect %s: interval %s is too short", words[0], val)
		}
		*into = d
	}
	return p.dialect(interval, timeout), nil
}

// Speaks is how the embedded server talks to the group's clients; nil: it echoes, and beats as target.serve says.
func (g *Group) Speaks() *dialect.Dialect {
	if g.Dialect == "" {
		return nil
	}
	d, err := Dialect(g.dialectText())
	if err != nil {
		panic("scenario: " + err.Error()) // the plan has checked it
	}
	return d
}

// dialectText is what the group's clients tell the embedded server.
func (g *Group) dialectText() string {
	text := g.Dialect
	if i := g.Config.Beat.Interval; i > 0 {
		text += " interval=" + chaos.FormatDuration(i)
	}
	return text + " timeout=" + chaos.FormatDuration(g.Config.Timeout)
}

// dialect resolves how the embedded server talks to the group.
func (c *checker) dialect(path string, w *FileGroup, g *Group, target *Target) {
	if target.Serve == nil {
		if w.Dialect != "" && c.clean("target") {
			c.report(path+".dialect", "target: {serve: {}}", "dialect is how the embedded server talks, and target has no serve")
		}
		return
	}
	switch p, ok := profileOf(w.Profile); {
	case w.Dialect == EchoDialect:
	case w.Dialect != "":
		if _, err := Dialect(w.Dialect); err != nil || strings.ContainsAny(w.Dialect, " \t") {
			c.report(path+".dialect", didYouMean(w.Dialect, append(Dialects(), EchoDialect)), "dialect %q is unknown", w.Dialect)
			return
		}
		g.Dialect = w.Dialect
	case ok && p.Server != nil:
		g.Dialect = w.Profile
	}
}
