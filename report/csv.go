package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

// WriteCSV writes the series of the run: a heading, then one record a second, in RFC 4180's form. Units stand in the
// names of the columns; what was not seen in a second is an empty cell. The percentiles of the round trip are within
// 6 %, since a second keeps a coarse histogram; all else is exact.
//
// The last column names the faults in force, and begins with an apostrophe where a spreadsheet would take it for a
// formula.
func WriteCSV(w io.Writer, r *Result) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	heading := []string{"t_s"}
	for s := heartbeat.Idle; s < heartbeat.NumStates; s++ {
		heading = append(heading, "clients_"+s.String())
	}
	heading = append(heading, "attempts", "retries", "failed", "opens", "deaths", "rtt_p50_us", "rtt_p99_us", "rtt_max_us", "lag_max_us", "messages_sent", "messages_received",
		"target_cpu_cores", "target_rss_bytes", "target_fds", "target_threads", "target_accept_queue", "target_accept_drops",
		"flatline_cpu_cores", "flatline_rss_bytes", "faults")
	_ = c.Write(heading) // an error stays with c
	target, own := bySecond(r.Target), bySecond(r.Harness)
	for i := range r.Series.Attempts {
		_ = c.Write(r.record(i, target[i], own[i]))
	}
	c.Flush()
	return c.Error()
}

// bySecond is the last sample of each second.
func bySecond(list []TargetUse) map[int]*TargetUse {
	use := map[int]*TargetUse{}
	for i := range list {
		use[int(list[i].At/time.Second)] = &list[i]
	}
	return use
}

// record is the i-th second of the run; target and own are nil where there is no sample.
func (r *Result) record(i int, target, own *TargetUse) []string {
	s := &r.Series
	whole := func(n int64) string { return strconv.FormatInt(n, 10) }
	rec := []string{strconv.Itoa(i)}
	for st := heartbeat.Idle; st < heartbeat.NumStates; st++ {
		n := int64(0)
		if column := s.States[st.String()]; i < len(column) {
			n = column[i]
		}
		rec = append(rec, whole(n))
	}
	rec = append(rec, whole(s.Attempts[i]), whole(s.Retries[i]), whole(s.Failed[i]), whole(s.Opens[i]), whole(s.Deaths[i]))
	if len(s.RTT[i]) > 0 {
		most := func(q float64) string { return whole(min(s.RTT[i].Quantile(q).Microseconds(), s.RTTMax[i])) } // a bucket's middle may lie above its largest value
		rec = append(rec, most(0.5), most(0.99), whole(s.RTTMax[i]))
	} else {
		rec = append(rec, "", "", "")
	}
	rec = append(rec, whole(s.LagMax[i]))
	if i < len(s.Sent) {
		rec = append(rec, whole(s.Sent[i]), whole(s.Received[i]))
	} else {
		rec = append(rec, "", "")
	}
	rec = append(rec, target.cpuAndRSS()...)
	rec = append(rec, target.held()...)
	rec = append(rec, own.cpuAndRSS()...)
	return append(rec, noFormula(strings.Join(r.inForce(i), "; ")))
}

// cpuAndRSS are two cells, empty for what was not seen. The first sample has no span, and so no CPU.
func (u *TargetUse) cpuAndRSS() []string {
	if u == nil {
		return []string{"", ""}
	}
	cpu := ""
	if u.Span > 0 {
		cpu = strconv.FormatFloat(float64(u.CPU)/float64(u.Span), 'f', 4, 64)
	}
	return []string{cpu, strconv.FormatUint(u.RSS, 10)}
}

// held are four cells: open files, threads, the fullest accept queue, and what was dropped in front of all of them.
func (u *TargetUse) held() []string {
	cells := []string{"", "", "", ""}
	if u == nil {
		return cells
	}
	for i, n := range []*int{u.FDs, u.Threads} {
		if n != nil {
			cells[i] = strconv.Itoa(*n)
		}
	}
	if len(u.Listeners) > 0 {
		queue, drops := 0, int64(0)
		for _, l := range u.Listeners {
			queue, drops = max(queue, l.Queue), drops+l.Drops
		}
		cells[2], cells[3] = strconv.Itoa(queue), strconv.FormatInt(drops, 10)
	}
	return cells
}

// inForce names the faults that were in force in some part of the i-th second.
func (r *Result) inForce(i int) (names []string) {
	from, to := time.Duration(i)*time.Second, time.Duration(i+1)*time.Second
	for k := range r.Occurrences {
		o := &r.Occurrences[k]
		end := o.Ended
		switch {
		case o.Began < 0:
			continue
		case o.Instant:
			end = o.Began
		case end < 0:
			end = r.Elapsed
		}
		if o.Began < to && end >= from {
			names = append(names, Clean(o.Name, 60))
		}
	}
	return names
}

// noFormula keeps a spreadsheet from computing a text: https://owasp.org/www-community/attacks/CSV_Injection. Control
// characters, which may begin a formula too, are escaped already.
func noFormula(s string) string {
	if strings.ContainsAny(s[:min(len(s), 1)], "=+-@") || strings.HasPrefix(s, "＝") || strings.HasPrefix(s, "＋") ||
		strings.HasPrefix(s, "－") || strings.HasPrefix(s, "＠") {
		return "'" + s
	}
	return s
}
