package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// ciDoc is docs/ci.md taken apart: its files by name, and the commands that make the baseline.
func ciDoc(t *testing.T) (files map[string]string, baseline string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	for _, b := range regexp.MustCompile("(?s)```yaml\n# ([^\n]+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		files[b[1]] = b[2]
	}
	sh := regexp.MustCompile("(?s)```sh\n(.*?)```").FindStringSubmatch(string(text))
	if blocks := strings.Count(string(text), "```yaml"); len(files) != 4 || blocks != 4 || sh == nil {
		t.Fatalf("docs/ci.md has %d YAML blocks, %d with a name, want 4", blocks, len(files))
	}
	return files, sh[1]
}

// ciStep is one command of a job; always says that it runs after a failure as well.
type ciStep struct {
	run    string
	always bool
}

// ciJobs reads the jobs of both recipes.
func ciJobs(t *testing.T, files map[string]string) map[string][]ciStep {
	t.Helper()
	var github struct {
		Jobs map[string]struct {
			Steps []struct {
				Run  string `yaml:"run"`
				Uses string `yaml:"uses"`
				If   string `yaml:"if"`
			} `yaml:"steps"`
		} `yaml:"jobs"`
	}
	var gitlab map[string]struct {
		Script []string `yaml:"script"`
		After  []string `yaml:"after_script"`
	}
	for name, into := range map[string]any{".github/workflows/heartbeat.yml": &github, ".gitlab-ci.yml": &gitlab} {
		if err := yaml.Unmarshal([]byte(files[name]), into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	out := map[string][]ciStep{}
	for _, s := range github.Jobs["flatline"].Steps {
		if (s.Run == "") == (s.Uses == "") {
			t.Errorf("a step of GitHub's neither runs nor uses one thing: %+v", s)
		}
		if s.Run != "" {
			out["github"] = append(out["github"], ciStep{s.Run, s.If != ""})
		}
	}
	for _, s := range gitlab["heartbeat"].Script {
		out["gitlab"] = append(out["gitlab"], ciStep{s, false})
	}
	for _, s := range gitlab["heartbeat"].After {
		out["gitlab"] = append(out["gitlab"], ciStep{s, true})
	}
	return out
}

// TestCI carries out the recipes of docs/ci.md: their files, the baseline, and every command of both jobs, with a flatline
// that simulates what it is to run, and with commands that only write down how they were called in place of those that
// reach a network.
func TestCI(t *testing.T) {
	files, baseline := ciDoc(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, steps := range ciJobs(t, files) {
		for _, slower := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/slower=%v", name, slower), func(t *testing.T) {
				t.Parallel()
				dir, bin := t.TempDir(), t.TempDir()
				write := func(path, text string, mode os.FileMode) {
					t.Helper()
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, []byte(text), mode); err != nil {
						t.Fatal(err)
					}
				}
				write(filepath.Join(bin, "flatline"), fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = run ]; then shift; set -- sim --rtt \"$RTT\" \"$@\"; fi\nexec '%s' \"$@\"\n", self), 0o755)
				for _, c := range []string{"go", "gh", "curl"} {
					write(filepath.Join(bin, c), "#!/bin/sh\necho "+c+" \"$@\" >> calls.txt\n", 0o755)
				}
				for path, text := range files {
					write(filepath.Join(dir, path), text, 0o644)
				}
				sh := func(script, rtt string) error {
					cmd := exec.Command("sh", "-e", "-c", script)
					cmd.Dir = dir
					cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), asCommand+"=1", "RTT="+rtt,
						"GITHUB_STEP_SUMMARY=summary.md", "PR=17")
					out, err := cmd.CombinedOutput()
					if err != nil {
						t.Logf("%s\n%s", script, out)
					}
					return err
				}
				if err := sh(baseline, "2ms"); err != nil {
					t.Fatal(err)
				}
				rtt := "2ms"
				if slower {
					rtt = "3ms"
				}
				var failed error
				for _, s := range steps {
					if failed != nil && !s.always {
						continue
					}
					if err := sh(s.run, rtt); err != nil && failed == nil {
						failed = err
					}
				}
				comparison, err := os.ReadFile(filepath.Join(dir, "comparison.md"))
				if err != nil {
					t.Fatal(err)
				}
				want := "**PASS** 5 of 5 gates hold"
				if slower {
					want = "**FAIL** 4 of 5 gates hold"
				}
				if (failed != nil) != slower || !strings.Contains(string(comparison), want) {
					t.Errorf("the job ended with %v, the comparison is\n%s", failed, comparison)
				}
				calls, err := os.ReadFile(filepath.Join(dir, "calls.txt"))
				if err != nil || !strings.Contains(string(calls), "go install") || !strings.Contains(string(calls), "comparison.md") {
					t.Errorf("nothing was installed or posted: %v\n%s", err, calls)
				}
				for _, f := range []string{"new/1.html", "new/3.html", "new/1.xml", "new/2.result.json"} {
					if info, err := os.Stat(filepath.Join(dir, f)); err != nil || info.Size() == 0 {
						t.Errorf("%s is not there to keep: %v", f, err)
					}
				}
				if strings.Contains(string(comparison), "one run a side") {
					t.Error("the runs are not repetitions of each other")
				}
			})
		}
	}
}
