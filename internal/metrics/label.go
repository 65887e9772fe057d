package metrics

import (
	"strconv"

	"github.com/flatline-dev/flatline/report"
)

// label makes a text from elsewhere the value of a label: valid UTF-8 without control characters, and short.
func label(s string) string { return report.Clean(s, maxRunes) }

// name is the label of the i-th group or fault of a plan.
func name(i int, s string) string {
	if i >= maxNames {
		return other
	}
	return label(s)
}

func seed(n uint64) string { return strconv.FormatUint(n, 10) }
