//go:build heavy

package main

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/flatline-dev/flatline/internal/capacity"
)

// TestRealCapacity: a server that is told to hold 300 clients is found to hold 300, within 2 %, and is blamed for what it
// does: turning the others away. A client costs it a descriptor.
func TestRealCapacity(t *testing.T) {
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	scenario := `
target: {serve: {max_clients: 300}}
clients: [{count: 100, ramp: 500ms, profile: heartcheck, beat: {interval: 500ms}, timeout: 2s, reconnect: {delay: 300ms}}]
chaos: [{at: 2s, fault: kill, how: rst}]
duration: 4s
expect: [recovery.lost == 0]
`
	if err := os.WriteFile(filepath.Join(dir, "s.yaml"), []byte(scenario), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "capacity", "-q", "--cooldown", "0s", "--format", "json", "s.yaml")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r capacity.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	t.Log(r.Headline)
	if math.Abs(float64(r.Holds)-300) > 6 || r.Fails <= 300 || r.AtLeast || !r.Sure {
		t.Errorf("%s, sure: %v", r.Headline, r.Sure)
	}
	if r.Knee == nil || len(r.Knee.New) == 0 || r.Knee.New[0] != capacity.Refusal {
		t.Errorf("the knee: %+v", r.Knee)
	}
	if l := r.Cost.FDs; l == nil || math.Abs(l.Each-1) > 0.1 || l.R2 < 0.99 {
		t.Errorf("descriptors: %+v", l)
	}
	if r.Storm == nil || r.Storm.Affected < 290 || r.Storm.Lost != 0 {
		t.Errorf("the largest storm: %+v", r.Storm)
	}
}
