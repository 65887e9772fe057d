package report

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// LocalHost describes this machine as far as it can be told without privileges; what is unknown stays zero.
func LocalHost() Host {
	h := Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		h.Kernel = strings.TrimSpace(string(b))
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
				if kib, err := strconv.ParseUint(f[1], 10, 64); err == nil {
					h.Memory = kib * 1024
				}
			}
		}
	}
	return h
}
