package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// Detection is the closed form of a client's detection latency on a silent path, for a reader: see
// [heartbeat.Config.Bounds].
func Detection(cfg *heartbeat.Config) string {
	lo, hi, ok := cfg.Bounds(0)
	if !ok {
		return "never: " + whyBlind(cfg)
	}
	rtt := ""
	if cfg.Beat.By == heartbeat.Client && lo > 0 && (cfg.Silence == 0 || cfg.Beat.After != heartbeat.AfterBeat) {
		rtt = " - rtt"
	}
	if cfg.Beat.Jitter > 0 || cfg.Silence > 0 && cfg.Check.To > 0 {
		return fmt.Sprintf("within (%s%s, %s]", chaos.FormatDuration(lo), rtt, chaos.FormatDuration(hi))
	}
	mid := (lo + hi) / 2
	p99 := lo + time.Duration(0.99*float64(hi-lo))
	return fmt.Sprintf("uniform on (%s%s, %s]: p50 %s, p99 %s", chaos.FormatDuration(lo), rtt, chaos.FormatDuration(hi),
		chaos.FormatDuration(mid), chaos.FormatDuration(p99))
}

func describeBeat(cfg *heartbeat.Config) string {
	b := &cfg.Beat
	every := chaos.FormatDuration(b.Interval)
	when := map[heartbeat.After]string{heartbeat.AfterMessage: "after the last message", heartbeat.AfterEither: "after the last message or beat",
		heartbeat.AfterBeat: "on a fixed tick", heartbeat.AfterReply: "after the last reply"}[b.After]
	proof := map[heartbeat.Liveness]string{heartbeat.Any: "any message", heartbeat.Reply: "its reply"}[cfg.Liveness]
	var s string
	switch b.By {
	case heartbeat.Nobody:
		return "no heartbeat"
	case heartbeat.Server:
		s = fmt.Sprintf("server's %s beat every %s", frames[b.Frame], every)
	case heartbeat.Both:
		s = fmt.Sprintf("%s beats from both sides every %s, the client's %s", frames[b.Frame], every, when)
	default:
		s = fmt.Sprintf("%s beat %s %s", frames[b.Frame], every, when)
	}
	if b.By != heartbeat.Client {
		proof = map[heartbeat.Liveness]string{heartbeat.Any: "any message", heartbeat.Reply: "the server's beat"}[cfg.Liveness]
	}
	switch {
	case cfg.Silence > 0:
		s += fmt.Sprintf(", dead %s after %s", chaos.FormatDuration(cfg.Silence), proof)
		if cfg.Check.To > 0 {
			s += fmt.Sprintf(", looked for every %s", Span(cfg.Check))
		}
	case b.By != heartbeat.Client:
		s += fmt.Sprintf(", dead %s after %s", chaos.FormatDuration(cfg.Timeout), plural(cfg.Misses, "missed beat", "missed beats"))
	default:
		s += fmt.Sprintf(", dead %s after %s without %s", chaos.FormatDuration(cfg.Timeout), plural(cfg.Misses, "beat", "beats"), proof)
	}
	return s
}

func describeReconnect(r *heartbeat.Reconnect) string {
	var s string
	switch r.Kind {
	case heartbeat.Never:
		return "never"
	case heartbeat.Fixed:
		s = "after " + chaos.FormatDuration(r.Delay)
	case heartbeat.List:
		var all []string
		for _, d := range r.Delays {
			all = append(all, chaos.FormatDuration(d))
		}
		s = "after " + strings.Join(all, ", ")
	case heartbeat.Exponential:
		s = fmt.Sprintf("after %s x %s^n", chaos.FormatDuration(r.Delay), formatNumber(r.Factor))
	case heartbeat.Linear:
		s = fmt.Sprintf("after %s x n", chaos.FormatDuration(r.Delay))
	}
	if r.First != nil {
		s = fmt.Sprintf("first after %s, then %s", Span(*r.First), s)
	}
	if r.Cap > 0 {
		s += ", at most " + chaos.FormatDuration(r.Cap)
	}
	switch r.Jitter {
	case heartbeat.NoJitter:
	case heartbeat.Ratio:
		s += fmt.Sprintf(", +-%s%%", formatNumber(r.JitterRatio*100))
	case heartbeat.Backo2:
		s += fmt.Sprintf(", +-%s%% as backo2 does", formatNumber(r.JitterRatio*100))
	case heartbeat.Spread, heartbeat.Once:
		for _, band := range r.Spread {
			s += ", x " + formatBand(band)
		}
		if r.Jitter == heartbeat.Once {
			s += " drawn once"
		}
	default:
		s += ", " + jitters[r.Jitter] + " jitter"
	}
	if r.Plus.To > 0 {
		s += ", plus " + Span(r.Plus).String()
	}
	if r.Cap > 0 {
		s += map[heartbeat.CapOn]string{heartbeat.CapJittered: ", capped after the jitter", heartbeat.CapBoth: ", capped before and after the jitter"}[r.CapOn]
	}
	if r.AfterLoss != nil {
		s += fmt.Sprintf(", %s after the loss of an open connection", Span(*r.AfterLoss))
	}
	if r.AfterTimeout != nil {
		s += fmt.Sprintf(", %s after a silence", Span(*r.AfterTimeout))
	}
	if r.MaxAttempts > 0 {
		s += fmt.Sprintf(", gives up after %s", plural(r.MaxAttempts, "attempt", "attempts"))
	}
	if !r.Lock {
		s += ", without a lock against doubles"
	}
	return s
}
