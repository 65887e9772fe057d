package scenario

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/chaos"
)

// Duration is a length of time as it stands in a scenario file: `3s`, `250ms`, `1m30s`. It always carries a unit.
type Duration time.Duration

// maxDuration bounds every duration of a scenario: a week.
const maxDuration = 7 * 24 * time.Hour

func (d Duration) String() string { return chaos.FormatDuration(time.Duration(d)) }

// unitError is a value that cannot be read, with a hint how to write it.
type unitError struct{ msg, hint string }

func (e *unitError) Error() string { return e.msg }

// Hint is the fix that an error of this package knows, or "".
func Hint(err error) string { return hintOf(err) }

func hintOf(err error) string {
	var e *unitError
	if errors.As(err, &e) {
		return e.hint
	}
	var x *ExpectError
	if errors.As(err, &x) {
		return x.Hint
	}
	return ""
}

var (
	bareNumber = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)$`)
	wordUnit   = regexp.MustCompile(`^(\d+\.?\d*|\.\d+)\s*([a-zA-Zµμ]+)$`)
	unitWords  = map[string]string{"sec": "s", "secs": "s", "second": "s", "seconds": "s", "s": "s", "min": "m", "mins": "m",
		"minute": "m", "minutes": "m", "m": "m", "msec": "ms", "millis": "ms", "millisecond": "ms", "milliseconds": "ms",
		"ms": "ms", "h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h", "usec": "us", "us": "us", "µs": "us"}
)

// parseDuration reads a duration between 0 and maxDuration.
func parseDuration(s string) (time.Duration, error) {
	if bareNumber.MatchString(s) {
		n := strings.TrimLeft(s, "+-")
		return 0, &unitError{s + " has no unit", fmt.Sprintf("write %ss for seconds or %sms for milliseconds", n, n)}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		hint := "a duration is a number with a unit: 250ms, 3s, 1m30s, 1h"
		if m := wordUnit.FindStringSubmatch(s); m != nil {
			if u, ok := unitWords[strings.ToLower(m[2])]; ok {
				hint = fmt.Sprintf("did you mean %q?", m[1]+u)
			} else if strings.ToLower(m[2]) == "d" || strings.HasPrefix(strings.ToLower(m[2]), "day") {
				hint = "days have no unit here: 1 day is 24h"
			}
		}
		return 0, &unitError{fmt.Sprintf("%q is not a duration", s), hint}
	}
	if d < 0 {
		return 0, &unitError{s + " is negative", ""}
	}
	if d > maxDuration {
		return 0, &unitError{s + " is too long", "at most " + chaos.FormatDuration(maxDuration) + ", a week"}
	}
	return d, nil
}

// parseNumber reads a finite decimal number of at least 0. It rejects the forms that only programmers write (0x1p-2,
// inf, 1_000).
func parseNumber(s string) (float64, error) {
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	if v < 0 {
		return 0, fmt.Errorf("%s is negative", s)
	}
	return v, nil
}

// formatNumber is the shortest decimal that parses back, without an exponent.
func formatNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// parseRate reads events per second: `1500/s`, `90/m`.
func parseRate(s string) (float64, error) {
	num, unit, ok := strings.Cut(s, "/")
	per := map[string]float64{"s": 1, "m": 60, "min": 60}[strings.TrimSpace(unit)]
	v, err := parseNumber(strings.TrimSpace(num))
	if !ok || per == 0 || err != nil {
		hint := "a rate is a number per second: 1500/s"
		if bareNumber.MatchString(s) {
			return 0, &unitError{s + " has no unit", fmt.Sprintf("write %s/s", s)}
		}
		return 0, &unitError{fmt.Sprintf("%q is not a rate", s), hint}
	}
	return v / per, nil
}

func formatRate(v float64) string { return formatNumber(v) + "/s" }

// sizeUnits in the order in which formatSize tries them.
var sizeUnits = []struct {
	name  string
	bytes float64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

var sizePattern = regexp.MustCompile(`^([0-9.]+)\s*([A-Za-z]+)$`)

// parseSize reads a number of bytes: `64KiB`, `20 kB`.
func parseSize(s string) (float64, error) {
	bad := func() (float64, error) {
		hint := "a size is a number with a unit: 512B, 64KiB, 20kB, 1.5MiB"
		if bareNumber.MatchString(s) {
			return 0, &unitError{s + " has no unit", fmt.Sprintf("write %sB for bytes or %sKiB", s, s)}
		}
		return 0, &unitError{fmt.Sprintf("%q is not a size", s), hint}
	}
	m := sizePattern.FindStringSubmatch(s)
	if m == nil {
		return bad()
	}
	v, err := parseNumber(m[1])
	if err != nil {
		return bad()
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(u.name, m[2]) {
			return v * u.bytes, nil
		}
	}
	return bad()
}

// formatSize takes the largest unit that gives a short number.
func formatSize(v float64) string {
	for _, u := range sizeUnits {
		if q := v / u.bytes; q >= 1 && q*u.bytes == v && len(formatNumber(q)) <= 5 {
			return formatNumber(q) + u.name
		}
	}
	return formatNumber(v) + "B"
}

// parseBandwidth reads bytes per second: `20 kB/s`, `1.5MiB/s`, and bits as networks are sold: `2Mbit/s`.
func parseBandwidth(s string) (float64, error) {
	size, ok := strings.CutSuffix(s, "/s")
	size = strings.TrimSpace(size)
	for _, u := range []struct {
		name string
		bits float64
	}{{"Gbit", 1e9}, {"Mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}} {
		if num, isBits := strings.CutSuffix(size, u.name); isBits {
			if v, err := parseNumber(strings.TrimSpace(num)); err == nil && ok {
				return v * u.bits / 8, nil
			}
		}
	}
	if v, err := parseSize(size); err == nil && ok {
		return v, nil
	}
	hint := "bandwidth is a size or bits per second: 20kB/s, 64KiB/s, 2Mbit/s"
	if _, err := parseSize(s); err == nil {
		hint = fmt.Sprintf("did you mean %q?", s+"/s")
	}
	return 0, &unitError{fmt.Sprintf("%q is not a bandwidth", s), hint}
}

// parseShare reads a share of one: `33%`, or a bare number from 0 to 1.
func parseShare(s string) (float64, error) {
	num, percent := strings.CutSuffix(s, "%")
	v, err := parseNumber(strings.TrimSpace(num))
	if err != nil {
		return 0, &unitError{fmt.Sprintf("%q is not a share", s), "a share is a percentage, such as 20%, or a number from 0 to 1"}
	}
	if percent {
		v /= 100
	}
	if v > 1 {
		hint := "at most 100%"
		if !percent {
			hint = fmt.Sprintf("write %s%% for a percentage; a bare number is a share of 1", num)
		}
		return 0, &unitError{s + " is more than the whole", hint}
	}
	return v, nil
}
