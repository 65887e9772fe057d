package scenario

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/flatline-dev/flatline/internal/heartbeat"
)

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	w, err := os.Create(big)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Truncate(100 << 20); err != nil { // sparse: 100 MB that cost nothing
		t.Fatal(err)
	}
	w.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = Load(big)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("a file of 100 MB: %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("reading it took %d bytes", used)
	}
	if _, err := Load(filepath.Join(dir, "absent.yaml")); !os.IsNotExist(err) {
		t.Errorf("an absent file: %v", err)
	}
	if _, err := Parse("x", []byte{0x7f, 'E', 'L', 'F', 0, 1}); err == nil || !strings.Contains(err.Error(), "not a text file") {
		t.Errorf("a binary: %v", err)
	}
}

// An alias may repeat a value, and cannot multiply without end.
func TestAliases(t *testing.T) {
	p := planOf(t, "target: {serve: {}}\nclients:\n  - {group: a, count: 1, profile: heartcheck, reconnect: &r {jitter: full}}\n  - {group: b, count: 1, profile: heartcheck, reconnect: *r}\n")
	if p.Groups[1].Config.Reconnect.Jitter != heartbeat.Full {
		t.Error("the alias was not followed")
	}
	bomb := "target: {serve: {}}\nclients:\n  - &g {group: a, count: 1, profile: heartcheck, opening: {steps: &s [" + strings.Repeat("{send: x},", 5000) + "]}}\n" +
		strings.Repeat("  - *g\n", 1000)
	if _, err := Parse("x", []byte(bomb)); err == nil || !strings.Contains(err.Error(), "too many values") {
		t.Errorf("%d bytes that mean five million values: %.200v", len(bomb), err)
	}
	if _, err := Parse("x", []byte("target: &a {serve: *a}\n")); err == nil {
		t.Error("accepted an alias inside its own anchor")
	}
}
