package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/internal/capacity"
	"github.com/flatline-dev/flatline/scenario"
)

const huntText = `
name: hunted
target: {serve: {}}
clients:
  - {group: a, count: 60, ramp: 1s, profile: heartcheck}
  - {group: b, count: 40, ramp: 1s, profile: heartcheck}
chaos: [{at: 5s, fault: kill, how: rst, clients: 10%}]
duration: 15s
expect: [recovery.p99 < 5s, detection.count == 10]
`

// hunted is a search whose probes are made up.
type hunted struct {
	*hunt
	out, diag *bytes.Buffer
	asked     []int
}

// hunting begins a search in which probe answers; more flags change the defaults.
func hunting(t *testing.T, dir string, probe func(n, k int) (capacity.Verdict, error), change func(*capacityFlags)) (*hunted, error) {
	t.Helper()
	scene, err := scenario.Parse("hunted.yaml", []byte(huntText))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := scene.Plan()
	if err != nil {
		t.Fatal(err)
	}
	flags := &capacityFlags{precision: "2%", format: "text", file: filepath.Join(dir, "x.capacity.json"),
		settings: capacity.Settings{Min: 1, Max: 1000, Confirm: 1, Repeats: 2}}
	if change != nil {
		change(flags)
	}
	if err := flags.check(); err != nil {
		t.Fatal(err)
	}
	file, err := openSearch(flags.file, plan, flags)
	if err != nil {
		return nil, err
	}
	h := &hunted{out: &bytes.Buffer{}, diag: &bytes.Buffer{}}
	h.hunt = newHunt(&app{strings.NewReader(""), h.out, h.diag}, plan, scene, file, flags.file, flags)
	times := map[int]int{}
	h.probe = func(_ context.Context, plan *scenario.Plan, _ int) (*capacity.Probe, error) {
		n := plan.Clients
		h.asked = append(h.asked, n)
		v, err := probe(n, times[n])
		times[n]++
		if err != nil {
			return nil, err
		}
		p := &capacity.Probe{Clients: n, Verdict: v, Began: time.Now()}
		if v != capacity.Pass {
			p.Reasons = []string{"made up"}
		}
		return p, nil
	}
	return h, nil
}

// search carries the search to its exit code.
func (h *hunted) search(ctx context.Context, t *testing.T) int {
	t.Helper()
	if err := h.prepare(); err != nil {
		t.Fatal(err)
	}
	err := h.run(ctx)
	if context.Cause(ctx) == errInterrupted {
		h.file.Status = capacity.Interrupted
	}
	var exit *exitError
	if err := h.finish(ctx, err); errors.As(err, &exit) {
		return exit.code
	} else if err != nil {
		t.Fatal(err)
	}
	return 0
}

func holding(edge int) func(int, int) (capacity.Verdict, error) {
	return func(n, _ int) (capacity.Verdict, error) {
		if n <= edge {
			return capacity.Pass, nil
		}
		return capacity.Fail, nil
	}
}

func TestHunt(t *testing.T) {
	h, err := hunting(t, t.TempDir(), holding(300), nil)
	if err != nil {
		t.Fatal(err)
	}
	if code := h.search(context.Background(), t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if d := cmp.Diff([]int{100, 200, 400, 300, 350, 325, 312, 306, 300, 306}, h.asked); d != "" {
		t.Error(d)
	}
	for _, want := range []string{"FOUND  the target holds 300 clients and not 306", "left out, since they belong to 100 clients: detection.count == 10",
		"added to the scenario's expectations: clients.never_opened == 0; clients.open == 100", "at 306 clients: made up"} {
		if !strings.Contains(h.out.String(), want) {
			t.Errorf("the report does not say %q:\n%s", want, h.out)
		}
	}
	f, err := capacity.Read(h.path)
	if err != nil || f.Status != capacity.Complete || len(f.Probes) != 10 {
		t.Errorf("%+v, %v", f, err)
	}
}

// What a probe runs: the groups in their ratio, and nobody counts as held who was not let in.
func TestHuntScales(t *testing.T) {
	h, err := hunting(t, t.TempDir(), holding(300), nil)
	if err != nil {
		t.Fatal(err)
	}
	plan, _, err := h.sized(250)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range plan.Expect {
		lines = append(lines, e.String())
	}
	if d := cmp.Diff([]string{"recovery.p99 < 5s", "clients.never_opened == 0", "clients.open == 250 during baseline"}, lines); d != "" {
		t.Error(d)
	}
	if plan.Groups[0].Count != 150 || plan.Groups[1].Count != 100 {
		t.Errorf("groups of %d and %d", plan.Groups[0].Count, plan.Groups[1].Count)
	}
}

// A fault that has to hit somebody sets the smallest size: 10 % of four is nobody.
func TestHuntFloor(t *testing.T) {
	h, err := hunting(t, t.TempDir(), holding(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	if code := h.search(context.Background(), t); code != exitFail {
		t.Errorf("exit code %d", code)
	}
	if min := h.file.Settings.Min; min != 5 || h.asked[len(h.asked)-1] != 5 || !strings.Contains(h.out.String(), "NONE  the target does not even hold 5 clients") {
		t.Errorf("min %d, asked %v\n%s", min, h.asked, h.out)
	}
}

// An interrupted search continues from its file, and comes to the answer that it would have had.
func TestHuntResumes(t *testing.T) {
	dir := t.TempDir()
	whole, err := hunting(t, t.TempDir(), holding(300), nil)
	if err != nil {
		t.Fatal(err)
	}
	whole.search(context.Background(), t)
	var asked []int
	for part := 0; ; part++ {
		ctx, cancel := context.WithCancelCause(context.Background())
		k := 0
		h, err := hunting(t, dir, func(n, _ int) (capacity.Verdict, error) {
			if k++; k == 4 { // in the middle of the fourth
				cancel(errInterrupted)
			}
			return holding(300)(n, 0)
		}, func(c *capacityFlags) { c.resume = part > 0 })
		if err != nil {
			t.Fatal(err)
		}
		code := h.search(ctx, t)
		cancel(nil)
		if code == 0 {
			asked = append(asked, h.asked...)
			if part < 2 || h.file.Status != capacity.Complete {
				t.Errorf("ended in part %d: %+v", part, h.file.Status)
			}
			break
		}
		asked = append(asked, h.asked[:len(h.asked)-1]...)
		if code != exitInterrupted || !strings.Contains(h.out.String(), "INTERRUPTED  not finished") || part > 5 {
			t.Fatalf("part %d: exit code %d\n%s", part, code, h.out)
		}
	}
	if d := cmp.Diff(whole.asked, asked); d != "" {
		t.Error(d)
	}
}

func TestHuntRefusesToMix(t *testing.T) {
	dir := t.TempDir()
	once := errors.New("the target burnt down")
	h, err := hunting(t, dir, func(n, _ int) (capacity.Verdict, error) {
		if n > 100 {
			return "", once
		}
		return capacity.Pass, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if code := h.search(context.Background(), t); code != exitCannotRun || !strings.Contains(h.out.String(), "STOPPED  not finished: so far it held 100 clients") {
		t.Errorf("exit code %d\n%s", code, h.out)
	}
	wants := func(err error, text string) {
		t.Helper()
		if err == nil || !strings.Contains(explained(err), text) {
			t.Errorf("%v, want %q", err, text)
		}
	}
	_, err = hunting(t, dir, holding(1), nil)
	wants(err, "holds a search that has not ended, of 1 probe\nhint: --resume continues it, --fresh begins anew")
	_, err = hunting(t, t.TempDir(), holding(1), func(c *capacityFlags) { c.resume = true })
	wants(err, "no search to continue")
	path := filepath.Join(dir, "x.capacity.json")
	f, err := capacity.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	f.Host.CPUs += 2
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	_, err = hunting(t, dir, holding(1), func(c *capacityFlags) { c.resume = true })
	wants(err, "of memory, and this is another\nhint: probes of two machines cannot be mixed")
	f.Hash = strings.Repeat("0", 64)
	if err := f.Write(path); err != nil {
		t.Fatal(err)
	}
	_, err = hunting(t, dir, holding(1), func(c *capacityFlags) { c.resume = true })
	wants(err, "holds a search of another plan: hunted with plan 000000000000, and hunted.yaml is now plan ")
	if err := os.WriteFile(path, []byte("precious"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = hunting(t, dir, holding(1), nil)
	wants(err, "not a search of flatline capacity")
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file is now %q, %v", text, err)
	}
	if _, err = hunting(t, dir, holding(1), func(c *capacityFlags) { c.fresh = true }); err != nil {
		t.Error(err)
	}
}

// A machine that ends before the target does is named as what it is, with its fix.
func TestHuntCeiling(t *testing.T) {
	h, err := hunting(t, t.TempDir(), holding(1<<20), func(c *capacityFlags) { c.settings.Max = maxCapacity; c.settings.Start = 1000 })
	if err != nil {
		t.Fatal(err)
	}
	if err := h.prepare(); err != nil {
		t.Fatal(err)
	}
	c := h.file.Ceiling
	if c == nil { // a machine that drives a million clients
		if err := h.drives(maxCapacity); err != nil {
			t.Fatal(err)
		}
		return
	}
	if h.drives(c.Clients) != nil || h.drives(c.Clients+1) == nil || c.Fix == "" {
		t.Errorf("%+v is not the ceiling", c)
	}
	if err := h.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := h.finish(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if out := h.out.String(); !strings.Contains(out, "AT LEAST") || !strings.Contains(out, "this machine cannot drive more") || strings.Contains(out, "and not") {
		t.Error(out)
	}
	if n := h.asked[len(h.asked)-1]; n != c.Clients {
		t.Errorf("asked for %v, the ceiling is %d", h.asked, c.Clients)
	}
}

func TestHuntExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		probe func(int, int) (capacity.Verdict, error)
		need  int
		max   int
		want  int
	}{
		{"held", holding(300), 300, 1000, 0},
		{"not what is needed", holding(300), 301, 1000, exitFail},
		{"at least what is needed", holding(1000), 200, 200, 0},
		{"at least, and more was needed", holding(1000), 300, 200, exitInconclusive},
		{"never told", func(int, int) (capacity.Verdict, error) { return capacity.Inconclusive, nil }, 0, 1000, exitInconclusive},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := hunting(t, t.TempDir(), tt.probe, func(c *capacityFlags) { c.need, c.settings.Max = tt.need, tt.max })
			if err != nil {
				t.Fatal(err)
			}
			if code := h.search(context.Background(), t); code != tt.want {
				t.Errorf("exit code %d, want %d\n%s", code, tt.want, h.out)
			}
		})
	}
}

// A search that ended at --max goes on with a larger one, and keeps what it knows.
func TestHuntRaised(t *testing.T) {
	dir := t.TempDir()
	h, err := hunting(t, dir, holding(300), func(c *capacityFlags) { c.settings.Max = 200 })
	if err != nil {
		t.Fatal(err)
	}
	h.search(context.Background(), t)
	h, err = hunting(t, dir, holding(300), func(c *capacityFlags) { c.resume = true })
	if err != nil {
		t.Fatal(err)
	}
	if code := h.search(context.Background(), t); code != 0 || h.asked[0] != 400 || !strings.Contains(h.out.String(), "holds 300 clients") {
		t.Errorf("exit code %d, asked %v\n%s", code, h.asked, h.out)
	}
}

// The cool-down ends with the wait for what the probe before has left, and no later than it may.
func TestLullIsBounded(t *testing.T) {
	h, err := hunting(t, t.TempDir(), holding(1), func(c *capacityFlags) { c.settings.Settle = 700 * time.Millisecond })
	if err != nil {
		t.Fatal(err)
	}
	plan := planFor(t, "ws://127.0.0.1:1/") // nobody is there
	if note := h.calm.wait(context.Background(), h.hunt, plan); !strings.HasPrefix(note, "began although ") {
		t.Errorf("%q", note)
	}
	if !strings.Contains(h.diag.String(), "waiting: ") {
		t.Errorf("%q", h.diag)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if note := h.calm.wait(ctx, h.hunt, plan); note != "" {
		t.Errorf("%q after the end", note)
	}
}
