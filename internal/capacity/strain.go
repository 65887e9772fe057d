package capacity

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flatline-dev/flatline/report"
	"github.com/flatline-dev/flatline/scenario"
)

// Resource is something that can be used up.
type Resource string

const (
	Process     Resource = "process"      // the target's process ended
	Refusal     Resource = "refusal"      // the target turned clients away in words
	TargetCPU   Resource = "cpu"          // the target used all cores, or all of one
	SharedCPU   Resource = "shared cpu"   // target and flatline together used all cores
	Memory      Resource = "memory"       //
	Descriptors Resource = "descriptors"  // of the target's process
	AcceptQueue Resource = "accept queue" // the kernel dropped connections before the target's accept()
)

// Strain is a resource that was used up in a probe.
type Strain struct {
	Resource Resource      `json:"resource"`
	Since    time.Duration `json:"since"` // first seen this long after the run's start; -1: not known
	Text     string        `json:"text"`  // the evidence
}

// full is the share of a resource from which it counts as used up.
const full = 0.95

func (p *Probe) strain(r *report.Result) {
	add := func(what Resource, since time.Duration, format string, a ...any) {
		p.Strained = append(p.Strained, Strain{what, since, fmt.Sprintf(format, a...)})
	}
	if r.Status == report.TargetLost {
		add(Process, r.Elapsed, "the target's process ended: %s", r.Reason)
	}
	if n := refused(r); n > 0 {
		said := ""
		for _, w := range r.Warnings {
			if text, ok := strings.CutPrefix(w.Text, "rejected, first seen as: "); ok {
				said = ": " + text
			}
		}
		add(Refusal, firstRefused(r), "the target turned %s away%s", attempts(n), said)
	}
	p.strainCPU(r, add)
	m := &p.Machine
	if fds, ok := p.figure("target.fds"); ok && m.TargetFiles > 0 && fds >= full*float64(m.TargetFiles) {
		add(Descriptors, -1, "the target had %s of the %s files open that its process may have", count(int64(fds)), count(int64(m.TargetFiles)))
	}
	if m.Memory > 0 && m.MemoryLeast > 0 && float64(m.MemoryLeast) < (1-full)*float64(m.Memory) {
		add(Memory, -1, "%s of %s of memory were left", size(float64(m.MemoryLeast)), size(float64(m.Memory)))
	}
	if n, ok := p.figure("target.listener_drops"); ok && n > 0 {
		queue, _ := p.figure("target.accept_queue")
		add(AcceptQueue, firstDrop(r), "the kernel dropped %s connections before the target's accept(), where %s waited at most", count(int64(n)), count(int64(queue)))
	}
	slices.SortStableFunc(p.Strained, func(a, b Strain) int {
		switch {
		case a.Since == b.Since, a.Since < 0 && b.Since < 0:
			return 0
		case b.Since < 0 || a.Since >= 0 && a.Since < b.Since:
			return -1
		}
		return 1
	})
}

// strainCPU looks at seconds in which the target used a whole number of cores: all of the machine, or the one that a
// server of one thread has. Where all cores were busy and the target had only a part of them, the rest was flatline's and
// whoever else's: then the limit is that of sharing a machine.
func (p *Probe) strainCPU(r *report.Result, add func(Resource, time.Duration, string, ...any)) {
	all, one := time.Duration(-1), 0
	var since time.Duration
	for i := range r.Target {
		u := &r.Target[i]
		if u.Span < 500*time.Millisecond {
			continue
		}
		cores := u.CPU.Seconds() / u.Span.Seconds()
		if p.Machine.Cores > 0 && cores >= full*float64(p.Machine.Cores) && all < 0 {
			all = u.At
		}
		if cores >= full && cores <= 2-full {
			if one++; one == 1 {
				since = u.At
			}
		}
	}
	mine, _ := p.figure("harness.cpu")
	switch cores := float64(p.Machine.Cores); {
	case all >= 0:
		add(TargetCPU, all, "the target used %s of %d cores in a second", report.FormatValue(p.CPUPeak, scenario.Cores), p.Machine.Cores)
	case one >= 3 && p.CPUPeak <= 2-full:
		add(TargetCPU, since, "the target used one core and never more for %d s, as a server of one thread does", one)
	case cores > 0 && p.Machine.Busy >= full*cores && len(r.Target) > 0:
		add(SharedCPU, -1, "all %d cores of this machine were busy: %s at most by the target, %s on average by flatline, the rest by others",
			p.Machine.Cores, report.FormatValue(p.CPUPeak, scenario.Cores), report.FormatValue(mine, scenario.Cores))
	}
}

// firstRefused is the first second with a failed attempt; which of them were refused is not kept by the second.
func firstRefused(r *report.Result) time.Duration {
	for i, n := range r.Series.Failed {
		if n > 0 {
			return time.Duration(i) * time.Second
		}
	}
	return -1
}

// firstDrop is when a listening socket of the target was first seen to have dropped something.
func firstDrop(r *report.Result) time.Duration {
	for i := range r.Target {
		for k := range r.Target[i].Listeners {
			if r.Target[i].Listeners[k].Drops > 0 {
				return r.Target[i].At
			}
		}
	}
	return -1
}

func count(n int64) string { return report.FormatValue(float64(n), scenario.Count) }

func size(n float64) string { return report.FormatValue(n, scenario.Bytes) }
