package proxy

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/heartbeat"
	"github.com/flatline-dev/flatline/scenario"
)

// firstThree are the delays before the first three attempts after the loss of an open connection, of a policy that draws none.
func firstThree(r *heartbeat.Reconnect) (delays [delayStages]time.Duration) {
	failed := 0
	for stage := range delays {
		if stage == 0 && r.AfterLoss != nil {
			delays[stage] = r.AfterLoss.From
			continue
		}
		delays[stage] = r.Next(failed, 0, func() float64 { return 0 })
		failed++
	}
	return delays
}

// TestLearnGrowth: the policies of the catalogue that draw no delays, as twenty clients show them whose timers add up to 2 ms;
// printed, read back, and each delay within 5 % of the policy's.
func TestLearnGrowth(t *testing.T) {
	for _, name := range scenario.Profiles() {
		cfg, _, err := scenario.Profile(name)
		if err != nil {
			t.Fatal(err)
		}
		policy := &cfg.Reconnect
		if policy.Kind == heartbeat.Never || policy.Jitter != heartbeat.NoJitter || policy.Plus.To > 0 || policy.First != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			want := firstThree(policy)
			g := rand.New(rand.NewPCG(1, 2))
			r := newRecord(1)
			for stage, d := range want {
				for range 20 {
					r.delays[stage].Record(d + time.Duration(g.Float64()*float64(2*time.Millisecond)))
				}
			}
			in := r.infer()
			text := in.Profile()
			got := firstThree(&planOf(t, text).Groups[0].Config.Reconnect)
			for i, w := range want {
				if (got[i] - w).Abs() > max(w/20, 2*time.Millisecond) {
					t.Errorf("delay %d: %v, learned %v\n%s", i+1, w, got[i], text)
				}
			}
		})
	}
}
