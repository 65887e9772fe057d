package heartbeat

import "time"

// Bounds returns the closed-form range of the detection latency of a silent, lossless path with round-trip time rtt:
// every death falls in (lo, hi]. ok is false when silence is never detected.
//
// With interval I, timeout T and m misses a path of round-trip time r that dies at a uniformly random moment of the
// client's cycle is noticed after a time uniform on
//
//	((m-1)I + T - r, mI + T]      where a received message arms the next beat (r < I if the client's own beat does, too),
//	((m-1)I + T - r, mI + T - r]  where the beat is a fixed tick: the reply does not move the tick that goes unanswered
//	                              (r modulo I instead of r where any message proves life),
//	((m-1)I + T, mI + T]          where the server beats, or both sides do.
//
// A client that counts silence S instead notices after a time uniform on
//
//	(S - I - r, S]                where a received message arms the next beat,
//	(S - I, S]                    where the beat is a fixed tick, or the server's,
//
// and, if it looks only at ticks C apart that keep no step with the beat, after up to C more: its latency is the sum of
// the above and of U(0, C], a trapezoid on (S - I, S + C].
//
// What Bounds returns holds for every round trip up to rtt, so it does not take r off the upper end. The jitter of each
// beat and of each check widens both ends. A client whose round trip reaches (m-1)I + T, or S - I, declares a healthy
// peer dead. An interval or timeout that a server tells replaces I and T; Bounds knows only those of the configuration.
func (c *Config) Bounds(rtt time.Duration) (lo, hi time.Duration, ok bool) {
	b := &c.Beat
	if b.By == Nobody || b.Interval <= 0 {
		return 0, 0, false
	}
	i, j := b.Interval, b.Jitter
	if c.Silence > 0 {
		age := i // of the last proof, when the path dies
		if b.By == Client {
			if age = scale(i, 1+j); b.After != AfterBeat {
				age = after(age, rtt)
			}
		}
		return max(c.Silence-age, 0), after(c.Silence, max(c.Check.To, 0)), true
	}
	m, timeout := c.Misses, max(c.Timeout, 0)
	if m <= 0 {
		return 0, 0, false
	}
	if b.By != Client {
		return after(times(i, m-1), timeout), after(times(i, m), timeout), true
	}
	if m > 1 && (b.After == AfterMessage || b.After == AfterReply) {
		return 0, 0, false // an unanswered beat is the last one, so the count never reaches m
	}
	lo = after(scale(times(i, m-1), 1-j), timeout) - rtt
	hi = after(scale(times(i, m), 1+j), timeout)
	return max(lo, 0), hi, true
}

// Quiet is the longest time for which a healthy, idle connection carries nothing at all. ok is false when nothing ends
// the quiet.
func (c *Config) Quiet() (d time.Duration, ok bool) {
	b := &c.Beat
	switch {
	case b.By == Nobody || b.Interval <= 0:
		return 0, false
	case b.By == Server:
		return b.Interval, true
	}
	return scale(b.Interval, 1+b.Jitter), true
}

// BeatsPerHour is how many beats an idle connection carries in an hour, from either side; replies are not counted.
func (c *Config) BeatsPerHour() float64 {
	b := &c.Beat
	if b.By == Nobody || b.Interval <= 0 {
		return 0
	}
	n := float64(time.Hour) / float64(b.Interval)
	if b.By == Both {
		n *= 2
	}
	return n
}
