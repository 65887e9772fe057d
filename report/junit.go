package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// The forms of JUnit XML differ from tool to tool. This one keeps to the attributes, elements and their order that the
// schemas of Apache Ant's reports (JUnit.xsd of the windyroad project) and of Jenkins' xUnit plugin both know.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Package    string          `xml:"package,attr"`
		ID         int             `xml:"id,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Hostname   string          `xml:"hostname,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
		Out        junitText       `xml:"system-out"`
		Err        junitText       `xml:"system-err"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Classname string        `xml:"classname,attr"`
		Time      string        `xml:"time,attr"`
		Error     *junitProblem `xml:"error"`
		Failure   *junitProblem `xml:"failure"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
	junitText struct {
		Text string `xml:",cdata"`
	}
)

// RunCase is the test case that stands for the run itself.
const RunCase = "the run went as planned"

// WriteJUnit writes JUnit XML: one test case for each expectation, and one for the run itself, which an interrupted run,
// a lost target or a fault that could not be carried out fails. What was measured is the message; of those that hold,
// which have none, it is a property of the suite.
//
// An expectation that could not be decided is an error, which in JUnit's words is trouble with the test rather than with
// what is tested. It is not skipped: Jenkins and GitLab count skipped cases among the good ones, so that a run in which
// nothing could be decided would pass, while flatline itself exits with 4.
func WriteJUnit(w io.Writer, r *Result) error {
	s := Summarize(r)
	class := "flatline." + Clean(s.Name, 100)
	suite := junitSuite{
		Name: Clean(s.Name, 100), Package: "flatline", Time: seconds(s.Elapsed), Hostname: "localhost",
		Timestamp: s.Started.UTC().Format("2006-01-02T15:04:05"),
	}
	for _, p := range s.properties() {
		if p.Value != "" {
			suite.Properties = append(suite.Properties, p)
		}
	}
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		suite.Properties = append(suite.Properties, junitProperty{"measured: " + Clean(o.Text, 200), o.Figure.Text})
	}
	suite.add(junitCase{Name: RunCase, Classname: class, Time: suite.Time, Error: runProblem(s)})
	// GitLab keeps the first of several cases with one name.
	names := make([]string, len(s.Outcomes))
	for i := range s.Outcomes {
		names[i] = Clean(s.Outcomes[i].Text, 200)
	}
	for i, name := range labels(names, RunCase) {
		o := &s.Outcomes[i]
		c := junitCase{Name: name, Classname: class, Time: "0"}
		switch o.State {
		case Pass:
		case Fail:
			c.Failure = o.problem("failed")
		default:
			c.Error = o.problem(string(o.State))
		}
		suite.add(c)
	}
	var text bytes.Buffer
	if err := WriteText(&text, r, TextOptions{}); err != nil {
		return err
	}
	suite.Out.Text = "\n" + text.String()
	if len(s.Trust.Doubts) > 0 {
		suite.Err.Text = "\n" + strings.Join(cleanAll(s.Trust.Doubts, 300), "\n") + "\n"
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Suite: suite}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

// problem says what was measured. GitLab shows the text, Jenkins the message first, so both say it.
func (o *SummaryCase) problem(kind string) *junitProblem {
	said := Clean(fmt.Sprintf("measured %s", o.Figure.Text), 300)
	if !o.Figure.Exists {
		said = "nothing measured"
	}
	if o.Note != "" {
		said += "; " + Clean(o.Note, 300)
	}
	return &junitProblem{Message: said, Type: kind, Text: "expected " + Clean(o.Text, 200) + ", " + said}
}

// runProblem is what kept the run from going as planned; nil if it went.
func runProblem(s *Summary) *junitProblem {
	var why []string
	kind := string(s.Status)
	if s.Status != Complete {
		why = append(why, cleanAll(s.Verdict.Reasons, 300)...)
	} else {
		for i := range s.Faults {
			if f := &s.Faults[i]; f.Failed != "" {
				kind = "fault failed"
				why = append(why, Clean(fmt.Sprintf("fault %s failed: %s", f.Name(), f.Failed), 300))
			}
		}
	}
	if len(why) == 0 {
		return nil
	}
	said := strings.Join(why, "; ")
	return &junitProblem{Message: said, Type: kind, Text: said}
}

func cleanAll(texts []string, n int) []string {
	out := make([]string, len(texts))
	for i, s := range texts {
		out[i] = Clean(s, n)
	}
	return out
}

func seconds(s Seconds) string {
	return strconv.FormatFloat(time.Duration(max(s, 0)).Seconds(), 'f', 3, 64)
}

// properties say what ran, and how to run it again.
func (s *Summary) properties() []junitProperty {
	clean := func(name, value string) junitProperty { return junitProperty{name, Clean(value, 400)} }
	return []junitProperty{
		clean("scenario", s.Name), clean("seed", strconv.FormatUint(s.Seed, 10)), clean("command", s.Command), clean("plan", s.Plan),
		clean("verdict", s.Word), clean("held", s.Held), clean("exit", strconv.Itoa(s.Verdict.Exit)), clean("clients", strconv.Itoa(s.Clients)),
		clean("ran", s.Ran()), clean("target", s.Target), clean("driver", s.Driver), clean("engine", s.Engine), clean("tool", s.Tool),
	}
}
