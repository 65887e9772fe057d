//go:build heavy

package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/report"
)

// roundTrips merges the round trips of one group while its paths lost packets and were not silent yet.
func roundTrips(r *report.Result, group int) *report.Hist {
	var h report.Hist
	silence := r.Occurrences[len(r.Occurrences)-1].Began
	for _, s := range r.Segments {
		if s.From >= 5*time.Second && s.To <= silence {
			if rtt := s.Groups[group].RTT; rtt != nil {
				h.Merge(rtt)
			}
		}
	}
	return &h
}

// above is the share of samples of at least d.
func above(h *report.Hist, d time.Duration) float64 {
	lo, hi := int64(0), h.N() // the rank of the last sample below d
	for lo < hi {
		if mid := (lo + hi + 1) / 2; h.Rank(mid) < d {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return float64(h.N()-lo) / float64(max(h.N(), 1))
}

// distance is the two-sample Kolmogorov-Smirnov distance, taken at every 10 ms: what two stacks need for the round trip
// itself is below that.
func distance(a, b *report.Hist) (d float64) {
	for t := 10 * time.Millisecond; t < 10*time.Second; t += 10 * time.Millisecond {
		d = max(d, math.Abs(above(a, t)-above(b, t)))
	}
	return d
}

// TestRealLoss runs the loss sweep by both engines that lose packets, the kernel's in a network namespace of its own.
// They agree on the round trips, and both detect a real silence within the closed form. It logs the table of
// docs/packet-loss.md.
//
//	go test -tags heavy -count 1 -v -run TestRealLoss ./cmd/flatline
func TestRealLoss(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("the kernel engine needs root")
	}
	const file = "../../scenarios/loss-sweep.yaml"
	inside := []string{"unshare", "--net", "sh", "-c", `ip link set lo up && exec "$@"`, "sh"}
	var packet, kernel *report.Result
	t.Run("runs", func(t *testing.T) { // ends when both have
		for _, e := range []struct {
			name   string
			prefix []string
			into   **report.Result
		}{{"packet", nil, &packet}, {"kernel", inside, &kernel}} {
			t.Run(e.name, func(t *testing.T) {
				t.Parallel()
				r, out, code := command(t, "run", e.prefix, "-q", "--engine", e.name, file)
				if code != exitPass && code != exitInconclusive {
					t.Errorf("exit %d\n%s", code, out)
				}
				*e.into = r
			})
		}
	})
	if packet == nil || kernel == nil {
		t.FailNow() // they said why
	}
	var table strings.Builder
	fmt.Fprintf(&table, "| loss each way | engine | round trips of 200 ms or more | round trip p50 | p99 | p99.9 | false positives per client-hour | detection p99 |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for i, g := range packet.Plan.Groups {
		p, k := roundTrips(packet, i), roundTrips(kernel, i)
		for _, e := range []struct {
			name string
			r    *report.Result
			h    *report.Hist
		}{{"packet", packet, p}, {"kernel", kernel, k}} {
			mistakes := value(t, e.r, "false_positives == 0 in "+g.Name)
			hours := float64(g.Count) * (60 - 12) / 3600 // under loss and not silent
			detection := value(t, e.r, "detection.p99 < 1s in "+g.Name+" during silence")
			ms := func(q float64) float64 { return float64(e.h.Quantile(q)) / float64(time.Millisecond) }
			fmt.Fprintf(&table, "| %s %% | %s | %.2f %% | %.2f ms | %.0f ms | %.0f ms | %.2f | %.2f s |\n", strings.TrimPrefix(g.Name, "loss-"), e.name,
				100*above(e.h, 200*time.Millisecond), ms(0.5), ms(0.99), ms(0.999), mistakes/hours, detection)
			if detection > 8.6 {
				t.Errorf("%s, %s: a silence is noticed after %.2f s at p99, want 8 s and the time of a round trip", g.Name, e.name, detection)
			}
			if n := value(t, e.r, "detection.undetected == 0 in "+g.Name+" during silence"); n != 0 {
				t.Errorf("%s, %s: %v clients never noticed the silence", g.Name, e.name, n)
			}
		}
		if a, b := above(p, 200*time.Millisecond), above(k, 200*time.Millisecond); math.Abs(a-b) > 0.04 {
			t.Errorf("%s: %.3f of the round trips take 200 ms by packet and %.3f by kernel: more than 0.04 apart", g.Name, a, b)
		}
		if g.Name == "loss-5" {
			if d := distance(p, k); d > 0.06 {
				t.Errorf("%s: the distributions of round trips are %.3f apart (Kolmogorov-Smirnov), more than 0.06", g.Name, d)
			}
		}
	}
	t.Log("\n" + table.String())
}
