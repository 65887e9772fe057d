package capacity

import (
	"fmt"
	"strings"

	"github.com/flatline-dev/flatline/report"
)

func (t *text) model() {
	m := t.r.Model
	if m == nil {
		return
	}
	t.heading("Beyond this machine: modelled, not measured")
	if m.Skipped != "" {
		t.para(2, "not simulated: "+m.Skipped)
	}
	if len(m.Probes) > 0 {
		from := " as the target did"
		if m.Given {
			from = " (--handshakes)"
		}
		t.para(2, fmt.Sprintf("the simulator's server, which completes %s handshakes a second%s, over a path of %s",
			count(int64(m.Rate)), from, report.FormatSeconds(m.RTT)))
		if is, was := m.Probes[0].Storm, t.r.stormAt(m.Probes[0].Clients); is != nil && was != nil {
			t.para(2, fmt.Sprintf("compare: with %s 99 %% were back after %s, in the model after %s",
				clients(m.Probes[0].Clients), back(was.Back99), back(is.Back99)))
		}
		tb := &report.Table{}
		tb.Add("  clients", "", "lost to", "affected", "peak", "99 % back")
		for i := range m.Probes {
			p := &m.Probes[i]
			row := []string{"  " + count(int64(p.Clients)), string(p.Verdict), "-", "-", "-", "-"}
			if s := p.Storm; s != nil {
				row = append(row[:2], report.Clean(s.Fault, 24), count(s.Affected), count(s.Peak)+"/s", back(s.Back99))
			}
			tb.Add(row...)
			if p.Broke != "" {
				tb.Line("      " + report.Clean(p.Broke, t.o.Width-6))
			}
		}
		for i, l := range tb.Lines(t.o.Width) {
			if i == 0 || strings.HasPrefix(l, "      ") {
				l = t.paint(faint, l)
			}
			t.say("%s", l)
		}
		switch {
		case m.Fails > 0 && m.Holds > 0:
			t.para(2, fmt.Sprintf("in the model the expectations hold for %s and not for %s", clients(m.Holds), count(int64(m.Fails))))
		case m.Fails > 0:
			t.para(2, fmt.Sprintf("in the model the expectations do not even hold for %s, so that it says nothing beyond", clients(m.Fails)))
		default:
			t.para(2, fmt.Sprintf("in the model the expectations hold for %s, and more were not simulated", clients(m.Holds)))
		}
	}
	for _, l := range m.Lines {
		t.para(2, l.Text)
	}
	if len(m.Left) > 0 && (len(m.Probes) > 0 || len(m.Lines) > 0) {
		t.para(2, "what it leaves out: "+strings.Join(m.Left, "; "))
	}
}
