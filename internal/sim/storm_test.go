package sim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/flatline-dev/flatline/internal/sim"
)

// TestStorms draws attempts per second over virtual time, so that a storm is visible by eye. Read the diff after
// go test ./internal/sim -run Storms -rewrite.
func TestStorms(t *testing.T) {
	datadriven.Walk(t, "testdata/storms", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "storm" {
				t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
			}
			var from int
			d.ScanArgs(t, "from", &from)
			p := plan(t, d.Input)
			s := &storm{}
			if err := sim.Run(context.Background(), p, sim.Options{Sink: s, Model: sim.Model{Latency: time.Millisecond}}); err != nil {
				t.Fatal(err)
			}
			return s.plot(from, int(p.Duration/time.Second))
		})
	})
}

// plot draws a line a second: attempts as a bar, and how many of the clients are open at its end.
func (s *storm) plot(from, to int) string {
	const width = 60
	at := func(by []int, i int) int {
		if i < len(by) {
			return by[i]
		}
		return 0
	}
	peak := 1
	for i := from; i < to; i++ {
		peak = max(peak, at(s.attempts, i))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "second attempts failed   open  one # is %.0f attempts\n", max(float64(peak)/width, 1))
	open := 0
	for i := range to {
		open += at(s.opened, i) - at(s.dead, i)
		if i >= from {
			n := at(s.attempts, i)
			line := fmt.Sprintf("%6d %8d %6d %6d  %s", i, n, at(s.failed, i), open, strings.Repeat("#", (n*width+peak-1)/max(peak, width)))
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	return b.String()
}
