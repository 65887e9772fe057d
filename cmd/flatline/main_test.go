package main

import (
	"flag"
	"os"
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
	os.Exit(m.Run())
}
