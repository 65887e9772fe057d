package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the golden texts of testdata/script")

// scriptLimit bounds all scripts together: whatever hangs is interrupted and fails.
const scriptLimit = 2 * time.Minute

// TestScript runs testdata/script. Beside testscript's own commands there are
//
//	exits CODE[|CODE] COMMAND...   runs the command and compares its exit code
//	target KIND                    starts a server that misbehaves, see badTarget, and sets $TARGET to its host:port
//	fill FILE...                   replaces $TARGET in the files
//	files NAME...                  the directory holds these files and no other
func TestScript(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "flatline")); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Deadline:      time.Now().Add(scriptLimit),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
			env.Setenv(asCommand, "1")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "target": startBadTarget, "fill": fill, "files": files,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE[|CODE] COMMAND...")
	}
	var want []int
	for _, s := range strings.Split(args[0], "|") {
		n, err := strconv.Atoi(s)
		ts.Check(err)
		want = append(want, n)
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if !slices.Contains(want, code) {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

func fill(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := strings.ReplaceAll(ts.ReadFile(name), "$TARGET", ts.Getenv("TARGET"))
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o666))
	}
}

func files(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs("."))
	ts.Check(err)
	var have []string
	for _, e := range entries {
		if e.Name() != ".tmp" { // testscript's own
			have = append(have, e.Name())
		}
	}
	slices.Sort(args)
	if neg || !slices.Equal(have, args) {
		ts.Fatalf("files: have %q, want %q", have, args)
	}
}
