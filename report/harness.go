package report

import (
	"time"
)

// Ended implements Sink.
func (r *Recorder) Ended(now time.Duration) {
	r.lock(now)
	defer r.mu.Unlock()
	if r.over == never {
		r.over = now
	}
}

// Lag implements Sink.
func (r *Recorder) Lag(now, due time.Duration) {
	d := max(now-due, 0)
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	s := r.segments.at(now)
	if s.Lag == nil {
		s.Lag = &Hist{}
	}
	s.Lag.Record(d)
	sec := r.second(now)
	sec.lagMax = max(sec.lagMax, d)
}

// lagWithin is the largest harness lag seen in the seconds that [from, to] touches.
func (r *Recorder) lagWithin(from, to time.Duration) (lag time.Duration) {
	lo, hi := max(int(from/time.Second), 0), int(to/time.Second)
	for i := lo; i <= hi && i < len(r.seconds); i++ {
		lag = max(lag, r.seconds[i].lagMax)
	}
	return lag
}

// Target implements Sink.
func (r *Recorder) Target(now time.Duration, s TargetSample) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	r.target.add(now, s)
}

// Harness is Target for what flatline's own process uses.
func (r *Recorder) Harness(now time.Duration, s TargetSample) {
	if !r.take(now) {
		return
	}
	defer r.mu.Unlock()
	r.harness.add(now, s)
}

// Warn implements Sink. The same text again is counted; beyond 100 texts the rest share one line.
func (r *Recorder) Warn(now time.Duration, text string) {
	r.lock(now)
	defer r.mu.Unlock()
	r.warn(now, text)
}

func (r *Recorder) warn(now time.Duration, text string) {
	if len(r.warnings) >= 100 {
		text = "further warnings"
	}
	for i := range r.warnings {
		if r.warnings[i].Text == text {
			r.warnings[i].Count++
			return
		}
	}
	r.warnings = append(r.warnings, Warning{At: now, Text: text, Count: 1})
}
