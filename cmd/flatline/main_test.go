package main

import (
	"flag"
	"os"
	"sync"
	"testing"

	"github.com/flatline-dev/flatline/chaos/process"
)

// asCommand in the environment makes this test binary flatline. Not only the scripts' commands need it: flatline starts
// its own binary again, as the embedded server, and that must never run the tests.
const asCommand = "FLATLINE_AS_COMMAND"

func TestMain(m *testing.M) {
	if process.IsGuardian() {
		process.GuardianMain()
	}
	if os.Getenv(asCommand) != "" {
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	if target := os.Getenv(asRelay); target != "" {
		os.Exit(relay(os.Args[1], target))
	}
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked {
		_ = flag.Set("test.parallel", "8") // runs mostly wait
	}
	code := m.Run()
	for _, dir := range scratchDirs {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// scratchDirs are removed when the last test is over.
var (
	scratch     sync.Mutex
	scratchDirs []string
)

// scratchDir makes a directory for what several tests share.
func scratchDir(pattern string) (string, error) {
	dir, err := os.MkdirTemp("", pattern)
	scratch.Lock()
	defer scratch.Unlock()
	scratchDirs = append(scratchDirs, dir)
	return dir, err
}
