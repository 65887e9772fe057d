package proxy

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/report"
)

// Profile writes the inference as the clients section of a scenario, with what each value rests on beside it.
func (in *Inference) Profile() string {
	var b strings.Builder
	line := func(indent int, key, value, why string) {
		text := strings.TrimRight(strings.Repeat("  ", indent)+key+": "+value, " ")
		if why != "" {
			text = fmt.Sprintf("%-36s # %s", text, why)
		}
		b.WriteString(text + "\n")
	}
	b.WriteString("# What flatline proxy made of its clients: a clients section for a scenario. Check it before you believe it.\n")
	b.WriteString("clients:\n  - group: learned\n")
	line(2, "count", fmt.Sprint(max(in.Clients, 1)), "")
	in.beatLines(line)
	switch {
	case in.Noticed > 0:
		line(2, "timeout", setting(in.Timeout), fmt.Sprintf("seen in %s", count(in.Noticed, "silence", "silences")))
		line(2, "misses", fmt.Sprint(in.Misses), "")
	case in.Stayed > 0:
		line(2, "misses", "0", fmt.Sprintf("%s of up to %s went unnoticed", count(in.Stayed, "silence", "silences"), report.FormatDuration(in.Longest)))
	default:
		line(2, "misses", "0", "unknown: no silence was seen; blackhole the clients for longer than their timeout")
	}
	if in.Opening > 0 {
		b.WriteString("    opening:\n")
		line(3, "timeout", setting(in.Opening), "how long attempts that hung were given")
	}
	if in.Frames {
		b.WriteString("    close:\n")
		line(3, "frame", "true", "")
	}
	in.reconnectLines(&b, line)
	return b.String()
}

func (in *Inference) beatLines(line func(int, string, string, string)) {
	line(2, "beat", "", "")
	if in.By == "nobody" {
		line(3, "by", "nobody", "nothing came at regular intervals")
		return
	}
	line(3, "by", in.By, "")
	frame, why := frameWord(in.Frame), ""
	if frame == "text" && !utf8.Valid(in.Payload) {
		frame, why = "binary", "a text frame, whose payload was not UTF-8"
	}
	line(3, "frame", frame, why)
	line(3, "interval", setting(max(in.Interval, time.Millisecond)), fmt.Sprintf("median of %s", count(int(in.Beats), "interval", "intervals")))
	switch {
	case in.Opaque:
		line(3, "payload", `""`, "unknown: it was compressed")
	case in.Frame == "ping" || in.Frame == "pong" || len(in.Payload) == 0:
	case in.By != "server":
		why := ""
		if in.Ref {
			why = "a number changes in it"
		}
		line(3, "payload", payload(in.Payload), why)
	}
	if in.After != "" {
		why := "it beats again while nobody answers"
		if in.After == "message" {
			why = "no second beat without an answer"
		}
		line(3, "after", in.After, why)
	}
}

func (in *Inference) reconnectLines(b *strings.Builder, line func(int, string, string, string)) {
	b.WriteString("    reconnect:\n")
	if len(in.Delays) == 0 {
		line(3, "kind", "never", "none was seen")
		return
	}
	var seen []string
	for _, d := range in.Delays {
		seen = append(seen, fmt.Sprintf("%s (%s to %s, n %d)", report.FormatDuration(d.P50), report.FormatDuration(d.P5), report.FormatDuration(d.P95), d.N))
	}
	base := func(d Delay) time.Duration {
		switch in.Jitter {
		case "none": // timers and queues only add to it
			return near(d.P5)
		case "full": // 95 % of U[0, d) are below 0.95 d
			return near(time.Duration(float64(d.P95) / 0.95))
		case "equal": // the center of d/2 + U[0, d/2) is 3d/4
			return near(d.middle() * 4 / 3)
		}
		return near(d.middle())
	}
	first := base(in.Delays[0])
	line(3, "kind", in.Kind, "first delays, medians: "+strings.Join(seen, ", "))
	switch in.Kind {
	case "list":
		var list []string
		for _, d := range in.Delays {
			list = append(list, setting(base(d)))
		}
		line(3, "delays", "["+strings.Join(list, ", ")+"]", "")
	case "exponential":
		line(3, "delay", setting(first), "")
		line(3, "factor", fmt.Sprint(in.Factor), "")
	default:
		line(3, "delay", setting(first), "")
	}
	if a := in.AfterSilence; a != nil && !alike(a.P50, in.Delays[0].P50) {
		why := fmt.Sprintf("%s (%s to %s, n %d)", report.FormatDuration(a.P50), report.FormatDuration(a.P5), report.FormatDuration(a.P95), a.N)
		if a.P50 < in.Delays[0].P50 {
			line(3, "after_timeout", setting(near(a.P50)), "after a silence: "+why)
		} else { // more than the policy's: it waited for something first
			b.WriteString("      # after a silence the first attempt came " + why + " later: with the wait for a close, see close.wait\n")
		}
	}
	if in.Jitter != "" && in.Jitter != "none" {
		line(3, "jitter", in.Jitter, "")
		if in.Jitter == "ratio" {
			line(3, "jitter_ratio", fmt.Sprint(min(in.Ratio, 0.99)), "")
		}
	}
}

func frameWord(s string) string {
	if s == "pong" { // an unsolicited pong is a beat of one side (RFC 6455, section 5.5.3); a profile calls it a ping
		return "ping"
	}
	return s
}

func setting(d time.Duration) string { return chaos.FormatDuration(d.Round(time.Microsecond)) }

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return report.FormatCount(int64(n)) + " " + many
}

// payload is a scalar of YAML that decodes to the bytes: JSON, which YAML reads, where they are text that a scenario file
// can hold, else hexadecimal.
func payload(b []byte) string {
	text := utf8.Valid(b)
	for _, r := range string(b) {
		text = text && (unicode.IsPrint(r) || r == '\n' || r == '\t')
	}
	if !text {
		return "{hex: " + hex.EncodeToString(b) + "}"
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(string(b)) // a string always encodes
	return strings.TrimSpace(out.String())
}
