package main

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flatline-dev/flatline/scenario"
)

// explained is an error as the user sees it.
func explained(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	var h *hinted
	if errors.As(err, &h) {
		text += "\nhint: " + h.hint
	}
	return text
}

func TestPreflightShortages(t *testing.T) {
	need := scenario.Resources{Descriptors: 7128, PortsPerSource: 7000, Sources: 1, Memory: 300 << 20, Zombies: 2000}
	for _, tt := range []struct {
		name string
		have needs
		want string
	}{
		{"enough", needs{need, 7128, 7000, 300 << 20}, ""},
		{"nothing can be seen", needs{need, 0, 0, 0}, ""},
		{"descriptors", needs{need, 7127, 7000, 300 << 20}, `5000 clients need 7128 file descriptors and this process may have 7127
hint: raise the hard limit (ulimit -Hn 7128, or LimitNOFILE= / limits.conf), or lower count`},
		{"ports", needs{need, 7128, 6999, 300 << 20}, `7000 connections from one source address need as many local ports and there are 6999
hint: give the group more addresses (sources: [127.0.0.1, 127.0.0.2]), or widen net.ipv4.ip_local_port_range`},
		{"memory", needs{need, 7128, 7000, 200 << 20}, `5000 clients need about 300 MiB of memory and 200 MiB is available
hint: lower count, or free memory`},
		// One at a time: what is mended first is named first.
		{"everything", needs{need, 1, 1, 1 << 20}, `5000 clients need 7128 file descriptors and this process may have 1
hint: raise the hard limit (ulimit -Hn 7128, or LimitNOFILE= / limits.conf), or lower count`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, explained(tt.have.short(5000))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNeedsTable(t *testing.T) {
	n := needs{scenario.Resources{Descriptors: 7328, PortsPerSource: 7200, Memory: 100<<20 + 1}, 20000, 0, 2 << 30}
	want := `needs
  file descriptors             7328 of 20000
  ports a source address       7200
  memory                    101 MiB of 2048 MiB`
	if diff := cmp.Diff(want, n.String()); diff != "" {
		t.Error(diff)
	}
}

// An address that this machine does not have is found before the run and not by every client in it.
func TestPreflightSources(t *testing.T) {
	plan := planFor(t, "ws://127.0.0.1:1/")
	for _, tt := range []struct{ source, want string }{
		{"127.0.0.1", ""},
		{"192.0.2.1", "group clients cannot connect from 192.0.2.1: this machine does not have that address\n" +
			"hint: sources: addresses that ip addr lists; any of 127.0.0.0/8 for a loopback target on Linux"},
	} {
		plan.Groups[0].Sources = []string{tt.source}
		if diff := cmp.Diff(tt.want, explained(sourcesAreHere(plan))); diff != "" {
			t.Error(diff)
		}
	}
}
