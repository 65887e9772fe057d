package sim_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flatline-dev/flatline/internal/sim"
	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// TestScenarios loads, plans and simulates every scenario that ships, and holds it to its own expectations.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "scenarios", "*.yaml"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d scenarios (%v)", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := scenario.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			p, err := f.Plan()
			if err != nil {
				t.Fatal(err)
			}
			if src, err := os.ReadFile(path); err != nil || len(src) == 0 || src[0] != '#' || p.Intent == "" {
				t.Errorf("it does not open with a sentence of intent (%v)", err)
			}
			if s := p.Target.Serve; s != nil && s.Delivery != nil {
				if err := sim.Run(t.Context(), p, sim.Options{Sink: report.NewRecorder(p, report.Options{})}); err == nil || !strings.Contains(err.Error(), "clients[0].traffic") {
					t.Errorf("the simulator knows no server that delivers: %v", err)
				}
				return
			}
			res := result(t, p, sim.Model{Latency: 100 * time.Microsecond})
			if len(p.Expect) == 0 || len(res.Outcomes) != len(p.Expect) {
				t.Errorf("%d outcomes for %d expectations", len(res.Outcomes), len(p.Expect))
			}
			for _, o := range res.Outcomes {
				// What only a real target has, CPU and memory, cannot be simulated.
				if o.State != report.Pass && o.State != report.NotMeasured {
					t.Errorf("%s: %s, measured %v (%s)", o.Text, o.State, o.Measured.Value, o.Note)
				}
			}
		})
	}
}
