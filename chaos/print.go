package chaos

import (
	"strconv"
	"strings"
	"time"
)

// String prints the fault on one line, what it is before when and whom:
//
//	blackhole up at 10s for 20s clients 33%
//	kill close(1012) at 65s
//	idle-cut silent after 60s at 5s
//	drain code 1001 notice "see you" grace 5s at 30s nodes 0,1 named rolling
//
// Absent fields are not printed. [ParseFault] reads the line of every valid fault back to an equal Fault.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(string(f.Kind))
	arg := func(key, value string) {
		if key != "" {
			b.WriteString(" " + key)
		}
		b.WriteString(" " + value)
	}
	dur := func(key string, d time.Duration) {
		if d != 0 {
			arg(key, FormatDuration(d))
		}
	}
	if f.Direction != "" {
		arg("", string(f.Direction))
	}
	switch {
	case f.How == Close && f.Code != 0:
		arg("", "close("+strconv.Itoa(f.Code)+")")
	case f.How != "":
		arg("", string(f.How))
	}
	if f.Code != 0 && f.How != Close {
		arg("code", strconv.Itoa(f.Code))
	}
	dur("restart", f.Restart)
	dur("by", f.By)
	dur("jitter", f.Jitter)
	if f.Distribution != "" {
		arg("distribution", string(f.Distribution))
	}
	if f.Rate != 0 {
		if f.Kind == Throttle {
			arg("rate", FormatRate(f.Rate))
		} else {
			arg("rate", FormatProbability(f.Rate))
		}
	}
	if f.Burst != 0 {
		arg("burst", strconv.FormatFloat(f.Burst, 'f', -1, 64))
	}
	dur("after", f.After)
	if f.Notice != "" {
		arg("notice", strconv.Quote(f.Notice))
	}
	dur("grace", f.Grace)
	dur("spread", f.Spread)
	dur("grid", f.Grid)

	arg("at", FormatDuration(f.At))
	dur("for", f.For)
	dur("every", f.Every)
	if f.Times != 0 {
		arg("times", strconv.Itoa(f.Times))
	}
	if f.Clients != (Selector{}) {
		arg("clients", f.Clients.String())
	}
	if len(f.Nodes) > 0 {
		var nodes []string
		for _, n := range f.Nodes {
			nodes = append(nodes, strconv.Itoa(n))
		}
		arg("nodes", strings.Join(nodes, ","))
	}
	if f.Name != "" {
		arg("named", quoteWord(f.Name))
	}
	return b.String()
}
