package html

import (
	"math"
	"strconv"

	"github.com/flatline-dev/flatline/report"
)

// Page is everything that a page shows. It is built once, by [NewPage]; the template writes its texts and figures, and
// as JSON it is embedded for the script, which draws its charts. Texts from elsewhere (names, messages, the scenario)
// have been through report.Clean.
type Page struct {
	Title    string  `json:"title"`
	Live     bool    `json:"live"`     // the run goes on: another page will follow
	Span     float64 `json:"span"`     // length of the shared time axis, s
	Now      float64 `json:"now"`      // how far the run has come, s; equal to Span when it is over
	Runs     []Run   `json:"runs"`     // at least one; several are drawn over one another
	Key      []Key   `json:"key"`      // what a reader wants first
	Compare  *Table  `json:"compare"`  // several runs side by side; nil for one
	Lanes    []Lane  `json:"lanes"`    // the faults, over all charts of the timeline
	Timeline []Chart `json:"timeline"` // on the shared time axis
	Noticed  *Table  `json:"noticed"`  // nil for several runs
	Back     *Table  `json:"back"`
	Faults   []Fault `json:"faults"`
	Nodes    []Table `json:"nodes,omitempty"` // of a target of several
	Messages *Table  `json:"messages"`
	Rest     *Table  `json:"rest"`
	Counts   *Table  `json:"counts"`
}

// Run is one Result of the page.
type Run struct {
	Label    string        `json:"label"` // "A", "B" where there are several
	Name     string        `json:"name"`
	File     string        `json:"file,omitempty"` // where the Result came from
	Intent   string        `json:"intent,omitempty"`
	Facts    []string      `json:"facts"`
	Word     string        `json:"word"` // PASS, FAIL, INCONCLUSIVE, INTERRUPTED, TARGET LOST, RUNNING
	Tone     string        `json:"tone"` // good, bad, unsure, running
	Why      string        `json:"why"`
	Reasons  []string      `json:"reasons,omitempty"`
	Expected []Expectation `json:"expected,omitempty"`
	Trust    []string      `json:"trust"`
	Doubts   []string      `json:"doubts,omitempty"`
	Command  string        `json:"command,omitempty"`
	Seed     string        `json:"seed"`
	Hash     string        `json:"hash,omitempty"`
	Source   string        `json:"-"` // the scenario as it was written, line by line clean
	Resolved string        `json:"-"` // the plan that came of it, as indented JSON
}

// Expectation is one expectation and what was measured.
type Expectation struct {
	Text  string `json:"text"`
	Mark  string `json:"mark"` // ok, FAIL, ?
	Tone  string `json:"tone"`
	Value Figure `json:"value"`
	Note  string `json:"note,omitempty"`
}

// Figure is one number as the text report prints it, with what it takes to find it in a report.Summary. A Figure
// without a Metric is a plain text.
type Figure struct {
	Text   string `json:"text"`
	Metric string `json:"metric,omitempty"`
	During string `json:"during,omitempty"`
	In     string `json:"in,omitempty"`
	By     string `json:"by,omitempty"`
	N      int64  `json:"n,omitempty"` // samples behind it
	Note   string `json:"note,omitempty"`
	Run    int    `json:"run,omitempty"` // index into Page.Runs
}

// Key is a figure of the headline.
type Key struct {
	Label  string `json:"label"`
	Figure Figure `json:"figure"`
	About  string `json:"about"` // which fault, against what bound
}

// Table is a table of figures.
type Table struct {
	Caption string `json:"caption"`
	About   string `json:"about,omitempty"`
	Class   string `json:"class,omitempty"`
	Head    []Head `json:"head"`
	Rows    []Row  `json:"rows"`
}

// Head is the title of a column and what it means.
type Head struct {
	Text  string `json:"text"`
	About string `json:"about,omitempty"`
}

// Row is a row of a table; its first cell is the row's heading.
type Row struct {
	Name  string   `json:"name"`
	Link  string   `json:"link,omitempty"` // id of the part of the page that says more
	Depth int      `json:"depth,omitempty"`
	Cells []Figure `json:"cells,omitempty"`
	Same  bool     `json:"same,omitempty"`  // all runs have the same value
	Notes []string `json:"notes,omitempty"` // lines under it, over all columns
}

// Lane is a fault on the time axis.
type Lane struct {
	Name    string  `json:"name"`
	From    float64 `json:"from"` // s
	To      float64 `json:"to"`   // s; equal to From: instant
	Row     int     `json:"row"`  // so that labels of faults at the same time do not overlap
	Planned bool    `json:"planned,omitempty"`
	Link    string  `json:"link,omitempty"`
	About   string  `json:"about"`
	Run     int     `json:"run,omitempty"`
}

// Fault is the part of the page about one occurrence of a fault.
type Fault struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	When   string   `json:"when"`
	Notes  []string `json:"notes,omitempty"`
	Charts []Chart  `json:"charts,omitempty"`
}

// Axis says what is on an axis and how it is spread.
type Axis string

// Axes of charts.
const (
	Time    Axis = "time"    // seconds since the start of the run
	Offset  Axis = "offset"  // seconds since the fault began
	Nines   Axis = "nines"   // 1/(1-p), logarithmic: each nine has the same width
	Latency Axis = "latency" // seconds
	LogTime Axis = "loglat"  // seconds, logarithmic
	Number  Axis = "number"
	Bytes   Axis = "bytes"
	Cores   Axis = "cores"
)

// Chart is one plot.
type Chart struct {
	ID     string   `json:"id"`
	Title  string   `json:"title"`
	About  string   `json:"about"`  // one sentence of what is in it, for who cannot see it
	Hint   string   `json:"hint"`   // how to read it
	XAxis  Axis     `json:"x_axis"` // Time, Offset or Nines
	YAxis  Axis     `json:"y_axis"` //
	XMax   float64  `json:"x_max"`  //
	YMax   float64  `json:"y_max"`  // 0: by the data
	Stack  bool     `json:"stack"`  // series but those with Over are stacked from the first upwards
	Tall   bool     `json:"tall"`   //
	X      Numbers  `json:"x"`      //
	Series []Series `json:"series"` //
	Bands  []Band   `json:"bands"`  // of the y axis, drawn behind
	Marks  []Mark   `json:"marks"`  // of the x axis
	Counts []int64  `json:"counts"` // Nines: the samples behind each series
	Every  float64  `json:"every"`  // width of a step of x where a value stands for a stretch, in s
	Empty  string   `json:"empty"`  // why there is nothing to draw; "": there is
}

// Series is one line of a chart; Y has as many values as the chart's X.
type Series struct {
	Name  string  `json:"name"`
	Color string  `json:"color"` // the name of a CSS variable without its "--"
	Style string  `json:"style"` // line, step, area, dash, bars
	Over  bool    `json:"over,omitempty"`
	Y     Numbers `json:"y"`
}

// Band is a stretch of the y axis: a closed-form bound.
type Band struct {
	Lo   float64 `json:"lo"`
	Hi   float64 `json:"hi"`
	Name string  `json:"name"`
}

// Mark is a moment on the x axis.
type Mark struct {
	At   float64 `json:"at"`
	Name string  `json:"name"`
}

// Numbers is a column of a chart. In JSON it has five significant digits, more than can be seen, and null for NaN:
// nothing was measured.
type Numbers []float64

// MarshalJSON implements json.Marshaler.
func (n Numbers) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 2+6*len(n))
	b = append(b, '[')
	for i, v := range n {
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			b = append(b, "null"...)
		case v == math.Trunc(v) && math.Abs(v) < 1e15:
			b = strconv.AppendInt(b, int64(v), 10)
		default:
			b = strconv.AppendFloat(b, v, 'g', 5, 64)
		}
	}
	return append(b, ']'), nil
}

// none is "nothing was measured" in a column.
var none = math.NaN()

// clean makes a text from elsewhere inert and short.
func clean(s string, n int) string { return report.Clean(s, n) }
