package report

import (
	"strings"
	"time"
)

var (
	sparkUnicode = []rune("·▁▂▃▄▅▆▇█")
	sparkASCII   = []rune("_.,:-=+*#")
)

// Spark draws one character for each value, scaled to the largest. Zero has a sign of its own, and what is not zero
// never looks like it.
func Spark(values []int64, ascii bool) string {
	ramp := sparkUnicode
	if ascii {
		ramp = sparkASCII
	}
	top := int64(1)
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	for _, v := range values {
		i := 0
		if v > 0 {
			steps := int64(len(ramp) - 1)
			i = int((v*steps + top - 1) / top)
		}
		b.WriteRune(ramp[i])
	}
	return b.String()
}

// sparkSteps are the widths of one character of a picture over time, each a multiple of the next finer one's ticks.
var sparkSteps = []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second,
	2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute,
	30 * time.Minute, time.Hour}

// sparkStep is the finest step that shows length in at most cells characters.
func sparkStep(length time.Duration, cells int) time.Duration {
	for _, s := range sparkSteps {
		if length <= s*time.Duration(cells) {
			return s
		}
	}
	return sparkSteps[len(sparkSteps)-1]
}

// axis labels a picture of n characters of the given step, from 0, with a mark where something happened (never: no
// mark).
func axis(n int, step, mark time.Duration, markText string) string {
	line := []rune(strings.Repeat(" ", n+12))
	free := func(at, w int) bool {
		for i := max(at-1, 0); i < at+w+1; i++ {
			if i >= len(line) || line[i] != ' ' {
				return false
			}
		}
		return true
	}
	put := func(at int, s string) {
		if r := []rune(s); free(at, len(r)) {
			copy(line[at:], r)
		}
	}
	put(0, "0")
	if m := int(mark / step); mark >= 0 && m < n && m > 1 {
		put(m, "^ "+markText)
	}
	every := 10
	if n > 40 {
		every = 20
	}
	for i := every; i < n; i += every {
		put(i, shortDuration(step*time.Duration(i)))
	}
	return strings.TrimRight(string(line), " ")
}
