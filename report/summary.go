package report

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/scenario"
)

// SummaryFormat and SummaryVersion identify the JSON form of a Summary; docs/formats.md is its contract.
const (
	SummaryFormat  = "flatline.summary"
	SummaryVersion = 1
)

// Seconds is a time since the start of the run, or a length of time: in JSON a number of seconds, null for a time that
// never came (below 0 in Go).
type Seconds time.Duration

// MarshalJSON implements json.Marshaler.
func (s Seconds) MarshalJSON() ([]byte, error) {
	if s < 0 {
		return []byte("null"), nil
	}
	return json.Marshal(time.Duration(s).Seconds())
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*s = Seconds(never)
		return nil
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*s = Seconds(math.Round(f * 1e9))
	return nil
}

// String is the time as reports print it, "-" if it never came.
func (s Seconds) String() string {
	if s < 0 {
		return "-"
	}
	return shortDuration(time.Duration(s))
}

// Summary is what a Result says, in the words and digits that every renderer prints: a renderer lays it out and computes
// no figure of its own. Texts that come from elsewhere (names, reasons, notes, warnings) stand in it as they came, and
// each renderer makes them harmless for its medium.
type Summary struct {
	Format   string            `json:"format" doc:"flatline.summary"`
	Version  int               `json:"version" doc:"of this form; another version may mean something else"`
	Tool     string            `json:"tool,omitempty" doc:"which flatline measured"`
	Driver   string            `json:"driver,omitempty" doc:"fleet: real sockets; sim: virtual time"`
	Name     string            `json:"name" doc:"of the scenario"`
	Intent   string            `json:"intent,omitempty" doc:"its opening comment"`
	Path     string            `json:"path,omitempty" doc:"of the scenario file"`
	Plan     string            `json:"plan,omitempty" doc:"hash of the resolved plan: equal for runs of the same plan"`
	Seed     uint64            `json:"seed" doc:"of every random choice, below 2^64"`
	Command  string            `json:"command,omitempty" doc:"repeats the run"`
	Target   string            `json:"target,omitempty" doc:"URL that the clients dialled"`
	Engine   string            `json:"engine,omitempty" doc:"what carried out the network's faults"`
	Host     Host              `json:"host" doc:"where flatline ran; memory in bytes"`
	Started  time.Time         `json:"started,omitzero" doc:"wall clock, RFC 3339"`
	Elapsed  Seconds           `json:"elapsed_s" doc:"length of the run in seconds"`
	Duration Seconds           `json:"duration_s" doc:"planned length in seconds"`
	Clients  int               `json:"clients" doc:"clients of the plan"`
	Groups   []SummaryGroup    `json:"groups" doc:"in the order of the plan"`
	Status   Status            `json:"status" doc:"complete, interrupted, target lost, or running"`
	Reason   string            `json:"reason,omitempty" doc:"why the run is not complete"`
	Verdict  Verdict           `json:"verdict" doc:"state, exit code of the run, and why it is no pass"`
	Word     string            `json:"word" doc:"the verdict in a word: PASS, FAIL, INCONCLUSIVE, INTERRUPTED, TARGET LOST"`
	Held     string            `json:"held" doc:"how many expectations hold, or why the run is not complete"`
	Outcomes []SummaryCase     `json:"expectations" doc:"in the order of the scenario"`
	Faults   []SummaryFault    `json:"faults" doc:"one for each happening, in the order of their begin"`
	Figures  []Figure          `json:"figures" doc:"whole run, baseline, recovery, then each fault"`
	Nodes    []SummaryNode     `json:"nodes,omitempty" doc:"one for each node of the target; absent where it has one"`
	Delivery []SummaryDelivery `json:"delivery,omitempty" doc:"of the groups that publish messages or were sent some; absent without traffic"`
	Trust    SummaryTrust      `json:"trust" doc:"how far to trust it"`
	Warnings []SummaryWarning  `json:"warnings" doc:"what made the numbers less trustworthy"`

	r      *Result
	index  map[figureKey]int
	levels map[levelKey]Buckets
}

type figureKey struct {
	metric string
	Scope
}

// SummaryGroup is one group of clients.
type SummaryGroup struct {
	Name    string `json:"name" doc:"as figures have it under in"`
	Profile string `json:"profile,omitempty"`
	Count   int    `json:"count" doc:"clients"`
	Bound   string `json:"bound" doc:"when its clients notice a silent path, as the closed form has it: 5-8 s, or never"`
}

// SummaryCase is an expectation with what came of it.
type SummaryCase struct {
	Text   string    `json:"text" doc:"as written"`
	State  Judgement `json:"state" doc:"pass, fail, inconclusive, or not measured"`
	Figure Figure    `json:"measured" doc:"what was measured; its text is what reports print"`
	Note   string    `json:"note,omitempty" doc:"why there is no verdict, or how far to trust it"`
}

// SummaryWarning is a warning of the run.
type SummaryWarning struct {
	At    Seconds `json:"at_s" doc:"seconds since the start, the first time"`
	Text  string  `json:"text"`
	Count int     `json:"count" doc:"how often"`
}

// SummaryTrust says how far the numbers can be trusted.
type SummaryTrust struct {
	Facts  []string `json:"facts" doc:"flatline's own lateness, how long faults took, resolutions"`
	Doubts []string `json:"doubts" doc:"what a reader should know before believing a figure, warnings included"`
}

// Summarize makes the summary of a Result. It is the same for the same Result.
func Summarize(r *Result) *Summary {
	s := &Summary{
		Format: SummaryFormat, Version: SummaryVersion, Tool: r.Tool, Driver: r.Driver, Name: r.Plan.Name,
		Intent: strings.Join(strings.Fields(r.Plan.Intent), " "), Path: r.Plan.Path, Plan: r.Plan.Hash, Seed: r.Plan.Seed, Command: r.Command,
		Target: r.Plan.Target, Engine: r.Plan.Engine, Host: r.Host, Started: r.Started, Elapsed: Seconds(r.Elapsed),
		Duration: Seconds(r.Plan.Duration), Clients: r.Plan.Clients, Status: r.Status, Reason: r.Reason, Verdict: r.Verdict,
		Groups: []SummaryGroup{}, Outcomes: []SummaryCase{}, Faults: []SummaryFault{}, Warnings: []SummaryWarning{}, r: r,
	}
	names := make([]string, len(r.Plan.Groups))
	for i := range r.Plan.Groups {
		names[i] = r.Plan.Groups[i].Name
	}
	names = labels(names, "")
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		s.Groups = append(s.Groups, SummaryGroup{Name: names[i], Profile: g.Profile, Count: g.Count, Bound: bound(g)})
	}
	s.Word, s.Held = r.headline()
	s.measure(names)
	s.deliveries(names)
	s.nodes()
	for i := range r.Outcomes {
		s.Outcomes = append(s.Outcomes, r.summaryCase(i))
	}
	s.Trust = r.summaryTrust()
	for _, w := range r.Warnings {
		s.Warnings = append(s.Warnings, SummaryWarning{Seconds(w.At), w.Text, w.Count})
	}
	return s
}

// measure fills in the figures of all windows, and the faults.
func (s *Summary) measure(groups []string) {
	s.levels = map[levelKey]Buckets{}
	for _, name := range []string{"", "baseline", "recovery"} {
		w, _ := s.r.window(name) // these always exist
		s.Figures = append(s.Figures, s.windowFigures(name, &w, groups)...)
	}
	s.faults(groups)
	s.index = make(map[figureKey]int, len(s.Figures))
	for i := range s.Figures {
		s.index[figureKey{s.Figures[i].Metric, s.Figures[i].Scope}] = i
	}
}

// Figure looks up a figure. One that has no value in that scope prints as "-".
func (s *Summary) Figure(metric string, scope Scope) Figure {
	if i, ok := s.index[figureKey{metric, scope}]; ok {
		return s.Figures[i]
	}
	m, _ := scenario.LookupMetric(metric)
	return figure(m, scope, Measure{Note: "nothing to measure"}, nil)
}

// Ran is how long the run took, and of how much if it was cut short: 60 s, 14.2 s of 60 s.
func (s *Summary) Ran() string {
	ran := s.Elapsed.String()
	if s.Elapsed < s.Duration-Seconds(100*time.Millisecond) {
		ran += " of " + s.Duration.String()
	}
	return ran
}

// headline is the verdict in a word, and what it rests on.
func (r *Result) headline() (word, why string) {
	switch {
	case r.Status == Interrupted:
		word = "INTERRUPTED"
	case r.Status == TargetLost:
		word = "TARGET LOST"
	case r.Verdict.State == Pass:
		word = "PASS"
	case r.Verdict.State == Fail:
		word = "FAIL"
	default:
		word = "INCONCLUSIVE"
	}
	if r.Status != Complete {
		return word, strings.Join(r.Verdict.Reasons, "; ")
	}
	held := 0
	for _, o := range r.Outcomes {
		if o.State == Pass {
			held++
		}
	}
	n := len(r.Outcomes)
	if n == 0 {
		return word, "nothing was expected"
	}
	why = fmt.Sprintf("%d of %s hold", held, plural(n, "expectation"))
	if held == 1 || n == 1 {
		why += "s"
	}
	return word, why
}

// summaryCase is the i-th expectation. What was measured stands in the Result; the words of the scenario say of what.
func (r *Result) summaryCase(i int) SummaryCase {
	o := &r.Outcomes[i]
	c := SummaryCase{Text: o.Text, State: o.State, Note: o.Note}
	e, err := scenario.ParseExpect(o.Text)
	if i < len(r.Plan.Expect) && r.Plan.Expect[i].Text == o.Text {
		e, err = r.Plan.Expect[i], nil
	}
	m := scenario.Metric{Unit: o.Measured.Unit}
	var scope Scope
	if err == nil {
		m, _ = scenario.LookupMetric(e.Metric)
		scope = Scope{During: e.During, In: e.In, By: e.By}
	}
	if o.Measured.Unit != "" {
		m.Unit = o.Measured.Unit
	}
	c.Figure = figure(m, scope, o.Measured, nil)
	return c
}

// things is a count with its noun.
func things(f Figure, word string) string {
	if f.Value == 1 {
		return "1 " + word
	}
	return f.Text + " " + word + "s"
}

// Mistakes says in words how often and how long healthy peers were taken for dead; "" if none were.
func (s *Summary) Mistakes() string {
	n, tmr := s.Figure("false_positives", Scope{}), s.Figure("mistakes.recurrence", Scope{})
	tm, pa := s.Figure("mistakes.duration", Scope{}), s.Figure("mistakes.accuracy", Scope{})
	if n.Value == 0 || !tmr.Exists || !tm.Exists || !pa.Exists {
		return ""
	}
	return fmt.Sprintf("one per %s of a client's time, lasting %s on average; query accuracy %s", tmr.Text, tm.Text, pa.Text)
}

// AtTheEnd says in words how many clients were open, and what became of the others.
func (s *Summary) AtTheEnd() string {
	parts := []string{fmt.Sprintf("%s open at the end, %s at the lowest", s.Figure("clients.open", Scope{}).Text,
		s.Figure("clients.min_open", Scope{}).Text)}
	for _, x := range [][2]string{{"clients.never_opened", "never opened"}, {"clients.gave_up", "gave up"},
		{"clients.doubled", "opened beside a live connection"}} {
		if f := s.Figure(x[0], Scope{}); f.Value > 0 {
			parts = append(parts, f.Text+" "+x[1])
		}
	}
	return strings.Join(parts, ", ")
}
