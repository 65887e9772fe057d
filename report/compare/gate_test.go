package compare

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

func TestParseGate(t *testing.T) {
	for text, want := range map[string]Gate{
		"detection.p99 > +10%":                          {Metric: "detection.p99", Op: ">", Change: 0.1, Relative: true},
		"detection.p99>+10% p<0.01":                     {Metric: "detection.p99", Op: ">", Change: 0.1, Relative: true, P: 0.01},
		"detection.p99 > +250ms p < 1":                  {Metric: "detection.p99", Op: ">", Change: 0.25, P: 1},
		"false_positives > +0 by timeout":               {Metric: "false_positives", Op: ">", Scope: report.Scope{By: "timeout"}},
		"clients.open < -5% in browsers during kill":    {Metric: "clients.open", Op: "<", Change: -0.05, Relative: true, Scope: report.Scope{In: "browsers", During: "kill"}},
		"storm.peak > +2.5% during kill p<0.05":         {Metric: "storm.peak", Op: ">", Change: 0.025, Relative: true, P: 0.05, Scope: report.Scope{During: "kill"}},
		"storm.peak > +100/s":                           {Metric: "storm.peak", Op: ">", Change: 100},
		"target.rss > +64MiB":                           {Metric: "target.rss", Op: ">", Change: 64 << 20},
		"target.rss > +5%":                              {Metric: "target.rss", Op: ">", Change: 0.05, Relative: true},
		"mistakes.accuracy < -0.001":                    {Metric: "mistakes.accuracy", Op: "<", Change: -0.001},
		"storm.failed > +0 p<0.01 by close frame in pp": {Metric: "storm.failed", Op: ">", P: 0.01, Scope: report.Scope{By: "close frame", In: "pp"}},
		"connect.latency.p50 > +0%":                     {Metric: "connect.latency.p50", Op: ">", Relative: true},
	} {
		got, err := ParseGate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Gate{}, "Text"), cmpopts.EquateApprox(1e-12, 0)); d != "" {
			t.Errorf("%s:\n%s", text, d)
		}
		again, err := ParseGate(got.String())
		if d := cmp.Diff(got, again, cmpopts.IgnoreFields(Gate{}, "Text"), cmpopts.EquateApprox(1e-12, 0)); err != nil || d != "" {
			t.Errorf("%s prints as %s, which is another gate (%v):\n%s", text, got, err, d)
		}
	}
}

func TestParseGateErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "1: the gate is empty",
		"detection.p99":                      "14: detection.p99 has nothing to compare with",
		"detektion.p99 > +10%":               `1: unknown metric "detektion.p99"`,
		"detection.p99 > 10%":                "17: 10% is a value and no change",
		"detection.p99 > +10":                "",
		"detection.p99 > -10%":               "15: > -10% forbids an improvement that is too small",
		"detection.p99 == +10%":              "15: a gate forbids a change by > or <, not by ==",
		"detection.p99 > +x%":                `17: "+x%" is no change`,
		"detection.p99 > +10% p<2":           `24: "2" is no probability`,
		"detection.p99 > +10% p>0.05":        "21: a p clause is p < and a probability",
		"detection.p99 > +10% p<0.05 p<0.01": "28: p is given twice",
		"detection.p99 > +10% p<":            `24: "" is no probability`,
		"detection.p99 > +10% at night":      `22: "at" after the value means nothing here`,
		"detection.p99 > +10% by magic":      `25: "magic" is no cause`,
		"target.cpu > +10% in browsers":      `19: target.cpu has no "in": it is not divided by group`,
		strings.Repeat("x", 2000):            "1: a gate has at most 1000 bytes",
	} {
		_, err := ParseGate(text)
		var e *scenario.ExpectError
		if !errors.As(err, &e) {
			t.Errorf("%q: error %v", text, err)
			continue
		}
		if got := strings.Join([]string{strconv.Itoa(e.Column), e.Message}, ": "); want != "" && got != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

func FuzzParseGate(f *testing.F) {
	for _, s := range []string{"detection.p99 > +10% p<0.05", "false_positives > +0 by timeout in a during b", "storm.peak < -1/s p<1", "x", "p<p<p", "detection.p99 >+%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ParseGate(text)
		if err != nil {
			var e *scenario.ExpectError
			if !errors.As(err, &e) || e.Column < 1 || e.Column > len(text)+2 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := ParseGate(g.String())
		if err != nil || again.Metric != g.Metric || again.Scope != g.Scope || again.P != g.P {
			t.Fatalf("%q prints as %q, which reads as %+v, %v", text, g.String(), again, err)
		}
	})
}

func TestParseGates(t *testing.T) {
	gates, err := ParseGates("g.yaml", []byte("# what fails a build\ngates:\n  - detection.p99 > +10% p<0.01\n  - 'false_positives > +0'\n"))
	if err != nil || len(gates) != 2 || gates[0].P != 0.01 || gates[1].Metric != "false_positives" {
		t.Fatalf("gates %+v, error %v", gates, err)
	}
	for text, want := range map[string]string{
		"":                                "g.yaml: the file is empty",
		"[1, 2]":                          "g.yaml:1:1: this is no file of gates",
		"gate:\n  - x":                    `g.yaml:1:1: unknown key "gate"`,
		"gates: []":                       `g.yaml:1:8: "gates" must be a list of lines`,
		"gates:\n  - {a: b}":              "g.yaml:2:5: a gate must be text",
		"gates:\n  - detection.p99 > 10%": "g.yaml:2:21: 10% is a value and no change",
		"gates:\n  - \"detection > +1%\"": `g.yaml:2:5: unknown metric "detection"`,
		"gates: [a\n":                     "g.yaml:",
		"gates: [x > +1]\n---\ngates: []": "g.yaml:2:1: a second document begins here",
		"gates: [a]\ngates: [b]":          "g.yaml:",
		"{}":                              `g.yaml:1:1: there is no "gates"`,
		strings.Repeat("# x\n", 300*1024): "g.yaml: too large",
	} {
		_, err := ParseGates("g.yaml", []byte(text))
		var p *scenario.Problems
		if !errors.As(err, &p) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60q:\n got %v\nwant %s", text, err, want)
		}
	}
}
