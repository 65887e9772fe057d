//go:build !race

// One goroutine that computes: the race detector would find nothing and take minutes.

package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flatline-dev/flatline/chaos"
)

// TestMarkdownIsShort: a fault that happens a thousand times leaves a report that still fits in a comment.
func TestMarkdownIsShort(t *testing.T) {
	var faults []chaos.Fault
	for i := range 1000 {
		faults = append(faults, chaos.Fault{Name: fmt.Sprintf("blackhole-%d", i), Kind: chaos.Blackhole, At: sec(10 + 2*float64(i)), For: sec(1)})
	}
	p := plan(sec(2020), faults, browsers(2))
	h := newHistory(t, p)
	h.open(1, 0, 1)
	for i := range faults {
		at := 10 + 2*float64(i)
		h.began(at, i)
		h.dead(at+0.5, 0, reset, at)
		h.ended(at+1, i)
		h.open(at+1.5, 0)
	}
	report := render(t, "markdown", h.end())
	if len(report) > 65536 {
		t.Errorf("%d bytes, and a comment takes 65,536", len(report))
	}
	if n := strings.Count(string(report), "950 more are not shown"); n != 2 {
		t.Errorf("%d tables say that they are cut", n)
	}
}
