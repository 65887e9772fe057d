package compare

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flatline-dev/flatline/report"
)

// Input is one Result and what to call it.
type Input struct {
	Path   string
	Result *report.Result
}

// Run is one Result of a side.
type Run struct {
	Path    string           `json:"path"`
	Seed    uint64           `json:"seed"`
	Status  report.Status    `json:"status"`
	Verdict report.Judgement `json:"verdict"` // the run's own, over its expectations
}

// Side is what one side of a comparison was made of.
type Side struct {
	Runs    []Run    `json:"runs"`
	Drivers []string `json:"drivers"`
	Engines []string `json:"engines"`
	Tools   []string `json:"tools"`
	Hosts   []string `json:"hosts"`
	Targets []string `json:"targets"`
}

// DifferentPlans is the refusal to compare what did not run the same plan.
type DifferentPlans struct {
	Old, New    string // paths
	Differences []Difference
	Within      bool // both are of one side, whose runs must be of one plan whatever is allowed
}

func (e *DifferentPlans) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s and %s ran different plans", report.Clean(e.Old, 200), report.Clean(e.New, 200))
	if e.Within {
		b.WriteString(", and all runs of a side must be of one plan")
	}
	for i, d := range e.Differences {
		if i == 20 {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Differences)-i)
			break
		}
		b.WriteString("\n  " + d.String())
	}
	if len(e.Differences) == 0 {
		b.WriteString("; what differs is not in the files")
	}
	return b.String()
}

// side checks that runs may stand on one side, and gathers what the reader should know of it.
func side(in []Input) (Side, error) {
	var s Side
	if len(in) == 0 {
		return s, errors.New("a side of a comparison has no Result")
	}
	add := func(list *[]string, v string) {
		if !slices.Contains(*list, v) {
			*list = append(*list, v)
		}
	}
	for i, x := range in {
		r := x.Result
		for _, y := range in[:i] {
			apart, _, ok := differences(&y.Result.Plan, &r.Plan)
			if !ok || len(apart) > 0 {
				return s, &DifferentPlans{Old: y.Path, New: x.Path, Differences: apart, Within: true}
			}
			if err := replicate(y, x); err != nil {
				return s, err
			}
		}
		s.Runs = append(s.Runs, Run{x.Path, r.Plan.Seed, r.Status, r.Verdict.State})
		add(&s.Drivers, r.Driver)
		add(&s.Engines, r.Plan.Engine)
		add(&s.Tools, r.Tool)
		add(&s.Targets, r.Plan.Target)
		h := r.Host
		add(&s.Hosts, fmt.Sprintf("%s/%s, %d CPUs, %s, %d MiB", h.OS, h.Arch, h.CPUs, h.Kernel, h.Memory>>20))
	}
	return s, nil
}

// NotReplicates is the refusal to count one run as two.
type NotReplicates struct{ A, B, Why string }

func (e *NotReplicates) Error() string {
	return fmt.Sprintf("%s and %s are one run counted twice: %s", report.Clean(e.A, 200), report.Clean(e.B, 200), e.Why)
}

// replicate refuses runs that are no repetition of each other. Counted twice, one run would look as if nothing ever varied,
// and everything would be evidence.
func replicate(a, b Input) error {
	switch x, y := a.Result, b.Result; {
	case x.Driver == "sim" && y.Driver == "sim" && x.Plan.Seed == y.Plan.Seed:
		return &NotReplicates{a.Path, b.Path, fmt.Sprintf("a simulation with seed %d gives the same again", x.Plan.Seed)}
	case !x.Started.IsZero() && x.Started.Equal(y.Started):
		return &NotReplicates{a.Path, b.Path, "they began at the same instant"}
	}
	return nil
}

// notes says what else differs between the sides, or within one.
func notes(a, b *Side) (out []string) {
	list := func(s []string) string {
		c := make([]string, len(s))
		for i, v := range s {
			if c[i] = report.Clean(v, 80); v == "" {
				c[i] = "unknown"
			}
		}
		return strings.Join(c, " and ")
	}
	for _, x := range []struct {
		what     string
		old, new []string
		why      string
	}{
		{"driver", a.Drivers, b.Drivers, "a simulation has no CPU, no kernel and no network: only differences between like drivers mean anything"},
		{"engine", a.Engines, b.Engines, "the same fault is carried out at another layer"},
		{"tool", a.Tools, b.Tools, "flatline itself may measure otherwise"},
		{"host", a.Hosts, b.Hosts, "the machine alone may explain a difference"},
		{"target", a.Targets, b.Targets, ""},
	} {
		o, n := slices.Sorted(slices.Values(x.old)), slices.Sorted(slices.Values(x.new))
		if slices.Equal(o, n) && (len(o) == 1 || x.what == "target") {
			continue
		}
		if x.what == "target" && loopback(o) && loopback(n) {
			continue
		}
		s := fmt.Sprintf("%s: %s, and now %s", x.what, list(o), list(n))
		if x.why != "" {
			s += ": " + x.why
		}
		out = append(out, s)
	}
	return out
}

// loopback says that the targets are servers which flatline started itself: their ports differ from run to run and say
// nothing.
func loopback(urls []string) bool {
	for _, u := range urls {
		if u != "" && u != "sim" && !strings.Contains(u, "//127.0.0.1:") && !strings.Contains(u, "//[::1]:") {
			return false
		}
	}
	return true
}
