package scenario

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/chaos"
)

// What is listed can be started again: each fault of the scenarios survives its JSON.
func TestFaultJSONRoundTrip(t *testing.T) {
	lines := []string{
		"blackhole at 0s", "blackhole up at 0s for 20s clients 33%", "kill close(1012) at 1s", "kill fin at 0s clients c12",
		"idle-cut rst after 60s at 5s for 10s", "delay by 80ms jitter 30ms distribution pareto at 0s", "throttle rate 64KiB/s at 0s for 1m",
		"refuse at 0s for 10s every 20s times 3 named closed",
	}
	for _, line := range lines {
		want, err := chaos.ParseFault(line)
		if err != nil {
			t.Fatal(err)
		}
		text, err := FaultJSON(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseFault("fault", text)
		if err != nil {
			t.Errorf("%s: %s: %v", line, text, err)
			continue
		}
		want.How = want.Mode() // the scenario fills it in
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s\n%s", line, text, diff)
		}
	}
}

func TestParseFaultMistakes(t *testing.T) {
	for src, want := range map[string]string{
		`{fault: blackhole, for: 5}`:            "5 has no unit",
		`{"fault":"blackhole","form":"5s"}`:     `did you mean "for"?`,
		`{for: 5s}`:                             `missing key "fault"`,
		`{fault: delay}`:                        `missing key "by"`,
		`blackhole`:                             "must be a mapping",
		``:                                      "empty",
		"{fault: blackhole, clients: 0%}":       "share",
		"{fault: blackhole}\n---\n{fault: x}\n": "second document",
	} {
		if _, err := ParseFault("fault", []byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", src, err, want)
		}
	}
}
