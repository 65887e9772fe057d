package capacity

import (
	"math"
	"slices"
	"time"

	"github.com/flatline-dev/flatline/chaos"
	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/report"
)

// Storm is what one happening of a fault set off.
type Storm struct {
	Fault         string        `json:"fault"`
	Affected      int64         `json:"affected"` // clients that lost their connection to it
	Attempts      int64         `json:"attempts"`
	Peak          int64         `json:"peak_per_s"` // attempts in the worst window of 1 s
	Amplification float64       `json:"amplification"`
	Back99        report.Number `json:"back_p99_s"` // seconds until 99 % were open again, since recovery was possible; inf: never
	Lost          int64         `json:"lost"`       // never came back
	Began         time.Duration `json:"began"`
}

// Survived reports whether everybody came back.
func (s *Storm) Survived() bool { return s.Affected > 0 && s.Lost == 0 }

func storms(r *report.Result) (out []Storm) {
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if !o.Severs || o.Began < 0 {
			continue
		}
		s := Storm{Fault: o.Name, Began: o.Began}
		var back report.Hist
		var attempts report.Buckets
		for k := range o.Groups {
			g := &o.Groups[k]
			s.Affected += g.DetectedN()
			s.Lost += g.Lost
			s.Attempts += g.Attempts.Sum()
			attempts.Merge(g.Attempts)
			back.Merge(g.Recovery)
		}
		if s.Affected == 0 {
			continue
		}
		s.Peak = attempts.Peak(time.Second)
		s.Amplification = float64(s.Attempts) / float64(s.Affected)
		s.Back99 = share99(&back, s.Lost)
		out = append(out, s)
	}
	return out
}

// share99 is the time until 99 % of all were back, the lost included; infinite if that never happened.
func share99(back *report.Hist, lost int64) report.Number {
	k := int64(math.Ceil(0.99 * float64(back.N()+lost)))
	if k == 0 || k > back.N() {
		return report.Number(math.Inf(1))
	}
	return report.Number(back.Rank(k).Seconds())
}

// largest is the storm of most clients after which everybody was back, over all probes that passed.
func largest(probes []Probe) (best *Storm, clients int) {
	for i := range probes {
		p := &probes[i]
		if p.Verdict != Pass {
			continue
		}
		for k := range p.Storms {
			s := &p.Storms[k]
			if s.Survived() && (best == nil || s.Affected > best.Affected || s.Affected == best.Affected && s.Peak > best.Peak) {
				best, clients = s, p.Clients
			}
		}
	}
	return best, clients
}

// stormAt is the largest storm of the last passing probe with so many clients.
func (f *File) stormAt(clients int) *Storm {
	for i := len(f.Probes) - 1; i >= 0; i-- {
		if p := &f.Probes[i]; p.Clients == clients && p.Verdict == Pass {
			s, _ := largest(f.Probes[i : i+1])
			return s
		}
	}
	return nil
}

// Handshakes is how fast the target, and flatline with it, brought connections about.
type Handshakes struct {
	// Most is the highest rate seen, connections a second: the target can do at least that.
	Most float64 `json:"most_per_s"`
	// Saturated are the rates seen while attempts waited all the time: their middle is what the target can do.
	Saturated []float64 `json:"saturated_per_s,omitempty"`
}

func (h *Handshakes) add(perSecond float64, saturated bool) {
	h.Most = max(h.Most, perSecond)
	if saturated {
		h.Saturated = append(h.Saturated, perSecond)
	}
}

// handshakes looks for seconds in which the server was what attempts waited for. Clients that wait behind a silent path,
// or for their kernel's next SYN after it, or for a stopped server, wait for something else: only the ramp counts, and the
// time after faults that leave the path open, up to the next fault.
func handshakes(r *report.Result) (h Handshakes) {
	s := &r.Series
	waiting := s.States[heartbeat.Connecting.String()]
	for i, opens := range s.Opens {
		from := time.Duration(i) * time.Second
		// As many as half a second's work were waiting when the second began and when it ended.
		h.add(float64(opens), i > 0 && i < len(waiting) && opens > 0 && clear(r, from, from+time.Second) &&
			waiting[i-1] >= max(opens/2, 5) && waiting[i] >= max(opens/2, 5))
	}
	for i := range r.Occurrences {
		if o := &r.Occurrences[i]; o.Recoverable >= 0 && clear(r, o.Recoverable, o.Recoverable+1) {
			h.wave(o)
		}
	}
	return h
}

// wave looks at those who came back, from a tenth to nine tenths of them. Where n clients come at once to a server that
// opens m a second, the k-th waits k/m: these eight tenths take 0.8 n/m, and half of all wait longer than 0.5 n/m, which
// is 0.6 of that stretch. Where they come spread, they hardly wait.
func (h *Handshakes) wave(o *report.Occurrence) {
	const enough = 50 // clients
	var back, shake report.Hist
	for i := range o.Groups {
		back.Merge(o.Groups[i].Recovery)
		shake.Merge(o.Groups[i].Handshake)
	}
	n := back.N()
	stretch := back.Quantile(0.9) - back.Quantile(0.1)
	if n < enough || stretch <= 0 {
		return
	}
	h.add(0.8*float64(n)/stretch.Seconds(), shake.Quantile(0.5) >= 3*stretch/10)
}

// clear reports whether no fault but one of the server's own, and that is over, can make attempts wait in [from, to).
func clear(r *report.Result, from, to time.Duration) bool {
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Began < 0 || o.Began >= to {
			continue
		}
		switch o.Kind {
		case chaos.Kill, chaos.Drain, chaos.Stall:
			if !o.Instant && (o.Ended < 0 || o.Ended > from) || o.Recoverable > from {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// rate is the handshake rate that all probes speak for: the median of what was seen while attempts waited, or else at
// least the most that was seen at all. 0: nothing was.
func rate(probes []Probe) (perSecond float64, saturated int) {
	var all []float64
	var most float64
	for i := range probes {
		all = append(all, probes[i].Handshakes.Saturated...)
		most = max(most, probes[i].Handshakes.Most)
	}
	if len(all) == 0 {
		return most, 0
	}
	slices.Sort(all)
	return (all[len(all)/2] + all[(len(all)-1)/2]) / 2, len(all)
}
