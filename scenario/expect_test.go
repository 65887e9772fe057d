package scenario

import (
	"math"
	"reflect"
	"slices"
	"testing"
)

func TestMetrics(t *testing.T) {
	for _, m := range Metrics {
		if m.Doc == "" || m.Unit == "" {
			t.Errorf("%s has no meaning or no unit", m.Name)
		}
		if got, ok := LookupMetric(m.Name); !ok || !reflect.DeepEqual(got, m) {
			t.Errorf("%s is not found", m.Name)
		}
		if m.Histogram != "" && m.Histogram+"."+m.Share() != m.Name {
			t.Errorf("%s: histogram %s, share %s", m.Name, m.Histogram, m.Share())
		}
	}
	if m, _ := LookupMetric("detection.count"); m.Unit != Count {
		t.Errorf("detection.count is in %s", m.Unit)
	}
}

func TestHolds(t *testing.T) {
	for text, want := range map[string][3]bool{ // for 1, 2 and 3
		"detection.count < 2":  {true, false, false},
		"detection.count <= 2": {true, true, false},
		"detection.count == 2": {false, true, false},
		"detection.count >= 2": {false, true, true},
		"detection.count > 2":  {false, false, true},
	} {
		e, err := ParseExpect(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := [3]bool{e.Holds(1), e.Holds(2), e.Holds(3)}; got != want || e.Holds(math.NaN()) {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestExpectNamesResolve(t *testing.T) {
	p := planOf(t, small+"chaos: [{at: 12s, for: 20s, fault: blackhole}, {at: 60s, every: 10s, times: 2, fault: kill}]\nexpect:\n"+
		"  - detection.count > 0 during fault1\n  - detection.count > 0 during kill#2\n  - detection.count > 0 by close frame\n")
	var got []string
	for _, e := range p.Expect {
		got = append(got, e.During+"/"+e.By)
	}
	if want := []string{"blackhole/", "kill#2/", "/close frame"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if p.Expect[0].Line != 5 {
		t.Errorf("line %d, want 5", p.Expect[0].Line)
	}
}
