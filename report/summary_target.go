package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// TargetUse says in words what the target used; "" if its process was not visible.
func (s *Summary) TargetUse() string {
	cpu := s.Figure("target.cpu", Scope{})
	if !cpu.Exists {
		return ""
	}
	parts := []string{cpu.Text, s.Figure("target.rss", Scope{}).Text + " of memory"}
	var most []string
	for _, x := range [][2]string{{"target.fds", "open file"}, {"target.threads", "thread"}} {
		if f := s.Figure(x[0], Scope{}); f.Exists {
			most = append(most, things(f, x[1]))
		}
	}
	if len(most) > 0 {
		parts = append(parts, strings.Join(most, " and ")+" at most")
	}
	return strings.Join(parts, ", ")
}

// TargetDrops says in words what the kernel dropped in front of the target, and during which fault; nothing if it dropped
// nothing.
func (s *Summary) TargetDrops() []string {
	var lines []string
	if f := s.Figure("target.listener_drops", Scope{}); f.Value > 0 {
		lines = append(lines, f.Text+" dropped at its own listening sockets", s.r.fullest())
	}
	return append(lines, s.r.overflows()...)
}

// fullest names the accept queue that was fullest.
func (r *Result) fullest() string {
	var worst ListenerUse
	for i := range r.Target {
		for _, l := range r.Target[i].Listeners {
			if worst.Addr == "" || l.Queue > worst.Queue {
				worst = l
			}
		}
	}
	return fmt.Sprintf("accept queue %s of %s at most on %s", num(int64(worst.Queue)), num(int64(worst.Limit)), worst.Addr)
}

// shownFaults bounds the faults that overflows are split by.
const shownFaults = 4

// overflows says what the kernel dropped in the target's network namespace, and during which fault or its aftermath.
func (r *Result) overflows() []string {
	var sum NetnsUse
	by := map[string]int64{}
	for i := range r.Target {
		u := &r.Target[i]
		if u.Netns == nil || u.Netns.Drops == 0 && u.Netns.Overflows == 0 && u.Netns.Cookies == 0 {
			continue
		}
		sum.Overflows += u.Netns.Overflows
		sum.Drops += u.Netns.Drops
		sum.Cookies += u.Netns.Cookies
		if n := max(u.Netns.Drops, u.Netns.Overflows); n > 0 {
			by[r.blame(u)] += n
		}
	}
	var parts []string
	for _, x := range []struct {
		n    int64
		what string
	}{{sum.Overflows, "accept queues overflowed %s times"}, {sum.Drops, "%s connections dropped"}, {sum.Cookies, "%s SYN cookies sent"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf(x.what, num(x.n)))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	lines := []string{"in its network namespace " + strings.Join(parts, ", ")}
	names := make([]string, 0, len(by))
	for name := range by {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) })
	var faults []string
	rest := int64(0)
	for i, name := range names {
		if i < shownFaults {
			faults = append(faults, Clean(name, 40)+" "+num(by[name]))
		} else {
			rest += by[name]
		}
	}
	if rest > 0 {
		faults = append(faults, "others "+num(rest))
	}
	if len(faults) > 0 {
		lines = append(lines, "by fault: "+strings.Join(faults, ", "))
	}
	return lines
}

// blame names the fault in whose time, recoveries included, a sample was taken: of several the one that began last;
// "none" outside of all. The sample reaches back over its span.
func (r *Result) blame(u *TargetUse) string {
	name, began := "none", never
	for i := range r.Occurrences {
		o := &r.Occurrences[i]
		if o.Began < 0 || o.Began < began {
			continue
		}
		w := r.aftermath(&window{name: o.Name, spans: []span{r.faultSpan(o)}, occs: []*Occurrence{o}})
		if w.touches(u.At-u.Span, u.At) {
			name, began = o.Name, o.Began
		}
	}
	return name
}
