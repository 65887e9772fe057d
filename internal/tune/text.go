package tune

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// TextOptions say how a study is written.
type TextOptions struct {
	Width int  // columns; 0 is 100, less than 80 is 80
	ASCII bool // plots without other characters
	Rows  int  // settings of the front to list; 0: 12, below 0: all
}

// WriteText writes the trade-off: the recommendation and its reasons, the front as a table and as two plots, and what the
// scenario cannot say. It is the same for the same study.
func WriteText(out io.Writer, st *Study, o TextOptions) error {
	if o.Width == 0 {
		o.Width = 100
	}
	o.Width = max(o.Width, 80)
	if o.Rows == 0 {
		o.Rows = 12
	}
	w := bufio.NewWriter(out)
	say := func(format string, a ...any) { fmt.Fprintf(w, format+"\n", a...) }
	group := ""
	if st.Group != "" {
		group = " of group " + st.Group
	}
	simulated, onFront := 0, 0
	for i := range st.Candidates {
		if st.Candidates[i].Refused == "" {
			simulated++
		}
		if st.Candidates[i].Front {
			onFront++
		}
	}
	say("%s  seed %d", report.Clean(st.Name, 60), st.Seed)
	say("%s settings%s, %s clients, %s each, simulated", count(simulated), group, count(st.Clients), report.FormatDuration(st.Duration))
	if n := len(st.Candidates) - simulated; n > 0 {
		say("%s more make no client", count(n))
	}
	say("")
	for _, l := range report.Wrap(st.Advice(), o.Width) {
		say("%s", l)
	}
	listed := st.nearest()
	title := "What each buys and costs: all that no other beats in everything"
	if o.Rows > 0 && len(listed) > o.Rows {
		listed = listed[:o.Rows]
		title = fmt.Sprintf("What each buys and costs: %d of the %d that no other beats in everything, the best balanced first", len(listed), onFront)
	}
	say("")
	for _, l := range report.Wrap(title, o.Width) {
		say("%s", l)
	}
	for _, l := range st.table(listed).Lines(o.Width) {
		say("%s", l)
	}
	for _, l := range report.Wrap("noticed: p99 of detection; false/day: healthy peers declared dead per client and day, < the most that may hide behind none; "+
		"beats and peak: per second, all clients; back: p99 of recovery; ~ from the closed form", o.Width-2) {
		say("  %s", l)
	}
	for _, p := range [][2]Objective{{Beats, Detection}, {Recovery, Peak}} {
		if plot := st.Plot(p[0], p[1], min(o.Width, 100)-24, 14, o.ASCII); plot != "" {
			say("\n%s", plot)
		}
	}
	if t := st.verified(); t != nil {
		say("\nPredicted and measured: the best balanced in real runs against the target")
		for _, l := range t.Lines(o.Width) {
			say("%s", l)
		}
	}
	if len(st.Caveats) > 0 {
		say("\nWhat this scenario cannot say")
		for _, c := range st.Caveats {
			for i, l := range report.Wrap(c, o.Width-4) {
				say("  %s %s", [2]string{"?", " "}[min(i, 1)], l)
			}
		}
	}
	if st.Best > 0 {
		say("\nTo ship it, write into the group:")
		for l := range strings.Lines(st.Candidates[st.Best].Setting.YAML()) {
			say("  %s", strings.TrimRight(l, "\n"))
		}
	}
	return w.Flush()
}

func count(n int) string { return report.FormatValue(float64(n), scenario.Count) }

// nearest are the candidates on the front, the best balanced first, with the scenario's own and the recommended one before
// all.
func (st *Study) nearest() []int {
	var on []int
	for i := range st.Candidates {
		if st.Candidates[i].Front && i != 0 && i != st.Best {
			on = append(on, i)
		}
	}
	s := newScale(st.Candidates, on)
	slices.SortStableFunc(on, func(a, b int) int {
		x, y := &st.Candidates[a].Score, &st.Candidates[b].Score
		return cmp.Or(cmp.Compare(len(x.Failed), len(y.Failed)), cmp.Compare(s.distance(x), s.distance(y)))
	})
	head := []int{0}
	if st.Best > 0 {
		head = append(head, st.Best)
	}
	return append(head, on...)
}

func (st *Study) table(listed []int) *report.Table {
	t := &report.Table{}
	t.Optional(math.MaxInt, 6, 9, 3) // beats follow from their interval, and the advice names what fails
	expected := false
	for i := range st.Candidates {
		expected = expected || !st.Candidates[i].Score.Feasible()
	}
	head := []string{"       reconnect", "every", "timeout", "miss", "noticed", "false/day", "beats", "peak", "back"}
	if expected {
		head = append(head, "expect")
	}
	t.Add(head...)
	for _, i := range listed {
		c := &st.Candidates[i]
		mark := "       "
		switch {
		case i == 0 && i == st.Best:
			mark = "now=ship "
		case i == 0:
			mark = "  now  "
		case i == st.Best:
			mark = "  ship "
		}
		s := &c.Setting
		row := []string{mark + brief.Replace(s.Policy()), text(s.Interval), text(s.Timeout), fmt.Sprint(s.Misses)}
		for o := range Objectives {
			row = append(row, c.Score.text(o))
		}
		if expected {
			row = append(row, c.Score.held())
		}
		t.Add(row...)
	}
	return t
}

// Shortlist are the n settings to try for real: the recommended one, then the best balanced of the front.
func (st *Study) Shortlist(n int) []int {
	var out []int
	for _, i := range append([]int{st.Best}, st.nearest()...) {
		if i >= 0 && st.Candidates[i].Front && !slices.Contains(out, i) && len(out) < n {
			out = append(out, i)
		}
	}
	return out
}

// verified has two rows for each setting that was tried for real; nil: none was.
func (st *Study) verified() *report.Table {
	var t *report.Table
	for _, i := range st.Shortlist(len(st.Candidates)) {
		if st.Candidates[i].Real == nil {
			continue
		}
		if t == nil {
			t = &report.Table{}
			t.Add("  setting", "", "noticed", "false/day", "beats", "peak", "back", "expect")
		}
		c := &st.Candidates[i]
		name := fmt.Sprintf("  %s, %s, %d, %s", text(c.Setting.Interval), text(c.Setting.Timeout), c.Setting.Misses, brief.Replace(c.Setting.Policy()))
		for k, s := range []*Score{&c.Score, c.Real} {
			row := []string{[]string{name, ""}[k], []string{"predicted", "measured"}[k]}
			for o := range Objectives {
				row = append(row, s.text(o))
			}
			t.Add(append(row, s.held())...)
		}
	}
	return t
}

// brief shortens a policy for a column.
var brief = strings.NewReplacer("exponential", "exp", " to ", "-", ",", "", " jitter", "")

// text is the value of an objective as the table prints it; a closed form has a tilde.
func (s *Score) text(o Objective) string {
	v := s.Values[o]
	switch {
	case math.IsNaN(v):
		return "-"
	case o == Detection && s.Closed:
		return "~" + o.Format(v)
	case o == FalsePositives && v == 0 && s.ClientDays > 0:
		return "<" + o.Format(3/s.ClientDays)
	}
	return o.Format(v)
}

func (s *Score) held() string {
	if s.Feasible() {
		return "ok"
	}
	return fmt.Sprintf("%d fail", len(s.Failed))
}

// describe names the setting in a sentence.
func describe(s *scenario.Setting) string {
	misses := "1 miss"
	if s.Misses != 1 {
		misses = fmt.Sprintf("%d misses", s.Misses)
	}
	return fmt.Sprintf("a beat every %s, a timeout of %s, %s, reconnect %s", text(s.Interval), text(s.Timeout), misses, s.Policy())
}

func text[D ~int64](d D) string { return scenario.Duration(d).String() }

// Advice is the recommendation in one sentence, with its reasons and what it gives up.
func (st *Study) Advice() string {
	if st.Best < 0 {
		return "Nothing to recommend: no setting could be simulated."
	}
	now, best := &st.Candidates[0], &st.Candidates[st.Best]
	goal := "the best balance of all five"
	if st.Minimize < Objectives {
		goal = "the least " + st.Minimize.Title()
	}
	short := ""
	if n := len(best.Score.Failed); n > 0 {
		short = fmt.Sprintf(" No setting meets every expectation of the scenario; this one fails %s.", strings.Join(quoted(best.Score.Failed), ", "))
	}
	if st.Best == 0 {
		return fmt.Sprintf("Keep %s: %s among the settings that were tried.%s", describe(&now.Setting), goal, short)
	}
	var wins, costs []string
	for o := range Objectives {
		a, b := level(now.Score.Values[o]), level(best.Score.Values[o])
		change := fmt.Sprintf("%s %s instead of %s", o.Title(), best.Score.text(o), now.Score.text(o))
		switch {
		case b < a:
			wins = append(wins, change)
		case b > a:
			costs = append(costs, change)
		}
	}
	if n := len(now.Score.Failed); n > len(best.Score.Failed) {
		wins = append([]string{fmt.Sprintf("it meets %s", strings.Join(quoted(missing(now.Score.Failed, best.Score.Failed)), ", "))}, wins...)
	}
	reasons, price := "", "It gives up nothing of the five."
	if len(wins) > 0 {
		reasons = ": " + strings.Join(wins, "; ")
	}
	if len(costs) > 0 {
		price = "It gives up: " + strings.Join(costs, "; ") + "."
	}
	return fmt.Sprintf("Ship %s, %s%s. %s%s", describe(&best.Setting), goal, reasons, price, short)
}

func quoted(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = "`" + s + "`"
	}
	return out
}

// missing are those of a that are not in b.
func missing(a, b []string) (out []string) {
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}
