package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/flatline-dev/flatline/scenario"
)

// FormatValue writes a metric's value for people: three significant digits with a fitting unit.
func FormatValue(v float64, u scenario.Unit) string {
	switch {
	case math.IsInf(v, 1):
		if u == scenario.Seconds {
			return "never"
		}
		return "infinite"
	case u == scenario.Seconds:
		return FormatSeconds(v)
	case u == scenario.PerSecond:
		return grouped(v) + "/s"
	case u == scenario.Bytes:
		return formatBytes(v)
	case u == scenario.Ratio:
		return digits(v, 4)
	case u == scenario.Cores:
		return digits(v, 3) + " cores"
	}
	return grouped(v)
}

// FormatDuration writes a latency with three significant digits, two below a millisecond: 6.51 s, 0.21 ms, 2 m 05 s.
func FormatDuration(d time.Duration) string { return FormatSeconds(d.Seconds()) }

// shortDuration is FormatDuration without trailing zeros, for what was set rather than measured: 6 s.
func shortDuration(d time.Duration) string {
	v, unit, ok := strings.Cut(FormatDuration(d), " ")
	if !ok || strings.Contains(unit, " ") || !strings.Contains(v, ".") {
		return FormatDuration(d)
	}
	return strings.TrimRight(strings.TrimRight(v, "0"), ".") + " " + unit
}

// FormatSeconds is FormatDuration for seconds.
func FormatSeconds(s float64) string {
	switch a := math.Abs(s); {
	case a == 0:
		return "0 s"
	case a < 0.995e-4:
		return digits(s*1e6, 2) + " µs"
	case a < 0.995e-3:
		return digits(s*1e3, 2) + " ms"
	case a < 0.9995:
		return digits(s*1e3, 3) + " ms"
	case a < 119.95:
		return digits(s, 3) + " s"
	case a < 7199.5:
		t := int64(math.Round(s))
		return fmt.Sprintf("%d m %02d s", t/60, t%60)
	default:
		t := int64(math.Round(s / 60))
		return fmt.Sprintf("%d h %02d m", t/60, t%60)
	}
}

// digits writes v with n significant digits, without an exponent and with at most 9 decimals.
func digits(v float64, n int) string {
	if v == 0 {
		return "0"
	}
	// The exponent after rounding: 0.9996 with three digits is 1.00.
	_, e, _ := strings.Cut(strconv.FormatFloat(v, 'e', n-1, 64), "e")
	exp, _ := strconv.Atoi(e)
	return strconv.FormatFloat(v, 'f', min(max(n-1-exp, 0), 9), 64)
}

// grouped writes a count with thousands separated: 12,345.
func grouped(v float64) string {
	if v != math.Trunc(v) || math.Abs(v) >= 1e15 {
		return digits(v, 4)
	}
	s := strconv.FormatInt(int64(math.Abs(v)), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 {
		s = "-" + s
	}
	return s
}

func num(n int64) string { return grouped(float64(n)) }

func formatBytes(v float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for v >= 1023.5 && i < len(units)-1 {
		v /= 1024
		i++
	}
	if i == 0 {
		return digits(v, 3) + " B"
	}
	return digits(v, 3) + " " + units[i]
}

// Clean makes a text from elsewhere (names, server messages) safe for a terminal: what does not print is escaped, and it is
// cut to at most n runes.
func Clean(s string, n int) string {
	var b strings.Builder
	k := 0
	for i, c := range s {
		if k >= n {
			b.WriteString("…")
			break
		}
		if c == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				fmt.Fprintf(&b, `\x%02x`, s[i])
				k += 4
				continue
			}
		}
		if unicode.IsPrint(c) {
			b.WriteRune(c)
			k++
			continue
		}
		q := strconv.QuoteRuneToASCII(c)
		b.WriteString(q[1 : len(q)-1])
		k += len(q) - 2
	}
	return b.String()
}
