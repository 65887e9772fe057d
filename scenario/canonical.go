package scenario

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// canonical is the plan written as a scenario that leaves nothing to defaults or profiles. Its plan is the same plan.
func (p *Plan) canonical() *File {
	seed, duration := p.Seed, Duration(p.Duration)
	f := &File{Name: p.Name, Seed: &seed, Target: p.Target.written(), Duration: &duration, Chaos: FileChaos{Engine: p.Engine}}
	for i := range p.Groups {
		f.Clients = append(f.Clients, p.Groups[i].written())
		f.Clients[i].Traffic = p.trafficWritten(p.Groups[i].Traffic)
	}
	for i := range p.Faults {
		f.Chaos.Faults = append(f.Chaos.Faults, faultWritten(&p.Faults[i]))
	}
	for i := range p.Expect {
		f.Expect = append(f.Expect, FileLine(p.Expect[i].String()))
	}
	return f
}

func ptr[T any](v T) *T { return &v }

// some is nil for the zero value: the key is left out.
func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func (t *Target) written() FileTarget {
	w := FileTarget{Command: t.Command, PID: some(t.PID), Ready: ptr(Duration(t.Ready)), CA: t.CA, Insecure: t.Insecure}
	switch {
	case len(t.URLs) > 0:
		w.URL = t.URLs
	case t.URL != "":
		w.URL = URLs{t.URL}
	}
	if t.Nodes() > 1 {
		w.Balancer = &FileBalancer{Policy: t.Balancer.Policy, Eject: ptr(Duration(t.Balancer.Eject))}
	}
	if u := t.Publish; u != nil {
		w.Publish = &FilePublish{Headers: u.Headers, Timeout: ptr(Duration(u.Timeout)), Connections: &u.Connections}
		for _, f := range u.URLs {
			w.Publish.URL = append(w.Publish.URL, f.String())
		}
	}
	if s := t.Serve; s != nil {
		w.Serve = &FileServe{Beat: some(Duration(s.Beat)), Reap: some(Duration(s.Reap)), Handshakes: some(Rate(s.Handshakes)),
			Backlog: some(s.Backlog), MaxClients: some(s.MaxClients), Reply: s.Reply}
		if s.Nodes > 1 {
			w.Serve.Nodes = &s.Nodes
		}
		if s.Beat > 0 {
			w.Serve.BeatFrame, w.Serve.BeatText = frames[s.BeatFrame], &s.BeatText
		}
		if d := s.Delivery; d != nil {
			w.Serve.Delivery = &FileDelivery{Store: d.Store, NATS: d.NATS, Retain: ptr(Duration(d.Retain)), Dedup: some(Duration(d.Dedup)), Log: d.Log,
				DropAcked: some(Share(d.DropAcked)), Duplicate: some(Share(d.Duplicate)), Reorder: some(Share(d.Reorder))}
		}
	}
	return w
}

func (g *Group) written() FileGroup {
	w := FileGroup{Group: g.Name, Count: g.Count, Ramp: &Ramp{Over: g.Ramp}, Delay: ptr(Duration(g.Delay)), Tuning: tuningOf(&g.Config),
		Path: g.Path, Headers: g.Headers, Subprotocols: g.Subprotocols, Sources: &Sources{Auto: true}}
	w.Dialect = g.Dialect
	if len(g.Sources) > 0 && !g.autoSources {
		w.Sources = &Sources{List: g.Sources}
	}
	return w
}

// tuningOf is the inverse of Tuning.config.
func tuningOf(c *heartbeat.Config) Tuning {
	b, re := &c.Beat, &c.Reconnect
	t := Tuning{
		Beat: &TuningBeat{By: ptr(whos[b.By]), Frame: ptr(frames[b.Frame]), Payload: ptr(Payload(b.Payload)), Interval: ptr(Duration(b.Interval)),
			After: ptr(afters[b.After]), AtOpen: &b.AtOpen, First: ptr(Share(b.First)), Jitter: ptr(Share(b.Jitter)),
			Match: patternOf(&b.Match), Answer: messageOf(b.Answer)},
		Liveness: ptr(livenesses[c.Liveness]),
		Timeout:  ptr(Duration(c.Timeout)),
		Misses:   &c.Misses,
		Opening:  &TuningOpening{Timeout: ptr(Duration(c.Opening.Timeout))},
		Close:    &TuningClose{Frame: &c.Close.Frame, Code: ptr(int(c.Close.Code)), Wait: ptr(Duration(c.Close.Wait))},
		Reconnect: &TuningReconnect{Kind: ptr(reconnectKinds[re.Kind]), Delay: ptr(Duration(re.Delay)), Factor: &re.Factor,
			Cap: some(Duration(re.Cap)), Jitter: ptr(jitters[re.Jitter]), MaxAttempts: &re.MaxAttempts,
			ResetAfter: ptr(Duration(re.ResetAfter)), Lock: &re.Lock},
		Notice:  patternOf(c.Notice),
		Silence: some(Duration(c.Silence)),
		Check:   some(Span(c.Check)),
	}
	if c.Silence > 0 {
		t.Timeout, t.Misses = nil, nil
	}
	if re.CapOn != heartbeat.CapDelay {
		t.Reconnect.CapOn = ptr(capsOn[re.CapOn])
	}
	if len(re.Spread) > 0 {
		t.Reconnect.Spread = ptr(Bands(re.Spread))
	}
	t.Reconnect.Plus = some(Span(re.Plus))
	t.Reconnect.First, t.Reconnect.AfterLoss, t.Reconnect.AfterTimeout = (*Span)(re.First), (*Span)(re.AfterLoss), (*Span)(re.AfterTimeout)
	for _, s := range c.Opening.Steps {
		t.Opening.Steps = append(t.Opening.Steps, TuningStep{Send: messageOf(s.Send), Await: patternOf(s.Await)})
	}
	for i := range c.Replies {
		r := &c.Replies[i]
		t.Replies = append(t.Replies, TuningReply{To: patternOf(&r.To), With: messageOf(&r.With)})
	}
	if re.Kind == heartbeat.List {
		for _, d := range re.Delays {
			t.Reconnect.Delays = append(t.Reconnect.Delays, Duration(d))
		}
	}
	if re.JitterRatio > 0 && (re.Jitter == heartbeat.Ratio || re.Jitter == heartbeat.Backo2) {
		t.Reconnect.JitterRatio = ptr(Share(re.JitterRatio))
	}
	for _, r := range re.StopCodes {
		t.Reconnect.StopCodes = append(t.Reconnect.StopCodes, Codes(r))
	}
	return t
}

func patternOf(p *heartbeat.Pattern) *Pattern {
	if p == nil {
		return nil
	}
	w := &Pattern{Kind: p.Kind, Text: Payload(p.Text), re: p.Re}
	if p.Ref {
		w.Text = Payload(string(p.Text) + heartbeat.RefWord + string(p.Tail))
	}
	if p.Kind == heartbeat.Regexp && p.Re != nil {
		w.Text = Payload(p.Re.String())
	}
	return w
}

func messageOf(m *heartbeat.Message) *Message {
	if m == nil {
		return nil
	}
	return &Message{Frame: frames[m.Frame], Payload: Payload(m.Payload)}
}

func faultWritten(f *chaos.Fault) FileFault {
	w := FileFault{Name: f.Name, Kind: string(f.Kind), At: ptr(Duration(f.At)), For: some(Duration(f.For)), Every: some(Duration(f.Every)),
		Times: some(f.Times), Clients: (*Selector)(some(f.Clients)), Nodes: f.Nodes, Direction: string(f.Direction), Code: some(f.Code),
		Restart: some(Duration(f.Restart)), By: some(Duration(f.By)), Jitter: some(Duration(f.Jitter)), Distribution: string(f.Distribution), Burst: some(f.Burst),
		After: some(Duration(f.After)), Notice: some(f.Notice), Grace: some(Duration(f.Grace)), Spread: some(Duration(f.Spread)), Grid: some(Duration(f.Grid))}
	if f.How != "" {
		w.How = &How{How: f.How}
	}
	switch {
	case f.Rate == 0:
	case f.Kind == chaos.Throttle:
		w.Rate = &Amount{chaos.FormatRate(f.Rate)}
	default:
		w.Rate = &Amount{chaos.FormatProbability(f.Rate)}
	}
	return w
}

// Hash identifies what the plan runs: the SHA-256, in hexadecimal, of the scenario that leaves nothing to defaults or
// profiles, seed included. Comments, spelling and where the file lies do not count.
func (p *Plan) Hash() string {
	text, err := marshal(encode(asValue(p.canonical())))
	if err != nil {
		panic("scenario: " + err.Error()) // strings, numbers and lists of them
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// planJSON is how a Plan stands in a Result. Scenario alone decides what runs; Bounds and Schedule are there for readers
// other than flatline.
type planJSON struct {
	Name     string           `json:"name"`
	Intent   string           `json:"intent,omitempty"`
	Path     string           `json:"path,omitempty"`
	Hash     string           `json:"hash"`
	Seed     uint64           `json:"seed"`
	Clients  int              `json:"clients"`
	Duration string           `json:"duration"`
	Scenario json.RawMessage  `json:"scenario"`
	Bounds   []boundsJSON     `json:"detection_bounds"`
	Schedule []occurrenceJSON `json:"schedule"`
	Warnings []string         `json:"warnings,omitempty"`
	Source   string           `json:"source,omitempty"`
	Origin   []originJSON     `json:"origin"`
	Likes    []string         `json:"likes,omitempty"`
}

type boundsJSON struct {
	Group string `json:"group"`
	Above string `json:"above,omitempty"`
	UpTo  string `json:"up_to,omitempty"`
	Never bool   `json:"never,omitempty"`
}

type occurrenceJSON struct {
	Name    string `json:"name"`
	Fault   string `json:"fault"`
	At      string `json:"at"`
	End     string `json:"end"`
	Victims int    `json:"victims"`
}

// originJSON keeps what the resolved scenario no longer shows of a group.
type originJSON struct {
	Group   string `json:"group"`
	Profile string `json:"profile,omitempty"`
}

// MarshalJSON writes the plan for a Result: the resolved scenario in the words of a scenario file, durations as "3s".
func (p *Plan) MarshalJSON() ([]byte, error) {
	text, err := marshal(encode(asValue(p.canonical())))
	if err != nil {
		return nil, err
	}
	j := planJSON{Name: p.Name, Intent: p.Intent, Path: p.Path, Hash: p.Hash(), Seed: p.Seed, Clients: p.Clients,
		Duration: chaos.FormatDuration(p.Duration), Scenario: text, Warnings: p.Warnings, Source: p.Source}
	for i := range p.Groups {
		g := &p.Groups[i]
		j.Origin = append(j.Origin, originJSON{g.Name, g.Profile})
		row := boundsJSON{Group: g.Name}
		if lo, hi, ok := g.Config.Bounds(0); ok {
			row.Above, row.UpTo = chaos.FormatDuration(lo), chaos.FormatDuration(hi)
		} else {
			row.Never = true
		}
		j.Bounds = append(j.Bounds, row)
	}
	if slices.ContainsFunc(p.Likes, func(s string) bool { return s != "" }) {
		j.Likes = p.Likes
	}
	for i := range p.Schedule {
		o := &p.Schedule[i]
		sel := p.Faults[o.Fault].Clients
		_, n := p.span(sel.Group)
		j.Schedule = append(j.Schedule, occurrenceJSON{o.Name, string(p.Faults[o.Fault].Kind), chaos.FormatDuration(o.At),
			chaos.FormatDuration(o.End), selected(sel, n)})
	}
	return marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote. The plan has the same groups, faults, schedule and victims.
func (p *Plan) UnmarshalJSON(text []byte) error {
	var j planJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	f := &File{path: "plan", simulated: true}
	d, problems := parseInto("plan", j.Scenario, f)
	if len(problems) > 0 {
		return fmt.Errorf("plan: %w", problems.err())
	}
	f.d = d
	q, err := f.Plan()
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	q.Name, q.Intent, q.Path, q.Source, q.Warnings = j.Name, j.Intent, j.Path, j.Source, j.Warnings
	copy(q.Likes, j.Likes)
	for i := range min(len(j.Origin), len(q.Groups)) {
		q.Groups[i].Profile = j.Origin[i].Profile
	}
	*p = *q
	return nil
}
