package chaos

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// FormatDuration prints d without noise: below two minutes in one unit (65s, 1.5s, 250ms), above without zero parts
// (2m, 1h30m). [ParseDuration] reads it back exactly.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if d > -2*time.Minute && d < 2*time.Minute {
		if d%time.Second == 0 {
			return strconv.FormatInt(int64(d/time.Second), 10) + "s"
		}
		if d.Abs() >= time.Minute {
			frac := strings.TrimRight(fmt.Sprintf("%09d", d.Abs()%time.Second), "0")
			whole := strconv.FormatInt(int64(d.Abs()/time.Second), 10)
			if d < 0 {
				whole = "-" + whole
			}
			return whole + "." + frac + "s"
		}
		return s
	}
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// ParseDuration reads a duration with its unit: 10s, 250ms, 1h30m.
func ParseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil {
		return d, nil
	}
	if _, ferr := strconv.ParseFloat(s, 64); ferr == nil {
		return 0, fmt.Errorf("duration %q has no unit; hint: %ss", s, s)
	}
	return 0, fmt.Errorf("%q is not a duration; hint: 10s, 250ms, 1m30s", s)
}

// rateUnits from the largest down; a binary unit is tried before its decimal neighbour.
var rateUnits = []struct {
	name string
	size float64
}{
	{"GiB/s", 1 << 30}, {"GB/s", 1e9}, {"MiB/s", 1 << 20}, {"MB/s", 1e6}, {"KiB/s", 1 << 10}, {"kB/s", 1e3}, {"B/s", 1},
}

// FormatRate prints a throttle's rate in bytes per second with the largest unit that keeps it whole: 64KiB/s, 1500B/s.
func FormatRate(bytesPerSecond float64) string {
	for _, u := range rateUnits {
		if q := bytesPerSecond / u.size; q >= 1 && q == float64(int64(q)) && q*u.size == bytesPerSecond {
			return strconv.FormatInt(int64(q), 10) + u.name
		}
	}
	return strconv.FormatFloat(bytesPerSecond, 'f', -1, 64) + "B/s"
}

// ParseRate reads bytes per second: 64KiB/s, 1.5MB/s, 500B/s. KB is kB.
func ParseRate(s string) (float64, error) {
	norm := s
	if strings.HasSuffix(norm, "KB/s") {
		norm = strings.TrimSuffix(norm, "KB/s") + "kB/s"
	}
	for _, u := range rateUnits {
		num, ok := strings.CutSuffix(norm, u.name)
		if !ok {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(num), 64); err == nil {
			return v * u.size, nil
		}
		break
	}
	return 0, fmt.Errorf("%q is not a rate; hint: 64KiB/s, 1MB/s, 500B/s", s)
}

// FormatProbability prints p, which is in [0,1], as a percentage where that reads back to the same number.
func FormatProbability(p float64) string {
	s := strconv.FormatFloat(p*100, 'f', -1, 64)
	if v, err := strconv.ParseFloat(s, 64); err == nil && v/100 == p && len(s) <= 12 {
		return s + "%"
	}
	return strconv.FormatFloat(p, 'f', -1, 64)
}

// ParseProbability reads 5% or 0.05.
func ParseProbability(s string) (float64, error) {
	num, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(num, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a probability; hint: 5%% or 0.05", s)
	}
	if percent {
		v /= 100
	}
	return v, nil
}

// Words that a drain's notice may hold: for each client, how many milliseconds to wait before it comes back, and the number
// of a node that is not drained.
const (
	RetryWord = "{{.Retry}}"
	NodeWord  = "{{.Node}}"
)

// Goodbye is the notice for one client. draw is from [0, 1) and decides what it names; elsewhere are the nodes that are not
// drained.
func Goodbye(notice string, spread time.Duration, elsewhere []int, draw float64) string {
	if !strings.Contains(notice, "{{.") {
		return notice
	}
	notice = strings.ReplaceAll(notice, RetryWord, strconv.FormatInt(int64(draw*float64(spread.Milliseconds())), 10))
	if len(elsewhere) > 0 {
		// The digits behind those that decide the time.
		_, frac := math.Modf(draw * 1e4)
		notice = strings.ReplaceAll(notice, NodeWord, strconv.Itoa(elsewhere[int(frac*float64(len(elsewhere)))]))
	}
	return notice
}

// plainWord reports whether s can stand in a fault's line without quotes.
func plainWord(s string) bool {
	if s == "" || s == "all" || s == "of" {
		return false
	}
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '-' && r != '.' && r != '/') {
			return false
		}
	}
	return true
}

func quoteWord(s string) string {
	if plainWord(s) {
		return s
	}
	return strconv.Quote(s)
}

// word is one token of a fault's line.
type word struct {
	text   string
	quoted bool
}

// splitWords cuts a line at white space; a double-quoted Go string is one word.
func splitWords(s string) ([]word, error) {
	var out []word
	for {
		s = strings.TrimLeft(s, " \t\r\n")
		if s == "" {
			return out, nil
		}
		if s[0] == '"' {
			q, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, fmt.Errorf("a quote that does not end: %s", s)
			}
			text, err := strconv.Unquote(q)
			if err != nil {
				return nil, fmt.Errorf("bad quoted word %s", q)
			}
			if s = s[len(q):]; s != "" && !strings.ContainsRune(" \t\r\n", rune(s[0])) {
				return nil, fmt.Errorf("no space after %s", q)
			}
			out = append(out, word{text, true})
			continue
		}
		end := strings.IndexAny(s, " \t\r\n")
		if end < 0 {
			end = len(s)
		}
		out = append(out, word{s[:end], false})
		s = s[end:]
	}
}
