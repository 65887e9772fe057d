package report

import (
	"encoding/xml"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// element is any XML element.
type element struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Inside  []element  `xml:",any"`
}

func (e *element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (e *element) all(name string) (out []element) {
	for _, x := range e.Inside {
		if x.XMLName.Local == name {
			out = append(out, x)
		}
	}
	return out
}

func parseXML(t *testing.T, report []byte) (e element) {
	t.Helper()
	if err := xml.Unmarshal(report, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// The structure as JUnit.xsd has it, https://github.com/windyroad/JUnit-Schema: for each element its attributes, those
// that must be there, and its children in the only order that is allowed.
var junitForm = map[string]struct {
	must, may []string
	children  []string
}{
	"testsuites": {nil, nil, []string{"testsuite"}},
	"testsuite": {[]string{"name", "timestamp", "hostname", "tests", "failures", "errors", "time", "id", "package"}, []string{"skipped"},
		[]string{"properties", "testcase", "system-out", "system-err"}},
	"properties": {nil, nil, []string{"property"}},
	"property":   {[]string{"name", "value"}, nil, nil},
	"testcase":   {[]string{"name", "classname", "time"}, nil, []string{"error", "failure"}},
	"error":      {[]string{"type"}, []string{"message"}, nil},
	"failure":    {[]string{"type"}, []string{"message"}, nil},
	"system-out": {},
	"system-err": {},
}

func checkForm(t *testing.T, e *element) {
	t.Helper()
	form, known := junitForm[e.XMLName.Local]
	if !known {
		t.Errorf("unknown element %s", e.XMLName.Local)
	}
	var have []string
	for _, a := range e.Attrs {
		have = append(have, a.Name.Local)
		if !slices.Contains(form.must, a.Name.Local) && !slices.Contains(form.may, a.Name.Local) {
			t.Errorf("%s has an attribute %s", e.XMLName.Local, a.Name.Local)
		}
	}
	for _, must := range form.must {
		if !slices.Contains(have, must) {
			t.Errorf("%s has no attribute %s", e.XMLName.Local, must)
		}
	}
	at := 0
	for i := range e.Inside {
		x := &e.Inside[i]
		k := slices.Index(form.children, x.XMLName.Local)
		if k < at {
			t.Errorf("%s in %s is out of place", x.XMLName.Local, e.XMLName.Local)
		}
		at = max(at, k)
		checkForm(t, x)
	}
}

func TestJUnitStructure(t *testing.T) {
	for name, make := range corpus {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			root := parseXML(t, render(t, "junit", r))
			checkForm(t, &root)
			suite := root.all("testsuite")[0]
			cases := suite.all("testcase")
			if len(cases) != len(r.Outcomes)+1 {
				t.Errorf("%d cases for %d expectations and the run", len(cases), len(r.Outcomes))
			}
			count := map[string]int{}
			names := map[string]bool{}
			for _, c := range cases {
				names[c.attr("classname")+c.attr("name")] = true
				for _, x := range c.Inside {
					count[x.XMLName.Local]++
					if x.attr("message") == "" || !strings.Contains(x.Text, x.attr("message")) {
						t.Errorf("%s: message %q, text %q", c.attr("name"), x.attr("message"), x.Text)
					}
				}
			}
			if len(names) != len(cases) {
				t.Error("two cases have one name")
			}
			for attr, want := range map[string]int{"tests": len(cases), "failures": count["failure"], "errors": count["error"], "skipped": 0} {
				if suite.attr(attr) != strconv.Itoa(want) {
					t.Errorf("%s is %s, want %d", attr, suite.attr(attr), want)
				}
			}
			if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$`).MatchString(suite.attr("timestamp")) {
				t.Errorf("timestamp %q", suite.attr("timestamp"))
			}
			// What CI shows is what the exit code says: green exactly if it is 0.
			if green := count["failure"]+count["error"] == 0; green != (r.Verdict.Exit == 0) {
				t.Errorf("%d failures and %d errors with exit code %d", count["failure"], count["error"], r.Verdict.Exit)
			}
		})
	}
}

func TestJUnitStates(t *testing.T) {
	r := fullRun(t)
	r.Outcomes[0].State, r.Outcomes[0].Note = Inconclusive, "flatline's own timers were late"
	r.Outcomes[1].Text = r.Outcomes[2].Text
	root := parseXML(t, render(t, "junit", r))
	var got []string
	for _, c := range root.all("testsuite")[0].all("testcase") {
		s := c.attr("name") + ":"
		for _, x := range c.Inside {
			s += " " + x.XMLName.Local + " " + x.attr("type") + " " + x.attr("message")
		}
		got = append(got, s)
	}
	want := []string{"the run went as planned:", "detection.p99 < 8.1s in browsers: error inconclusive measured 7.92 s; flatline's own timers were late",
		"false_positives <= 1#1: failure failed measured 20", "false_positives <= 1#2:", "reap.p50 < 10s: failure failed measured 12.0 s",
		"storm.peak < 200/s during kill:",
		"delivery.lost == 0: error not measured nothing measured; delivery.lost was not measured in this run: no traffic"}
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func readJUnit(t *testing.T, report []byte) (p printed) {
	t.Helper()
	root := parseXML(t, report)
	suite := root.all("testsuite")[0]
	for _, x := range suite.all("properties")[0].Inside {
		switch name := x.attr("name"); {
		case name == "verdict":
			p.Word = x.attr("value")
		case name == "held":
			p.Held = x.attr("value")
			if len(p.Held) > 200 { // properties have room for more than the other forms show
				p.Held = Clean(p.Held, 200)
			}
		case strings.HasPrefix(name, "measured: "):
			p.Measured = append(p.Measured, x.attr("value"))
		}
	}
	for i, c := range suite.all("testcase")[1:] {
		for _, x := range c.Inside { // failure or error
			want := "measured " + p.Measured[i]
			if p.Measured[i] == "-" {
				want = "nothing measured"
			}
			if got, _, _ := strings.Cut(x.attr("message"), ";"); got != want {
				t.Errorf("%s: %q, want %q", c.attr("name"), got, want)
			}
		}
	}
	return p
}

// quoted is the text report in the suite's output.
func quoted(t *testing.T, report []byte) string {
	t.Helper()
	root := parseXML(t, report)
	return strings.TrimPrefix(root.all("testsuite")[0].all("system-out")[0].Text, "\n")
}

func TestJUnitIsInert(t *testing.T) {
	report := render(t, "junit", hostileRun(t))
	inert(t, report)
	root := parseXML(t, report)
	checkForm(t, &root)
	suite := root.all("testsuite")[0]
	if !strings.Contains(suite.attr("name"), `<script>alert(1)</script>\x1b[31m`) || !strings.Contains(suite.all("system-out")[0].Text, "]]>") {
		t.Errorf("the name has not come through: %q", suite.attr("name"))
	}
}
